"""What was measured, task by task: tables and plots of every setting and kind of mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zsxai.benchmarks.analyse.blocks import Block, find_blocks
from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.formatting import choose_digits
from zsxai.benchmarks.analyse.frame import list_strata
from zsxai.benchmarks.analyse.plots.draw import load_drawing
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.resolution import CEILING, measure_resolution
from zsxai.benchmarks.report.parts import (
    render_block,
    render_head,
    render_interval,
    render_plot,
    render_row,
    render_table,
    render_text,
)
from zsxai.benchmarks.run.figures import CONTROLS_OF_A_MASK, OTHER_MASKS
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Ratio
from zsxai.show.html import Html, join, tag, untrusted

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

DRAWN = 6
"""Settings and kinds of masks per task that are drawn; tables show all."""


def get_title(task: str) -> str:
    """Heading of a kind of task."""
    return runner_of(task).card.title or task


def render_tasks(result: Result) -> list[Html]:
    """Render one section per task that has rows."""
    tasks = list(dict.fromkeys(sample.task for sample in result.samples))
    return [_render_task(result, task) for task in tasks]


def _render_task(result: Result, task: str) -> Html:
    blocks = find_blocks(result, task)
    first = result.suite.seeds[0]
    parts: list[Html] = []
    drawn = 0
    for block in blocks:
        main = block.at["seed"] == first
        pictures = main and drawn < DRAWN
        drawn += pictures
        title = block.short + ("" if main else f", seed {block.at['seed']}")
        parts.append(
            tag(
                "details",
                tag("summary", untrusted(title)),
                *_render_tables(block),
                *(_render_plots(block) if pictures else []),
                class_="block stack",
                open=not parts,
            )
        )
    left_out = sum(b.at["seed"] == first for b in blocks) - drawn
    note = f"Plots of the first {drawn} settings; tables of all {len(blocks)}." if left_out > 0 else ""
    return tag(
        "section",
        tag("h2", get_title(task), id=f"task-{task}"),
        tag("p", note, class_="quiet small") if note else "",
        *parts,
        _render_readings(result, task),
    )


def _render_tables(block: Block) -> list[Html]:
    metrics = block.result.metrics(block.task)
    n = f"{block.sample.rows['item'].nunique()} items from {block.sample.resampling.recordings} recordings"
    about = f"{block.short}; model {block.at['model']}, seed {block.at['seed']}; {n}; mean [95 % interval]"
    if runner_of(block.task).card.variants_as_columns:
        return [_render_by_variant(block, m, about) for m in metrics]
    found = [render_block(block, metrics, about)]
    if CEILING in block.variants:
        found.append(_render_resolution(block))
    found += [_render_variant(block, v, metrics) for v in OTHER_MASKS if v in block.variants]
    found += [_render_ratio(block, ratio) for ratio in runner_of(block.task).card.ratios]
    controls = [v for v in CONTROLS_OF_A_MASK if v in block.variants]
    if controls:
        others = [_render_variant(block, v, metrics) for v in controls]
        found.append(tag("details", tag("summary", "The explainers' own controls"), *others, class_="stack"))
    named = [name for name in list_strata(block.sample.rows) if block.sample.rows[f"stratum:{name}"].any()]
    if named:
        others = [_render_variant(block, "own", metrics, stratum=name) for name in named]
        found.append(tag("details", tag("summary", "Strata"), *others, class_="stack"))
    return found


def _render_variant(block: Block, variant: str, metrics: Sequence[str], stratum: str | None = None) -> Html:
    groups = block.rows(variant, stratum)
    shown = [m for m in metrics if any(block.sample.has(g, m) for g in groups.values())]
    rows = [
        render_row(
            name,
            *(render_interval(block.interval(g, m), choose_digits(block.task, m)) for m in shown),
            control=block.is_control(name),
        )
        for name, g in groups.items()
    ]
    meaning = {**CONTROLS_OF_A_MASK, **OTHER_MASKS}.get(variant, variant)
    caption = f"Only rows of the stratum “{stratum}”" if stratum else f"{variant}: {meaning}"
    return render_table(untrusted(caption), ["explainer", *(render_head(block.task, m) for m in shown)], rows, caption)


def _render_ratio(block: Block, ratio: Ratio) -> Html:
    """Render a ratio of means: a column for all rows, one per stratum, one per variant that is read beside."""
    strata = [None, *(s for s in list_strata(block.sample.rows) if block.sample.rows[f"stratum:{s}"].any())]
    columns = {s or "all": block.rows(stratum=s) for s in strata}
    columns |= {v: block.rows(v) for v in OTHER_MASKS if v in block.variants}

    def measure(group: DataFrame | None) -> Interval | None:
        if group is None or not all(block.sample.has(group, name) for name in (ratio.over, ratio.under)):
            return None
        over, under = block.sample.values(group, [ratio.over, ratio.under]).T
        return block.sample.resampling.ratio(over, under, group["unit"].to_numpy())

    rows = [
        render_row(
            name,
            *(render_interval(measure(groups.get(name))) for groups in columns.values()),
            control=block.is_control(name),
        )
        for name in columns["all"]
    ]
    symbols = " / ".join(find_reading(block.task, name).symbol for name in (ratio.over, ratio.under))
    caption = f"{ratio.title} ({symbols}, a ratio of means)"
    return render_table(caption, ["explainer", *columns], rows, caption)


def _render_by_variant(block: Block, metric: str, about: str) -> Html:
    """Render one figure: a column per variant."""
    by_variant = {v: block.rows(v) for v in block.variants}
    names = list(dict.fromkeys(n for groups in by_variant.values() for n in groups))
    rows = [
        render_row(
            name,
            *(
                render_interval(
                    block.interval(g[name], metric) if name in g else None, choose_digits(block.task, metric)
                )
                for g in by_variant.values()
            ),
            control=block.is_control(name),
        )
        for name in names
    ]
    known = find_reading(block.task, metric)
    caption = f"{known.symbol}{known.arrow}: {known.meaning} {about}"
    return render_table(
        untrusted(caption), ["explainer", *("untouched" if v == "own" else v for v in by_variant)], rows, caption
    )


def _render_resolution(block: Block) -> Html:
    groups = block.rows()
    controls = [
        name for name in dict.fromkeys(g["explainer"].iloc[0] for g in groups.values()) if block.is_control(name)
    ]
    metrics = block.result.metrics(block.task)
    found = measure_resolution(block.sample, block.domain, block.scale, metrics, controls)
    shown = list(dict.fromkeys(m for *_, m in found.shares))
    rows = [
        render_row(
            name,
            *(render_interval(found.shares.get((g["explainer"].iloc[0], g["calibration"].iloc[0], m))) for m in shown),
            control=block.is_control(g["explainer"].iloc[0]),
        )
        for name, g in groups.items()
    ]
    floor = f"the blind control {found.floor}" if found.floor else "what blind maps score"
    caption = (
        f"Share of the way from {floor} (0) to the oracle on the explainer's own cells (1), from the means of the same "
        "mixtures"
    )
    heads = ["explainer", *(render_head(block.task, m) for m in shown)]
    return render_table(untrusted(caption), heads, rows, caption) if shown else Html()


def _render_plots(block: Block) -> list[Html]:
    found = []
    for each in runner_of(block.task).card.plots:
        words = f"Plot, {each.name}: {block.task}, {block.short}. The table above holds the numbers."
        found.append(render_plot(load_drawing(each, block), words, each.caption))
    return found


def _render_readings(result: Result, task: str) -> Html:
    rows = []
    for name in result.metrics(task):
        known = find_reading(task, name)
        low, high = known.bounds
        rows.append(
            tag(
                "tr",
                tag("th", known.symbol, scope="row"),
                *(
                    render_text(text)
                    for text in (
                        known.meaning,
                        known.better,
                        f"{low:g} to {high:g}",
                        known.gamed_by,
                        known.sensitive_to,
                        known.reference,
                    )
                ),
            )
        )
    heads = ["figure", "what it is", "better", "range", "gamed by", "sensitive to", "reference"]
    table = render_table("How to read the figures", heads, rows, "How to read the figures", kind="words")
    return tag("details", tag("summary", "How to read the figures"), join(table), class_="block")
