"""A comparison as one page: a picture and a player for every cell, where maps agree, what they cost, how they move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zsxai.comparison.comparison import Cell, Comparison, Wordings, cell_folder
from zsxai.show.html import per_cent, signed
from zsxai.show.page import UNITS, best_window, kept_note, say_regions
from zsxai.show.parts import (
    SECONDS,
    Axis,
    Bar,
    Card,
    Excerpt,
    Picture,
    Player,
    excerpt,
    make_card,
    make_picture,
    make_player,
    strip_peak,
)
from zsxai.show.raster import raster
from zsxai.show.templates import read, render_page
from zsxai.verdict.verdict import LEVELS

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

FULL = 24
"""Cells that have a large picture and a player; what comes behind them has a small picture."""
PLAYED = 240.0
"""Seconds of sound that all players together hold: with many cells each holds less."""
LARGE, SMALL = 320, 120
"""Columns of pictures."""
_STEPS = 5


@dataclass(frozen=True)
class Shown:
    """A cell on the page.

    Attributes:
        cell: The cell.
        picture: Its picture; None where it failed.
        player: What its mask keeps; None where it failed, and where the page holds enough.
        bars: Its scores.
        note: What is worth saying of the player.
        agrees: How far it agrees with the first cell of its prompt.
        href: Address of its own page, if it lies beside.
    """

    cell: Cell
    picture: Picture | None
    player: Player | None
    bars: Sequence[Bar]
    note: str
    agrees: str
    href: str


def page_html(comparison: Comparison, *, beside: bool = False) -> str:
    """The page.

    Its size is bounded: the first 24 cells have players, which hold at most 30 s each and 240 s together; all others
    have a small picture.

    Args:
        comparison: What to show.
        beside: The page lies in the folder of the comparison: link to the folders of its cells.
    """
    c = comparison
    made = [cell.explanation for cell in c.cells if cell.explanation is not None]
    parts = _excerpts(made)
    first = made[0]
    part = parts[first.sample_rate]
    numbers = {id(cell): number for number, cell in enumerate(c.cells, 1)}
    prompts = [
        {
            "prompt": prompt,
            "groups": [
                (
                    model,
                    [
                        _show(c, cell, numbers[id(cell)], parts, beside=beside)
                        for cell in c.of(prompt)
                        if cell.model == model
                    ],
                )
                for model in c.models
            ],
            "axis": _axis(c, prompt),
            "agreement": _agreement(c, prompt),
            "apart": _apart(c, prompt),
            "wordings": _wordings(c, prompt),
        }
        for prompt in c.prompts
    ]
    return render_page(
        "comparison.html",
        f"Explanations of {c.audio_name} side by side",
        style=read("comparison.css"),
        script=read("comparison.js"),
        c=c,
        levels=LEVELS,
        facts=_facts(c),
        unit=f"{first.unit} ({UNITS[first.unit]})" if first.unit in UNITS else first.unit,
        recording=_recording(first, part),
        players=_players_note(c, part, len(made)),
        prompts=prompts,
        band=first.grid.band,
        cost=_cost(c),
        several=len(c.models) > 1,
        controls=[cell.explainer for cell in c.of(c.prompts[0]) if cell.control],
        first=c.first(c.prompts[0]),
        best=[[row.label, signed(row.similarity), f"{row.score:.3f}"] for row in c.best],
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


def _recording(e: Explanation, part: Excerpt) -> Card:
    heard = "What the model heard: mono, at its own rate."
    return make_card("Recording", heard, e.original, part, peak=strip_peak(e.original, e.sample_rate))


def _players_note(c: Comparison, part: Excerpt, made: int) -> str:
    start, stop = part.seconds
    said = []
    if stop - start < c.seconds - 0.01:
        said.append(f"The players hold {start:.1f}-{stop:.1f} s of {c.seconds:.1f} s.")
    if part.factor != 1.0:
        said.append(f"A peak lies beyond full scale, so all are played at {part.factor:.3f} of their level.")
    if made > FULL:
        said.append(f"The first {FULL} of {made} explanations have players; the others have small pictures.")
    return " ".join(said)


def _show(c: Comparison, cell: Cell, number: int, parts: dict[int, Excerpt], *, beside: bool) -> Shown:
    e = cell.explanation
    if e is None:
        return Shown(cell, None, None, (), "", "", "")
    full, part = number <= FULL, parts[e.sample_rate]
    alt = f"What {cell.label} keeps for “{cell.prompt}”: {say_regions(e.regions())}."
    return Shown(
        cell=cell,
        picture=make_picture(raster(e, LARGE if full else SMALL), alt, part=part),
        player=make_player(e.audio, part, f"{cell.label}: what it keeps for “{cell.prompt}”") if full else None,
        bars=_bars(e),
        note=kept_note(e),
        agrees=_agrees(c, cell),
        href=f"{cell_folder(number)}/index.html" if beside else "",
    )


def _bars(e: Explanation) -> list[Bar]:
    rows = (("Recording", e.score, "whole"), ("Kept", e.score_in, "kept"), ("Removed", e.score_out, "left"))
    return [Bar(name, "", value, signed(value), kind) for name, value, kind in rows]


def _axis(c: Comparison, prompt: str) -> Axis:
    """One axis for the scores of the whole page, with the level of absence of the prompt."""
    made = [cell.explanation for cell in c.cells if cell.explanation is not None]
    values = [v for e in made for v in (e.score, e.score_in, e.score_out)]
    values += [item.score for wordings in c.wordings for item in wordings.items]
    high = 1.0 if made[0].unit == "probability" else 1.05 * max(*values, 0.01)
    first = c.first(prompt)
    verdict = first and first.explanation and first.explanation.verdict
    absence = verdict.figures.get("absence") if verdict and made[0].unit == "cosine" else None
    return Axis(1.05 * min(0.0, *values), high, absence=absence)


def _agrees(c: Comparison, cell: Cell) -> str:
    first = c.first(cell.prompt)
    pair = first and c.agreement(first, cell)
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
    where = pair.difference.describe(pair.first, pair.second) if pair.difference else "their masks do not differ"
    shared = "neither keeps anything" if pair.overlap is None else f"overlap {per_cent(pair.overlap)}"
    if pair.correlation is None:
        return {"text": "\N{EN DASH}", "title": f"one map is flat; {shared}; {where}"}
    step = round(max(pair.correlation, 0.0) * _STEPS)
    return {"text": f"{signed(pair.correlation)}", "class": f"agree-{step}", "title": f"{shared}; {where}"}


def _apart(c: Comparison, prompt: str) -> str:
    pair = c.most_apart(prompt)
    if pair is None or pair.difference is None:
        return ""
    return f"The maps differ most where {pair.difference.describe(pair.first, pair.second)}."


def _wordings(c: Comparison, prompt: str) -> dict[str, object] | None:
    moved = next((w for w in c.wordings if w.prompt == prompt), None)
    if moved is None:
        return None
    own = Bar(prompt, f"the prompt itself{_verdict(moved.verdict)}", moved.score, signed(moved.score), "whole")
    return {"of": moved, "bars": [own, *_wording_bars(moved)]}


def _wording_bars(moved: Wordings) -> list[Bar]:
    found = []
    for w in moved.items:
        alike = "its map is flat" if w.correlation is None else f"map correlates {signed(w.correlation)}"
        found.append(Bar(w.text, f"{alike}{_verdict(w.verdict)}", w.score, f"{signed(w.score)}", "left"))
    return found


def _verdict(level: str | None) -> str:
    return f"; {level}" if level else ""


def _cost(c: Comparison) -> list[list[str]]:
    rows = []
    for cell in c.of(c.prompts[0]):
        spent = ["failed", ""] if cell.cost is None else [f"{cell.cost.seconds:.2f} s", f"{cell.cost.clips:,}"]
        rows.append([cell.label, *spent])
    return rows
