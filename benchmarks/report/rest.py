"""What stands around the figures: what to know before trusting them, tests, failures, cost, configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.facts import collect_facts, describe_left_out, find_left_out
from zsxai.benchmarks.analyse.formatting import NOTHING, format_number
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.standing import FEW
from zsxai.benchmarks.report.cells import (
    EXPLAINER,
    Head,
    Row,
    Table,
    format_p,
    make_interval,
    make_number,
    make_texts,
)
from zsxai.written import as_json

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

SHOWN = 200
"""Lines of a long table; the exported files hold all."""


@dataclass(frozen=True)
class Part:
    """A section of one table: sentences before it, the table where there is one."""

    title: str
    at: str
    notes: tuple[str, ...]
    table: Table | None = None


def list_warnings(result: Result) -> list[str]:
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
    few = [s.resampling.recordings for s in result.samples if s.resampling.recordings < FEW]
    if few:
        found.append(
            f"Some settings stand on few recordings (the least: {min(few)}). Bootstrap intervals are too narrow there."
        )
    return found


def make_comparisons(result: Result) -> Part:
    """Make the family of tests that the suite named beforehand."""
    title, at = "Comparisons", "comparisons"
    if not result.suite.comparisons.metrics:
        return Part(title, at, ("The suite names no comparison beforehand, so none is tested here.",))
    found = result.comparisons()
    if not len(found):
        return Part(title, at, ("No two explainers of the suite's comparisons ran on the same rows.",))
    tests = int(np.isfinite(found["p"].to_numpy(dtype=float)).sum())
    where = ("task", "data", "contamination", "model", "seed", "domain", "scale")
    varying = [name for name in where if found[name].nunique() > 1]
    notes = [f"Paired differences on the same rows. Holm's correction runs over all {tests} tests of the family."]
    if len(found) > SHOWN:
        notes.append(f"The first {SHOWN} of {len(found)}; zsxai bench export writes all.")
    heads = (
        *(Head("first"), Head("second"), Head("figure"), *map(Head, varying)),
        Head("difference", "Mean of the first less the second, with its interval, which is not corrected."),
        Head("d_z", "Mean difference over the standard deviation of the differences."),
        Head("share", "Share of recordings on which the first is better; ties count half."),
        Head("p", "Two-sided, of this test alone."),
        Head("p (Holm)", f"Corrected for all {tests} tests of the family."),
        Head("test", "Which test gave p."),
    )
    rows = tuple(_make_comparison(each, varying) for each in found.head(SHOWN).to_dict("records"))
    return Part(title, at, tuple(notes), Table("Comparisons named by the suite", heads, rows))


def _make_comparison(each: dict[str, Any], varying: list[str]) -> Row:
    interval = Interval(each["difference"], each["low"], each["high"], int(each["n"]), int(each["n_invalid"]))
    known = find_reading(str(each["task"]), str(each["metric"]))
    about = make_texts(each["second"], known.symbol + known.arrow, *(each[name] for name in varying))
    plain = (make_number(each[n], _format(each[n])) for n in ("effect", "share"))
    tests = (make_number(each[n], format_p(each[n])) for n in ("p", "p_holm"))
    return Row(str(each["first"]), (*about, make_interval(interval), *plain, *tests, *make_texts(each["test"])))


def _format(value: float) -> str:
    return format_number(value) if np.isfinite(value) else NOTHING


def make_failures(result: Result) -> Part:
    """Make the table of what explainers raised, equal errors together."""
    found: DataFrame = result.failures
    title, at = "Failures", "failures"
    if not len(found):
        return Part(title, at, ("No explainer raised.",))
    by = ["explainer", "error", "task", "contamination", "domain", "scale", "model"]
    rows = []
    grouped = found.groupby(by, sort=False)
    for alike, group in list(grouped)[:SHOWN]:
        names = [name or "(whole unit)" for name in group["item"]]
        some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        explainer, error, *where = alike
        texts = make_texts(error, ", ".join(where), some)
        rows.append(Row(explainer, (*texts[:2], make_number(int(group["items"].sum())), texts[2])))
    left = f"The first {SHOWN} of {len(grouped)} kinds." if len(grouped) > SHOWN else "Alike ones together."
    heads = (EXPLAINER, Head("error"), Head("where"), Head("items"), Head("such as"))
    return Part(title, at, (), Table(left, heads, tuple(rows), in_words=True))


def make_cost(result: Result) -> Part:
    """Make seconds and clips encoded per item; apart from the figures, since they differ between runs."""
    found = result.timings()
    title, at = "Cost", "cost"
    if not len(found):
        return Part(title, at, ("Nothing was measured.",))
    sums = found.groupby(level=["task", "explainer"], sort=False).sum()
    counted = [name for name in sums.columns if name.startswith("forwards")]
    rows = []
    for (task, explainer), each in sums.iterrows():
        items = max(float(each["items"]), 1.0)
        cells = (
            *make_texts(task),
            make_number(each["items"]),
            make_number(each["seconds"] / items, f"{each['seconds'] / items:.3f}"),
            *(make_number(each[name] / items, f"{each[name] / items:.1f}") for name in counted),
        )
        rows.append(Row(explainer, cells, result.is_control(explainer)))
    note = (
        "Process CPU seconds and clips encoded, per item and kind of mask. What a unit's explainers share (reading, "
        "mixing, encoding the originals) is divided evenly among them. Forwards of an explainer are its own; the "
        "harness's score its masks."
    )
    heads = (EXPLAINER, *map(Head, ("task", "items", "CPU seconds per item", *(f"{n}, per item" for n in counted))))
    return Part(title, at, (note,), Table("Cost", heads, tuple(rows)))


@dataclass(frozen=True)
class Configuration:
    """Everything that can change a number: names and what they stand for, suite and settings as JSON."""

    entries: tuple[tuple[str, str], ...]
    suite: str
    settings: str


def make_configuration(result: Result) -> Configuration:
    """Make everything that can change a number."""
    found = collect_facts(result)
    listed = {
        "Suite": found["suite"],
        "Prompts": f"{found['template']}; the {found['explained']} class; {found['softmax']} softmax",
        "Seeds": ", ".join(map(str, found["seeds"])),
        "Domains": ", ".join(found["domains"]),
        "Scales": ", ".join(found["scales"]),
        "Calibrations": "; ".join(f"{e}: {', '.join(c)}" for e, c in found["calibrations"].items()),
        "Intervals": found["interval"],
        "Versions": "; ".join(", ".join(f"{k} {v}" for k, v in each.items()) for each in found["versions"]),
        "Code (sha256)": ", ".join(found["code"]),
        "Cells": f"{found['cells']['planned']} planned, {found['cells']['missing']} missing",
    }
    entries = [(name, str(value)) for name, value in listed.items() if value]
    entries += [("Model", _describe_model(model)) for model in found["models"]]
    suite = as_json(result.suite.model_dump(mode="json"))
    return Configuration(tuple(entries), suite, as_json(found["settings"]))


def _describe_model(model: dict[str, Any]) -> str:
    weights = f" (weights {model['weights']})" if model["weights"] else ""
    return f"{model['label']}{weights}" + (f" of {model['pool']}" if "pool" in model else "")
