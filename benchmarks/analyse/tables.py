"""Tables over rows: every mean with its interval, every cell with how many values were invalid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.frame import INDEX, import_pandas
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.sample import Sample
from zsxai.benchmarks.analyse.statistics import Comparison, compare, rank
from zsxai.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

NOT_MEASURED = Interval(float("nan"), float("nan"), float("nan"), 0, 0)


def tabulate(
    samples: Sequence[Sample],
    metrics: Mapping[str, Sequence[str]],
    variant: str = "own",
    stratum: str | None = None,
    macro: bool = False,
) -> DataFrame:
    """Make a line per setting, kind of mask, explainer and calibration.

    Args:
        samples: What to tabulate.
        metrics: Figures by kind of task.
        variant: Which masks.
        stratum: Only rows of a stratum.
        macro: Mean over classes of class means.

    Returns:
        Index :data:`~zsxai.benchmarks.analyse.frame.INDEX`; columns ``(figure, mean | low | high | n | n_invalid)``.
    """
    pandas = import_pandas()
    index, lines = [], []
    wanted = list(dict.fromkeys(name for names in metrics.values() for name in names))
    for sample in samples:
        mine = [name for name in wanted if name in metrics.get(sample.task, ())]
        for at, group in sample.group(sample.select(variant, stratum)):
            given = [name for name in mine if sample.has(group, name)]
            found = sample.resampling.intervals(
                sample.values(group, given), group["unit"].to_numpy(), list(group["label"]) if macro else None
            )
            by_name = dict(zip(given, found, strict=True))
            index.append(tuple({**sample.at, **at}[name] for name in INDEX))
            lines.append([value for name in wanted for value in by_name.get(name, NOT_MEASURED)])
    columns = pandas.MultiIndex.from_product([wanted, Interval._fields], names=["figure", "value"])
    levels: list[Any] = list(zip(*index, strict=True)) or [[] for _ in INDEX]
    made: DataFrame = pandas.DataFrame(lines, columns=columns, index=pandas.MultiIndex.from_arrays(levels, names=INDEX))
    counts = [c for c in columns if c[1] in {"n", "n_invalid"}]
    made[counts] = made[counts].astype("int64")
    return made


def tabulate_ratio(
    samples: Sequence[Sample], over: str, under: str, variant: str = "own", stratum: str | None = None
) -> DataFrame:
    """Divide the mean of one figure by that of another, a line per setting, kind of mask, explainer and calibration.

    Args:
        samples: What to tabulate.
        over: Figure.
        under: Figure that it is divided by, on the same rows.
        variant: Which masks.
        stratum: Only rows of a stratum.

    Returns:
        Index :data:`~zsxai.benchmarks.analyse.frame.INDEX`; columns ``mean | low | high | n | n_invalid``.
    """
    pandas = import_pandas()
    index, lines = [], []
    for sample in samples:
        for at, group in sample.group(sample.select(variant, stratum)):
            if sample.has(group, over) and sample.has(group, under):
                one, other = sample.values(group, [over, under]).T
                index.append(tuple({**sample.at, **at}[name] for name in INDEX))
                lines.append(sample.resampling.ratio(one, other, group["unit"].to_numpy()))
    levels: list[Any] = list(zip(*index, strict=True)) or [[] for _ in INDEX]
    return pandas.DataFrame(
        lines, columns=list(Interval._fields), index=pandas.MultiIndex.from_arrays(levels, names=INDEX)
    )


def tabulate_ranks(samples: Sequence[Sample], metric: str, stratum: str | None = None) -> DataFrame:
    """Rank all explainers on one figure, by setting and kind of mask, and say how often each is first in the draws.

    Explainers are ranked on the rows that are valid for all of them: one that fails on the hard clips would else win
    on the easy ones. One without a single valid value is no entrant.

    Returns:
        A line per explainer and calibration: ``mean`` (over the common rows), ``rank`` (of the means; ties share their
        mean rank), ``first`` (share of the draws in which it is first; those tied for it share a draw), ``rank_n``
        (common rows). All but ``rank_n`` are NaN for an explainer without a valid value, and for all where no row is
        valid for all.
    """
    lines = []
    for sample in samples:
        better = find_reading(sample.task, metric).better
        if better == "neither":
            raise InputError(f"{metric!r} sets other figures in context: neither way is better, so there are no ranks")
        for _, rows in sample.select("own", stratum).groupby(["domain", "scale"], sort=False):
            entrants = [(at, group) for at, group in sample.group(rows) if sample.has(group, metric)]
            if not entrants:
                continue
            values = np.full((len(sample.resampling), len(entrants)), np.nan)
            for e, (_, group) in enumerate(entrants):
                values[group["unit"].to_numpy(), e] = sample.values(group, [metric])[:, 0]
            valid = np.isfinite(values)
            entered = valid.any(axis=0)
            common = valid[:, entered].all(axis=1) & entered.any()
            values[~common] = np.nan
            means = [i.mean for i in sample.resampling.intervals(values)]
            ranks, drawn = rank(means, better), rank(sample.resampling.means(values), better)
            first = _share_first(drawn)
            for e, (at, _) in enumerate(entrants):
                lines.append(
                    {
                        **sample.at,
                        **at,
                        "mean": means[e],
                        "rank": ranks[e],
                        "first": first[e],
                        "rank_n": int(common.sum()),
                    }
                )
    columns = [*INDEX, "mean", "rank", "first", "rank_n"]
    made: DataFrame = import_pandas().DataFrame(lines, columns=columns).set_index(list(INDEX))
    return made


def _share_first(ranks: NDArray[Any]) -> NDArray[Any]:
    """Share of draws ``(draws, E)`` in which each is first; NaN where it has no rank in any."""
    ranked = ranks[np.isfinite(ranks).any(axis=1)]
    if not len(ranked):
        return np.full(ranks.shape[1], np.nan)
    best = np.nanmin(ranked, axis=1, keepdims=True)
    # k of them, tied for the first places, all have the rank (1 + k) / 2.
    found: NDArray[Any] = ((ranked == best) / (2 * best - 1)).mean(axis=0)
    return np.where(np.isfinite(ranked).any(axis=0), found, np.nan)


class Pair(NamedTuple):
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


def tabulate_comparisons(samples: Sequence[Sample], pairs: Sequence[Pair], stratum: str | None = None) -> DataFrame:
    """Compare pairs in every setting where both explainers ran, without correction.

    Returns:
        Columns :data:`COMPARED`. Explainers with the same set of calibrations are compared at the same one.
    """
    lines: list[dict[str, Any]] = []
    for sample in samples:
        for (domain, scale), rows in sample.select("own", stratum).groupby(["domain", "scale"], sort=False):
            groups = sample.group_by_explainer(rows)
            for pair in pairs:
                one, two = groups.get(pair.first, {}), groups.get(pair.second, {})
                for c, d in _match(list(one), list(two)):
                    if sample.has(one[c], pair.metric) and sample.has(two[d], pair.metric):
                        about = {**sample.at, "domain": domain, "scale": scale, **pair._asdict()}
                        about |= {"calibration": c, "second_calibration": d}
                        found = _compare(sample, one[c], two[d], pair.metric)
                        difference = {**found.difference._asdict(), "difference": found.difference.mean}
                        lines.append({**about, **vars(found), **difference})
    made: DataFrame = import_pandas().DataFrame(lines, columns=list(COMPARED))
    return made


def _match(one: Sequence[str], two: Sequence[str]) -> list[tuple[str, str]]:
    if set(one) == set(two):
        return [(c, c) for c in one]
    return [(c, d) for c in one for d in two]


def _compare(sample: Sample, one: DataFrame, two: DataFrame, metric: str) -> Comparison:
    units = np.union1d(one["unit"], two["unit"])
    values = np.full((2, len(units)), np.nan)
    for which, group in enumerate((one, two)):
        values[which, np.searchsorted(units, group["unit"])] = sample.values(group, [metric])[:, 0]
    return compare(values[0], values[1], find_reading(sample.task, metric).better, sample.resampling, units)
