"""What was measured, task by task: tables and plots of every setting and kind of mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zsxai.benchmarks.analyse.blocks import Block, blocks_of
from zsxai.benchmarks.analyse.export import digits_of
from zsxai.benchmarks.analyse.frame import strata_of
from zsxai.benchmarks.analyse.reading import CONTROLS_OF_A_MASK, reading
from zsxai.benchmarks.analyse.tables import resolution_table
from zsxai.benchmarks.report.intervals import ORACLE
from zsxai.benchmarks.report.parts import block_table, figure_cell, figures, head, line, plot, text_cell
from zsxai.benchmarks.report.plots import drawing
from zsxai.benchmarks.tasks import runner_of
from zsxai.show.html import Html, join, tag, untrusted

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result

DRAWN = 6
"""Settings and kinds of masks per task that are drawn; tables show all."""


def title_of(task: str) -> str:
    """Heading of a kind of task."""
    return runner_of(task).card.title or task


def sections(result: Result) -> list[Html]:
    """One section per task that has rows."""
    tasks = list(dict.fromkeys(sample.task for sample in result.samples))
    return [_section(result, task) for task in tasks]


def _section(result: Result, task: str) -> Html:
    blocks = blocks_of(result, task)
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
                *_tables(block),
                *(_plots(block) if pictures else []),
                class_="block stack",
                open=not parts,
            )
        )
    left_out = sum(b.at["seed"] == first for b in blocks) - drawn
    note = f"Plots of the first {drawn} settings; tables of all {len(blocks)}." if left_out > 0 else ""
    return tag(
        "section",
        tag("h2", title_of(task), id=f"task-{task}"),
        tag("p", note, class_="quiet small") if note else "",
        *parts,
        _how_to_read(result, task),
    )


def _tables(block: Block) -> list[Html]:
    metrics = block.result.metrics(block.task)
    n = f"{block.sample.rows['item'].nunique()} items from {block.sample.resampling.recordings} recordings"
    about = f"{block.short}; model {block.at['model']}, seed {block.at['seed']}; {n}; mean [95 % interval]"
    if runner_of(block.task).card.variants_as_columns:
        return [_by_variant(block, m, about) for m in metrics]
    found = [block_table(block, metrics, about)]
    if ORACLE in block.variants:
        found.append(_resolution(block))
    controls = [v for v in CONTROLS_OF_A_MASK if v in block.variants]
    if controls:
        others = [_variant_table(block, v, metrics) for v in controls]
        found.append(tag("details", tag("summary", "The explainers' own controls"), *others, class_="stack"))
    named = [name for name in strata_of(block.sample.rows) if block.sample.rows[f"stratum:{name}"].any()]
    if named:
        others = [_variant_table(block, "own", metrics, stratum=name) for name in named]
        found.append(tag("details", tag("summary", "Strata"), *others, class_="stack"))
    return found


def _variant_table(block: Block, variant: str, metrics: Sequence[str], stratum: str | None = None) -> Html:
    groups = block.rows(variant, stratum)
    shown = [m for m in metrics if any(block.sample.measured(g, m) for g in groups.values())]
    rows = [
        line(
            name,
            *(figure_cell(block.interval(g, m), digits_of(block.task, m)) for m in shown),
            control=block.is_control(name),
        )
        for name, g in groups.items()
    ]
    meaning = {"foil": "asked about another class", "rolled": "the mask in the wrong place"}.get(variant, variant)
    caption = f"Only rows of the stratum “{stratum}”" if stratum else f"{variant}: {meaning}"
    return figures(untrusted(caption), ["explainer", *(head(block.task, m) for m in shown)], rows, caption)


def _by_variant(block: Block, metric: str, about: str) -> Html:
    """One figure: a column per variant."""
    groups_of = {v: block.rows(v) for v in block.variants}
    names = list(dict.fromkeys(n for groups in groups_of.values() for n in groups))
    rows = [
        line(
            name,
            *(
                figure_cell(block.interval(g[name], metric) if name in g else None, digits_of(block.task, metric))
                for g in groups_of.values()
            ),
            control=block.is_control(name),
        )
        for name in names
    ]
    known = reading(block.task, metric)
    caption = f"{known.symbol}{known.arrow}: {known.meaning} {about}"
    return figures(
        untrusted(caption), ["explainer", *("untouched" if v == "own" else v for v in groups_of)], rows, caption
    )


def _resolution(block: Block) -> Html:
    groups = block.rows()
    controls = [
        name for name in dict.fromkeys(g["explainer"].iloc[0] for g in groups.values()) if block.is_control(name)
    ]
    metrics = block.result.metrics(block.task)
    found = resolution_table(block.sample, block.domain, block.scale, metrics, controls)
    shown = list(dict.fromkeys(m for *_, m in found.shares))
    rows = [
        line(
            name,
            *(figure_cell(found.shares.get((g["explainer"].iloc[0], g["calibration"].iloc[0], m))) for m in shown),
            control=block.is_control(g["explainer"].iloc[0]),
        )
        for name, g in groups.items()
    ]
    floor = f"the blind control {found.floor}" if found.floor else "what blind maps score"
    caption = (
        f"Share of the way from {floor} (0) to the oracle on the explainer's own cells (1), from the means of the same "
        "mixtures"
    )
    heads = ["explainer", *(head(block.task, m) for m in shown)]
    return figures(untrusted(caption), heads, rows, caption) if shown else Html()


def _plots(block: Block) -> list[Html]:
    found = []
    for each in runner_of(block.task).card.plots:
        words = f"Plot, {each.name}: {block.task}, {block.short}. The table above holds the numbers."
        found.append(plot(drawing(each, block), words, each.caption))
    return found


def _how_to_read(result: Result, task: str) -> Html:
    rows = []
    for name in result.metrics(task):
        known = reading(task, name)
        low, high = known.bounds
        rows.append(
            tag(
                "tr",
                tag("th", known.symbol, scope="row"),
                *(
                    text_cell(text)
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
    table = figures("How to read the figures", heads, rows, "How to read the figures", kind="words")
    return tag("details", tag("summary", "How to read the figures"), join(table), class_="block")
