"""The kit (``zsxai.testing``) on every model, and on every explainer before every model, from the registries.

A model from an entry point that loads by its bare name comes in by itself; one that needs more is one line in
``MODELS`` (small, random weights), or a checkpoint in ``BACKENDS`` of ``benchmarks/measure/checkpoints.py``, and one in
``FULL`` where it has a published size. Explainers come in by themselves; ``QUICK`` holds options that make a slow one
quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pytest
import soundfile

import zsxai
from tests.toys import STRICT, BandToy, BlackBoxToy, ConvToy
from zsxai.benchmarks.measure.checkpoints import BACKENDS
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.testing import check_explainer, check_model
from zsxai.testing.explainer import PROMPTS, sound
from zsxai.testing.signals import tone

pytestmark = STRICT


Make = Callable[[Path], object]


def checkpoint(name: str, size: Literal["tiny", "full"]) -> Make:
    """Random weights, saved as users have them, and loaded by name."""

    def make(folder: Path) -> object:
        saved = BACKENDS[name](folder, size)
        return zsxai.load_model(saved.name, **saved.options)

    return make


def prototypes(folder: Path) -> object:
    """Classes that the kit's prompts name."""
    for hertz, name in ((300, "dog"), (2000, "rain"), (6000, "violin")):
        (folder / name).mkdir(exist_ok=True)
        for take in range(2):
            soundfile.write(folder / name / f"{take}.wav", tone(16000 + 800 * take, 16000, hertz).numpy(), 16000)
    return zsxai.load_model(f"prototypes:{folder}")


MODELS: dict[str, Make] = {
    "conv toy": lambda _: ConvToy(),
    "black box toy": lambda _: BlackBoxToy(),
    "prototypes": prototypes,
    **{f"{name} tiny": checkpoint(name, "tiny") for name in BACKENDS},
}
KIT_ONLY = ("hf, fused tiny", "laion tiny", "laion, fused tiny", "prototypes")
"""Networks and front ends of other models here; one that answers only prompts that name its classes."""
FULL = ("hf", "laion, own classes", "msclap-2022", "msclap-2023")
"""Of the published sizes, 0.7 GB each: neither the file nor the model is kept."""
LEGACY = ("laion, own classes", "msclap-2022", "msclap-2023")
"""Whose networks are another package's."""
WITH_ARGUMENT = ("hf", "laion", "msclap-2022", "msclap-2023", "prototypes")
MODELS |= {n: lambda _, n=n: zsxai.load_model(n) for n in zsxai.list_models() if n not in WITH_ARGUMENT}  # type: ignore[misc]
QUICK: dict[str, dict[str, Any]] = {
    "lmac-zs+": {"steps": 2},
    "mask-optimisation": {"steps": 2},
    "integrated-gradients": {"n_steps": 3},
    "smoothgrad": {"n_samples": 3},
    "occlusion": {"seconds": 0.4, "bands": 2},
    "rolled": {"of": "quick-occlusion"},
    "foil": {"of": "quick-occlusion"},
}
EXPLAINERS = zsxai.list_explainers()
ONE_OF_EACH = ("gradcam", "smoothgrad", "occlusion", "mask-optimisation")
"""At a tap, at the input, without gradients, and through the mask."""


@pytest.fixture(autouse=True, scope="module")
def quick_occlusion() -> Iterator[None]:
    """What the controls roll and ask."""
    zsxai.register_explainer("quick-occlusion", zsxai.load_explainer("occlusion", **QUICK["occlusion"]))
    yield
    zsxai.registry.EXPLAINERS.unregister("quick-occlusion")


@cache
def _loaded(name: str, folder: Path) -> ZeroShotModel | str:
    try:
        return zsxai.load_model(MODELS[name](folder))
    except (InputError, ModuleNotFoundError) as error:
        return str(error)


@pytest.fixture
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ZeroShotModel:
    folder = tmp_path_factory.getbasetemp() / "conformance" / request.param
    folder.mkdir(parents=True, exist_ok=True)
    found = _loaded(request.param, folder)
    if isinstance(found, str):
        assert request.param != "tiny", found
        pytest.skip(f"{request.param} cannot be loaded here: {found}")
    return found


def marked(names: Iterable[str]) -> list[Any]:
    """Names as parameters, with the marker ``legacy`` on those in ``LEGACY``."""
    marks = {True: pytest.mark.legacy, False: ()}
    return [pytest.param(name, marks=marks[name.removesuffix(" tiny") in LEGACY]) for name in names]


every_model = pytest.mark.parametrize("model", marked(MODELS), indirect=True)


def quick(name: str) -> Explainer:
    return zsxai.load_explainer(name, **QUICK.get(name, {}))


@every_model
def test_model(model: ZeroShotModel) -> None:
    check_model(model).raise_if_failed()


@pytest.mark.parametrize("model", marked(name for name in MODELS if name not in KIT_ONLY), indirect=True)
@pytest.mark.parametrize("name", EXPLAINERS)
def test_explainer_before_model(model: ZeroShotModel, name: str) -> None:
    check_explainer(quick(name), model).raise_if_failed()


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(FULL))
def test_full_model(name: str) -> None:
    """The kit, and one explainer of every kind once; all of them run on the small ones."""
    with TemporaryDirectory() as folder:
        model = zsxai.load_model(checkpoint(name, "full")(Path(folder)))
    check_model(model).raise_if_failed()
    for explainer in map(quick, ONE_OF_EACH):
        e = zsxai.explain(sound(model), PROMPTS[0], sample_rate=model.sample_rate, model=model, explainer=explainer)
        assert np.isfinite(e.relevance).all(), explainer.name
        assert e.relevance.any(), explainer.name
        assert e.mask.shape == e.grid.shape, explainer.name


# What is the core's own promise, whoever explains.


@every_model
@pytest.mark.parametrize(("domain", "scale"), [("stft", "log"), ("mel", "gain")])
def test_what_an_explanation_holds(model: ZeroShotModel, domain: Any, scale: Any) -> None:
    if not isinstance(model, SpectralModel):
        domain = "stft"
    audio = sound(model)
    audio.flags.writeable = False
    e = zsxai.explain(
        audio,
        PROMPTS[0],
        sample_rate=model.sample_rate,
        model=model,
        explainer=quick("occlusion"),
        domain=domain,
        scale=scale,
    )
    np.testing.assert_array_equal(audio, sound(model))
    assert e.mask.shape == (len(e.frequencies), len(e.times))
    assert e.mask.dtype == e.relevance.dtype == e.audio.dtype == e.residue.dtype == np.float32
    assert any("the mask is empty" in w for w in e.provenance.warnings) == (not e.mask.any())
    assert e.times[0] == 0
    assert e.times[-1] == pytest.approx(0.8, abs=0.02)
    assert 0 <= e.frequencies[0] < e.frequencies[-1] <= model.sample_rate / 2
    assert e.mask_stft.shape == (e.front_end.n_bins, len(e.times))
    assert e.mask_mean == pytest.approx(float(e.mask[e.grid.in_band].mean()))
    assert 0 <= e.kept_energy <= 1.0001
    assert e.provenance.explainer == "occlusion"
    if scale == "gain":
        np.testing.assert_allclose(e.audio + e.residue, e.original, atol=1e-5)


def test_blind_explainers_do_not_look_at_the_prompt() -> None:
    """And the others do: two prompts that ask for different bands."""
    model = BandToy()
    for name in EXPLAINERS:
        found = zsxai.load_explainer(name, **QUICK.get(name, {}), **({"prompt": "band 3"} if name == "foil" else {}))
        if not found.fits(model) or name == "mask-optimisation":  # whose bank of prompts this model cannot read
            continue
        one, other = zsxai.explain(sound(model), ["band 0", "band 2"], sample_rate=16000, model=model, explainer=found)
        blind = name in ("constant", "random", "loudness", "energy", "foil")
        assert np.array_equal(one.relevance, other.relevance) == blind, name
