"""The one figure that the suite is about, first and in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.benchmarks.analyse.blocks import Block, find_blocks
from zsxai.benchmarks.analyse.bootstrap import has_mean
from zsxai.benchmarks.analyse.formatting import NOTHING, choose_digits, format_interval
from zsxai.benchmarks.analyse.plots.intervals import draw_headline
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.tables import Pair, tabulate_comparisons
from zsxai.benchmarks.report.parts import (
    render_head,
    render_interval,
    render_number,
    render_plot,
    render_row,
    render_table,
    render_text,
)
from zsxai.benchmarks.run.figures import split_figure
from zsxai.show.html import Html, join, tag, untrusted

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

PANELS = 9


def render_headline(result: Result) -> Html:
    """Render sentence, table with ranks and plot of every setting and kind of mask that the headline has."""
    chosen = result.suite.headline
    known = find_reading(chosen.task, chosen.metric)
    title = tag("h2", "The headline: ", known.symbol, known.arrow, id="headline")
    blocks = [b for b in find_blocks(result, chosen.task, seed=result.suite.seeds[0]) if _has_headline(b)]
    what = _render_definition(result)
    if not blocks:
        return tag("section", title, what, tag("p", "Nothing was measured of it.", class_="lead"))
    ranked = known.better != "neither"
    ranks = result.ranks() if ranked else None
    sentences = [_render_sentence(b, ranks) for b in blocks] if ranks is not None else []
    first, others = sentences[:1], sentences[1:]
    tables = [_render_ranks(b, ranks) for b in blocks]
    picture = render_plot(
        lambda: draw_headline(blocks[:PANELS]),
        f"Means and 95 % intervals of {known.symbol} by explainer; the table below holds the numbers.",
        "Points are means, lines 95 % intervals over recordings. Hollow: blind controls; the band is their range."
        + (" Dashed: what an explanation scores that looks at nothing." if known.chance is not None else "")
        + " An interval of no width is one where all clips agree: a bootstrap sees no further than its sample."
        + (f" The first {PANELS} of {len(blocks)} settings." if len(blocks) > PANELS else ""),
    )
    return tag(
        "section",
        title,
        *(tag("p", s, class_="headline") for s in first),
        what,
        tag("ul", *(tag("li", s) for s in others)) if others else "",
        picture,
        tables[0],
        tag("details", tag("summary", f"{len(tables) - 1} more settings"), *tables[1:], class_="block stack")
        if len(tables) > 1
        else "",
    )


def _has_headline(block: Block) -> bool:
    chosen = block.result.suite.headline
    groups = block.rows(stratum=chosen.stratum).values()
    return any(block.interval(group, chosen.metric) is not None for group in groups)


def _render_definition(result: Result) -> Html:
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
    return tag("p", untrusted(" ".join(part for part in parts if part)), class_="quiet")


def _list_lines(block: Block, ranks: DataFrame | None) -> list[dict[str, Any]]:
    """List the explainers of a block, best first, with figure and rank."""
    chosen = block.result.suite.headline
    found = []
    for name, group in block.rows(stratum=chosen.stratum).items():
        at = {**block.at, "explainer": group["explainer"].iloc[0], "calibration": group["calibration"].iloc[0]}
        each: dict[str, Any] = {
            "name": name,
            "explainer": at["explainer"],
            "calibration": at["calibration"],
            "figure": block.interval(group, chosen.metric),
            "control": block.is_control(name),
        }
        key = None if ranks is None else tuple(at[level] for level in ranks.index.names)
        if ranks is not None and key in ranks.index:
            each |= {n: float(ranks.loc[key, n]) for n in ("rank", "rank_low", "rank_high", "rank_n")}
        found.append(each)
    return sorted(found, key=lambda each: each.get("rank", np.inf) if np.isfinite(each.get("rank", np.inf)) else np.inf)


def _render_sentence(block: Block, ranks: DataFrame | None) -> Html:
    chosen = block.result.suite.headline
    lines = [each for each in _list_lines(block, ranks) if has_mean(each["figure"])]
    ours = [each for each in lines if not each["control"]]
    blind = [each for each in lines if each["control"]]
    where = tag("span", untrusted(block.short), ": ")
    if not lines:
        return join(where, "no explainer has a valid value.")
    if not ours:
        return join(where, "only blind controls have a valid value.")
    best = ours[0]
    digits = choose_digits(chosen.task, chosen.metric)
    tied = [each for each in ours if each.get("rank") == best.get("rank", np.nan)] or [best]
    if "rank" in best and not np.isfinite(best["rank"]):
        return join(where, "no row is valid for every explainer, so there are no ranks.")
    verb = "has" if len(tied) == 1 else "share"
    parts = [
        where,
        join(*(tag("strong", untrusted(each["name"])) for each in tied), by=", "),
        f" {verb} the best mean of the explainers{_describe_best(best, digits, len(lines))}",
        ". ",
    ]
    if blind:
        parts += ["The best blind control, ", untrusted(blind[0]["name"])]
        parts += [f", has {format_interval(blind[0]['figure'], digits)}. "]
    else:
        parts.append("No control was measured beside it. ")
    alike = _find_ties(block, best, lines)
    if alike:
        names = [untrusted(name) for name in alike]
        it = "it" if len(tied) == 1 else untrusted(best["name"])
        parts += ["The clips do not tell ", it, " apart from ", join(*names, by=", "), " (paired intervals hold 0)."]
    elif len(lines) > 1:
        parts.append("Paired intervals tell it apart from every other row (uncorrected; tests below).")
    return join(*parts)


def _find_ties(block: Block, best: dict[str, Any], lines: list[dict[str, Any]]) -> list[str]:
    chosen = block.result.suite.headline
    others = [each for each in lines if each["explainer"] != best["explainer"]]
    compared = [Pair(best["explainer"], each["explainer"], chosen.metric) for each in others]
    found = tabulate_comparisons([block.sample], compared, chosen.stratum)
    found = found[(found["domain"] == block.domain) & (found["scale"] == block.scale)]
    found = found[found["calibration"] == best["calibration"]]
    open_ = found[~((found["low"] > 0) | (found["high"] < 0))]
    return list(dict.fromkeys(open_["second"]))


def _describe_best(best: dict[str, Any], digits: int, count: int) -> str:
    """Say value and rank; ranks are over the rows valid for all, means over those valid for one."""
    value = format_interval(best["figure"], digits)
    if "rank" not in best:
        return f", {value}"
    rank = f"rank {_format_rank(best)} of {count}"
    if best["rank_n"] == best["figure"].n - best["figure"].n_invalid:
        return f", {value}, {rank}"
    return f" on the {best['rank_n']:g} rows valid for all, {rank}; over all of its own rows it is {value}"


def _format_rank(each: dict[str, Any]) -> str:
    rank, low, high = (f"{each[n]:g}" for n in ("rank", "rank_low", "rank_high"))
    return rank if not np.isfinite(each["rank_low"]) else f"{rank} (95 %: {low} to {high})"


def _render_ranks(block: Block, ranks: DataFrame | None) -> Html:
    chosen = block.result.suite.headline
    digits = choose_digits(chosen.task, chosen.metric)
    rows = []
    for each in _list_lines(block, ranks):
        found = each["figure"]
        counts = (found.n, found.n_invalid) if found is not None else (0, 0)
        rows.append(
            render_row(
                each["name"],
                render_text(each["calibration"]),
                render_interval(found, digits),
                *([_render_rank(each)] if ranks is not None else []),
                *(render_number(c, str(c)) for c in counts),
                control=each["control"],
            )
        )
    ranked = ["rank (95 %)"] if ranks is not None else []
    caption = f"{block.task}: {block.short}" + (f", stratum {chosen.stratum}" if chosen.stratum else "")
    heads = ["explainer", "calibration", render_head(chosen.task, chosen.metric), *ranked, "n", "n invalid"]
    return render_table(untrusted(caption), heads, rows, caption)


def _render_rank(each: dict[str, Any]) -> Html:
    rank = each.get("rank", float("nan"))
    return render_number(rank, _format_rank(each) if np.isfinite(rank) else NOTHING)
