"""Rows of the store as one table: a line per clip, explainer, kind of mask and variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, Self

from zsxai.benchmarks.tasks import runner_of
from zsxai.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.run.plan import Cell
    from zsxai.benchmarks.run.suite import Suite
    from zsxai.benchmarks.tasks.base import Failure, Row

SETTING = ("task", "data", "contamination", "model", "seed")
"""What a set of clips heard by one model is told by: draws of recordings are shared inside."""
PLACE = ("domain", "scale", "explainer", "calibration")
INDEX = ("task", "data", "contamination", "model", "domain", "scale", "seed", "explainer", "calibration")
"""What a line of a result table is told by."""


def pandas() -> ModuleType:
    """The package.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return import_module("pandas")
    except ModuleNotFoundError as error:
        raise MissingExtraError('tables of results need pandas: pip install "zsxai[bench]"') from error


class StoredCell(Protocol):
    """What the store gives back of a cell."""

    @property
    def key(self) -> str:
        """Hash of the description."""

    @property
    def description(self) -> Mapping[str, Any]:
        """Everything that can change a number."""

    @property
    def rows(self) -> Sequence[Row]:
        """What was measured."""

    @property
    def failures(self) -> Sequence[Failure]:
        """Where the explainer raised."""

    @property
    def seconds(self) -> float:
        """Process CPU time."""

    @property
    def forwards(self) -> Mapping[str, int]:
        """Clips encoded, by purpose."""


@dataclass(frozen=True)
class Record:
    """A cell of a run as ``suite.json`` lists it, in the order of the plan.

    Attributes:
        key: In the store.
        task: Kind of task.
        model: Label.
        data: Key of the data set.
        contamination: Label.
        seed: Of explainers that draw.
        explainer: Label.
        domain: Of masks.
        scale: Of masks.
    """

    key: str
    task: str
    model: str
    data: str
    contamination: str
    seed: int
    explainer: str
    domain: str
    scale: str

    @classmethod
    def of(cls, cell: Cell, suite: Suite) -> Self:
        """Of a planned cell."""
        task = suite.tasks[cell.unit.task]
        return cls(
            key=cell.key,
            task=task.kind,
            model=cell.unit.model,
            data=cell.unit.data,
            contamination=task.contaminations[cell.unit.contamination].label,
            seed=cell.unit.seed,
            explainer=cell.place.explainer,
            domain=cell.place.domain,
            scale=cell.place.scale,
        )

    def to_json(self) -> list[Any]:
        """As a list."""
        return list(astuple(self))

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Self:
        """From :meth:`to_json`.

        Raises:
            InputError: If it is no such list.
        """
        try:
            return cls(*values)
        except TypeError as error:
            raise InputError("suite.json lists its cells in another form: run the suite again") from error

    @property
    def columns(self) -> dict[str, Any]:
        """What every row of the cell has in common."""
        names = ("task", "model", "data", "contamination", "seed", "domain", "scale", "explainer")
        return {name: getattr(self, name) for name in names}


def frame(records: Sequence[Record], stored: Iterable[StoredCell]) -> DataFrame:
    """All rows of a run, in the order of the plan.

    An item on which an explainer failed is a row as well, without figures, so that every table counts it as invalid.

    Args:
        records: Cells of the run; one that is listed twice counts once.
        stored: What the store holds of them.

    Returns:
        A line per item, explainer, kind of mask, calibration and variant. Columns: ``task``, ``data``,
        ``contamination``, ``model``, ``seed``, ``domain``, ``scale``, ``explainer``, ``calibration``, ``variant``,
        ``item``, ``sources`` (tuple of recordings), ``label``, ``prompt``, ``failed`` (bool), ``measured`` (names of
        the figures that the row's variant has at all), ``stratum:<name>`` (bool), and one column per figure (float,
        NaN where invalid or not measured; lists where it is a curve).
    """
    cells = {cell.key: cell for cell in stored}
    lines: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    interned: dict[frozenset[str], frozenset[str]] = {}
    for record in dict.fromkeys(records):
        cell = cells.get(record.key)
        if cell is None:
            continue
        for row in cell.rows:
            names = frozenset(name for name, value in row.figures.items() if value is not None)
            lines.append(
                {
                    **record.columns,
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
        failed += [{**record.columns, "item": name} for name in dict.fromkeys(failed_items(cell))]
    return _typed(lines + _without_figures(failed, lines))


def failed_items(cell: StoredCell) -> list[str]:
    """Items of a cell on which something failed; all of them where the whole unit did."""
    named = [f.item for f in cell.failures if f.item]
    if any(not f.item for f in cell.failures):
        named += [item["name"] for item in cell.description.get("items", [])]
    return named


_CELL = (*SETTING, "domain", "scale", "explainer")
_FORM = ("task", "domain", "scale", "explainer")
Line = dict[str, Any]
Form = tuple[str, str]
"""Calibration and variant."""


def _without_figures(failed: Sequence[Line], lines: Sequence[Line]) -> list[Line]:
    """The rows that failed items lack: for every calibration and variant that the explainer has on other items."""
    if not failed:
        return []
    names = {line["item"] for line in failed}
    there: set[tuple[Any, ...]] = set()
    twins: dict[tuple[Any, ...], list[Line]] = {}
    forms: dict[tuple[Any, ...], dict[Form, frozenset[str]]] = {}
    for line in lines:
        forms.setdefault(_at(line, _FORM), {}).setdefault((line["calibration"], line["variant"]), line["measured"])
        if line["item"] in names:
            there.add(_at(line, _CELL, line["item"], line["calibration"], line["variant"]))
            twins.setdefault(_at(line, SETTING, line["item"]), []).append(line)
    found = []
    for line in failed:
        like = twins.get(_at(line, SETTING, line["item"]), [])
        shared = _shared(line, like)
        own = forms.get(_at(line, _FORM)) or {("", "own"): _usual(lines, line["task"])}
        for (calibration, variant), measured in own.items():
            if _at(line, _CELL, line["item"], calibration, variant) in there:
                continue
            prompts = list(dict.fromkeys(twin["prompt"] for twin in like if twin["variant"] == variant))
            for prompt in (prompts if "prompt" in runner_of(line["task"]).card.paired_by else prompts[:1]) or [""]:
                about = {"calibration": calibration, "variant": variant, "prompt": prompt}
                found.append({**line, **shared, **about, "failed": True, "measured": measured})
    return found


def _at(line: Line, names: Sequence[str], *more: object) -> tuple[object, ...]:
    return (*(line[name] for name in names), *more)


def _shared(line: Line, like: Sequence[Line]) -> Line:
    """What rows of other explainers on the same item say of it; where all failed, it is a recording of its own."""
    first = like[0] if like else {"sources": (line["item"],), "label": ""}
    return {n: value for n, value in first.items() if n in {"sources", "label"} or n.startswith("stratum:")}


def _usual(lines: Sequence[Line], task: str) -> frozenset[str]:
    """What the own masks of other explainers have measured."""
    names = [line["measured"] for line in lines if line["task"] == task and line["variant"] == "own"]
    return frozenset().union(*names)


FIXED = (*SETTING, *PLACE, "variant", "item", "sources", "label", "prompt", "failed", "measured")


def figure_names(rows: DataFrame) -> list[str]:
    """Columns that hold a number per row, curves left out."""
    return [c for c in rows.columns if c not in FIXED and not c.startswith("stratum:") and rows[c].dtype != object]


def curve_names(rows: DataFrame) -> list[str]:
    """Columns that hold a list per row."""
    return [c for c in rows.columns if c not in FIXED and rows[c].dtype == object]


def strata_of(rows: DataFrame) -> list[str]:
    """Named subsets of the rows."""
    return [c.removeprefix("stratum:") for c in rows.columns if c.startswith("stratum:")]


def _typed(lines: Sequence[dict[str, Any]]) -> DataFrame:
    made: DataFrame = pandas().DataFrame(list(lines), columns=_columns(lines))
    for name in made.columns:
        if name.startswith("stratum:"):
            made[name] = made[name].eq(True)
        elif name not in FIXED and not made[name].map(lambda value: isinstance(value, (list, tuple))).any():
            made[name] = made[name].astype("float64")
    return made


def _columns(lines: Sequence[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for line in lines for name in line if name not in FIXED)
    strata = sorted(name for name in names if name.startswith("stratum:"))
    return [*FIXED, *strata, *sorted(name for name in names if not name.startswith("stratum:"))]
