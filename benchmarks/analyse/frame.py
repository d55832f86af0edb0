"""Rows of the store as one table: a line per clip, explainer, kind of mask and variant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.tasks import runner_of
from zsxai.extras import need

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.run.plan import Cell
    from zsxai.benchmarks.run.store import Stored

SETTING = ("task", "data", "contamination", "model", "seed")
"""What distinguishes sets of clips before one model; inside one, all rows share the draws of recordings."""
PLACE = ("domain", "scale", "explainer", "calibration")
INDEX = ("task", "data", "contamination", "model", "domain", "scale", "seed", "explainer", "calibration")
"""What distinguishes the lines of a result table."""


def import_pandas() -> ModuleType:
    """Import the package, which not every installation has.

    Raises:
        MissingExtraError: If it is not installed.
    """
    need("bench", "pandas")
    return import_module("pandas")


def build_frame(cells: Sequence[Cell], stored: Iterable[Stored]) -> DataFrame:
    """Put all rows of a run into one table, in the order of the plan.

    An item on which an explainer failed is a row as well, without figures, so that every table counts it as invalid.

    Args:
        cells: Cells of the run; one that is listed twice counts once.
        stored: What the store holds of them.

    Returns:
        A line per item, explainer, kind of mask, calibration and variant. Columns: ``task``, ``data``,
        ``contamination``, ``model``, ``seed``, ``domain``, ``scale``, ``explainer``, ``calibration``, ``variant``,
        ``item``, ``sources`` (tuple of recordings), ``label``, ``prompt``, ``failed`` (bool), ``measured`` (names of
        the figures that the row's variant has at all), ``stratum:<name>`` (bool), and one column per figure (float,
        NaN where invalid or not measured; lists where it is a curve).
    """
    by_key = {found.key: found for found in stored}
    lines: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    interned: dict[frozenset[str], frozenset[str]] = {}
    for cell in dict.fromkeys(cells):
        found = by_key.get(cell.key)
        if found is None:
            continue
        for row in found.rows:
            names = frozenset(name for name, value in row.figures.items() if value is not None)
            lines.append(
                {
                    **cell.columns,
                    "calibration": row.calibration,
                    "variant": row.variant,
                    "item": row.item,
                    "sources": tuple(row.sources),
                    "label": row.label,
                    "prompt": row.prompt,
                    "failed": False,
                    "measured": interned.setdefault(names, names),
                    **{f"stratum:{name}": bool(value) for name, value in row.strata.items()},
                    **row.figures,
                }
            )
        failed += [{**cell.columns, "item": name} for name in dict.fromkeys(_find_failed_items(found))]
    return _set_types(lines + _fill_in(failed, lines))


def _find_failed_items(found: Stored) -> list[str]:
    """Find the items on which something failed; all items of the cell where the whole unit did."""
    named = [f.item for f in found.failures if f.item]
    if any(not f.item for f in found.failures):
        named += [item["name"] for item in found.description.get("items", [])]
    return named


_CELL = (*SETTING, "domain", "scale", "explainer")
_FORM = ("task", "domain", "scale", "explainer")
Line = dict[str, Any]
Form = tuple[str, str]
"""Calibration and variant."""


def _fill_in(failed: Sequence[Line], lines: Sequence[Line]) -> list[Line]:
    """Make the rows that failed items lack, for every calibration and variant of the explainer on other items."""
    if not failed:
        return []
    names = {line["item"] for line in failed}
    present: set[tuple[Any, ...]] = set()
    twins: dict[tuple[Any, ...], list[Line]] = {}
    forms: dict[tuple[Any, ...], dict[Form, frozenset[str]]] = {}
    for line in lines:
        forms.setdefault(_get(line, _FORM), {}).setdefault((line["calibration"], line["variant"]), line["measured"])
        if line["item"] in names:
            present.add(_get(line, _CELL, line["item"], line["calibration"], line["variant"]))
            twins.setdefault(_get(line, SETTING, line["item"]), []).append(line)
    made = []
    for line in failed:
        like = twins.get(_get(line, SETTING, line["item"]), [])
        shared = _get_shared(line, like)
        own = forms.get(_get(line, _FORM)) or {("", "own"): _list_usual(lines, line["task"])}
        for (calibration, variant), measured in own.items():
            if _get(line, _CELL, line["item"], calibration, variant) in present:
                continue
            prompts = list(dict.fromkeys(twin["prompt"] for twin in like if twin["variant"] == variant))
            for prompt in (prompts if "prompt" in runner_of(line["task"]).card.paired_by else prompts[:1]) or [""]:
                about = {"calibration": calibration, "variant": variant, "prompt": prompt}
                made.append({**line, **shared, **about, "failed": True, "measured": measured})
    return made


def _get(line: Line, names: Sequence[str], *more: object) -> tuple[object, ...]:
    return (*(line[name] for name in names), *more)


def _get_shared(line: Line, like: Sequence[Line]) -> Line:
    """Take what other explainers' rows on the item say of it; where all failed, it is a recording of its own."""
    first = like[0] if like else {"sources": (line["item"],), "label": ""}
    return {n: value for n, value in first.items() if n in {"sources", "label"} or n.startswith("stratum:")}


def _list_usual(lines: Sequence[Line], task: str) -> frozenset[str]:
    """List what was measured on the own masks of other explainers."""
    names = [line["measured"] for line in lines if line["task"] == task and line["variant"] == "own"]
    return frozenset().union(*names)


FIXED = (*SETTING, *PLACE, "variant", "item", "sources", "label", "prompt", "failed", "measured")


def list_figures(rows: DataFrame) -> list[str]:
    """List the columns that hold a number per row, curves left out."""
    return [c for c in rows.columns if c not in FIXED and not c.startswith("stratum:") and rows[c].dtype != object]


def list_curves(rows: DataFrame) -> list[str]:
    """List the columns that hold a list per row."""
    return [c for c in rows.columns if c not in FIXED and rows[c].dtype == object]


def list_strata(rows: DataFrame) -> list[str]:
    """List the named subsets of the rows."""
    return [c.removeprefix("stratum:") for c in rows.columns if c.startswith("stratum:")]


def _set_types(lines: Sequence[dict[str, Any]]) -> DataFrame:
    made: DataFrame = import_pandas().DataFrame(list(lines), columns=_order_columns(lines))
    for name in made.columns:
        if name.startswith("stratum:"):
            made[name] = made[name].eq(True)
        elif name not in FIXED and not made[name].map(lambda value: isinstance(value, (list, tuple))).any():
            made[name] = made[name].astype("float64")
    return made


def _order_columns(lines: Sequence[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for line in lines for name in line if name not in FIXED)
    strata = sorted(name for name in names if name.startswith("stratum:"))
    return [*FIXED, *strata, *sorted(name for name in names if not name.startswith("stratum:"))]
