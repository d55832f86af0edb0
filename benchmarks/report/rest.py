"""The sections around the figures: what to know before trusting them, tests, failures, cost, configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.facts import collect_facts, describe_left_out, find_left_out
from zsxai.benchmarks.analyse.formatting import NOTHING, format_number
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.report.parts import (
    format_p,
    list_definitions,
    render_interval,
    render_number,
    render_row,
    render_table,
    render_text,
)
from zsxai.show.html import Html, as_json, join, tag, untrusted
from zsxai.show.parts import definitions

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

SHOWN = 200
"""Lines of a long table; the exported files hold all."""


def render_warnings(result: Result) -> Html:
    """Say what is missing, failed or invalid."""
    found = []
    planned, missing = len(set(result.cells)), len(set(result.missing))
    if missing:
        found.append(
            f"{missing} of {planned} cells are not measured yet: the figures are of a part of the suite. Running it "
            "again does what is missing."
        )
    found += [f"{line}." for line in describe_left_out(find_left_out(result.suite, result.cells))]
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


def render_comparisons(result: Result) -> Html:
    """Render the family of tests that the suite named beforehand."""
    title = tag("h2", "Comparisons", id="comparisons")
    if not result.suite.comparisons.metrics:
        return tag("section", title, tag("p", "The suite names no comparison beforehand, so none is tested here."))
    found = result.comparisons()
    if not len(found):
        return tag("section", title, tag("p", "No two explainers of the suite's comparisons ran on the same rows."))
    tests = int(np.isfinite(found["p"].to_numpy(dtype=float)).sum())
    where = ("task", "data", "contamination", "model", "seed", "domain", "scale")
    varying = [name for name in where if found[name].nunique() > 1]
    rows = [_render_comparison(each, varying) for each in found.head(SHOWN).to_dict("records")]
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
        render_table("Comparisons named by the suite", heads, rows, "Comparisons"),
    )


def _render_comparison(each: dict[str, object], varying: list[str]) -> Html:
    numbers = {name: float(str(each[name])) for name in ("difference", "low", "high", "effect", "share", "p", "p_holm")}
    interval = Interval(
        numbers["difference"], numbers["low"], numbers["high"], int(str(each["n"])), int(str(each["n_invalid"]))
    )
    known = find_reading(str(each["task"]), str(each["metric"]))
    return render_row(
        each["first"],
        render_text(each["second"]),
        render_text(known.symbol + known.arrow),
        *(render_text(each[name]) for name in varying),
        render_interval(interval),
        *(render_number(numbers[n], _format(numbers[n])) for n in ("effect", "share")),
        *(render_number(numbers[n], format_p(numbers[n])) for n in ("p", "p_holm")),
        render_text(each["test"]),
    )


def _format(value: float) -> str:
    return format_number(value) if np.isfinite(value) else NOTHING


def render_failures(result: Result) -> Html:
    """Render what explainers raised, equal errors together."""
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
        cells = [render_text(error), render_text(", ".join(where)), render_number(count, str(count)), render_text(some)]
        rows.append(render_row(explainer, *cells))
    left = f"The first {SHOWN} of {len(grouped)} kinds." if len(grouped) > SHOWN else "Alike ones together"
    heads = ["explainer", "error", "where", "items", "such as"]
    return tag("section", title, render_table(left, heads, rows, "Failures", kind="words"))


def render_cost(result: Result) -> Html:
    """Render seconds and clips encoded per item; apart from the figures, since they differ between runs."""
    found = result.timings()
    title = tag("h2", "Cost", id="cost")
    if not len(found):
        return tag("section", title, tag("p", "Nothing was measured."))
    sums = found.groupby(level=["task", "explainer"], sort=False).sum()
    counted = [name for name in sums.columns if name.startswith("forwards")]
    rows = []
    for (task, explainer), each in sums.iterrows():
        items = max(float(each["items"]), 1.0)
        per_item = [render_number(each[name] / items, f"{each[name] / items:.1f}") for name in counted]
        rows.append(
            render_row(
                explainer,
                render_text(task),
                render_number(each["items"], f"{each['items']:.0f}"),
                render_number(each["seconds"] / items, f"{each['seconds'] / items:.3f}"),
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
    return tag("section", title, tag("p", note, class_="quiet"), render_table("Cost", heads, rows, "Cost"))


def render_configuration(result: Result, command: str) -> Html:
    """Render everything that can change a number, and the commands: the run's, and the one that made the page."""
    found = collect_facts(result)
    versions = "; ".join(", ".join(f"{k} {v}" for k, v in each.items()) for each in found["versions"])
    models = [
        join(
            untrusted(m["label"]),
            join(" (weights ", tag("code", str(m["weights"])), ")") if m["weights"] else "",
            join(" of ", untrusted(m["pool"])) if "pool" in m else "",
        )
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
    commands = "\n".join([result.settings.get("command") or "zsxai.benchmarks.run_suite(...)  # in Python", command])
    return tag(
        "section",
        tag("h2", "Configuration", id="configuration"),
        definitions([*list_definitions(listed), *(("Model", model) for model in models)]),
        tag("p", "Made by:", class_="quiet small gap"),
        tag("code", untrusted(commands), class_="command"),
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
