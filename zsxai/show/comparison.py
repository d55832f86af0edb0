"""A comparison as one page: a picture and a player for every cell, where maps agree, what they cost, how they move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zsxai.regions import say_regions
from zsxai.show.page import UNITS, dimmed, score_axis
from zsxai.show.parts import (
    SECONDS,
    Axis,
    Bar,
    Excerpt,
    Picture,
    Player,
    excerpt,
    make_card,
    make_picture,
    make_player,
    strip_peak,
)
from zsxai.show.raster import paint, raster, rgb_png
from zsxai.show.sounds import best_window, kept_note
from zsxai.show.templates import read, render_page
from zsxai.written import data_uri, per_cent, signed

if TYPE_CHECKING:
    from zsxai.comparison.comparison import Cell, Comparison, Wordings
    from zsxai.explanation import Explanation

FULL = 24
"""Cells that have a picture and a player; those behind them have the small picture of the overview alone."""
PLAYED = 240.0
"""Seconds of sound that all players together hold: with many cells each holds less."""
LARGE, SMALL = 320, 100
"""Columns of the pictures of cells and of the overview."""
_STEPS = 5
"""Shades of the matrix of correlations, from 0 to 1 (``agree-1`` to ``agree-5`` in the style)."""


@dataclass(frozen=True)
class Shown:
    """A cell on the page.

    Attributes:
        cell: The cell.
        small: Its picture in the overview as a data URI; empty where it failed.
        alt: The picture in words.
        picture: Its picture; None where it failed, and where the page holds enough.
        player: What its mask keeps; None likewise.
        bars: Its scores.
        axis: Their axis.
        note: What is worth saying of the player.
        agrees: How far it agrees with the first cell of its prompt.
        href: Address of its own page, if it lies beside.
    """

    cell: Cell
    small: str = ""
    alt: str = ""
    picture: Picture | None = None
    player: Player | None = None
    bars: Sequence[Bar] = ()
    axis: Axis | None = None
    note: str = ""
    agrees: str = ""
    href: str = ""


@dataclass(frozen=True)
class Asked:
    """A prompt on the page.

    Attributes:
        prompt: The prompt.
        cells: Its cells, in order.
        apart: Where its maps differ most.
        agreement: Head and rows of the matrix of correlations; None where there is nothing to compare.
        moved: How far it moves with wording; None where it was not asked for.
        wordings: Scores of the prompt and of its wordings.
        axis: Their axis.
    """

    prompt: str
    cells: Sequence[Shown]
    apart: str
    agreement: dict[str, object] | None
    moved: Wordings | None
    wordings: Sequence[Bar]
    axis: Axis | None


def page_html(comparison: Comparison, *, beside: bool = False) -> str:
    """The page.

    Its size is bounded: the first 24 cells have a picture and a player, the players hold at most 30 s each and 240 s
    together; all cells have a small picture in the overview.

    Args:
        comparison: What to show.
        beside: The page lies in the folder of the comparison: link to the folders of its cells.
    """
    c = comparison
    made = [cell.explanation for cell in c.cells if cell.explanation is not None]
    parts = _excerpts(made)
    first = made[0]
    part = parts[first.sample_rate]
    shown = [_show(c, cell, number, parts, beside=beside) for number, cell in enumerate(c.cells, 1)]
    heard = "What the model heard: mono, at its own rate."
    return render_page(
        "comparison.html",
        f"Explanations of {c.audio_name} side by side",
        style=read("comparison.css"),
        script=read("comparison.js"),
        c=c,
        facts=_facts(c),
        unit=f"{first.unit} ({UNITS[first.unit]})" if first.unit in UNITS else first.unit,
        recording=make_card(
            "Recording", heard, first.original, part, peak=strip_peak(first.original, first.sample_rate)
        ),
        players=_players_note(c, part, len(made)),
        absence=any(one.axis and one.axis.absence is not None for one in shown),
        asked=[_ask(c, prompt, shown) for prompt in c.prompts],
        band=first.grid.band,
        cost=_cost(c),
        several=len(c.models) > 1,
        controls=[row.cell.explainer for row in shown if row.cell.control and row.cell.prompt == c.prompts[0]],
        best=[[row.label, signed(row.similarity), f"{row.score:.3f}"] for row in c.best],
    )


def _ask(c: Comparison, prompt: str, shown: Sequence[Shown]) -> Asked:
    cells = [one for one in shown if one.cell.prompt == prompt]
    moved = next((w for w in c.wordings if w.prompt == prompt), None)
    return Asked(
        prompt=prompt,
        cells=cells,
        apart=_apart(c, prompt),
        agreement=_agreement(c, prompt),
        moved=moved,
        wordings=_wording_bars(moved) if moved else [],
        axis=next((one.axis for one in cells if one.axis), None),
    )


def _facts(c: Comparison) -> list[tuple[str, str]]:
    models = "model" if len(c.models) == 1 else f"{len(c.models)} models:"
    prompts = "1 prompt" if len(c.prompts) == 1 else f"{len(c.prompts)} prompts"
    return [
        (f"{c.seconds:.2f} s", ""),
        (f"{prompts} x {len(c.explainers)} explainers", ""),
        (models, ", ".join(c.models)),
    ]


def _excerpts(made: Sequence[Explanation]) -> dict[int, Excerpt]:
    """What players hold, by sample rate: the same seconds, and the same factor, so that levels compare."""
    seconds = min(SECONDS, PLAYED / min(FULL + 1, len(made) + 1))
    middle = best_window(made[0])
    by_rate: dict[int, list[Explanation]] = {}
    for e in made:
        by_rate.setdefault(e.sample_rate, []).append(e)
    parts = {
        rate: excerpt([some[0].original, *(e.audio for e in some[:FULL])], rate, middle, seconds)
        for rate, some in by_rate.items()
    }
    factor = min(part.factor for part in parts.values())
    return {rate: replace(part, factor=factor) for rate, part in parts.items()}


def _players_note(c: Comparison, part: Excerpt, made: int) -> str:
    start, stop = part.seconds
    said = []
    if stop - start < c.seconds - 0.01:
        said.append(f"The players hold {start:.1f}-{stop:.1f} s of {c.seconds:.1f} s.")
    if part.factor != 1.0:
        said.append(f"A peak lies beyond full scale, so all are played at {part.factor:.3f} of their level.")
    if made > FULL:
        said.append(f"The first {FULL} of {made} explanations have players; the overview shows all.")
    return " ".join(said)


def _show(c: Comparison, cell: Cell, number: int, parts: dict[int, Excerpt], *, beside: bool) -> Shown:
    e = cell.explanation
    if e is None:
        return Shown(cell)
    part = parts[e.sample_rate]
    pixels, pale = raster(e, SMALL), bool(dimmed(e))
    shown = Shown(
        cell=cell,
        small=data_uri("image/png", rgb_png(paint(pixels.level(), pixels.worn(dimmed=pale)))),
        alt=f"What {cell.label} keeps for “{cell.prompt}”: {say_regions(e.regions())}.",
        bars=_bars(e),
        axis=replace(score_axis(e), marks=()),
        note=kept_note(e),
        agrees=_agrees(c, cell),
        href=f"{c.folder(number)}/index.html" if beside else "",
    )
    if number > FULL:
        return shown
    picture = make_picture(raster(e, LARGE), shown.alt, part=part, dimmed=pale)
    label = f"{cell.label}: what it keeps for “{cell.prompt}”"
    return replace(shown, picture=picture, player=make_player(e.audio, part, label, e.original))


def _bars(e: Explanation) -> list[Bar]:
    rows = (("Recording", e.score, "whole"), ("Kept", e.score_in, "kept"), ("Removed", e.score_out, "left"))
    return [Bar(name, "", value, signed(value), kind) for name, value, kind in rows]


def _agrees(c: Comparison, cell: Cell) -> str:
    first = c.first(cell.prompt)
    pair = c.agreement(first, cell) if first else None
    if first is None or pair is None:
        return "The others are compared with it"
    order = "no order to compare" if pair.correlation is None else f"rank correlation {signed(pair.correlation)}"
    shared = "" if pair.overlap is None else f", overlap {per_cent(pair.overlap)}"
    return f"With {first.label}: {order}{shared}"


def _agreement(c: Comparison, prompt: str) -> dict[str, object] | None:
    """The matrix of rank correlations, each with its overlap and where the two differ."""
    cells = [cell for cell in c.of(prompt) if not cell.error]
    if len(cells) < 2:
        return None
    rows = [[one.label, *(_pair(c, one, other) for other in cells)] for one in cells]
    return {"head": ["", *(cell.label for cell in cells)], "rows": rows}


def _pair(c: Comparison, one: Cell, other: Cell) -> dict[str, str]:
    pair = c.agreement(one, other)
    if pair is None:
        return {"text": "", "class": "self"}
    where = (
        f"most unlike {pair.difference.describe(pair.first, pair.second)}" if pair.difference else "they keep the same"
    )
    shared = "neither keeps anything" if pair.overlap is None else f"overlap {per_cent(pair.overlap)}"
    if pair.correlation is None:
        return {"text": "\N{EN DASH}", "title": f"one map is flat; {shared}; {where}"}
    step = round(max(pair.correlation, 0.0) * _STEPS)
    return {"text": signed(pair.correlation), "class": f"agree-{step}", "title": f"{shared}; {where}"}


def _apart(c: Comparison, prompt: str) -> str:
    pair = c.most_apart(prompt)
    if pair is None or pair.difference is None:
        return ""
    return f"What they keep differs most {pair.difference.describe(pair.first, pair.second)}."


def _wording_bars(moved: Wordings) -> list[Bar]:
    """The prompt's own score, then those of its wordings."""
    said = f"the prompt{_say(moved.verdict)}"
    found = [Bar(moved.prompt, said, moved.score, signed(moved.score), "whole")]
    for w in moved.items:
        alike = "its map is flat" if w.correlation is None else f"map correlates {signed(w.correlation)}"
        found.append(Bar(w.text, f"{alike}{_say(w.verdict)}", w.score, signed(w.score), "left"))
    return found


def _say(level: str | None) -> str:
    return f"; {level}" if level else ""


def _cost(c: Comparison) -> list[list[str]]:
    rows = []
    for cell in c.of(c.prompts[0]):
        spent = ["failed", ""] if cell.cost is None else [f"{cell.cost.seconds:.2f} s", f"{cell.cost.clips:,}"]
        rows.append([cell.label, *spent])
    return rows
