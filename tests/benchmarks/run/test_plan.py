"""Keys: what can change a number, or what it is counted under, changes them; what cannot, does not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.toys import ConvToy
from zsxai import InputError, register_model
from zsxai.benchmarks.run import identity
from zsxai.benchmarks.run.identity import PLUGINS, code_of, metric_identity, own_code
from zsxai.benchmarks.run.plan import Settings, plan
from zsxai.benchmarks.run.suite import load_suite
from zsxai.benchmarks.tasks.faithfulness import FaithfulnessRunner
from zsxai.data.clip import LabelledClip
from zsxai.metrics import load_metric
from zsxai.metrics.curves import at_budget
from zsxai.registry import MODELS

TASK: dict[str, Any] = {"kind": "faithfulness", "data": ["sounds"], "budgets": [], "metrics": ["faithfulness"]}


def suite(**changes: Any) -> dict[str, Any]:
    return {
        "name": "toy",
        "data": {"sounds": {"reader": "synthetic", "options": {"clips_per_class": 1, "seconds": 1.0}}},
        "explainers": ["saliency"],
        "tasks": [TASK],
        "headline": {"task": "faithfulness", "metric": "faithfulness"},
        "batch": 4,
    } | changes


def keys(limit: int = 4, **changes: Any) -> list[str]:
    return [cell.key for cell in plan(load_suite(suite(**changes)), Settings({}, limit=limit))]


@pytest.fixture(scope="module")
def plain() -> list[str]:
    return keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1]},
        {"threads": 2},
        {"prompting": {"template": "{}"}},
        {"prompting": {"softmax": "unscaled"}},
        {"tasks": [TASK | {"scales": ["gain"]}]},
        {"tasks": [TASK | {"domains": ["mel"]}]},
        {"tasks": [TASK | {"metrics": ["average-drop", "faithfulness"]}]},
        {"tasks": [TASK | {"contaminations": [{"kind": "white-noise"}]}]},
        {"tasks": [TASK | {"calibrations": ["min-max"]}]},
        {"data": {"sounds": {"reader": "synthetic", "options": {"clips_per_class": 1, "seconds": 1.5}}}},
    ],
)
def test_what_changes_numbers_changes_every_key(changes: dict[str, Any], plain: list[str]) -> None:
    assert not set(keys(**changes)) & set(plain)


def test_what_does_not_keeps_them(plain: list[str]) -> None:
    assert keys(headline={"task": "faithfulness", "metric": "foil-wins:faithfulness"}, draws=500) == plain
    assert keys(models=[{"name": "tiny", "label": "ours"}]) == plain
    assert keys(tasks=[TASK | {"contaminations": [{"kind": "clean", "snr": 6.0}]}]) == plain
    assert set(keys(explainers=["saliency", "gradcam"])) > set(plain)
    assert set(keys(limit=8)) > set(plain), "a larger limit begins with the same units"
    relabelled = keys(explainers=[{"name": "saliency", "label": "mine"}])
    assert relabelled == plain


@pytest.mark.parametrize("field", [{"label": "rain"}, {"source": "another"}, {"seconds": 0.5}])
def test_what_a_clip_is_counted_under_is_in_the_key(
    field: dict[str, Any], plain: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zsxai.data.synthetic import Synthetic

    inner: Callable[..., None] = Synthetic.__init__

    def changed(self: Any, **options: Any) -> None:
        inner(self, **options)
        self.clips = [replace(clip, **field) if i == 0 else clip for i, clip in enumerate(self.clips)]

    monkeypatch.setattr(Synthetic, "__init__", changed)
    assert sum(a != b for a, b in zip(keys(limit=8), keys_of_all(plain), strict=True)) > 0


def keys_of_all(plain: list[str]) -> list[str]:
    return [*plain, *["-"] * len(plain)]


def test_a_file_that_was_replaced_is_another(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"one")
    clip = LabelledClip("a.wav", "dog", "a", path=file)
    before = clip.sha256()
    file.write_bytes(b"two")
    assert clip.sha256() != before


def test_a_model_without_a_hash_is_reused_by_this_process_alone() -> None:
    model = ConvToy()
    model.card = model.card.model_copy(update={"weights_sha256": None})
    register_model("hashless", model)
    try:
        assert keys(models=["hashless"]) == keys(models=["hashless"])
        first = keys(models=["hashless"])
        identity._this_process.cache_clear()  # as another process begins
        assert not set(first) & set(keys(models=["hashless"]))
    finally:
        MODELS.unregister("hashless")


def test_a_plugin_is_known_by_its_whole_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "helper.py").write_text("EDGE = 20\n", encoding="utf-8")
    (package / "plugin.py").write_text("class Plugin:\n    pass\n\ndef half(p):\n    return p / 2\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    from theirs.plugin import Plugin, half  # type: ignore[import-not-found]

    plugins = [Plugin, Plugin(), half, partial(half, p=1), partial(at_budget, half), partial(at_budget, budget=half)]
    before = [code_of(plugin) for plugin in plugins]
    (package / "helper.py").write_text("EDGE = 200\n", encoding="utf-8")
    code_of.cache_clear()
    assert not {code_of(plugin) for plugin in plugins} & set(before)
    assert code_of(ConvToy) not in before


def test_a_partial_is_what_it_binds_as_well() -> None:
    binding = [partial(at_budget, budget=0.25), partial(at_budget, budget=0.5), partial(at_budget, 0.25), at_budget]
    assert len({code_of(plugin) for plugin in binding}) == 4
    assert code_of(binding[0]) == code_of(partial(at_budget, budget=0.25))


@pytest.mark.parametrize("module", ["nowhere", "__main__"])
def test_what_has_no_source_is_another_in_every_process(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)  # as in a shell
    typed = type("Typed", (), {"__module__": module})
    for plugin in (typed, typed(), len, partial(len, [])):
        before = code_of(plugin)
        identity._this_process.cache_clear()
        code_of.cache_clear()
        assert code_of(plugin) != before


def test_a_metric_is_known_by_what_it_reads_and_by_what_computes() -> None:
    metric = load_metric("average-drop")
    assert metric_identity(replace(metric, symbol="drop")) == metric_identity(metric)
    assert metric_identity(replace(metric, needs=("p", "p_out"))) != metric_identity(metric)
    assert metric_identity(replace(metric, compute=len)) != metric_identity(metric)


def test_own_code_is_the_code_that_computes() -> None:
    assert len(own_code()) == 64
    assert set(PLUGINS) == {"adapters", "baselines", "benchmarks"}, "hashed apart, wherever they are installed"


@pytest.mark.parametrize(
    "changes",
    [
        {"headline": {"task": "faithfulness", "metric": "nonsense"}},
        {"headline": {"task": "faithfulness", "metric": "average-drop"}},
        {"comparisons": {"metrics": ["zzz"]}},
    ],
)
def test_a_headline_that_is_not_measured_is_refused_before_the_run(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="which it does not measure"):
        keys(**changes)


def test_plugins_that_a_suite_names_are_refused_before_the_run() -> None:
    with pytest.raises(InputError, match="'saliency' among its controls, whose card says it is none"):
        keys(controls=["energy", "saliency"])
    with pytest.raises(InputError, match="unknown explainer 'salency': did you mean 'saliency'"):
        keys(explainers=["salency"])
    with pytest.raises(InputError, match="'auc' is no metric of the task 'faithfulness'"):
        keys(tasks=[TASK | {"metrics": ["auc"]}])


def test_the_code_of_a_task_is_in_the_key(plain: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    runner = type("Theirs", (FaithfulnessRunner,), {"__module__": "nowhere"})
    monkeypatch.setattr("zsxai.benchmarks.run.plan.runner_of", lambda kind: runner)
    assert not set(keys()) & set(plain)


def test_a_model_without_a_logit_scale_is_refused_before_the_run() -> None:
    model = ConvToy()
    model.logit_scale = None
    register_model("scaleless", model)
    try:
        with pytest.raises(InputError, match="scaleless gives no logit scale"):
            keys(models=["scaleless"])
        assert keys(models=["scaleless"], prompting={"softmax": "unscaled"})
    finally:
        MODELS.unregister("scaleless")
