"""The one figure that the suite is about, first and in plain words: who is ahead, by what, how sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsxai.benchmarks.analyse.formatting import NOTHING
from zsxai.benchmarks.analyse.plots.intervals import draw_headline
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.standing import Sentence, Standing, count_leads, find_standings, format_share
from zsxai.benchmarks.report.cells import (
    CALIBRATION,
    COUNT,
    EXPLAINER,
    Cell,
    Head,
    Plot,
    Row,
    Table,
    make_head,
    make_interval,
    make_number,
    make_plot,
    make_texts,
)
from zsxai.benchmarks.run.figures import split_figure

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result

PANELS = 9
PLACE = Head("place", "Rank of the mean, over the rows that are valid for every explainer; = where several share it.")
FIRST = Head("first in", "Share of resamples of the recordings in which it has the best mean; ties share a resample.")
INVALID = Head("n invalid", "Items without a value; the mean is over the others.")


@dataclass(frozen=True)
class Setting:
    """The headline in one setting.

    Attributes:
        name: What distinguishes it; empty where it is the only one.
        answer: Who is ahead, by what, how sure.
        table: All explainers, the best first.
    """

    name: str
    answer: tuple[Sentence, ...]
    table: Table


@dataclass(frozen=True)
class Headline:
    """The headline of a run.

    Attributes:
        title: The figure.
        definition: What the figure is.
        settings: Setting by setting, the first one first.
        leads: In how many settings the first one's leader leads, where there are several.
        plot: Means and intervals.
    """

    title: str
    definition: str
    settings: tuple[Setting, ...]
    leads: Sentence
    plot: Plot | None


def make_headline(result: Result) -> Headline:
    """Make answer, tables and plot of the headline."""
    chosen = result.suite.headline
    known = find_reading(chosen.task, chosen.metric)
    standings = find_standings(result)
    several = len(standings) > 1
    settings = tuple(
        Setting(each.block.short if several else "", tuple(each.write()), _make_table(each)) for each in standings
    )
    blocks = [each.block for each in standings]
    picture = make_plot(
        lambda: draw_headline(blocks[:PANELS]),
        f"Means and 95 % intervals of {known.symbol} by explainer; the table above holds the numbers.",
        "Points are means, lines 95 % intervals over recordings. Hollow: blind controls; the band is their range."
        + (" Dashed: what an explanation scores that looks at nothing." if known.chance is not None else "")
        + " An interval of no width is one where all clips agree: a bootstrap sees no further than its sample."
        + (f" The first {PANELS} of {len(blocks)} settings." if len(blocks) > PANELS else ""),
    )
    title = known.symbol + known.arrow
    return Headline(title, _define(result), settings, count_leads(standings), picture if blocks else None)


def _define(result: Result) -> str:
    chosen = result.suite.headline
    known = find_reading(chosen.task, chosen.metric)
    base = find_reading(chosen.task, split_figure(chosen.metric)[1])
    parts = [
        known.meaning,
        f"{base.symbol}: {base.meaning}" if split_figure(chosen.metric)[0] else "",
        f"Over the stratum “{chosen.stratum}” alone." if chosen.stratum else "",
        f"It can be gamed by {known.gamed_by}." if known.gamed_by else "",
        "The suite fixed it before the run.",
    ]
    return " ".join(part for part in parts if part)


def _make_table(standing: Standing) -> Table:
    block = standing.block
    chosen = block.result.suite.headline
    rows = []
    for line in standing.lines:
        found = line.figure
        counts = (found.n, found.n_invalid) if found is not None else (0, 0)
        places = (
            (Cell(line.place, number=line.rank), make_number(line.first, format_share(line.first)))
            if standing.ranked
            else ()
        )
        cells = (make_interval(found, standing.digits), *places, *map(make_number, counts))
        rows.append(Row(line.name, (*cells, *make_texts(line.calibration or NOTHING)), line.is_control))
    ranked = (PLACE, FIRST) if standing.ranked else ()
    caption = f"{block.task}: {block.short}" + (f", stratum {chosen.stratum}" if chosen.stratum else "")
    heads = (EXPLAINER, make_head(chosen.task, chosen.metric), *ranked, COUNT, INVALID, CALIBRATION)
    return Table(caption, heads, tuple(rows))
