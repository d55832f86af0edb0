from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks.frames import Shelf, cell, interval, result, row, stored, suite
from zsxai.benchmarks.analyse.bootstrap import Resampling
from zsxai.benchmarks.analyse.plots.coverage import draw_coverage, measure_coverage
from zsxai.benchmarks.analyse.resolution import measure_resolution
from zsxai.benchmarks.analyse.result import Result
from zsxai.benchmarks.analyse.statistics import compare, rank, score_wins
from zsxai.benchmarks.analyse.tables import tabulate_ranks
from zsxai.benchmarks.report.page import render_page
from zsxai.benchmarks.tasks.base import Row


def alone(count: int) -> list[str]:
    return [f"rec-{i}" for i in range(count)]


def test_interval_of_clips_alone_is_scipys() -> None:
    values = np.random.default_rng(0).normal(2.0, 1.0, 80)
    ours = interval(values, alone(80), draws=8000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=8000, method="percentile", rng=1).confidence_interval
    np.testing.assert_allclose(ours[:3], [values.mean(), *theirs], atol=0.015)


def test_clips_of_one_recording_widen_the_interval() -> None:
    values = np.repeat([0.0, 1.0, 1.0, 0.0], 10)
    grouped = interval(values, [str(i // 10) for i in range(40)])
    single = interval(values, alone(40))
    assert grouped.high - grouped.low > 2 * (single.high - single.low)
    assert grouped.mean == single.mean == 0.5


def test_invalid_values_are_counted_and_one_recording_gives_no_interval() -> None:
    found = interval([1.0, np.nan, 3.0, np.inf], ["a", "b", "c", "d"])
    assert (found.mean, found.n, found.n_invalid) == (2.0, 4, 2)
    nothing = interval([np.nan, np.nan], ["a", "b"])
    assert np.isnan(nothing[:3]).all()
    assert nothing[3:] == (2, 2)
    lone = interval([1.0, 2.0, np.nan], ["a", "a", "b"])
    assert lone.mean == 1.5
    assert np.isnan([lone.low, lone.high]).all()
    assert interval([], [])[3:] == (0, 0)


def test_draws_do_not_depend_on_the_order_of_rows() -> None:
    values = np.random.default_rng(0).random(30)
    sources = [str(i // 3) for i in range(30)]
    order = np.random.default_rng(1).permutation(30)
    shuffled = interval(values[order], [sources[i] for i in order])
    np.testing.assert_allclose(shuffled[:3], interval(values, sources)[:3], rtol=1e-12)


def test_mixtures_weigh_the_product_of_their_recordings() -> None:
    rng = np.random.default_rng(0)
    pairs = [("a", "b"), ("b", "c"), ("a", "d"), ("e", "d"), ("e", "a"), ("c", "c")]
    values = rng.random(len(pairs))
    times = np.random.default_rng(7).multinomial(5, [0.2] * 5, size=400)
    means = []
    for draw in times:
        drawn = dict(zip("abcde", draw, strict=True))
        weights = [drawn[one] * (drawn[two] if one != two else 1) for one, two in pairs]
        if sum(weights):
            means.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    found = interval(values, pairs, draws=400, seed=7)
    np.testing.assert_allclose(found[:3], [values.mean(), *np.percentile(means, [2.5, 97.5])], rtol=1e-12)


def test_intervals_of_mixtures_cover_the_truth() -> None:
    # Every recording has its own effect: pairs that share one are alike, and a bootstrap over pairs is too narrow.
    covered = {"pairs": 0, "recordings": 0}
    for trial in range(150):
        rng = np.random.default_rng(trial)
        effect = rng.normal(size=24)
        pairs = rng.integers(0, 24, size=(120, 2))
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        values = effect[pairs].sum(axis=1) + 0.1 * rng.normal(size=len(pairs))
        for name, sources in (("pairs", alone(len(pairs))), ("recordings", [(str(a), str(b)) for a, b in pairs])):
            found = interval(values, sources, draws=300)
            covered[name] += found.low <= 0.0 <= found.high
    assert covered["recordings"] >= 0.9 * 150
    assert covered["pairs"] < 0.8 * 150


def test_all_figures_of_rows_at_once_are_what_each_is_alone() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((20, 3))
    values[4, 1] = np.nan
    sources = [str(i // 2) for i in range(20)]
    together = Resampling(sources, draws=300).intervals(values)
    for k, found in enumerate(together):
        np.testing.assert_allclose(found, interval(values[:, k], sources, draws=300), rtol=1e-12)


def test_rows_of_a_stratum_share_the_draws_of_all() -> None:
    values = np.random.default_rng(0).random((12, 1))
    resampling = Resampling(alone(12), draws=50)
    rows = np.array([3, 1, 8])
    weights = np.concatenate(list(resampling.weights()))[:, rows]
    with np.errstate(invalid="ignore"):
        wanted = (weights @ values[rows])[:, 0] / weights.sum(axis=1)
    np.testing.assert_allclose(resampling.means(values[rows], rows)[:, 0], wanted, rtol=1e-12)


def test_a_ratio_of_means_is_drawn_as_a_whole() -> None:
    over, under = np.array([1.0, 2.0, 0.0, np.nan]), np.array([2.0, 4.0, 6.0, 100.0])
    found = Resampling(["a", "b", "c", "d"], 4000).ratio(over, under)
    assert found.mean == pytest.approx(0.25)
    assert (found.n, found.n_invalid) == (4, 1)
    assert 0 <= found.low < 0.25 < found.high <= 0.5
    proportional = Resampling(["a", "b", "c", "d"]).ratio(under / 4, under)
    assert proportional[:3] == pytest.approx((0.25, 0.25, 0.25)), "what rises and falls together has no spread"
    assert np.isnan(Resampling(["a", "b"]).ratio(over[:2], over[:2] * 0)[:3]).all()
    assert np.isnan(Resampling(["a", "a"]).ratio(over[:2], under[:2]).low), "one recording"


def test_macro_mean_is_over_classes() -> None:
    values = [1.0, 1.0, 1.0, 0.0, np.nan]
    found = interval(values, alone(5), ["dog", "dog", "dog", "cat", "owl"])
    assert (found.mean, found.n, found.n_invalid) == (0.5, 5, 1)
    assert interval(values, alone(5)).mean == 0.75
    same = interval(values[:4], alone(4), ["dog"] * 4)
    np.testing.assert_allclose(same, interval(values[:4], alone(4)), rtol=1e-12)


def test_blocks_of_draws_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(10)
    whole = interval(values, alone(10), draws=100)
    monkeypatch.setattr("zsxai.benchmarks.analyse.bootstrap._CELLS", 70)
    np.testing.assert_allclose(interval(values, alone(10), draws=100), whole, rtol=1e-12)


def test_ahead_counts_ties_half() -> None:
    own, other = [1.0, 1.0, 1.0, np.nan], [0.0, 1.0, 2.0, 0.0]
    np.testing.assert_array_equal(score_wins(own, other, "higher"), [1.0, 0.5, 0.0, np.nan])
    np.testing.assert_array_equal(score_wins(own, other, "lower"), [0.0, 0.5, 1.0, np.nan])
    assert np.isnan(score_wins(own, other, "neither")).all()


def test_ranks_share_ties() -> None:
    values = np.random.default_rng(0).integers(0, 4, size=(30, 6)).astype(float)
    np.testing.assert_array_equal(rank(values, "lower"), stats.rankdata(values, axis=1))
    np.testing.assert_array_equal(rank(values, "higher"), stats.rankdata(-values, axis=1))
    np.testing.assert_array_equal(rank([3.0, np.nan, 3.0 + 1e-15, 1.0], "higher"), [1.5, np.nan, 1.5, 3.0])


def test_comparison_by_hand() -> None:
    first, second = [3.0, 5.0, 2.0, 9.0, np.nan], [1.0, 4.0, 2.5, 4.0, 0.0]
    found = compare(first, second, "higher", Resampling(["a", "a", "b", "c", "d"]))
    each = np.array([1.5, -0.5, 5.0])  # per recording
    assert found.difference.mean == pytest.approx((2 + 1 - 0.5 + 5) / 4)
    assert (found.difference.n, found.difference.n_invalid) == (5, 1)
    assert found.effect == pytest.approx(each.mean() / each.std(ddof=1))
    assert found.share == pytest.approx(2 / 3)
    assert compare(first, second, "lower", Resampling(["a", "a", "b", "c", "d"])).share == pytest.approx(1 / 3)


def test_wilcoxon_is_over_recordings() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.3, 1.0, 60), rng.normal(0.0, 1.0, 60)
    of = np.arange(60) // 2
    found = compare(first, second, "higher", Resampling([str(i) for i in of]))
    each = np.bincount(of, weights=first - second) / 2
    assert (found.test, found.p) == ("Wilcoxon", pytest.approx(stats.wilcoxon(each).pvalue))


def test_mcnemar_is_exact() -> None:
    first, second = np.array([1.0] * 8 + [0.0] + [1.0] * 5), np.array([0.0] * 8 + [1.0] + [1.0] * 5)
    found = compare(100 * first, 100 * second, "higher", Resampling(alone(14)))
    # 8 against 1 of 9 that differ: 2 (C(9, 0) + C(9, 1)) / 2 ** 9.
    assert (found.test, found.p) == ("McNemar, exact", pytest.approx(20 / 512))
    # A recording of three clips that agree counts once: 6 against 1.
    grouped = compare(first, second, "higher", Resampling(["x"] * 3 + alone(11)))
    assert grouped.p == pytest.approx(2 * (1 + 7) / 2**7)


def test_equal_explainers_are_not_told_apart() -> None:
    values = np.random.default_rng(0).random(10)
    for sources in (alone(10), [(f"a{i}", f"b{i % 3}") for i in range(10)]):
        found = compare(values, values, "higher", Resampling(sources))
        assert found.p == 1.0
        assert found.share == 0.5
        assert np.isnan(found.effect)
    nothing = compare([np.nan], [1.0], "higher", Resampling(["a"]))
    assert (nothing.test, nothing.difference.n_invalid) == ("", 1)
    assert np.isnan(nothing.p)


def test_mixtures_are_tested_with_their_own_error() -> None:
    rng = np.random.default_rng(0)
    pairs = [(str(a), str(b)) for a, b in rng.permutation(60).reshape(-1, 2)]
    noise = rng.normal(size=30)
    far = compare(noise + 3.0, np.zeros(30), "higher", Resampling(pairs))
    near = compare(noise, np.zeros(30), "higher", Resampling(pairs))
    assert far.test == "pigeonhole t"
    assert far.p < 1e-4 < 0.05 < near.p
    # Pairs that share no recording are independent: the paired t test is right there, and ours is the more careful.
    assert near.p >= stats.ttest_1samp(noise, 0.0).pvalue
    assert np.isnan(compare([1.0], [0.0], "higher", Resampling([("a", "b")])).p)


def values_of(values: Sequence[float], metric: str = "faithfulness", **about: str) -> list[Row]:
    return [row(f"clip-{i}", {metric: float(v)}, **about) for i, v in enumerate(values)]


FAITHFULNESS = {"headline": {"task": "faithfulness", "metric": "faithfulness"}}


def test_ranks_are_over_rows_valid_for_all() -> None:
    # Clips 0 to 9 are easy. Occlusion is worse on each of them, and has no value on the others.
    easy, hard = [0.9] * 10, [0.1] * 10
    made = result(
        {
            "gradcam": values_of(easy + hard),
            "occlusion": values_of([0.8] * 10 + [np.nan] * 10),
            "saliency": values_of([np.nan] * 20),
        },
        **FAITHFULNESS,
    )
    found = tabulate_ranks(made.samples, "faithfulness").reset_index().set_index("explainer")
    assert found.loc[["gradcam", "occlusion"], "rank"].tolist() == [1.0, 2.0]
    assert found.loc[["gradcam", "occlusion"], "mean"].tolist() == pytest.approx([0.9, 0.8])
    assert found["rank_n"].tolist() == [10, 10, 10]
    # What has no valid value has no rank, and takes none from others.
    assert found.loc["saliency", ["mean", "rank", "first"]].isna().all()
    assert made.headline()["rank"].tolist()[:2] == [1.0, 2.0]
    assert "Ranks are over the 10 rows valid for all." in render_page(made)


def test_no_ranks_without_a_row_valid_for_all() -> None:
    made = result(
        {"gradcam": values_of([0.9] * 5 + [np.nan] * 5), "occlusion": values_of([np.nan] * 5 + [0.8] * 5)},
        **FAITHFULNESS,
    )
    found = tabulate_ranks(made.samples, "faithfulness")
    assert found[["mean", "rank", "first"]].isna().all(axis=None)
    assert (found["rank_n"] == 0).all()
    assert "there are no ranks" in render_page(made)


def mixtures(by_calibration: Mapping[str, float], oracle: float = 0.9) -> list[Row]:
    """An explainer's rows: a value per calibration, and the oracle of its cells."""
    own = [r for name, v in by_calibration.items() for r in values_of([v] * 6, "auc", calibration=name)]
    return [*own, *values_of([oracle] * 6, "auc", variant="oracle", calibration="identity")]


def two_sounds(explainers: Sequence[str | dict[str, object]], rows: Mapping[str, list[Row]]) -> Result:
    about = {"task": "two-sounds", "metric": "auc"}
    made = suite(explainers, tasks=[{"kind": "two-sounds", "data": ["esc50"]}], headline=about)
    cells = [stored(name, each) for name, each in rows.items()]
    return Result(made, {"roots": {}}, [cell(n, n, task="two-sounds") for n in rows], Shelf(cells))


def test_the_surest_part_is_the_part_with_the_highest_location() -> None:
    auc, location = [0.5, 0.9, 0.6, 0.8], [0.0, 0.9, np.nan, 0.4]
    rows = [row(f"{i}", {"auc": a, "location": s}) for i, (a, s) in enumerate(zip(auc, location, strict=True))]
    (block,) = two_sounds(["gradcam"], {"gradcam": rows}).blocks
    means = [part.mean for part in measure_coverage(block, block.rows()["gradcam"], "auc", "location")]
    assert means == pytest.approx([0.9, 0.85, (0.9 + 0.8 + 0.5) / 3, 0.7]), "without a location, a row is the last"
    drawn = draw_coverage(block, "auc", "location")
    assert drawn is not None
    assert list(drawn.axes[0].lines[0].get_ydata()) == pytest.approx(means)


def test_calibrations_stand_apart_in_the_resolution_table() -> None:
    rows = {
        "gradcam": mixtures({"rank": 0.6, "relu-max": 0.8}),
        "occlusion": mixtures({"identity": 0.7}, oracle=0.8),
        "constant": mixtures({"rank": 0.5, "relu-max": 0.4}),
    }
    made = two_sounds(["gradcam", "occlusion"], rows)
    found = measure_resolution(made.samples[0], "stft", "log", ["auc"])
    assert found.floor == "constant"
    assert {key: value.mean for key, value in found.shares.items()} == pytest.approx(
        {
            ("gradcam", "rank", "auc"): (0.6 - 0.5) / (0.9 - 0.5),
            ("gradcam", "relu-max", "auc"): (0.8 - 0.4) / (0.9 - 0.4),
            # Without a floor at its own calibration: the first.
            ("occlusion", "identity", "auc"): (0.7 - 0.5) / (0.8 - 0.5),
            ("constant", "rank", "auc"): 0.0,
            ("constant", "relu-max", "auc"): 0.0,
        }
    )
    words = render_page(made)
    assert "gradcam, rank" in words
    assert "from the blind control constant (0)" in words


def test_any_blind_control_is_a_floor() -> None:
    rows = {"gradcam": mixtures({"rank": 0.7}), "half": mixtures({"identity": 0.5})}
    made = two_sounds(["gradcam", {"name": "constant", "options": {"value": 0.5}, "label": "half"}], rows)
    found = measure_resolution(made.samples[0], "stft", "log", ["auc"], ["loudness", "half"])
    assert found.floor == "half"
    assert found.shares["gradcam", "rank", "auc"].mean == pytest.approx(0.5)
    assert "from the blind control half (0)" in render_page(made)


def test_without_a_control_the_floor_is_chance_or_unknown() -> None:
    def foils(values: Sequence[float], **about: str) -> list[Row]:
        return [*values_of(values, **about), *values_of([0.5] * 4, **{**about, "variant": "foil"})]

    oracle = [row(r.item, r.figures, variant="oracle", calibration="identity") for r in values_of([0.9] * 4)]
    foil = values_of([0.5] * 4, variant="foil", calibration="identity")
    made = result({"gradcam": [*foils([0.9, 0.9, 0.9, 0.1]), *oracle, *foil]}, **FAITHFULNESS)
    found = measure_resolution(made.samples[0], "stft", "log", ["foil-wins:faithfulness", "faithfulness"])
    assert found.floor == ""
    assert found.shares["gradcam", "unit-max", "foil-wins:faithfulness"].mean == (0.75 - 0.5) / (1.0 - 0.5)
    unknown = found.shares["gradcam", "unit-max", "faithfulness"]
    assert np.isnan(unknown.mean)
    assert (unknown.n, unknown.n_invalid) == (4, 4)
