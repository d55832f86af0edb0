"""The sounds of explanations on a page: what its players hold, or the files beside it that they play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.level import QUIET_DB, under_db
from zsxai.saved import ORIGINAL, SOUNDS, Sounds
from zsxai.show.minutes import Levels, is_long, make_levels, strip_of
from zsxai.show.parts import SECONDS, Card, Excerpt, excerpt, make_card, make_player, strip_peak
from zsxai.show.raster import Raster, raster
from zsxai.written import signed

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.explanation import Explanation

PLAYED = 150.0
"""Seconds of sound that all players of a page hold together: of many sounds each holds less."""
LEAST, ALONE = 15.0, 8.0
"""Seconds of sound of a player of a long recording at most, whose page holds several pictures; and of one whose file
lies beside the page: what it plays where the page was sent alone."""
SAID_DB = 15.0
"""How far what is kept is under the recording is said from here on."""


@dataclass(frozen=True)
class Heard:
    """The sounds of an explanation on a page.

    Attributes:
        recording: The player of the recording.
        cards: Those of what the mask keeps and of what it leaves.
        part: What they hold.
        note: What they leave out or change.
        overview: The picture of the whole of a long recording; None of a short one.
    """

    recording: Card
    cards: tuple[Card, Card]
    part: Excerpt
    note: str
    overview: Raster | None = None


def hear(explanations: Sequence[Explanation], *, beside: Sounds | None) -> list[Heard]:
    """Players of explanations of one recording, which hold the same seconds at the same level.

    Args:
        explanations: The explanations.
        beside: As what the sounds were written, where the page lies in their folder: where players cannot hold all,
            they play the files there, and a part where these are missing.
    """
    first = explanations[0]
    seconds = min(SECONDS, PLAYED / (1 + 2 * len(explanations)))
    files = _files(beside)
    filed = all(files.values()) and first.seconds > seconds
    if is_long(first):
        return _hear_long(explanations, ALONE if filed else min(seconds, LEAST), files)
    seconds = ALONE if filed else seconds
    sounds = [first.original, *(w for e in explanations for w in (e.audio, e.residue))]
    part = excerpt(sounds, first.sample_rate, best_window(first), seconds)
    peak = strip_peak(first.original, first.sample_rate)
    found = []
    for e in explanations:
        level = Levels(*(under_db(sound, e.original, e.sample_rate) for sound in (e.audio, e.residue)))

        def card(name: str, sound: NDArray[Any], e: Explanation = e, level: Levels = level) -> Card:
            title, note, figure = _say(e, name, level.kept, alone=len(explanations) == 1)
            return make_card(
                title,
                note,
                sound,
                part,
                peak=peak,
                kept=name == "explanation",
                figure=figure,
                href=files[name],
                recording=None if name == "original" else e.original,
            )

        cards = (card("original", e.original), card("explanation", e.audio), card("residue", e.residue))
        found.append(_join(e, cards, part, level, filed=filed))
    return found


def _hear_long(explanations: Sequence[Explanation], seconds: float, files: Mapping[str, str]) -> list[Heard]:
    """As :func:`hear`, a part of the recording at a time."""
    first = explanations[0]
    start = float(np.clip(best_window(first) - seconds / 2, 0.0, first.seconds - seconds))
    parts = [e.stretch(start, start + seconds) for e in explanations]
    pieces = [
        (np.array(e.original[part.samples]), e.sound_of(part), e.sound_of(part, residue=True))
        for e, part in zip(explanations, parts, strict=True)
    ]
    loudest = max(float(np.abs(sound).max()) for of_one in pieces for sound in of_one)
    whole = Excerpt(0, len(pieces[0][0]), first.sample_rate, 1.0 if loudest <= 1.0 else 1.0 / loudest)
    at = parts[0].samples.start
    found = []
    for e, sounds in zip(explanations, pieces, strict=True):
        overview, level = raster(e), make_levels(e)
        names = ("original", "explanation", "residue")
        drawn = ("recording", "kept", "left")
        cards = []
        for name, strip, sound, under in zip(names, drawn, sounds, (0.0, *level), strict=True):
            title, note, figure = _say(e, name, level.kept, alone=len(explanations) == 1)
            player = make_player(sound, whole, title, at=at / e.sample_rate)
            peak = float(np.abs(sound).max()) * whole.factor
            match = min(_factor(under), 1.0 / peak) if peak > 0.0 else 1.0
            picture = strip_of(overview, strip, f"Spectrogram of {title}")
            cards.append(Card(title, note, picture, replace(player, match=match), figure, files[name]))
        part = replace(whole, start=at, stop=at + whole.stop)
        found.append(
            _join(e, (cards[0], cards[1], cards[2]), part, level, filed=all(files.values()), overview=overview)
        )
    return found


def _join(
    e: Explanation,
    cards: tuple[Card, Card, Card],
    part: Excerpt,
    level: Levels,
    *,
    filed: bool,
    overview: Raster | None = None,
) -> Heard:
    if not filed:
        return Heard(cards[0], (cards[1], cards[2]), part, players_note(e, part), overview)
    # A file beside the page can be turned down, and no further up than it is.
    factors = [_factor(under) for under in (0.0, *level)]
    playing = tuple(
        replace(card, player=replace(card.player, file=card.href, whole=e.seconds, match=factor / max(factors)))
        for card, factor in zip(cards, factors, strict=True)
    )
    note = "The players play the files beside this page: keep them together."
    everything = Excerpt(0, len(e.original), e.sample_rate, 1.0)
    return Heard(playing[0], (playing[1], playing[2]), everything, note, overview)


def _files(beside: Sounds | None) -> dict[str, str]:
    """The files beside a page by what they hold; empty where there is none."""
    if beside is None:
        return dict.fromkeys(("original", "explanation", "residue"), "")
    parts = SOUNDS[beside] or ("", "")
    return dict(zip(("original", "explanation", "residue"), (ORIGINAL, *parts), strict=True))


def _factor(under: float) -> float:
    """What makes a sound that is so far under the recording as loud, decibels; silence stays what it is."""
    return float(10.0 ** (under / 20.0)) if np.isfinite(under) else 1.0


def _say(e: Explanation, name: str, under: float, *, alone: bool) -> tuple[str, str, str]:
    """Title, note and figure of a player."""
    if name == "explanation":
        return "Explanation", kept_note(e, under), f"score {signed(e.score_heard)}"
    if name == "residue":
        return "Residue", "What the mask leaves.", ""
    figure = f"score {signed(e.score)}" if alone else ""
    return "Recording", "What the model heard: mono, at its own rate.", figure


def best_window(explanation: Explanation) -> float:
    """Middle of the window that scores highest, seconds."""
    best = max(explanation.windows, key=lambda w: w.score, default=None)
    return explanation.seconds / 2 if best is None else (best.start + best.stop) / 2


def players_note(
    explanation: Explanation | ConceptExplanation, part: Excerpt, around: str = "the window that scores highest"
) -> str:
    """What the players leave out or change, or nothing."""
    said = []
    start, stop = part.seconds
    if stop - start < explanation.seconds - 0.01:
        said.append(
            f"The players hold {start:.1f}-{stop:.1f} s of {explanation.seconds:.1f} s, around {around}: a page holds "
            f"at most {min(SECONDS, stop - start):.0f} s. The WAV files are whole."
        )
    if part.factor != 1.0:
        said.append(
            f"A peak lies beyond full scale, so all are played at {part.factor:.3f} of their level. "
            "The WAV files are as they are."
        )
    return " ".join(said)


def kept_note(explanation: Explanation, under: float | None = None) -> str:
    """What the explanation's player plays, and how quiet it is where one might think it broken.

    Args:
        explanation: The explanation.
        under: How far its sound is under the recording, decibels, where that is known.
    """
    e = explanation
    if not e.mask_mean:
        return "The mask keeps nothing."
    under = under_db(e.audio, e.original, e.sample_rate) if under is None else under
    if under > QUIET_DB:
        how = f"{under:.0f} dB under the recording" if np.isfinite(under) else "silence"
        return f"What the mask keeps: {how}, too quiet to hear."
    return f"What the mask keeps: {under:.0f} dB under the recording." if under > SAID_DB else "What the mask keeps."
