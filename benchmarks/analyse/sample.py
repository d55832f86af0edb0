"""A setting: its rows, and the draws of recordings that everything measured on them shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.bootstrap import Resampling
from zsxai.benchmarks.analyse.frame import PLACE, SETTING
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.statistics import score_wins
from zsxai.benchmarks.run.figures import split_figure
from zsxai.benchmarks.tasks import runner_of
from zsxai.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame


class Sample:
    """Rows of one setting, and the draws of recordings that everything measured on them shares.

    Attributes:
        at: Task, data, contamination, model, seed.
        rows: Of all explainers and variants; ``unit`` is the number of a row's clip (or of its mixture and prompt).
        resampling: Over the units.
    """

    def __init__(self, at: tuple[Any, ...], rows: DataFrame, draws: int) -> None:
        self.at = dict(zip(SETTING, at, strict=True))
        keys = list(runner_of(self.at["task"]).card.paired_by)
        self.rows = rows.assign(unit=rows.groupby(keys).ngroup())
        twins = self.rows.duplicated([*PLACE, "variant", "unit"])
        if twins.any():
            first = self.rows[twins].iloc[0]
            raise InputError(
                f"the run measured {first['explainer']!r} twice on {first['item']!r} ({self.at['task']}, "
                f"{self.at['contamination']}): two tasks of one kind in the suite ask for the same setting"
            )
        units = self.rows.drop_duplicates("unit").sort_values("unit")
        self.resampling = Resampling(list(units["sources"]), draws)
        self._by_place: dict[str, dict[Any, DataFrame]] = {}

    @property
    def task(self) -> str:
        """Kind of task."""
        return str(self.at["task"])

    @cached_property
    def _by_variant(self) -> dict[str, DataFrame]:
        return dict(tuple(self.rows.groupby("variant", sort=False)))

    def select(self, name: str, stratum: str | None = None) -> DataFrame:
        """Select the rows of one variant and, if wanted, of one stratum."""
        rows = self._by_variant.get(name, self.rows.iloc[:0])
        if stratum is not None:
            column = f"stratum:{stratum}"
            rows = rows[rows[column]] if column in rows else rows.iloc[:0]
        return rows

    def group(self, rows: DataFrame) -> Iterator[tuple[dict[str, Any], DataFrame]]:
        """Group rows by domain, scale, explainer and calibration, in the order of the plan."""
        for at, group in rows.groupby(list(PLACE), sort=False):
            yield dict(zip(PLACE, at, strict=True)), group

    def group_by_explainer(self, rows: DataFrame) -> dict[str, dict[str, DataFrame]]:
        """Group rows of one kind of mask by explainer, and by calibration within."""
        groups: dict[str, dict[str, DataFrame]] = {}
        for at, group in self.group(rows):
            groups.setdefault(at["explainer"], {})[at["calibration"]] = group
        return groups

    def values(self, group: DataFrame, metrics: Sequence[str]) -> NDArray[Any]:
        """``(B, K)`` of one explainer's rows; NaN where invalid."""
        columns = [self._get_column(group, name) for name in metrics]
        return np.stack(columns, axis=1) if columns else np.empty((len(group), 0))

    def has(self, group: DataFrame, metric: str) -> bool:
        """Whether the rows have a figure at all: a figure that a variant lacks is not an invalid one."""
        control, name = split_figure(metric)
        parts = [group, *([self._select_other(group, control)] if control else [])]
        return all(len(part) and any(name in m for m in set(part["measured"])) for part in parts)

    def _get_column(self, group: DataFrame, metric: str) -> NDArray[Any]:
        control, name = split_figure(metric)
        if name not in group:
            return np.full(len(group), np.nan)
        own = group[name].to_numpy(dtype=np.float64)
        if not control:
            return np.asarray(own)
        other = (
            self._select_other(group, control).set_index("unit")[name].reindex(group["unit"]).to_numpy(dtype=np.float64)
        )
        return score_wins(own, other, find_reading(self.task, name).better)

    def _select_other(self, group: DataFrame, control: str) -> DataFrame:
        """Select the same explainer's rows of another variant."""
        if control not in self._by_place:
            rows = self.select(control)
            self._by_place[control] = dict(tuple(rows.groupby(list(PLACE), sort=False)))
        place = tuple(group[name].iloc[0] for name in PLACE) if len(group) else None
        found: DataFrame = self._by_place[control].get(place, self.rows.iloc[:0])
        return found


def split_settings(rows: DataFrame, draws: int) -> list[Sample]:
    """Split the rows of a run by setting, in the order of the plan."""
    return [Sample(at, group, draws) for at, group in rows.groupby(list(SETTING), sort=False)]
