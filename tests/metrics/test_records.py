"""The records: registered, complete, refusing what was not measured, and reading a lone explanation."""

import dataclasses
import importlib
import math

import numpy as np
import pytest

import zsxai
from tests.toys import ConvToy
from zsxai import metrics
from zsxai.errors import InputError
from zsxai.metrics import (
    AbsentMaps,
    BudgetCurve,
    ConceptScores,
    HeardPrompts,
    JudgedMaps,
    MaskedScores,
    Metric,
    MixtureConcepts,
    MixtureMaps,
    PromptMaps,
    RandomisedMaps,
    RetrievedAnswers,
    SceneMaps,
    TaggedClasses,
    load_metric,
    metrics_of,
)
from zsxai.registry import METRICS

EVIDENCE = (
    *(AbsentMaps, ConceptScores, HeardPrompts, JudgedMaps, MaskedScores, MixtureConcepts, MixtureMaps, PromptMaps),
    *(RandomisedMaps, RetrievedAnswers, SceneMaps, TaggedClasses),
)
MODULES = (
    *("absent", "budgets", "concepts", "faithfulness", "mixtures", "prompts", "randomisation", "shape", "verdict"),
    "whole",
)


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
        audibility=rng.random(count),
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


def test_every_record_is_registered_once_and_every_evidence_has_some():
    modules = [importlib.import_module(f"zsxai.metrics.{name}") for name in MODULES]
    written = [value.name for module in modules for value in vars(module).values() if isinstance(value, Metric)]
    assert sorted(written) == zsxai.list_metrics()
    read = [
        metric.name for evidence in EVIDENCE for metric in metrics_of(evidence).values() if metric.evidence is evidence
    ]
    assert sorted(read) == zsxai.list_metrics()
    assert len(read) == 80


@pytest.mark.parametrize("name", zsxai.list_metrics())
def test_every_metric_says_how_to_read_it(name):
    metric = load_metric(name)
    assert metric.better in ("higher", "lower", "neither")
    low, high = metric.bounds
    assert low < high
    texts = ("symbol", "summary", "reference", "sensitive_to", "gamed_by", "formula", "invalid")
    for text in (getattr(metric, field) for field in texts):
        assert text
        assert text == text.strip()
    assert metric.needs
    assert set(metric.needs) <= {field.name for field in dataclasses.fields(metric.evidence)}
    alike = metrics_of(metric.evidence).values()
    assert len({m.symbol for m in alike}) == len(alike)


@pytest.mark.parametrize("name", metrics_of(MaskedScores))
def test_faithfulness_metrics_stay_in_bounds_and_a_batch_is_its_rows(name):
    metric, evidence = load_metric(name), scores()
    values = metric(evidence)
    assert values.shape == (5,)
    assert values.dtype == np.float64
    assert ((values >= metric.bounds[0]) & (values <= metric.bounds[1])).all()
    np.testing.assert_allclose(values, [metric(row(evidence, b))[0] for b in range(5)], rtol=1e-12)


@pytest.mark.parametrize("name", metrics_of(MaskedScores))
def test_what_was_not_measured_is_refused(name):
    metric = load_metric(name)
    for field in metric.needs:
        lacking = dataclasses.replace(scores(), **{field: None})
        with pytest.raises(InputError, match=f"^{name} needs {field}, which was not measured") as caught:
            metric(lacking)
        assert "\n" not in str(caught.value)


def test_evidence_of_another_type_is_refused():
    with pytest.raises(InputError, match=r"^auc reads MixtureMaps, not MaskedScores$"):
        load_metric("auc")(scores())


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
        "audibility": e.audibility,
    }
    for name, value in expected.items():
        assert load_metric(name)(read) == pytest.approx([value], rel=1e-9), name
    band = e.mask[e.grid.in_band].astype(float).ravel()
    entropy = -sum(b * math.log(b) for b in band / band.sum() if b > 0)
    assert load_metric("complexity")(read)[0] == pytest.approx(entropy)
    with pytest.raises(InputError, match=r"^input-fidelity needs all_p, all_p_in, which was not measured$"):
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


HALF = Metric(
    name="mine",
    symbol="p / 2",
    summary="Half of the probability.",
    better="higher",
    bounds=(0.0, 0.5),
    evidence=MaskedScores,
    needs=("p",),
    compute=lambda p: p / 2,
    reference="-",
    gamed_by="-",
)


@pytest.mark.usefixtures("tidy")
def test_somebody_elses_metric():
    METRICS.register("mine", HALF)
    assert load_metric("mine")(scores())[0] == scores().p[0] / 2
    assert "mine" in metrics_of(MaskedScores)
    assert "mine" not in metrics_of(MixtureMaps)


PLUGIN = """
from zsxai.metrics import MaskedScores, Metric

HALF = Metric(
    name="half",
    symbol="p / 2",
    summary="Half of the probability.",
    better="higher",
    bounds=(0.0, 0.5),
    evidence=MaskedScores,
    needs=("p",),
    compute=lambda p: p / 2,
    reference="-",
    gamed_by="-",
)
"""


def test_a_metric_of_another_distribution(distribute):
    distribute("halves", {"zsxai.metrics": {"half": "halves:HALF", "double": "halves:HALF.compute"}}, halves=PLUGIN)
    assert load_metric("half")(scores())[0] == scores().p[0] / 2
    with pytest.raises(InputError, match=r"^'double' is no metric"):
        load_metric("double")


@dataclasses.dataclass(frozen=True, eq=False)
class MoreScores(MaskedScores):
    more: str = ""


def test_evidence_with_more_fields_is_read_by_the_same_metrics():
    assert metrics_of(MoreScores) == metrics_of(MaskedScores)
    assert load_metric("average-drop")(MoreScores(p=np.array([0.5]), p_in=np.array([0.25]))) == [50.0]


def test_an_unfinished_record_names_what_it_lacks():
    with pytest.raises(TypeError, match="'bounds', 'evidence', 'needs', 'compute', 'reference', and 'gamed_by'"):
        Metric(name="mine", symbol="x", summary="-", better="higher")


class Old(Metric[MaskedScores]):
    def compute(self, p):
        return p / 2


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("plugin", [dict, len, Old, Metric])
def test_what_is_no_metric_is_refused_in_one_line(plugin):
    METRICS.register("mine", plugin)
    for call in (lambda: load_metric("mine"), lambda: metrics_of(MaskedScores)):
        with pytest.raises(InputError) as caught:
            call()
        says = "'mine' is no metric: write zsxai.metrics.Metric(name='mine', ..., compute=...), no class"
        assert str(caught.value) == says


@pytest.mark.usefixtures("tidy")
def test_a_metric_has_one_name():
    METRICS.register("mine", dataclasses.replace(HALF, name="half"))
    with pytest.raises(InputError, match=r"^the metric 'mine' calls itself 'half': register it under its own name$"):
        load_metric("mine")


def test_unknown_names():
    with pytest.raises(InputError, match="unknown metric 'avrage-drop': did you mean 'average-drop'"):
        load_metric("avrage-drop")
    known = ", ".join(evidence.__name__ for evidence in EVIDENCE)
    with pytest.raises(InputError, match=f"^no metric reads dict: they read {known}$"):
        metrics_of(dict)
