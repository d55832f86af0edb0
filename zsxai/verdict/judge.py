"""From presence and location to a verdict, and to sentences with their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from zsxai.level import QUIET_DB
from zsxai.scoring import VERSIONS, Scores
from zsxai.verdict.controls import LOCATED, ROLLED, Control
from zsxai.verdict.presence import DOUBT, Presence, logistic
from zsxai.verdict.verdict import Level, Verdict

MADE_UP = 0.1
"""A prompt that is not heard, and gains as much of a cosine once only the mask is kept, is made up by the mask."""
GAP = 0.1
"""An explanation whose cosine as sound is so much under that of its mask inside the model is not what was scored."""
EMPTY = "the mask is empty: the explainer found nothing that raises the score"
"""Said by the verdict, and in warnings."""
ALL_OVER = 0.95, 0.6
"""A mask that keeps so much of the energy, on so much of the map, keeps nearly everything."""


class Location(NamedTuple):
    """What a mask changes, and what a control in its place would.

    Attributes:
        control: What the control is, in words.
        kept: Cosine of the prompt with only the mask kept.
        removed: With the mask removed.
        kept_control: With only the control kept.
        removed_control: With the control removed.
        bar: The strength from which on the mask counts as better than the control.
    """

    control: str
    kept: float
    removed: float
    kept_control: float
    removed_control: float
    bar: float = LOCATED

    @property
    def is_clear(self) -> bool:
        """Whether the mask is that much better."""
        return self.strength > self.bar

    @property
    def strength(self) -> float:
        """How much more the mask keeps and takes away than the control, the sum of both, in cosines."""
        return (self.kept - self.kept_control) + (self.removed_control - self.removed)


def find_location(scores: Scores, window: int, controls: Sequence[Control] = ()) -> Location:
    """The mask against the control that is the hardest to beat, in one window.

    Args:
        scores: With the versions under the rolled mask, and under other controls.
        window: Which window: the one that hears the prompt best.
        controls: The further controls, in their order.
    """
    _, kept, removed, _, *others = scores.cosines[window].tolist()
    found = [
        Location(control.name, kept, removed, others[2 * i], others[2 * i + 1], control.bar)
        for i, control in enumerate((ROLLED, *controls))
    ]
    return min(found, key=lambda one: one.strength - one.bar)


def judge(
    presence: Presence,
    scores: Scores,
    location: Location | None,
    *,
    mask_mean: float,
    nothing: str = "",
) -> Verdict:
    """The verdict on an explanation.

    Args:
        presence: How the model hears the prompt.
        scores: The explanation's.
        location: What its mask changes; None where there is no mask to judge.
        mask_mean: Mean of the mask.
        nothing: Why nothing can be said, where that is so before all figures.
    """
    heard = presence.windows[presence.best]
    figures = {
        "similarity": heard.similarity,
        "absence": presence.level,
        "presence": float(logistic(np.array(presence.evidence))),
        "strongest_other": heard.strongest.cosine,
    }
    if location is not None:
        figures |= {
            "location": location.strength,
            "kept": location.kept,
            "kept_control": location.kept_control,
            "removed": location.removed,
            "removed_control": location.removed_control,
        }
    if math.isfinite(scores.under):
        figures["under_db"] = scores.under
    figures = {name: round(float(value), 6) for name, value in figures.items()}
    level, reasons = _decide(presence, scores, location, mask_mean, nothing)
    return Verdict(level=level, reasons=tuple(reasons), figures=figures)


def _decide(
    presence: Presence, scores: Scores, location: Location | None, mask_mean: float, nothing: str
) -> tuple[Level, list[str]]:
    heard = presence.evidence > 0
    if nothing:
        return "cannot say", [nothing]
    if presence.reference is not None and not presence.reference.is_useful:
        auc = presence.reference.figures.auc
        return "cannot say", [
            f"this model does not tell sounds that are there from others (area under the ROC curve {auc:.2f} on "
            f"{presence.reference.data})"
        ]
    in_words = _say_presence(presence, scores)
    if presence.reference is None and abs(presence.evidence) < DOUBT:
        return "cannot say", [f"without reference figures of this model the evidence decides nothing: {in_words}"]
    if not heard:
        return "not heard by this model", [in_words, *_say_made_up(scores), *_say_unknown(presence)]
    if not presence.is_known:
        return "cannot say", [*_say_unknown(presence), in_words]
    if location is None:
        return "heard, weakly located", [in_words, EMPTY]
    faults = list(_say_faults(scores, presence.best, mask_mean))
    where = _say_location(location)
    if not location.is_clear or faults:
        return "heard, weakly located", [in_words, where, *faults]
    return "heard and located", [in_words, where]


def _say_presence(presence: Presence, scores: Scores) -> str:
    heard = presence.windows[presence.best]
    where = ""
    if len(presence.windows) > 1:
        window = scores.windows[presence.best]
        where = f" at {window.start:.1f}-{window.stop:.1f} s, the window that hears it best,"
    side = "above" if presence.evidence > 0 else "under"
    sentence = f"cosine {heard.similarity:z.2f}{where} is {side} {presence.level:z.2f}, the level of what is heard"
    if presence.evidence <= 0 and heard.strongest.cosine > heard.similarity:
        sentence += f"; the recording is nearer to “{heard.strongest.word}” ({heard.strongest.cosine:z.2f})"
    if presence.reference is None:
        sentence += " by a bank of everyday sounds alone: zsxai reference makes figures of this model"
    return sentence


def _say_made_up(scores: Scores) -> Iterator[str]:
    rise = scores.cosines[:, VERSIONS.index("kept")] - scores.cosines[:, VERSIONS.index("whole")]
    window = int(rise.argmax())
    if rise[window] >= MADE_UP:
        whole, kept = (scores.cosines[window, VERSIONS.index(name)] for name in ("whole", "kept"))
        at = f" at {scores.windows[window].start:.1f}-{scores.windows[window].stop:.1f} s" if len(rise) > 1 else ""
        yield f"the mask makes it up: kept alone it raises the cosine{at} from {whole:z.2f} to {kept:z.2f}"


def _say_unknown(presence: Presence) -> Iterator[str]:
    if presence.nearest is not None and not presence.is_known:
        name, cosine = presence.nearest
        yield f"this model was trained on other sounds; the nearest is “{name}” (text cosine {cosine:z.2f})"


def _say_location(location: Location) -> str:
    words = "hardly more than"
    if location.is_clear:
        words = "much more than" if location.strength >= LOCATED else "more than"
    return (
        f"the mask changes the score {words} {location.control}: kept {location.kept:z.2f} against "
        f"{location.kept_control:z.2f}, removed {location.removed:z.2f} against {location.removed_control:z.2f}"
    )


def _say_faults(scores: Scores, window: int, mask_mean: float) -> Iterator[str]:
    energy, mean = ALL_OVER
    if scores.kept_energy >= energy and mask_mean >= mean:
        yield f"the mask keeps nearly everything: {scores.kept_energy:.0%} of the energy, {mask_mean:.0%} of the map"
    if scores.under >= QUIET_DB:
        yield f"the explanation is too quiet to hear: {scores.under:.0f} dB under the recording"
    kept, heard = (scores.cosines[window, VERSIONS.index(name)] for name in ("kept", "heard"))
    if kept - heard >= GAP:
        yield f"what you hear is not what was scored: cosine {heard:z.2f} as sound, {kept:z.2f} inside the model"
