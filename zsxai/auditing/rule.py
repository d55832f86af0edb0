"""When an audit names a cue: the one place where that is said.

A cue of the model is a part of the sound (:data:`zsxai.auditing.cue.PARTS_OF_SOUND`). It is named in a class where all
of this holds, over its recordings:

* share: the part holds :data:`SHARE` of the evidence or more;
* own: that is :data:`TIMES` what the part holds of the recordings' power, of their level, and of their seconds and
  hertz, whichever is most: where the sound itself lies, evidence belongs;
* others: and :data:`TIMES` what it holds of other classes' evidence;
* prevalence: in :data:`PREVALENT` of the recordings it holds half of that share at least, and more than its own;
* drive: without the part the score falls, by more than other classes' scores fall without it (permutation test over
  recordings, corrected by Holm over classes and parts, :data:`LEVEL`).

A cue of the data is what recordings share, whatever the model makes of it: a steady narrow sound, or a short one at
the same moment, :data:`STANDS_DB` above its neighbourhood, in :data:`SHARED` of the recordings of a class and in
:data:`RARE` of those of any other at most (hypergeometric test, corrected by Holm over classes and places). Whether the
score rests on it is measured likewise, and said.
"""

from __future__ import annotations

from math import comb

SHARE = 0.2
TIMES = 2.0
PREVALENT = 0.7
LEVEL = 0.05
STANDS_DB = 6.0
SHARED = {"tone": 0.7, "click": 0.5}
"""Less of a click: what is loud from the start hides it in some recordings, and no class of ESC-50 (folds 1-3) has one
at the same moment in more than 38 % of its clips; a narrow tone 64 % of the sirens have."""
RARE = 0.3
LEAST = 5
"""Recordings of a class, fewer than which say nothing."""


def unmet_of_model(share: float, own: float, others: float, prevalent: float, recordings: int) -> tuple[str, ...]:
    """The conditions on a cue of the model that fail, but for its drive; shares from 0 to 1."""
    conditions = {
        "share": share >= SHARE,
        "own": share >= TIMES * own,
        "others": share >= TIMES * others,
        "prevalence": prevalent >= PREVALENT,
        "recordings": recordings >= LEAST,
    }
    return tuple(name for name, met in conditions.items() if not met)


def unmet_of_data(kind: str, shared: float, others: float, p: float, recordings: int) -> tuple[str, ...]:
    """The conditions on a cue of the data that fail.

    Args:
        kind: ``tone`` or ``click``.
        shared: Part of the recordings that have it.
        others: The most that another class has.
        p: Corrected.
        recordings: Recordings of the class.
    """
    conditions = {
        "prevalence": shared >= SHARED[kind],
        "others": others <= RARE,
        "chance": p <= LEVEL,
        "recordings": recordings >= LEAST,
    }
    return tuple(name for name, met in conditions.items() if not met)


def drives(fall: float, elsewhere: float, p: float) -> bool:
    """Whether the score rests on what was removed: it falls, more than elsewhere, and not by chance."""
    return fall > max(elsewhere, 0.0) and p <= LEVEL


def chance(hits: int, drawn: int, all_hits: int, total: int) -> float:
    """Probability of so many hits or more among those drawn from a whole (hypergeometric)."""
    most = min(drawn, all_hits)
    ways = sum(comb(all_hits, n) * comb(total - all_hits, drawn - n) for n in range(hits, most + 1))
    return ways / comb(total, drawn)
