"""The one figure that the suite is about, first and in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.benchmarks.analyse.blocks import Block, blocks_of
from zsxai.benchmarks.analyse.export import NOTHING, digits_of, written
from zsxai.benchmarks.analyse.reading import reading, split
from zsxai.benchmarks.analyse.statistics import Interval
from zsxai.benchmarks.analyse.tables import Pair, comparison_table
from zsxai.benchmarks.report.intervals import headline as headline_plot
from zsxai.benchmarks.report.parts import figure_cell, figures, head, line, number_cell, plot, text_cell
from zsxai.show.html import Html, join, tag, untrusted

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

PANELS = 9


def section(result: Result) -> Html:
    """Sentence, table with ranks, plot: of every setting and kind of mask that the headline has."""
    chosen = result.suite.headline
    known = reading(chosen.task, chosen.metric)
    title = tag("h2", "The headline: ", known.symbol, known.arrow, id="headline")
    blocks = [b for b in blocks_of(result, chosen.task, seed=result.suite.seeds[0]) if _has(b)]
    what = _definition(result)
    if not blocks:
        return tag("section", title, what, tag("p", "Nothing was measured of it.", class_="lead"))
    ranked = known.better != "neither"
    ranks = result.ranks() if ranked else None
    said = [_sentence(b, ranks) for b in blocks] if ranks is not None else []
    first, others = said[:1], said[1:]
    tables = [_table(b, ranks) for b in blocks]
    drawn = plot(
        lambda: headline_plot(blocks[:PANELS]),
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
        drawn,
        tables[0],
        tag("details", tag("summary", f"{len(tables) - 1} more settings"), *tables[1:], class_="block stack")
        if len(tables) > 1
        else "",
    )


def _has(block: Block) -> bool:
    chosen = block.result.suite.headline
    groups = block.rows(stratum=chosen.stratum).values()
    return any(block.interval(group, chosen.metric) is not None for group in groups)


def _definition(result: Result) -> Html:
    chosen = result.suite.headline
    known = reading(chosen.task, chosen.metric)
    base = reading(chosen.task, split(chosen.metric)[1])
    parts = [
        known.meaning,
        f"{base.symbol}: {base.meaning}" if split(chosen.metric)[0] else "",
        f"Over the stratum “{chosen.stratum}” alone." if chosen.stratum else "",
        f"It can be gamed by {known.gamed_by}." if known.gamed_by else "",
        "The suite fixed it before the run.",
    ]
    return tag("p", untrusted(" ".join(part for part in parts if part)), class_="quiet")


def _lines(block: Block, ranks: DataFrame | None) -> list[dict[str, Any]]:
    """Explainers of a block, best first, with figure and rank."""
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


def _sentence(block: Block, ranks: DataFrame | None) -> Html:
    chosen = block.result.suite.headline
    lines = [each for each in _lines(block, ranks) if each["figure"] is not None and np.isfinite(each["figure"].mean)]
    ours = [each for each in lines if not each["control"]]
    blind = [each for each in lines if each["control"]]
    where = tag("span", untrusted(block.short), ": ")
    if not lines:
        return join(where, "no explainer has a valid value.")
    if not ours:
        return join(where, "only blind controls have a valid value.")
    best = ours[0]
    digits = digits_of(chosen.task, chosen.metric)
    tied = [each for each in ours if each.get("rank") == best.get("rank", np.nan)] or [best]
    if "rank" in best and not np.isfinite(best["rank"]):
        return join(where, "no row is valid for every explainer, so there are no ranks.")
    verb = "has" if len(tied) == 1 else "share"
    parts = [
        where,
        join(*(tag("strong", untrusted(each["name"])) for each in tied), by=", "),
        f" {verb} the best mean of the explainers{_best(best, digits, len(lines))}",
        ". ",
    ]
    if blind:
        parts += ["The best blind control, ", untrusted(blind[0]["name"])]
        parts += [f", has {_value(blind[0]['figure'], digits)}. "]
    else:
        parts.append("No control was measured beside it. ")
    alike = _not_told_apart(block, best, lines)
    if alike:
        names = [untrusted(name) for name in alike]
        it = "it" if len(tied) == 1 else untrusted(best["name"])
        parts += ["The clips do not tell ", it, " apart from ", join(*names, by=", "), " (paired intervals hold 0)."]
    elif len(lines) > 1:
        parts.append("Paired intervals tell it apart from every other row (uncorrected; tests below).")
    return join(*parts)


def _not_told_apart(block: Block, best: dict[str, Any], lines: list[dict[str, Any]]) -> list[str]:
    chosen = block.result.suite.headline
    others = [each for each in lines if each["explainer"] != best["explainer"]]
    compared = [Pair(best["explainer"], each["explainer"], chosen.metric) for each in others]
    found = comparison_table([block.sample], compared, chosen.stratum)
    found = found[(found["domain"] == block.domain) & (found["scale"] == block.scale)]
    found = found[found["calibration"] == best["calibration"]]
    open_ = found[~((found["low"] > 0) | (found["high"] < 0))]
    return list(dict.fromkeys(open_["second"]))


def _value(found: Interval, digits: int) -> str:
    return written(found, digits)


def _best(best: dict[str, Any], digits: int, count: int) -> str:
    """Value and rank; ranks are over the rows valid for all, means over those valid for one."""
    value = _value(best["figure"], digits)
    if "rank" not in best:
        return f", {value}"
    rank = f"rank {_rank(best)} of {count}"
    if best["rank_n"] == best["figure"].n - best["figure"].n_invalid:
        return f", {value}, {rank}"
    return f" on the {best['rank_n']:g} rows valid for all, {rank}; over all of its own rows it is {value}"


def _rank(each: dict[str, Any]) -> str:
    rank, low, high = (f"{each[n]:g}" for n in ("rank", "rank_low", "rank_high"))
    return rank if not np.isfinite(each["rank_low"]) else f"{rank} (95 %: {low} to {high})"


def _table(block: Block, ranks: DataFrame | None) -> Html:
    chosen = block.result.suite.headline
    digits = digits_of(chosen.task, chosen.metric)
    rows = []
    for each in _lines(block, ranks):
        found = each["figure"]
        counts = (found.n, found.n_invalid) if found is not None else (0, 0)
        rows.append(
            line(
                each["name"],
                text_cell(each["calibration"]),
                figure_cell(found, digits),
                *([_rank_cell(each)] if ranks is not None else []),
                *(number_cell(c, str(c)) for c in counts),
                control=each["control"],
            )
        )
    ranked = ["rank (95 %)"] if ranks is not None else []
    caption = f"{block.task}: {block.short}" + (f", stratum {chosen.stratum}" if chosen.stratum else "")
    heads = ["explainer", "calibration", head(chosen.task, chosen.metric), *ranked, "n", "n invalid"]
    return figures(untrusted(caption), heads, rows, caption)


def _rank_cell(each: dict[str, Any]) -> Html:
    rank = each.get("rank", float("nan"))
    return number_cell(rank, _rank(each) if np.isfinite(rank) else NOTHING)
