"""What every table of a run says of itself: data, n, seeds, versions, calibrations, kinds of masks, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zsxai.benchmarks.analyse.result import Result
    from zsxai.benchmarks.run.plan import Cell
    from zsxai.benchmarks.run.suite import ModelSpec, Suite

INTERVAL = (
    "95 % percentile bootstrap over recordings; a mixture of two recordings weighs the product of their draws; "
    "{draws} draws, seed 0"
)


def collect_facts(result: Result) -> dict[str, Any]:
    """Collect what a reader needs to place a figure; plain JSON, and the same for a resumed run."""
    stored = list(result.stored.values())
    suite = result.suite
    return {
        "suite": suite.name,
        "headline": suite.headline.model_dump(mode="json"),
        "data": {key: _get_data(suite, key, suite.models) for key in suite.data},
        "settings": _list_settings(result),
        "limit": result.settings.get("limit"),
        "models": _list_models(result),
        "left_out": find_left_out(suite, result.cells),
        "template": suite.prompting.template,
        "explained": suite.prompting.explained,
        "softmax": suite.prompting.softmax,
        "seeds": list(suite.seeds),
        "domains": _distinct(cell.domain for cell in result.cells),
        "scales": _distinct(cell.scale for cell in result.cells),
        "calibrations": _list_calibrations(result),
        "interval": INTERVAL.format(draws=suite.draws),
        "versions": _distinct_dicts(found.description.get("versions", {}) for found in stored),
        "code": _distinct(found.description.get("code", "unknown") for found in stored),
        "cells": {"planned": len(set(result.cells)), "missing": len(set(result.missing))},
        "failures": len(result.failures),
    }


def write_caption(result: Result, at: Mapping[str, Any] | None = None) -> str:
    """Write the facts in one line.

    Args:
        result: The run.
        at: Only what a part of the tables needs: its task, data, contamination, model, seed.
    """
    found = collect_facts(result)
    if at is not None:
        found["settings"] = [s for s in found["settings"] if all(at.get(k, v) == v for k, v in s.items())]
        found |= {"domains": [at["domain"]], "scales": [at["scale"]], "seeds": [at["seed"]]}
        shown = [model for model in result.suite.models if model.row == at["model"]]
        titles = {model.title for model in shown}
        found["models"] = [m for m in found["models"] if m["label"] in titles]
        found["left_out"] = {m: names for m, names in found["left_out"].items() if m in titles}
        found["data"] = {at["data"]: _get_data(result.suite, at["data"], shown)}
    data = "; ".join(f"{key} ({', '.join([d['reader'], *list_options(d)])})" for key, d in found["data"].items())
    n = "; ".join(f"{s['task']} on {s['data']}, {s['contamination']}: {_describe_n(s)}" for s in found["settings"])
    models = ", ".join(_describe_model(m) for m in found["models"])
    calibrations = ", ".join(f"{e} {'/'.join(c)}" for e, c in found["calibrations"].items()) if at is None else "by row"
    versions = "; ".join(", ".join(f"{k} {v}" for k, v in each.items()) for each in found["versions"])
    lacking = found["cells"]["missing"]
    return (
        f"Suite {found['suite']}. Data: {data}. n: {n}. Models: {models or 'none'}. "
        f"Prompt template “{found['template']}”, {found['explained']} class, {found['softmax']} softmax. "
        f"Domains {', '.join(found['domains'])}; scales {', '.join(found['scales'])}; "
        f"seeds {', '.join(map(str, found['seeds']))}. Calibrations: {calibrations or 'none'}. "
        f"Intervals: {found['interval']}. Versions: {versions or 'unknown'}."
        + "".join(f" {line}." for line in describe_left_out(found["left_out"]))
        + (f" {lacking} of {found['cells']['planned']} cells are not measured yet." if lacking else "")
        + (f" Failures: {found['failures']}." if found["failures"] else "")
    )


def list_options(data: Mapping[str, Any]) -> list[str]:
    """List the options of a data set, as :func:`collect_facts` gives it: of all models, or before each."""
    return [f"{k} {v}" for k, v in data.get("options", {}).items()] + [
        f"{k} {v} before {model}" for model, options in data.get("parts", {}).items() for k, v in options.items()
    ]


def find_left_out(suite: Suite, cells: Iterable[Cell]) -> dict[str, list[str]]:
    """Find explainers that the suite asks for and a plan has no cell of, by model: they need gradients it lacks.

    Args:
        suite: The suite.
        cells: All cells of its plan.
    """
    planned = {(cell.task, cell.model, cell.explainer) for cell in cells}
    found: dict[str, list[str]] = {}
    for model in suite.models:
        asked = ((task.kind, model.title, e.title) for task in suite.tasks for e in suite.explainers_of(task))
        if lacking := _distinct(at[2] for at in asked if at not in planned):
            found[model.title] = lacking
    return found


def describe_left_out(found: Mapping[str, Sequence[str]]) -> list[str]:
    """Describe what :func:`find_left_out` found, a line per model."""
    return [
        f"{', '.join(names)} need{'s' if len(names) == 1 else ''} gradients, which {model} does not give: left out"
        for model, names in found.items()
    ]


def _describe_model(model: Mapping[str, Any]) -> str:
    return f"{model['label']} ({str(model['weights'])[:12]})" + (f" of {model['pool']}" if "pool" in model else "")


def _describe_n(setting: dict[str, Any]) -> str:
    return f"{setting['items']} items from {setting['recordings']} recordings, seed {setting['seed']}"


def _get_data(suite: Suite, key: str, models: Sequence[ModelSpec]) -> dict[str, Any]:
    """Get reader and options; ``parts``, the options by model, where these differ."""
    parts = {model.title: suite.data_of(key, model.title).options for model in models}
    first, *others = parts.values()
    options = {"parts": parts} if any(other != first for other in others) else {"options": first}
    return {"reader": suite.data[key].reader, **options}


def _list_settings(result: Result) -> list[dict[str, Any]]:
    return [
        {
            **sample.at,
            "seed": int(sample.at["seed"]),
            "items": int(sample.rows["item"].nunique()),
            "recordings": int(sample.resampling.recordings),
        }
        for sample in result.samples
    ]


def _list_models(result: Result) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for cell in result.cells:
        stored = result.stored.get(cell.key)
        if stored is not None and cell.model not in found:
            model = stored.description.get("model", {})
            found[cell.model] = {
                "label": cell.model,
                **({"pool": cell.pool} if cell.pool else {}),
                **{name: model.get(name) for name in ("name", "options", "weights", "logit_scale")},
            }
    return list(found.values())


def _list_calibrations(result: Result) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sample in result.samples:
        own = sample.rows[(sample.rows["variant"] == "own") & (sample.rows["calibration"] != "")]
        for explainer, calibration in own[["explainer", "calibration"]].drop_duplicates().itertuples(index=False):
            if calibration not in found.setdefault(explainer, []):
                found[explainer].append(calibration)
    return found


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _distinct_dicts(values: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(items) for items in dict.fromkeys(tuple(v.items()) for v in values)]
