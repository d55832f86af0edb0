"""What was measured, task by task: tables and plots of every setting and kind of mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsxai.benchmarks.analyse.blocks import Block, find_blocks
from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.formatting import choose_digits
from zsxai.benchmarks.analyse.frame import list_strata
from zsxai.benchmarks.analyse.plots.draw import load_drawing
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.resolution import CEILING, measure_resolution
from zsxai.benchmarks.report.cells import (
    EXPLAINER,
    Head,
    Plot,
    Row,
    Table,
    anchor,
    make_block,
    make_head,
    make_interval,
    make_plot,
)
from zsxai.benchmarks.run.figures import CONTROLS_OF_A_MASK, OTHER_MASKS, split_figure
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Ratio

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

DRAWN = 6
"""Settings and kinds of masks per task that are drawn; tables show all."""
SHOWN = 5
"""Figures of a task that tables show at first."""


@dataclass(frozen=True)
class Reading:
    """How a figure is read: its place on the page, its symbol, sentences; whether tables show it at first."""

    at: str
    figure: str
    symbol: str
    entries: tuple[str, ...]
    meaning: str
    shown: bool


@dataclass(frozen=True)
class Group:
    """Tables of one setting under a title; ``controls`` and ``strata`` are folded."""

    title: str
    tables: tuple[Table, ...]
    folds: tuple[tuple[str, tuple[Table, ...]], ...]
    plots: tuple[Plot, ...]


@dataclass(frozen=True)
class Section:
    """A kind of task."""

    task: str
    title: str
    note: str
    groups: tuple[Group, ...]
    readings: tuple[Reading, ...]


def make_tasks(result: Result) -> list[Section]:
    """Make one section per task that has rows."""
    return [_make_section(result, task) for task in dict.fromkeys(sample.task for sample in result.samples)]


def _make_section(result: Result, task: str) -> Section:
    blocks = find_blocks(result, task)
    first = result.suite.seeds[0]
    groups: list[Group] = []
    drawn = 0
    for block in blocks:
        main = block.at["seed"] == first
        pictures = main and drawn < DRAWN
        drawn += pictures
        title = block.short + ("" if main else f", seed {block.at['seed']}")
        plots = tuple(_make_plots(block)) if pictures else ()
        groups.append(Group(title, tuple(_make_tables(block)), tuple(_make_folds(block)), plots))
    left_out = sum(b.at["seed"] == first for b in blocks) - drawn
    note = f"Plots of the first {drawn} settings; tables of all {len(blocks)}." if left_out > 0 else ""
    return Section(task, runner_of(task).card.title or task, note, tuple(groups), _make_readings(result, task))


def choose_shown(result: Result, task: str) -> set[str]:
    """Choose the figures that tables show at first: those the suite is about, then the first of the task."""
    metrics = result.metrics(task)
    chosen = result.suite.headline
    named = [*([chosen.metric] if chosen.task == task else []), *result.suite.comparisons.metrics]
    wanted = [part for name in named for part in (name, split_figure(name)[1])]
    return set([name for name in dict.fromkeys([*wanted, *metrics]) if name in metrics][:SHOWN])


def _make_tables(block: Block) -> list[Table]:
    metrics = block.result.metrics(block.task)
    n = f"{block.sample.rows['item'].nunique()} items from {block.sample.resampling.recordings} recordings"
    about = f"{block.short}; model {block.at['model']}, seed {block.at['seed']}; {n}; mean [95 % interval]"
    if runner_of(block.task).card.variants_as_columns:
        return [_make_by_variant(block, m, about) for m in metrics]
    found = [make_block(block, metrics, about)]
    if CEILING in block.variants:
        found += _make_resolution(block)
    found += [_make_variant(block, v, metrics) for v in OTHER_MASKS if v in block.variants]
    return found + [_make_ratio(block, ratio) for ratio in runner_of(block.task).card.ratios]


def _make_folds(block: Block) -> list[tuple[str, tuple[Table, ...]]]:
    if runner_of(block.task).card.variants_as_columns:
        return []
    metrics = block.result.metrics(block.task)
    controls = [v for v in CONTROLS_OF_A_MASK if v in block.variants]
    named = [name for name in list_strata(block.sample.rows) if block.sample.rows[f"stratum:{name}"].any()]
    folds = [
        ("The explainers' own controls", tuple(_make_variant(block, v, metrics) for v in controls)),
        ("Strata", tuple(_make_variant(block, "own", metrics, stratum=name) for name in named)),
    ]
    return [(title, tables) for title, tables in folds if tables]


def _make_variant(block: Block, variant: str, metrics: Sequence[str], stratum: str | None = None) -> Table:
    groups = block.rows(variant, stratum)
    shown = [m for m in metrics if any(block.sample.has(g, m) for g in groups.values())]
    rows = [
        Row(
            name,
            tuple(make_interval(block.interval(g, m), choose_digits(block.task, m)) for m in shown),
            block.is_control(name),
        )
        for name, g in groups.items()
    ]
    meaning = {**CONTROLS_OF_A_MASK, **OTHER_MASKS}.get(variant, variant)
    caption = f"Only rows of the stratum “{stratum}”" if stratum else f"{variant}: {meaning}"
    return Table(caption, (EXPLAINER, *(make_head(block.task, m) for m in shown)), tuple(rows))


def _make_ratio(block: Block, ratio: Ratio) -> Table:
    """Make a ratio of means: a column for all rows, one per stratum, one per variant that is read beside."""
    strata = [None, *(s for s in list_strata(block.sample.rows) if block.sample.rows[f"stratum:{s}"].any())]
    columns = {s or "all": block.rows(stratum=s) for s in strata}
    columns |= {v: block.rows(v) for v in OTHER_MASKS if v in block.variants}

    def measure(group: DataFrame | None) -> Interval | None:
        if group is None or not all(block.sample.has(group, name) for name in (ratio.over, ratio.under)):
            return None
        over, under = block.sample.values(group, [ratio.over, ratio.under]).T
        return block.sample.resampling.ratio(over, under, group["unit"].to_numpy())

    rows = [
        Row(
            name,
            tuple(make_interval(measure(groups.get(name))) for groups in columns.values()),
            block.is_control(name),
        )
        for name in columns["all"]
    ]
    symbols = " / ".join(find_reading(block.task, name).symbol for name in (ratio.over, ratio.under))
    meanings = {"all": "All rows.", **{name: f"{name}: {about}." for name, about in OTHER_MASKS.items()}}
    heads = [Head(name, meanings.get(name, f"Only rows of the stratum {name}.")) for name in columns]
    return Table(f"{ratio.title} ({symbols}, a ratio of means)", (EXPLAINER, *heads), tuple(rows))


def _make_by_variant(block: Block, metric: str, about: str) -> Table:
    """Make a table of one figure: a column per variant."""
    by_variant = {v: block.rows(v) for v in block.variants}
    names = list(dict.fromkeys(n for groups in by_variant.values() for n in groups))
    digits = choose_digits(block.task, metric)
    rows = [
        Row(
            name,
            tuple(
                make_interval(block.interval(g[name], metric) if name in g else None, digits)
                for g in by_variant.values()
            ),
            block.is_control(name),
        )
        for name in names
    ]
    known = find_reading(block.task, metric)
    link = f"#{anchor(block.task, metric)}"
    titles = {v: "untouched" if v == "own" else v for v in by_variant}
    heads = [Head(title, f"{known.meaning} Here: {title}.", link) for title in titles.values()]
    return Table(f"{known.symbol}{known.arrow}: {known.meaning} {about}", (EXPLAINER, *heads), tuple(rows))


def _make_resolution(block: Block) -> list[Table]:
    groups = block.rows()
    controls = [
        name for name in dict.fromkeys(g["explainer"].iloc[0] for g in groups.values()) if block.is_control(name)
    ]
    metrics = block.result.metrics(block.task)
    found = measure_resolution(block.sample, block.domain, block.scale, metrics, controls)
    shown = list(dict.fromkeys(m for *_, m in found.shares))
    if not shown:
        return []
    rows = [
        Row(
            name,
            tuple(
                make_interval(found.shares.get((g["explainer"].iloc[0], g["calibration"].iloc[0], m))) for m in shown
            ),
            block.is_control(g["explainer"].iloc[0]),
        )
        for name, g in groups.items()
    ]
    floor = f"the blind control {found.floor}" if found.floor else "what blind maps score"
    caption = (
        f"Share of the way from {floor} (0) to the oracle on the explainer's own cells (1), from the means of the same "
        "mixtures"
    )
    return [Table(caption, (EXPLAINER, *(make_head(block.task, m) for m in shown)), tuple(rows))]


def _make_plots(block: Block) -> list[Plot]:
    found = []
    for each in runner_of(block.task).card.plots:
        words = f"Plot, {each.name}: {block.task}, {block.short}. The table above holds the numbers."
        found.append(make_plot(load_drawing(each, block), words, each.caption))
    return [plot for plot in found if plot is not None]


def _make_readings(result: Result, task: str) -> tuple[Reading, ...]:
    shown, found = choose_shown(result, task), []
    for name in result.metrics(task):
        known = find_reading(task, name)
        low, high = known.bounds
        about = (known.meaning, known.better, f"{low:g} to {high:g}")
        entries = (*about, known.gamed_by, known.sensitive_to, known.reference, known.section)
        symbol = known.symbol + known.arrow
        found.append(Reading(anchor(task, name), name, symbol, entries, known.meaning, name in shown))
    return tuple(found)
