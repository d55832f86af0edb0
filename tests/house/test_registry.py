"""Names, collisions, neighbours, extras."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement

import zsxai
from tests.conftest import Distribute
from zsxai import doctor
from zsxai.doctor import GROUPS, examine
from zsxai.errors import InputError, MissingExtraError
from zsxai.registry import EXPLAINERS, METRICS, MODELS, Registry


@pytest.fixture
def tidy() -> Iterator[None]:
    yield
    for registry in (MODELS, EXPLAINERS, METRICS):
        for name in ("mine", "theirs"):
            registry.unregister(name)


def test_the_lists_hold_what_the_house_promises() -> None:
    assert {"tiny", "hf"} <= set(zsxai.list_models())
    assert {
        *("gradcam", "gradcam++", "smoothgrad", "integrated-gradients", "saliency", "input-x-gradient", "occlusion"),
        *("constant", "random", "loudness", "energy", "rolled", "foil"),
    } <= set(zsxai.list_explainers())
    assert {"esc50", "synthetic"} <= set(zsxai.list_datasets())
    assert zsxai.list_metrics() == sorted(zsxai.list_metrics())


@pytest.mark.parametrize(
    ("name", "near"),
    [("gradcm", "gradcam"), ("intergrated-gradients", "integrated-gradients"), ("oclusion", "occlusion")],
)
def test_an_unknown_name_brings_the_nearest(name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"unknown explainer {name!r}: did you mean .*{near!r}") as caught:
        zsxai.load_explainer(name)
    assert "\n" not in str(caught.value)


def test_a_name_like_no_other_brings_all() -> None:
    with pytest.raises(InputError, match=r"known: .*tiny"):
        zsxai.load_model("qqqqqqqq")


def test_a_missing_package_brings_the_exact_install(distribute: Distribute) -> None:
    distribute(
        "their-plugin",
        {"zsxai.explainers": {"theirs": "their_module:Explainer [fast]"}},
        their_module="import a_package_nobody_has\n",
    )
    assert "theirs" in zsxai.list_explainers()
    with pytest.raises(MissingExtraError) as caught:
        zsxai.load_explainer("theirs")
    assert "'a_package_nobody_has'" in str(caught.value)
    assert "pip install 'their-plugin[fast]'" in str(caught.value)


def test_an_extra_of_the_house_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    error = MODELS.missing("hf", ModuleNotFoundError("no transformers", name="transformers"))
    assert "pip install 'zsxai[hf]'" in str(error)
    assert isinstance(error, InputError)
    assert isinstance(error, ImportError)


def test_two_distributions_that_claim_one_name_are_both_named(distribute: Distribute) -> None:
    distribute("first-plugin", {"zsxai.explainers": {"theirs": "first:Explainer"}})
    distribute("second-plugin", {"zsxai.explainers": {"theirs": "second:Explainer"}})
    with pytest.raises(InputError, match="theirs") as caught:
        zsxai.load_explainer("theirs")
    assert "first-plugin" in str(caught.value)
    assert "second-plugin" in str(caught.value)


def test_a_plugin_that_claims_a_built_in_name_is_refused_not_used(distribute: Distribute) -> None:
    distribute("bold-plugin", {"zsxai.explainers": {"gradcam": "bold:Explainer"}})
    with pytest.raises(InputError, match="bold-plugin") as caught:
        zsxai.load_explainer("gradcam")
    assert "zsxai (zsxai.baselines.gradcam:GradCAM)" in str(caught.value)
    assert zsxai.load_explainer("occlusion") is not None


def test_one_distribution_found_twice_is_no_collision(distribute: Distribute) -> None:
    source = "from zsxai.baselines.controls.constant import Constant as Explainer\n"
    distribute("first-plugin", {"zsxai.explainers": {"theirs": "first:Explainer"}}, first=source)
    distribute("elsewhere/first-plugin", {"zsxai.explainers": {"theirs": "first:Explainer"}})
    assert zsxai.load_explainer("theirs") is not None


@pytest.mark.usefixtures("tidy")
def test_registering_at_run_time() -> None:
    from zsxai.baselines.controls.constant import Constant

    zsxai.register_explainer("mine", Constant)
    assert "mine" in zsxai.list_explainers()
    assert isinstance(zsxai.load_explainer("mine"), Constant)
    with pytest.raises(InputError, match="'mine' is already registered by this process"):
        zsxai.register_explainer("mine", Constant)
    zsxai.register_explainer("mine", Constant(), overwrite=True)
    assert isinstance(zsxai.load_explainer("mine"), Constant)


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_built_in_name_cannot_be_taken(overwrite: bool) -> None:
    from zsxai.baselines.controls.constant import Constant

    with pytest.raises(
        InputError, match=r"'gradcam' is already registered by zsxai \(zsxai.baselines.gradcam:GradCAM\)"
    ):
        zsxai.register_explainer("gradcam", Constant, overwrite=overwrite)


@pytest.mark.parametrize("name", ["", "Mine", " mine", "mine:x", "mine "])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no model name"):
        zsxai.register_model(name, lambda argument, *, device: None)


def test_unregistering_what_was_never_registered() -> None:
    registry: Registry[object] = Registry("thing", "zsxai.things")
    registry.unregister("nothing")
    assert registry.names() == []
    with pytest.raises(InputError, match="known: none"):
        registry.get("nothing")


def test_the_doctor_reports_a_broken_plugin_as_a_note(distribute: Distribute) -> None:
    distribute(
        "broken-plugin", {"zsxai.metrics": {"theirs": "broken:Metric"}}, broken="raise RuntimeError('on purpose')\n"
    )
    distribute(
        "empty-plugin", {"zsxai.datasets": {"theirs": "empty:Data [big]"}}, empty="import a_package_nobody_has\n"
    )
    found = {(f.section, f.name): f for f in doctor._plugins()}
    broken = found["Plugins: metrics", "theirs"]
    assert broken.state == "note"
    assert "broken-plugin" in broken.detail
    assert "on purpose" in broken.detail
    assert "pip install 'empty-plugin[big]'" in found["Plugins: datasets", "theirs"].detail
    assert all(f.state == "ok" for f in found.values() if f.name != "theirs"), "something built-in does not load"


def test_the_doctor_reports_a_claimed_name(distribute: Distribute) -> None:
    distribute("bold-plugin", {"zsxai.explainers": {"gradcam": "bold:Explainer"}})
    claims = [f.detail for f in doctor._plugins() if "claimed by" in f.detail]
    assert len(claims) == 1
    assert "bold-plugin" in claims[0]
    assert "zsxai" in claims[0]


def test_the_doctor_finds_all_well() -> None:
    report = examine()
    assert report.ok, [f for f in report.findings if f.state == "failed"]
    assert {f.section for f in report.findings} >= {"Python", "Dependencies", "Extras", "Bundled model", "Computing"}
    assert {f"Plugins: {g.removeprefix('zsxai.')}" for g in GROUPS[:4]} <= {f.section for f in report.findings}


def test_the_doctor_says_what_an_extra_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "torch>=2.4",
        "transformers>=4.57; extra == 'hf'",
        'absent-one==1.2; extra == "old"',
        'numpy<2; extra == "old"',
    ]
    monkeypatch.setattr(doctor, "requires", lambda _name: lines)
    monkeypatch.setattr(doctor, "metadata", lambda _name: Message(["hf", "old", "both"]))
    found = {f.name: f for f in doctor._extras()}
    assert set(found) == {"hf", "old"}
    assert "pins" not in found["hf"].detail
    assert found["old"].state == "note"
    assert found["old"].detail.endswith("pip install 'zsxai[old]'; it pins absent-one==1.2, numpy<2")
    assert [f.name for f in doctor._dependencies()] == ["zsxai", "torch"]


class Message:
    def __init__(self, extras: list[str]) -> None:
        self.extras = extras

    def get_all(self, name: str, default: list[str]) -> list[str]:
        return self.extras if name == "Provides-Extra" else default


def test_the_doctor_knows_what_msclap_holds_back() -> None:
    found = {f.name: f for f in doctor._extras()}
    for pin in ("transformers<5", "numpy<2", "librosa<0.11"):
        assert pin in found["msclap"].detail
    assert set(found) >= {"hf", "laion", "msclap", "dev"}


@pytest.mark.parametrize(
    ("bound", "problem"),
    [("", ""), (">=1.26", ""), (">=9999.1", "pip install 'numpy>=9999.1'"), ("==0.1.0", "pip install 'numpy==0.1.0'")],
)
def test_bounds_are_compared(bound: str, problem: str) -> None:
    found = doctor.problem(Requirement(f"numpy{bound}"))
    assert problem in found
    assert bool(problem) == bool(found)


def test_what_is_not_installed() -> None:
    wanted = Requirement("a-package-nobody-has>=1")
    assert doctor.problem(wanted) == "not installed: pip install 'a-package-nobody-has>=1'"
