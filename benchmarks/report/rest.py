"""The sections around the figures: what to know before trusting them, tests, failures, cost, configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsxai.benchmarks.analyse.export import NOTHING, fixed
from zsxai.benchmarks.analyse.facts import facts, left_out, left_out_lines
from zsxai.benchmarks.analyse.reading import reading
from zsxai.benchmarks.analyse.statistics import Interval
from zsxai.benchmarks.report.parts import (
    figure_cell,
    figures,
    line,
    number_cell,
    p_value,
    pairs,
    text_cell,
)
from zsxai.show.html import Html, as_json, join, tag, untrusted
from zsxai.show.parts import definitions

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

SHOWN = 200
"""Lines of a long table; the exported files hold all."""


def warnings(result: Result) -> Html:
    """What is missing, failed or invalid."""
    found = []
    planned, missing = len(set(result.records)), len(set(result.missing))
    if missing:
        found.append(
            f"{missing} of {planned} cells are not measured yet: the figures are of a part of the suite. Running it "
            "again does what is missing."
        )
    found += [f"{line}." for line in left_out_lines(left_out(result.suite, result.records))]
    failures = result.failures
    if len(failures):
        lost = int(failures["items"].sum())
        names = ", ".join(dict.fromkeys(failures["explainer"]))
        found.append(
            f"Explainers raised on {lost} item{'s' if lost != 1 else ''} ({names}). They count as invalid in every "
            "cell; means are over the rest."
        )
    if result.settings.get("limit") is not None:
        found.append(f"The run was limited to {result.settings['limit']} items per data set and setting.")
    few = [s for s in result.samples if s.resampling.recordings < 20]
    if few:
        least = min(s.resampling.recordings for s in few)
        found.append(
            f"Some settings stand on few recordings (the least: {least}). Bootstrap intervals are too narrow there."
        )
    if not found:
        return Html()
    items = (tag("li", untrusted(text)) for text in found)
    return tag("section", tag("h2", "Before you trust the figures"), tag("ul", *items), class_="warnings", role="note")


def comparisons(result: Result) -> Html:
    """The family of tests that the suite named beforehand."""
    title = tag("h2", "Comparisons", id="comparisons")
    if not result.suite.comparisons.metrics:
        return tag("section", title, tag("p", "The suite names no comparison beforehand, so none is tested here."))
    found = result.comparisons()
    if not len(found):
        return tag("section", title, tag("p", "No two explainers of the suite's comparisons ran on the same rows."))
    tests = int(np.isfinite(found["p"].to_numpy(dtype=float)).sum())
    where = ("task", "data", "contamination", "model", "seed", "domain", "scale")
    varying = [name for name in where if found[name].nunique() > 1]
    rows = [_comparison(each, varying) for each in found.head(SHOWN).to_dict("records")]
    note = (
        f"Paired differences on the same rows. Holm's correction runs over all {tests} tests of the family. The share "
        "is that of recordings on which the first is better, ties counting half; d_z is the mean difference over its "
        "standard deviation. Intervals are not corrected."
    )
    heads = ["first", "second", "figure", *varying, "difference", "d_z", "share", "p", "p (Holm)", "test"]
    return tag(
        "section",
        title,
        tag("p", note, class_="quiet"),
        tag("p", f"The first {SHOWN} of {len(found)}; zsxai bench export writes all.", class_="quiet small")
        if len(found) > SHOWN
        else "",
        figures("Comparisons named by the suite", heads, rows, "Comparisons"),
    )


def _comparison(each: dict[str, object], varying: list[str]) -> Html:
    numbers = {name: float(str(each[name])) for name in ("difference", "low", "high", "effect", "share", "p", "p_holm")}
    interval = Interval(
        numbers["difference"], numbers["low"], numbers["high"], int(str(each["n"])), int(str(each["n_invalid"]))
    )
    known = reading(str(each["task"]), str(each["metric"]))
    return line(
        each["first"],
        text_cell(each["second"]),
        text_cell(known.symbol + known.arrow),
        *(text_cell(each[name]) for name in varying),
        figure_cell(interval),
        *(number_cell(numbers[n], _plain(numbers[n])) for n in ("effect", "share")),
        *(number_cell(numbers[n], p_value(numbers[n])) for n in ("p", "p_holm")),
        text_cell(each["test"]),
    )


def _plain(value: float) -> str:
    return fixed(value) if np.isfinite(value) else NOTHING


def failures(result: Result) -> Html:
    """What explainers raised, alike ones together."""
    found: DataFrame = result.failures
    title = tag("h2", "Failures", id="failures")
    if not len(found):
        return tag("section", title, tag("p", "No explainer raised."))
    by = ["explainer", "error", "task", "contamination", "domain", "scale", "model"]
    rows = []
    grouped = found.groupby(by, sort=False)
    for at, group in list(grouped)[:SHOWN]:
        names = [name or "(whole unit)" for name in group["item"]]
        some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        explainer, error, *where = at
        count = int(group["items"].sum())
        cells = [text_cell(error), text_cell(", ".join(where)), number_cell(count, str(count)), text_cell(some)]
        rows.append(line(explainer, *cells))
    left = f"The first {SHOWN} of {len(grouped)} kinds." if len(grouped) > SHOWN else "Alike ones together"
    heads = ["explainer", "error", "where", "items", "such as"]
    return tag("section", title, figures(left, heads, rows, "Failures", kind="words"))


def cost(result: Result) -> Html:
    """Seconds and clips encoded per item; apart from the figures, since they differ between runs."""
    found = result.timings()
    title = tag("h2", "Cost", id="cost")
    if not len(found):
        return tag("section", title, tag("p", "Nothing was measured."))
    sums = found.groupby(level=["task", "explainer"], sort=False).sum()
    counted = [name for name in sums.columns if name.startswith("forwards")]
    rows = []
    for (task, explainer), each in sums.iterrows():
        items = max(float(each["items"]), 1.0)
        per_item = [number_cell(each[name] / items, f"{each[name] / items:.1f}") for name in counted]
        rows.append(
            line(
                explainer,
                text_cell(task),
                number_cell(each["items"], f"{each['items']:.0f}"),
                number_cell(each["seconds"] / items, f"{each['seconds'] / items:.3f}"),
                *per_item,
                control=result.is_control(explainer),
            )
        )
    note = (
        "Process CPU seconds and clips encoded, per item and kind of mask. What a unit's explainers share (reading, "
        "mixing, encoding the originals) is divided evenly among them. Forwards of an explainer are its own; the "
        "harness's score its masks."
    )
    heads = ["explainer", "task", "items", "CPU seconds per item", *(f"{name}, per item" for name in counted)]
    return tag("section", title, tag("p", note, class_="quiet"), figures("Cost", heads, rows, "Cost"))


def configuration(result: Result) -> Html:
    """Everything that can change a number, and the commands."""
    found = facts(result)
    versions = "; ".join(", ".join(f"{k} {v}" for k, v in each.items()) for each in found["versions"])
    models = [
        join(untrusted(m["label"]), " (weights ", tag("code", str(m["weights"])), ")") if m["weights"] else m["label"]
        for m in found["models"]
    ]
    listed = {
        "Suite": found["suite"],
        "Prompts": f"{found['template']}; the {found['explained']} class; {found['softmax']} softmax",
        "Seeds": ", ".join(map(str, found["seeds"])),
        "Domains": ", ".join(found["domains"]),
        "Scales": ", ".join(found["scales"]),
        "Calibrations": "; ".join(f"{e}: {', '.join(c)}" for e, c in found["calibrations"].items()),
        "Intervals": found["interval"],
        "Versions": versions,
        "Code (sha256)": ", ".join(found["code"]),
        "Cells": f"{found['cells']['planned']} planned, {found['cells']['missing']} missing",
    }
    suite = result.suite.model_dump(mode="json")
    commands = "zsxai bench run SUITE --out DIR\nzsxai bench report DIR"
    return tag(
        "section",
        tag("h2", "Configuration", id="configuration"),
        definitions([*pairs(listed), *(("Model", model) for model in models)]),
        tag("p", "Made by:", class_="quiet small gap"),
        tag("code", commands, class_="command"),
        tag(
            "details",
            tag("summary", "The exact suite"),
            tag("pre", as_json(suite), tabindex=0, aria_label="The suite as JSON"),
            class_="block",
        ),
        tag(
            "details",
            tag("summary", "Settings measured, with their counts"),
            tag("pre", as_json(found["settings"]), tabindex=0, aria_label="Settings as JSON"),
            class_="block",
        ),
    )
