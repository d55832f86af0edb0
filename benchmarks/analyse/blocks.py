"""A block: everything that one picture shows, the rows of one setting and kind of mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.frame import SETTING
from zsxai.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result
    from zsxai.benchmarks.analyse.sample import Sample


@dataclass(frozen=True, eq=False)
class Block:
    """One setting and kind of mask.

    Attributes:
        result: The run.
        sample: Its setting.
        domain: Domain of masks.
        scale: Scale of masks.
    """

    result: Result
    sample: Sample
    domain: str
    scale: str
    _rows: dict[tuple[str, str | None], dict[str, DataFrame]] = field(default_factory=dict, repr=False)
    _intervals: dict[int, dict[str, Interval | None]] = field(default_factory=dict, repr=False)

    @property
    def at(self) -> dict[str, Any]:
        """What all rows share."""
        return {**self.sample.at, "domain": self.domain, "scale": self.scale}

    @property
    def short(self) -> str:
        """What distinguishes the block from others of its task, where anything does."""
        others = [b.at for b in find_blocks(self.result, self.task)]
        names = [n for n in ("data", "contamination", "model", "domain", "scale") if len({o[n] for o in others}) > 1]
        return ", ".join(str(self.at[name]) for name in names) or str(self.at["data"])

    @property
    def task(self) -> str:
        """Kind of task."""
        return self.sample.task

    def rows(self, variant: str = "own", stratum: str | None = None) -> dict[str, DataFrame]:
        """Rows of one variant by explainer (and calibration, where an explainer has several), in the suite's order."""
        if (variant, stratum) not in self._rows:
            self._rows[variant, stratum] = self._group(variant, stratum)
        return self._rows[variant, stratum]

    def _group(self, variant: str, stratum: str | None) -> dict[str, DataFrame]:
        rows = self.sample.select(variant, stratum)
        rows = rows[(rows["domain"] == self.domain) & (rows["scale"] == self.scale)]
        found = {(at["explainer"], at["calibration"]): group for at, group in self.sample.group(rows)}
        several = {e for e, _ in found if sum(e == other for other, _ in found) > 1}
        return {f"{e}, {c}" if e in several else e: group for (e, c), group in found.items()}

    @property
    def variants(self) -> list[str]:
        """Variants that the block has rows of."""
        rows = self.sample.rows
        mine = rows[(rows["domain"] == self.domain) & (rows["scale"] == self.scale)]
        return list(dict.fromkeys(mine["variant"]))

    def interval(self, group: DataFrame, metric: str) -> Interval | None:
        """Mean of a figure over rows that :meth:`rows` gave; None where it was not measured."""
        # All figures of the rows at once: the draws are looked up once, and every table and plot asks again.
        known = self._intervals.setdefault(id(group), {})
        if metric not in known:
            wanted = [m for m in {metric: None, **dict.fromkeys(self.result.metrics(self.task))} if m not in known]
            given = [m for m in wanted if self.sample.has(group, m)]
            found = self.sample.resampling.intervals(self.sample.values(group, given), group["unit"].to_numpy())
            known.update({**dict.fromkeys(wanted), **dict(zip(given, found, strict=True))})
        return known[metric]

    def is_control(self, name: str) -> bool:
        """Whether a name of :meth:`rows` is that of a blind control."""
        return any(name == title or name.startswith(f"{title}, ") for title in self.result.suite.blind)

    def label(self, name: str) -> str:
        """A name of :meth:`rows`, with a word on it where it is a blind control."""
        return f"{name} (control)" if self.is_control(name) else name


def split_blocks(result: Result) -> list[Block]:
    """Split a run into blocks, in the order of the plan."""
    found = []
    for sample in result.samples:
        kinds = sample.rows[["domain", "scale"]].drop_duplicates()
        found += [Block(result, sample, d, s) for d, s in kinds.itertuples(index=False)]
    return found


def find_blocks(result: Result, task: str | None = None, **where: Any) -> list[Block]:
    """Find blocks of a run.

    Args:
        result: The run.
        task: Kind of task; all where None.
        **where: ``data``, ``contamination``, ``model``, ``seed``, ``domain``, ``scale``.

    Raises:
        InputError: If a name in ``where`` is none of these.
    """
    for name in where:
        if name not in {*SETTING, "domain", "scale"}:
            raise InputError(f"a plot is chosen by data, contamination, model, seed, domain and scale, not by {name!r}")
    wanted = where if task is None else {**where, "task": task}
    return [b for b in result.blocks if all(b.at[name] == value for name, value in wanted.items())]
