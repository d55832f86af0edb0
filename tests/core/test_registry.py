"""Names, collisions and what is missing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import zsxai
from tests.toys import STRICT, BlackBoxToy, ConvToy
from zsxai.baselines.gradcam import GradCAM
from zsxai.black_box import BlackBox, as_model
from zsxai.devices import find_device
from zsxai.errors import InputError, MissingExtraError
from zsxai.plugins import default_explainer
from zsxai.registry import EXPLAINERS, MODELS, Registry

pytestmark = STRICT


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[object]:
    points = [
        EntryPoint("fine", "json:dumps", "zsxai.things"),
        EntryPoint("fine", "json:dumps", "zsxai.things"),
        EntryPoint("twice", "json:dumps", "zsxai.things"),
        EntryPoint("twice", "json:loads", "zsxai.things"),
        EntryPoint("missing", "no_such_package.x:y [hf]", "zsxai.things"),
    ]
    monkeypatch.setattr("zsxai.registry.entry_points", lambda group: points if group == "zsxai.things" else [])
    return Registry("thing", "zsxai.things")


def test_entry_points(registry: Registry[object]) -> None:
    import json

    assert registry.names() == ["fine", "missing", "twice"]
    assert registry.get("fine") is json.dumps
    with pytest.raises(InputError, match=r"two plugins claim the thing name 'twice'.*json:dumps.*json:loads"):
        registry.get("twice")
    with pytest.raises(MissingExtraError, match=r"'missing' needs the package 'no_such_package': pip .*\[hf\]'"):
        registry.get("missing")
    with pytest.raises(InputError, match="unknown thing 'fin': did you mean 'fine'"):
        registry.get("fin")
    with pytest.raises(InputError, match="known: fine, missing, twice"):
        registry.get("qqqq")


def test_registering(registry: Registry[object]) -> None:
    registry.register("mine", 1)
    assert registry.get("mine") == 1
    assert registry.is_registered("mine")
    assert registry.names() == ["fine", "mine", "missing", "twice"]
    with pytest.raises(InputError, match="'mine' is already registered by this process"):
        registry.register("mine", 2)
    registry.register("mine", 2, overwrite=True)
    assert registry.get("mine") == 2
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"'fine' is already registered by .*json:dumps"):
            registry.register("fine", 3, overwrite=overwrite)
    for name in ("", "Mine", "a:b", " a"):
        with pytest.raises(InputError, match="is no thing name"):
            registry.register(name, 1)
    registry.unregister("mine")
    registry.unregister("mine")
    assert not registry.is_registered("mine")


def test_what_is_installed() -> None:
    names = "gradcam gradcam++ smoothgrad integrated-gradients saliency input-x-gradient occlusion constant random"
    assert {*names.split(), "loudness", "energy", "rolled", "foil"} <= set(zsxai.list_explainers())
    assert {"tiny", "hf"} <= set(zsxai.list_models())
    with pytest.raises(InputError, match=r"unknown explainer 'grad-cam': did you mean 'gradcam'"):
        zsxai.load_explainer("grad-cam")
    with pytest.raises(InputError, match=r"unknown model 'tinny': did you mean 'tiny'"):
        zsxai.load_model("tinny")
    for name in zsxai.list_explainers():
        explainer = EXPLAINERS.get(name)
        assert explainer.name == name
        assert explainer.card.summary.endswith(".")
        assert explainer.card.reference


def test_listing_imports_no_plugin_and_no_torch() -> None:
    code = (
        "import sys, zsxai; zsxai.list_models(), zsxai.list_explainers(), zsxai.InputError; "
        "bad = [m for m in sys.modules if m.split('.')[0] in ('torch', 'transformers', 'captum', 'librosa') "
        "or m.startswith(('zsxai.adapters', 'zsxai.baselines', 'zsxai.benchmarks'))]; sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_loading_explainers() -> None:
    assert zsxai.load_explainer("gradcam", tap="first") == GradCAM(tap="first")
    mine = GradCAM(tap="first")
    assert zsxai.load_explainer(mine) is mine
    assert zsxai.load_explainer(mine, calibration="rank") == GradCAM(tap="first", calibration="rank")
    assert zsxai.load_explainer(GradCAM) == GradCAM()
    for options, message in (
        ({"steps": 3}, "unknown option 'steps'; it takes calibration, n_steps"),
        ({"n_steps": 0}, r"n_steps: .*greater than or equal to 1 \(got 0\)"),
        ({"n_steps": "many"}, r"n_steps: .*\(got 'many'\)"),
        ({"calibration": "softmax"}, "unknown calibration 'softmax': one of identity"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            zsxai.load_explainer("integrated-gradients", **options)
        assert "\n" not in str(caught.value)
    for nonsense in (3, object(), ConvToy()):
        with pytest.raises(InputError, match="is no explainer"):
            zsxai.load_explainer(nonsense)


def test_models_by_name_and_by_object() -> None:
    model, seen = ConvToy(), []

    def loader(argument: str | None, *, device: str | None = None) -> ConvToy:
        seen.append((argument, device))
        return model

    try:
        zsxai.register_model("my-object", model)
        zsxai.register_model("my-loader", loader)
        zsxai.register_model("my-box", BlackBoxToy())
        assert zsxai.load_model("my-object") is model
        assert zsxai.load_model("my-loader:some/path:x", device="cpu") is model
        assert zsxai.load_model("my-loader") is model
        assert seen == [("some/path:x", "cpu"), (None, find_device("auto"))]
        assert isinstance(zsxai.load_model("my-box"), BlackBox)
        with pytest.raises(InputError, match="does not take these options: speed"):
            zsxai.load_model("my-loader", speed=3)
    finally:
        for name in ("my-object", "my-loader", "my-box"):
            MODELS.unregister(name)
    assert as_model(model) is model
    with pytest.raises(InputError, match="int is no zero-shot model: it lacks sample_rate, embed_audio, embed_text"):
        as_model(3)
    with pytest.raises(InputError, match="it lacks"):
        zsxai.register_model("half", object())


def test_the_first_explainer_a_model_can_carry() -> None:
    assert default_explainer(ConvToy()) == "gradcam"
    assert default_explainer(as_model(BlackBoxToy())) == "occlusion"


def test_a_black_box_is_taken_over() -> None:
    import torch

    box = as_model(BlackBoxToy())
    assert (box.sample_rate, box.logit_scale, box.audio_spec.window) == (16000, 10.0, 2.0)
    assert box.card.name == "black-box-toy"
    noise = torch.randn(3, 800, generator=torch.Generator().manual_seed(0))
    for rows in (box.embed_audio(noise), box.embed_text(["a", "b"])):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))
