"""The classes: registered, complete, refusing what was not measured, and reading a lone explanation."""

import dataclasses
import math

import numpy as np
import pytest

import zsxai
from tests.toys import ConvToy
from zsxai import metrics
from zsxai.errors import InputError
from zsxai.metrics import BudgetCurve, MaskedScores, Metric, load_metric, metrics_of
from zsxai.registry import METRICS

TASKS = ("faithfulness", "two-sounds", "prompts", "randomisation")
PUBLISHED = [c for c in vars(metrics).values() if isinstance(c, type) and issubclass(c, Metric) and c is not Metric]


def scores(count=5, seed=0):
    rng = np.random.default_rng(seed)
    all_p, all_p_in = rng.dirichlet(np.ones(7), size=(2, count))
    target = rng.integers(7, size=count)
    rows = np.arange(count)
    curves = [
        BudgetCurve(np.array([0.1, 0.25, 0.5]), *rng.random((2, count, 3)), p_nothing=rng.random(count))
        for _ in range(2)
    ]
    return MaskedScores(
        p=all_p[rows, target],
        p_in=all_p_in[rows, target],
        p_out=rng.random(count),
        p_heard=rng.random(count),
        all_p=all_p,
        all_p_in=all_p_in,
        target=target,
        masks=tuple(rng.random((12, 20 + k)).astype(np.float32) for k in range(count)),
        in_band=np.arange(12) > 3,
        kept_energy=rng.random(count),
        by_area=curves[0],
        by_energy=curves[1],
    )


def row(evidence, index):
    def cut(value):
        if isinstance(value, BudgetCurve):
            return BudgetCurve(
                value.budgets, *(getattr(value, n)[[index]] for n in ("p_kept", "p_removed", "p_nothing"))
            )
        return value[index : index + 1]

    fields = {f.name: getattr(evidence, f.name) for f in dataclasses.fields(evidence)}
    return MaskedScores(**{n: v if n == "in_band" else cut(v) for n, v in fields.items()})


def test_every_class_is_registered_once_and_every_task_has_some():
    found = [type(m) for task in TASKS for m in metrics_of(task).values()]
    assert sorted(c.__name__ for c in found) == sorted(c.__name__ for c in PUBLISHED)
    assert sum(len(metrics_of(task)) for task in TASKS) == len(zsxai.list_metrics()) == 44


@pytest.mark.parametrize("name", zsxai.list_metrics())
def test_every_metric_says_how_to_read_it(name):
    metric = load_metric(name)
    assert metric.better in ("higher", "lower", "neither")
    low, high = metric.bounds
    assert low < high
    assert type(metric).__doc__
    for text in (metric.symbol, metric.reference, metric.sensitive_to, metric.gamed_by):
        assert text
        assert text == text.strip()
    assert metric.needs
    assert len({load_metric(n).symbol for n in metrics_of(metric.task)}) == len(metrics_of(metric.task))


@pytest.mark.parametrize("name", metrics_of("faithfulness"))
def test_faithfulness_metrics_stay_in_bounds_and_a_batch_is_its_rows(name):
    metric, evidence = load_metric(name), scores()
    values = metric(evidence)
    assert values.shape == (5,)
    assert values.dtype == np.float64
    assert ((values >= metric.bounds[0]) & (values <= metric.bounds[1])).all()
    np.testing.assert_allclose(values, [metric(row(evidence, b))[0] for b in range(5)], rtol=1e-12)


@pytest.mark.parametrize("name", metrics_of("faithfulness"))
def test_what_was_not_measured_is_refused(name):
    metric = load_metric(name)
    for field in metric.needs:
        lacking = dataclasses.replace(scores(), **{field: None})
        with pytest.raises(
            InputError, match=f"^{type(metric).__name__} needs {field}, which was not measured"
        ) as caught:
            metric(lacking)
        assert "\n" not in str(caught.value)


def test_curves_read_their_own_budget():
    evidence = scores()
    area, energy = evidence.by_area, evidence.by_energy
    np.testing.assert_array_equal(load_metric("kept-at-25")(evidence), area.p_kept[:, 1])
    np.testing.assert_array_equal(load_metric("kept-at-25-energy")(evidence), energy.p_kept[:, 1])
    np.testing.assert_allclose(load_metric("removed-at-25")(evidence), evidence.p - area.p_removed[:, 1])
    np.testing.assert_allclose(load_metric("removed-at-25-energy")(evidence), evidence.p - energy.p_removed[:, 1])
    swapped = dataclasses.replace(evidence, by_area=energy, by_energy=area)
    for name in ("insertion-auc", "deletion-auc"):
        np.testing.assert_array_equal(load_metric(name)(evidence), load_metric(f"{name}-energy")(swapped))
        assert (load_metric(name)(evidence) != load_metric(name)(swapped)).all()


def test_input_fidelity_compares_predictions_not_targets():
    evidence = MaskedScores(all_p=np.array([[0.1, 0.9], [0.6, 0.4], [np.nan, 1]]), all_p_in=np.eye(2)[[1, 1, 1]])
    np.testing.assert_array_equal(load_metric("input-fidelity")(evidence), [1, 0, np.nan])


@pytest.fixture(scope="module")
def explanations():
    model = ConvToy()
    audio = np.random.default_rng(0).normal(size=16000).astype(np.float32) / 10
    options = {"sample_rate": 16000, "model": model, "explainer": "gradcam"}
    return zsxai.explain(audio, "a dog", among=["a cat", "rain"], **options), zsxai.explain(audio, "a dog", **options)


def test_metrics_of_an_explanation(explanations):
    e, _ = explanations
    read = metrics.of(e)
    expected = {
        "average-increase": 100.0 * (e.score_in > e.score),
        "average-drop": 100 * max(0, e.score - e.score_in) / e.score,
        "average-gain": 100 * max(0, e.score_in - e.score) / (1 - e.score),
        "faithfulness": e.score - e.score_out,
        "listening-gap": abs(e.score_in - e.score_heard),
        "heard-probability": e.score_heard,
        "mask-mean": e.mask_mean,
        "kept-energy": e.kept_energy,
    }
    for name, value in expected.items():
        assert load_metric(name)(read) == pytest.approx([value], rel=1e-9), name
    band = e.mask[e.grid.in_band].astype(float).ravel()
    entropy = -sum(b * math.log(b) for b in band / band.sum() if b > 0)
    assert load_metric("complexity")(read)[0] == pytest.approx(entropy)
    with pytest.raises(InputError, match=r"InputFidelity needs all_p, all_p_in, which was not measured$"):
        load_metric("input-fidelity")(read)


def test_an_explanation_of_a_cosine_has_masks_but_no_probabilities(explanations):
    read = metrics.of(explanations[1])
    for name in ("mask-mean", "kept-energy", "sparseness", "complexity"):
        assert load_metric(name)(read).shape == (1,)
    for name in ("average-drop", "faithfulness", "average-gain"):
        with pytest.raises(InputError, match=r"needs p, .*: explain with among=\[\.\.\.\] to get probabilities$"):
            load_metric(name)(read)
    with pytest.raises(InputError, match=r"needs p_heard, .*: explain with among"):
        load_metric("heard-probability")(read)


@pytest.fixture
def tidy():
    yield
    METRICS.unregister("mine")


class Half(Metric[MaskedScores]):
    """Half of the probability."""

    symbol, better, bounds = "p / 2", "higher", (0.0, 0.5)
    reference = gamed_by = "-"
    needs = ("p",)

    def compute(self, p):
        return p / 2


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("plugin", [Half, Half()])
def test_somebody_elses_metric(plugin):
    METRICS.register("mine", plugin)
    assert load_metric("mine")(scores())[0] == scores().p[0] / 2
    assert "mine" in metrics_of("faithfulness")


class Unfinished(Metric[MaskedScores]):
    symbol = "x"
    better = "higher"


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize(
    ("plugin", "says"),
    [
        (dict, "'mine' is no metric: subclass zsxai.metrics.Metric and write compute()"),
        (len, "'mine' is no metric: subclass zsxai.metrics.Metric and write compute()"),
        (
            Unfinished,
            "the metric 'mine' lacks bounds, reference, gamed_by, needs, compute(): give Unfinished all of them",
        ),
    ],
)
def test_what_is_no_metric_is_refused_in_one_line(plugin, says):
    METRICS.register("mine", plugin)
    for call in (lambda: load_metric("mine"), lambda: metrics_of("faithfulness")):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == says


def test_unknown_names():
    with pytest.raises(InputError, match="unknown metric 'avrage-drop': did you mean 'average-drop'"):
        load_metric("avrage-drop")
    with pytest.raises(InputError, match="no metric is of the task 'two-sound': faithfulness, prompts, randomisation"):
        metrics_of("two-sound")
