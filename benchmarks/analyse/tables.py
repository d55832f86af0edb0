"""Tables over rows: every mean with its interval, every cell with how many values were invalid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.frame import INDEX, PLACE, SETTING, pandas
from zsxai.benchmarks.analyse.reading import reading, split
from zsxai.benchmarks.analyse.statistics import Comparison, Interval, Resampling, ahead, bounds, compare, ranks
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

    @property
    def task(self) -> str:
        """Kind of task."""
        return str(self.at["task"])

    @cached_property
    def _by_variant(self) -> dict[str, DataFrame]:
        return dict(tuple(self.rows.groupby("variant", sort=False)))

    def variant(self, name: str, stratum: str | None = None) -> DataFrame:
        """Rows of one variant and, if wanted, of one stratum."""
        rows = self._by_variant.get(name, self.rows.iloc[:0])
        if stratum is not None:
            column = f"stratum:{stratum}"
            rows = rows[rows[column]] if column in rows else rows.iloc[:0]
        return rows

    def places(self, rows: DataFrame) -> Iterator[tuple[dict[str, Any], DataFrame]]:
        """Rows by domain, scale, explainer and calibration, in the order of the plan."""
        for at, group in rows.groupby(list(PLACE), sort=False):
            yield dict(zip(PLACE, at, strict=True)), group

    def values(self, group: DataFrame, metrics: Sequence[str]) -> NDArray[Any]:
        """``(B, K)`` of one explainer's rows; NaN where invalid."""
        columns = [self._column(group, name) for name in metrics]
        return np.stack(columns, axis=1) if columns else np.empty((len(group), 0))

    def measured(self, group: DataFrame, metric: str) -> bool:
        """Whether the rows have a figure at all: a figure that a variant lacks is not an invalid one."""
        control, name = split(metric)
        parts = [group, *([self._other(group, control)] if control else [])]
        return all(len(part) and any(name in m for m in set(part["measured"])) for part in parts)

    def _column(self, group: DataFrame, metric: str) -> NDArray[Any]:
        control, name = split(metric)
        if name not in group:
            return np.full(len(group), np.nan)
        own = group[name].to_numpy(dtype=np.float64)
        if not control:
            return np.asarray(own)
        other = self._other(group, control).set_index("unit")[name].reindex(group["unit"]).to_numpy(dtype=np.float64)
        return ahead(own, other, reading(self.task, name).better)

    def _other(self, group: DataFrame, control: str) -> DataFrame:
        """The same explainer's rows of another variant."""
        rows = self.variant(control)
        if not len(group):
            return rows.iloc[:0]
        same = np.ones(len(rows), dtype=bool)
        for name in PLACE:
            same &= (rows[name] == group[name].iloc[0]).to_numpy()
        return rows[same]


def samples(rows: DataFrame, draws: int) -> list[Sample]:
    """Settings of a run, in the order of the plan."""
    return [Sample(at, group, draws) for at, group in rows.groupby(list(SETTING), sort=False)]


NOT_MEASURED = Interval(float("nan"), float("nan"), float("nan"), 0, 0)


def table(
    settings: Sequence[Sample],
    metrics: Mapping[str, Sequence[str]],
    variant: str = "own",
    stratum: str | None = None,
    macro: bool = False,
) -> DataFrame:
    """A line per setting, kind of mask, explainer and calibration.

    Args:
        settings: What to tabulate.
        metrics: Figures by kind of task.
        variant: Which masks.
        stratum: Only rows of a stratum.
        macro: Mean over classes of class means.

    Returns:
        Index :data:`~zsxai.benchmarks.analyse.frame.INDEX`; columns ``(figure, mean | low | high | n | n_invalid)``.
    """
    index, lines = [], []
    wanted = list(dict.fromkeys(name for names in metrics.values() for name in names))
    for sample in settings:
        mine = [name for name in wanted if name in metrics.get(sample.task, ())]
        for at, group in sample.places(sample.variant(variant, stratum)):
            given = [name for name in mine if sample.measured(group, name)]
            found = sample.resampling.intervals(
                sample.values(group, given), group["unit"].to_numpy(), list(group["label"]) if macro else None
            )
            by_name = dict(zip(given, found, strict=True))
            index.append(tuple({**sample.at, **at}[name] for name in INDEX))
            lines.append([value for name in wanted for value in by_name.get(name, NOT_MEASURED)])
    columns = pandas().MultiIndex.from_product([wanted, Interval._fields], names=["figure", "value"])
    made: DataFrame = pandas().DataFrame(
        lines, columns=columns, index=pandas().MultiIndex.from_tuples(index, names=INDEX) if index else _no_index()
    )
    counts = [c for c in columns if c[1] in {"n", "n_invalid"}]
    made[counts] = made[counts].astype("int64")
    return made


def _no_index() -> Any:
    return pandas().MultiIndex.from_arrays([[] for _ in INDEX], names=INDEX)


def rank_table(settings: Sequence[Sample], metric: str, stratum: str | None = None) -> DataFrame:
    """Ranks of all explainers on one figure, by setting and kind of mask, with what the draws make of them.

    Explainers are ranked on the rows that are valid for all of them: one that fails on the hard clips would else win
    on the easy ones. One without a single valid value is no entrant.

    Returns:
        A line per explainer and calibration: ``mean`` (over the common rows), ``rank`` (of the means), ``rank_mean``,
        ``rank_low`` and ``rank_high`` (95 % over draws), ``rank_n`` (common rows); ties share their mean rank. All but
        ``rank_n`` are NaN for an explainer without a valid value, and for all where no row is valid for all.
    """
    lines = []
    for sample in settings:
        better = reading(sample.task, metric).better
        if better == "neither":
            raise InputError(f"{metric!r} sets other figures in context: neither way is better, so there are no ranks")
        rows = sample.variant("own", stratum)
        for (domain, scale), kind in rows.groupby(["domain", "scale"], sort=False):
            entrants = [(at, g) for at, g in sample.places(kind) if sample.measured(g, metric)]
            if not entrants:
                continue
            values = np.full((len(sample.resampling), len(entrants)), np.nan)
            for e, (_, group) in enumerate(entrants):
                values[group["unit"].to_numpy(), e] = sample.values(group, [metric])[:, 0]
            valid = np.isfinite(values)
            entered = valid.any(axis=0)
            common = valid[:, entered].all(axis=1) & entered.any()
            values[~common] = np.nan
            drawn = ranks(sample.resampling.means(values), better)
            means = [i.mean for i in sample.resampling.intervals(values)]
            of_means = ranks(means, better)
            low, high = bounds(drawn)
            for e, (at, _) in enumerate(entrants):
                inside = drawn[np.isfinite(drawn[:, e]), e]
                lines.append(
                    {
                        **sample.at,
                        **at,
                        "domain": domain,
                        "scale": scale,
                        "mean": means[e],
                        "rank": of_means[e],
                        "rank_mean": inside.mean() if len(inside) else np.nan,
                        "rank_low": low[e],
                        "rank_high": high[e],
                        "rank_n": int(common.sum()),
                    }
                )
    columns = [*INDEX, "mean", "rank", "rank_mean", "rank_low", "rank_high", "rank_n"]
    made: DataFrame = pandas().DataFrame(lines, columns=columns).set_index(list(INDEX))
    return made


@dataclass(frozen=True)
class Pair:
    """Two explainers to compare on a figure.

    Attributes:
        first: Label.
        second: Label.
        metric: Figure.
    """

    first: str
    second: str
    metric: str


COMPARED = (
    *("task", "data", "contamination", "model", "seed", "domain", "scale", "metric"),
    *("first", "calibration", "second", "second_calibration"),
    *("difference", "low", "high", "effect", "share", "p", "test", "n", "n_invalid"),
)


def comparison_table(settings: Sequence[Sample], pairs: Sequence[Pair], stratum: str | None = None) -> DataFrame:
    """Paired comparisons in every setting where both explainers ran, without correction.

    Returns:
        Columns :data:`COMPARED`. Explainers with the same set of calibrations are compared at the same one.
    """
    lines = []
    for sample in settings:
        rows = sample.variant("own", stratum)
        for (domain, scale), kind in rows.groupby(["domain", "scale"], sort=False):
            groups: dict[str, dict[str, DataFrame]] = {}
            for at, group in sample.places(kind):
                groups.setdefault(at["explainer"], {})[at["calibration"]] = group
            for pair in pairs:
                one, two = groups.get(pair.first, {}), groups.get(pair.second, {})
                for c, d in _matching(list(one), list(two)):
                    if sample.measured(one[c], pair.metric) and sample.measured(two[d], pair.metric):
                        found, given = _compare(sample, one[c], two[d], pair.metric)
                        lines.append(
                            {
                                **sample.at,
                                "domain": domain,
                                "scale": scale,
                                "metric": pair.metric,
                                "first": pair.first,
                                "calibration": c,
                                "second": pair.second,
                                "second_calibration": d,
                                **given,
                                "effect": found.effect,
                                "share": found.share,
                                "p": found.p,
                                "test": found.test,
                            }
                        )
    made: DataFrame = pandas().DataFrame(lines, columns=list(COMPARED))
    return made


def _matching(one: Sequence[str], two: Sequence[str]) -> list[tuple[str, str]]:
    if set(one) == set(two):
        return [(c, c) for c in one]
    return [(c, d) for c in one for d in two]


def _compare(sample: Sample, one: DataFrame, two: DataFrame, metric: str) -> tuple[Comparison, dict[str, float]]:
    units = np.union1d(one["unit"], two["unit"])
    values = np.full((2, len(units)), np.nan)
    for which, group in enumerate((one, two)):
        values[which, np.searchsorted(units, group["unit"])] = sample.values(group, [metric])[:, 0]
    found = compare(values[0], values[1], reading(sample.task, metric).better, sample.resampling, units)
    d = found.difference
    return found, {"difference": d.mean, "low": d.low, "high": d.high, "n": d.n, "n_invalid": d.n_invalid}


FLOOR, CEILING = "constant", "oracle"


@dataclass(frozen=True)
class Resolution:
    """How far explainers get from a mask that says nothing to the oracle of their own resolution.

    Attributes:
        floor: Label of the blind control that is 0; empty where none ran.
        shares: By explainer, calibration and figure.
    """

    floor: str
    shares: dict[tuple[str, str, str], Interval]


def resolution_table(
    sample: Sample, domain: str, scale: str, metrics: Sequence[str], controls: Sequence[str] = (FLOOR,)
) -> Resolution:
    """``(own - floor) / (oracle - floor)`` of means over the same mixtures, with 95 % intervals over the same draws.

    The floor is a blind control measured in the same run, at the same calibration where it has that: the one labelled
    ``constant``, else the first of the others. Where none was measured it is what blind maps score by construction;
    where that is not known, the share is NaN.

    Args:
        sample: Setting.
        domain: Of masks.
        scale: Of masks.
        metrics: Figures; those where neither way is better are left out.
        controls: Labels of blind controls.

    Returns:
        Shares of every explainer and calibration that has an oracle.
    """

    def groups(variant: str) -> dict[str, dict[str, DataFrame]]:
        rows = sample.variant(variant)
        rows = rows[(rows["domain"] == domain) & (rows["scale"] == scale)]
        found: dict[str, dict[str, DataFrame]] = {}
        for at, group in sample.places(rows):
            found.setdefault(str(at["explainer"]), {})[str(at["calibration"])] = group
        return found

    # An oracle is no explainer's map, so it has one calibration, its own.
    own, oracles = groups("own"), {name: next(iter(of.values())) for name, of in groups(CEILING).items()}
    floor = next((name for name in sorted(controls, key=lambda name: name != FLOOR) if name in own), "")
    shares: dict[tuple[str, str, str], Interval] = {}
    for metric in metrics:
        if reading(sample.task, metric).better == "neither":
            continue
        for name, best in oracles.items():
            for calibration, group in own.get(name, {}).items():
                if sample.measured(group, metric) and sample.measured(best, metric):
                    blind = own[floor].get(calibration, next(iter(own[floor].values()))) if floor else None
                    values = _trio(sample, group, blind, best, metric)
                    shares[name, calibration, metric] = _way(sample, values, len(group))
    return Resolution(floor, shares)


def _trio(sample: Sample, own: DataFrame, floor: DataFrame | None, best: DataFrame, metric: str) -> NDArray[Any]:
    """``(B, 3)`` of all units: own, floor and oracle, NaN where any of them is invalid."""
    values = np.full((len(sample.resampling), 3), np.nan)
    for k, group in enumerate((own, floor, best)):
        if group is not None and sample.measured(group, metric):
            values[group["unit"].to_numpy(), k] = sample.values(group, [metric])[:, 0]
        else:
            chance = reading(sample.task, metric).chance
            values[:, k] = np.nan if chance is None else chance
    values[~np.isfinite(values).all(axis=1)] = np.nan
    return values


def _way(sample: Sample, values: NDArray[Any], n: int) -> Interval:
    n_invalid = n - int(np.isfinite(values[:, 0]).sum())
    means = np.array([[i.mean for i in sample.resampling.intervals(values)]])
    drawn = sample.resampling.means(values)
    shares = [
        np.divide(m[:, 0] - m[:, 1], m[:, 2] - m[:, 1], out=np.full(len(m), np.nan), where=m[:, 2] - m[:, 1] > 1e-9)
        for m in (means, drawn)
    ]
    low, high = bounds(shares[1][:, None])
    return Interval(float(shares[0][0]), float(low[0]), float(high[0]), n, n_invalid)
