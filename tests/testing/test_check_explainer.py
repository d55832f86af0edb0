"""The kit passes explainers that keep their promises and names what others break."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import zsxai
from tests.toys import STRICT, BlackBoxToy, ConvToy
from zsxai.attribution import log_mel_above_floor, on_window, score_of_log_mel
from zsxai.clip import Clip, Relevance
from zsxai.errors import InputError
from zsxai.explainer import ExplainerCard
from zsxai.model import Encoding, Features
from zsxai.report import Report
from zsxai.target import BoundTarget
from zsxai.testing import check_explainer
from zsxai.testing.explainer import CHECKS

pytestmark = STRICT

GRADIENTS = ExplainerCard(
    summary="A gradient.", needs_gradients=True, deterministic=True, forwards="1", backwards="1", reference="none"
)
DRAWS = GRADIENTS.model_copy(update={"needs_gradients": False, "deterministic": False})
STILL = DRAWS.model_copy(update={"deterministic": True})


def failed(report: Report) -> dict[str, str]:
    return {c.name: c.detail for c in report.checks if c.state == "failed"}


class Slope(zsxai.Explainer):
    """A gradient explainer that is right."""

    name: ClassVar[str] = "slope"
    card: ClassVar[ExplainerCard] = GRADIENTS

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        z = log_mel_above_floor(clip).requires_grad_()
        (gradient,) = torch.autograd.grad(score_of_log_mel(clip, target)(z).sum(), z)
        return on_window(clip, gradient[0])


class LeavesAHook(Slope):
    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        clip.spectral.taps["first"].register_forward_hook(lambda _module, _args, output: None)
        return super().attribute(clip, target)


class LeavesAHookAfterAnError(Slope):
    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        handle = clip.spectral.taps["first"].register_forward_hook(lambda _module, _args, output: None)
        found = super().attribute(clip, target)
        handle.remove()
        return found


class LeavesAHookAfterAFailedBackward(Slope):
    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        z = log_mel_above_floor(clip).requires_grad_()
        value = score_of_log_mel(clip, target)(z).sum()
        handle = clip.spectral.taps["first"].register_forward_hook(lambda _module, _args, output: None)
        (gradient,) = torch.autograd.grad(value, z)
        handle.remove()
        return on_window(clip, gradient[0])


class FillsGrad(Slope):
    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        z = log_mel_above_floor(clip).requires_grad_()
        score_of_log_mel(clip, target)(z).sum().backward()
        assert z.grad is not None
        return on_window(clip, z.grad[0])


class NoGradientAtAll(Slope):
    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        return Relevance(clip.power_on_grid, clip.grid, "clip")


class Swallows(Slope):
    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        try:
            return super().attribute(clip, target)
        except Exception:
            return Relevance(torch.ones(clip.grid.shape), clip.grid, "clip")


class TrainsTheModel(Slope):
    """Depends on the mode in which it finds a module."""

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        found = super().attribute(clip, target)
        wanted = next(clip.spectral.first.parameters()).requires_grad  # type: ignore[attr-defined]
        return replace(found, values=found.values * (1.0 + torch.arange(found.values.shape[1]) * wanted))


class WeighsMaps(zsxai.Explainer):
    """Needs feature maps and no gradients: forwards weigh them, as in Score-CAM."""

    name: ClassVar[str] = "weighs-maps"
    card: ClassVar[ExplainerCard] = GRADIENTS.model_copy(update={"backwards": "0"})

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        with torch.no_grad():
            found = clip.spectral.encode(clip.spectral.features(clip.waveform[None])).feature_maps[-1]
        values = found.values[0]
        on_clip = torch.from_numpy(found.grid.resample(values.numpy(), clip.window_grid))[..., : clip.grid.shape[1]]
        masks = on_clip / on_clip.amax(dim=(1, 2), keepdim=True).clamp(min=1e-9)
        with torch.no_grad():
            weights = target(clip.embed_masked(masks * torch.from_numpy(clip.grid.in_band[:, None])))
        return Relevance((weights[:, None, None] * values).sum(dim=0), found.grid, "window")


class Draws(zsxai.Explainer):
    """An explainer that draws and is right."""

    name: ClassVar[str] = "draws"
    card: ClassVar[ExplainerCard] = DRAWS
    calibration: str = "identity"

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        return Relevance(self.drawn(clip), clip.grid, "clip")

    def drawn(self, clip: Clip) -> Tensor:
        return torch.rand(clip.grid.shape, generator=clip.generator(self.name))


class IgnoresTheSeed(Draws):
    def drawn(self, clip: Clip) -> Tensor:
        return torch.rand(clip.grid.shape, generator=torch.Generator().manual_seed(0))


class SaysItDoesNotDraw(Draws):
    card: ClassVar[ExplainerCard] = STILL


class DrawsGlobally(Draws):
    def drawn(self, clip: Clip) -> Tensor:
        return torch.rand(clip.grid.shape)


class DrawsPerBatch(Draws):
    def drawn(self, clip: Clip) -> Tensor:
        generator = clip.generator(self.name)
        rows, columns = clip.grid.shape
        parts = [torch.rand(min(clip.batch_size, rows - i), columns, generator=generator).flip(0) for i in
                 range(0, rows, clip.batch_size)]  # fmt: skip
        return torch.cat(parts)


class MixesTargets(Draws):
    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        found = super().relevance(clip, targets)
        return replace(found, values=found.values / len(targets))


class Broken(Draws):
    def drawn(self, clip: Clip) -> Tensor:
        found = super().drawn(clip)
        found[:, 3] = torch.nan
        return found


class Zero(Draws):
    def drawn(self, clip: Clip) -> Tensor:
        return torch.zeros(clip.grid.shape)


class WrongShape(Draws):
    def drawn(self, clip: Clip) -> Tensor:
        return super().drawn(clip).T


class ChangesTheClip(Draws):
    card: ClassVar[ExplainerCard] = STILL

    def drawn(self, clip: Clip) -> Tensor:
        power = clip.power_on_grid.clone()
        clip.waveform.mul_(0.5)
        return power / power.max()


class SaysItNeedsNoGradients(Slope):
    card: ClassVar[ExplainerCard] = STILL


class Nameless(Draws):
    name: ClassVar[str] = ""


class Drifts(ConvToy):
    """A model that answers otherwise at every call."""

    calls = 0

    def encode(self, features: Features) -> Encoding:
        self.calls += 1
        found = super().encode(features)
        turned = found.embedding + 0.01 * self.calls * found.embedding.roll(1, dims=-1)
        return Encoding(nn.functional.normalize(turned, dim=-1), found.feature_maps)


class Fault(NamedTuple):
    explainer: type[zsxai.Explainer]
    fails: set[str]
    says: str
    model: type[ConvToy] = ConvToy


FAULTS = [
    Fault(LeavesAHook, {"left as found"}, "after explaining: a forward hook was left on 'taps.first'"),
    Fault(LeavesAHookAfterAnError, {"left as found"}, "after a forward that raises: a forward hook was left on"),
    Fault(LeavesAHookAfterAFailedBackward, {"left as found"}, "after a backward that raises: a forward hook was left"),
    Fault(FillsGrad, {"left as found"}, r"\.grad of '[\w.]+' was changed: use torch.autograd.grad"),
    Fault(NoGradientAtAll, {"left as found"}, "card.backwards is '1' and no gradient of the target was asked for"),
    Fault(Swallows, {"left as found"}, "card.backwards is '1' and no gradient .*, or its error is swallowed"),
    Fault(TrainsTheModel, {"left as found"}, "some modules train .* is explained otherwise: the relevance by"),
    Fault(IgnoresTheSeed, {"seeds"}, "deterministic is False and seed 1 gives exactly the map of seed 0"),
    Fault(SaysItDoesNotDraw, {"seeds"}, "deterministic is True and seed 1 differs from seed 0"),
    Fault(DrawsGlobally, {"left as found", "same seed"}, r"differ by .* draw from clip.generator\(name\)"),
    Fault(DrawsPerBatch, {"batch size"}, "batch_size=1 differs from the default in the relevance by"),
    Fault(MixesTargets, {"prompts in company"}, r"'a dog barking' together with .* relevance\(\) mixes its targets"),
    Fault(Broken, {"maps fit"}, "the relevance of 257 of 20817 cells is not finite"),
    Fault(Zero, {"maps fit"}, "the relevance is zero everywhere"),
    Fault(WrongShape, {"maps fit", "left as found"}, "raised ValueError"),
    Fault(ChangesTheClip, {"maps fit"}, "the samples of the clip were changed in place"),
    Fault(
        SaysItNeedsNoGradients, {"black box"}, "needs_gradients is False and a black box is refused: band-energies is"
    ),
    Fault(Nameless, {"card"}, "the class has no name"),
    Fault(Slope, {"left as found", "same seed", "saved and verified"}, "verify: score: recorded", Drifts),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.explainer.__name__}-{f.model.__name__}")
def test_a_planted_fault_is_named_and_nothing_else_is(fault: Fault) -> None:
    report = check_explainer(fault.explainer(), fault.model())
    assert set(failed(report)) == fault.fails, str(report)
    assert any(re.search(fault.says, detail) for detail in failed(report).values()), str(report)


def test_every_check_of_an_explainer_has_a_planted_fault() -> None:
    assert {name for fault in FAULTS for name in fault.fails} == {entry.name for entry in CHECKS}


@pytest.mark.parametrize("explainer", [Slope, Draws, WeighsMaps], ids=lambda e: e.__name__)
def test_what_is_right_passes_every_check(explainer: type[zsxai.Explainer]) -> None:
    report = check_explainer(explainer(), ConvToy())
    assert {c.state for c in report.checks} == {"ok"}, str(report)
    assert [c.name for c in report.checks] == [entry.name for entry in CHECKS]


def test_by_name_with_options_and_before_tiny() -> None:
    report = check_explainer("occlusion", options={"seconds": 0.4, "bands": 2}, progress=False)
    assert {c.state for c in report.checks} == {"ok"}, str(report)
    with pytest.raises(InputError, match="unknown option 'second'"):
        check_explainer("occlusion", options={"second": 1})
    with pytest.raises(InputError, match="did you mean 'gradcam"):
        check_explainer("gradcm")


def test_what_needs_gradients_before_a_black_box() -> None:
    report = check_explainer(Slope(), BlackBoxToy())
    states = {c.name: c.state for c in report.checks}
    assert report
    assert {n for n, s in states.items() if s == "ok"} == {"card", "black box"}
    assert "it needs gradients and black-box-toy is a black box" in str(report)
    assert all(c.state == "ok" for c in check_explainer(Draws(), BlackBoxToy()).checks)


def test_the_model_is_left_as_it_was() -> None:
    model = ConvToy()
    check_explainer(LeavesAHook(), model)
    assert not model.taps["first"]._forward_hooks
    assert not any(p.requires_grad or p.grad is not None for m in model.modules() for p in m.parameters())
