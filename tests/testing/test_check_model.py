"""The kit passes what is right and names what is planted."""

from __future__ import annotations

import random
import re
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zsxai
from tests.backends import tiny_hf_folder
from tests.toys import SPEC, STRICT, BlackBoxToy, ConvToy
from zsxai.conditions import evaluating
from zsxai.errors import InputError
from zsxai.model import Encoding, FeatureMap, Features, TextEncoding
from zsxai.report import CheckFailedError, Report
from zsxai.spectral import FrontEnd, map_grid
from zsxai.testing import check_model
from zsxai.testing.model import CHECKS
from zsxai.testing.state import HOOKS, generators, modules_of

pytestmark = STRICT


def failed(report: Report) -> dict[str, str]:
    return {c.name: c.detail for c in report.checks if c.state == "failed"}


class AnyLength(ConvToy):
    """A model without a window, so that the kit tries 25 seconds."""

    def __init__(self) -> None:
        super().__init__(window=None, fill="none")


# Faults, each as an adapter has them.


class ClaimsAnotherRate(ConvToy):
    def __init__(self) -> None:
        super().__init__()
        self.audio_spec = self.audio_spec.model_copy(update={"sample_rate": 32000})


class BankOfAnotherRate(ConvToy):
    def __init__(self) -> None:
        super().__init__()
        self.front_end.bank = FrontEnd(SPEC.model_copy(update={"filter_rate": 22050})).bank


class NarrowBands(ConvToy):
    """Claims another rate, and no band is wide enough for tones."""

    def __init__(self) -> None:
        super().__init__(spec=SPEC.model_copy(update={"n_fft": 128, "n_mels": 128, "hop": 64}))
        self.audio_spec = self.audio_spec.model_copy(update={"sample_rate": 48000})


class FewCells(ConvToy):
    """Has a map of 2 x 3 cells, as encoders that pool five times have; every cell hears much of the rest."""

    turned: tuple[int, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.third = nn.Conv2d(12, 12, 5, padding=2).requires_grad_(False).eval()
        self.taps = {**self.taps, "few": nn.Identity()}

    def encode(self, features: Features) -> Encoding:
        maps = super().encode(features).feature_maps
        few = nn.functional.avg_pool2d(torch.relu(self.third(maps[-1].values)), (4, 8)).flip(self.turned)
        few = self.taps["few"](few)
        place = map_grid(self.front_end.spec, 16000, *few.shape[-2:], frames=few.shape[-1] * 32)
        embedding = nn.functional.normalize(self.head(few.mean(dim=(2, 3))), dim=-1)
        return Encoding(embedding, (*maps, FeatureMap("few", few, place)))


class FewCellsUpsideDown(FewCells):
    turned = (2,)


class FewCellsBackwards(FewCells):
    turned = (3,)


class Laid(ConvToy):
    """Lays its second map out for the tap, and back after it."""

    def encode(self, features: Features) -> Encoding:
        tap = self.taps["second"]

        class Around(nn.Module):
            def forward(_self, x: Tensor) -> Tensor:
                return self.back(tap(self.lay(x)))

        seen: list[Tensor] = []
        handle = tap.register_forward_hook(lambda _module, _args, output: seen.append(output))
        self.taps = {**self.taps, "second": Around()}
        try:
            found = super().encode(features)
        finally:
            handle.remove()
            self.taps = {**self.taps, "second": tap}
        first, second = found.feature_maps
        return Encoding(found.embedding, (first, FeatureMap("second", seen[-1], self.place(second, seen[-1]))))

    def place(self, found: FeatureMap, values: Tensor) -> Any:
        return map_grid(self.front_end.spec, 16000, *values.shape[-2:])

    def lay(self, x: Tensor) -> Tensor:
        return x

    def back(self, x: Tensor) -> Tensor:
        return self.lay(x)


class SwappedAxes(Laid):
    def lay(self, x: Tensor) -> Tensor:
        return x.transpose(2, 3)


class TimeBackwards(Laid):
    def lay(self, x: Tensor) -> Tensor:
        return x.flip(3)


class UpsideDown(Laid):
    def lay(self, x: Tensor) -> Tensor:
        return x.flip(2)


class WrongFolding(Laid):
    """The halves of the window lie in the wrong order, as in a picture folded otherwise."""

    def lay(self, x: Tensor) -> Tensor:
        return x.roll(x.shape[3] // 2, dims=3)

    def back(self, x: Tensor) -> Tensor:
        return x.roll(-(x.shape[3] // 2), dims=3)


class Crop(ConvToy):
    """Hears half a second of what is longer, as three libraries do."""

    def start(self, room: int) -> int:
        raise NotImplementedError

    def features(self, waveforms: Tensor) -> Features:
        room = waveforms.shape[-1] - 8000
        if 0 < room <= 8000:
            start = self.start(room)
            waveforms = waveforms[..., start : start + 8000]
        return super().features(waveforms)


class CropByTorch(Crop):
    def start(self, room: int) -> int:
        return int(torch.randint(room, ()))


class CropByNumpy(Crop):
    def start(self, room: int) -> int:
        return int(np.random.randint(room))  # noqa: NPY002


class CropByPython(Crop):
    def start(self, room: int) -> int:
        return random.randrange(room)


class CropByItself(Crop):
    generator = torch.Generator()

    def start(self, room: int) -> int:
        return int(torch.randint(room, (), generator=self.generator))


class CropOfLongClips(AnyLength):
    """Only what is longer than ten seconds is cropped."""

    def features(self, waveforms: Tensor) -> Features:
        room = waveforms.shape[-1] - 160_000
        start = random.randrange(room) if room > 0 else 0
        return super().features(waveforms[..., start : start + 160_000])


class Dropout(ConvToy):
    """A loader that forgets eval()."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.3)

    def encode(self, features: Features) -> Encoding:
        found = super().encode(features)
        return Encoding(nn.functional.normalize(self.dropout(found.embedding), dim=-1), found.feature_maps)


class LeavesAHook(ConvToy):
    def encode(self, features: Features) -> Encoding:
        self.second.register_forward_hook(lambda _module, _args, output: None)
        return super().encode(features)


class LeavesAHookOnceAtFirst(ConvToy):
    hooked = False

    def encode(self, features: Features) -> Encoding:
        if not self.hooked:
            self.hooked = True
            self.second.register_forward_hook(lambda _module, _args, output: None)
        return super().encode(features)


class LeavesAHookAfterAnError(ConvToy):
    def encode(self, features: Features) -> Encoding:
        handle = self.second.register_forward_hook(lambda _module, _args, output: None)
        found = super().encode(features)
        handle.remove()
        return found


class TurnsEvalOn(ConvToy):
    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        self.second.train()
        return super().encode_text(prompts)


class Backward(ConvToy):
    """Fills .grad."""

    def encode(self, features: Features) -> Encoding:
        for p in self.head.parameters():
            p.requires_grad_(True)
        with torch.enable_grad():
            self.head(torch.ones(1, 12)).sum().backward()
        return super().encode(features)


class Seeds(ConvToy):
    def embed_audio(self, waveforms: Tensor) -> Tensor:
        torch.manual_seed(0)
        return super().embed_audio(waveforms)


class HooksAll(ConvToy):
    """Lays a hook on every module of every model."""

    def encode(self, features: Features) -> Encoding:
        nn.modules.module.register_module_full_backward_pre_hook(lambda _module, _gradients: None)
        return super().encode(features)


class WrapsForward(ConvToy):
    def encode(self, features: Features) -> Encoding:
        inner = self.head.forward
        self.head.forward = lambda x: inner(x)  # type: ignore[method-assign]
        return super().encode(features)


class LeavesAHookOnNoPrompts(ConvToy):
    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        handle = self.head.register_forward_hook(lambda _module, _args, output: None)
        found = super().encode_text(prompts)
        handle.remove()
        return found


class ChangesTheWaveform(ConvToy):
    def embed_audio(self, waveforms: Tensor) -> Tensor:
        if not waveforms.requires_grad and waveforms.numel():
            waveforms[..., 0] = 0.0
        return super().embed_audio(waveforms)


class ChangesThePrompts(ConvToy):
    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        if isinstance(prompts, list):
            prompts[:] = [prompt.lower().removesuffix(".") + "." for prompt in prompts]
        return super().encode_text(prompts)


class FaintWhenQuiet(ConvToy):
    """Normalises with an epsilon that quiet sounds drown in."""

    def encode(self, features: Features) -> Encoding:
        found = super().encode(features)
        loudness = features.mel.mean(dim=(1, 2))[:, None]
        return Encoding(found.embedding * loudness / (loudness + 1e-5), found.feature_maps)


class NotUnit(ConvToy):
    def encode(self, features: Features) -> Encoding:
        found = super().encode(features)
        return Encoding(3.7 * found.embedding, found.feature_maps)


class Cache(ConvToy):
    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[Any, Tensor] = {}

    def key(self, waveforms: Tensor) -> Any:
        raise NotImplementedError

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        key = self.key(waveforms)
        if key not in self.cache or waveforms.requires_grad:
            self.cache[key] = super().embed_audio(waveforms)
        return self.cache[key]


class CacheById(Cache):
    def key(self, waveforms: Tensor) -> Any:
        return id(waveforms), waveforms.shape


class CacheByShape(Cache):
    def key(self, waveforms: Tensor) -> Any:
        return waveforms.shape


class CacheBySum(Cache):
    def key(self, waveforms: Tensor) -> Any:
        return waveforms.shape, float(waveforms.sum())


class CacheByContent(Cache):
    """A cache that is right."""

    def key(self, waveforms: Tensor) -> Any:
        return waveforms.shape, waveforms.detach().numpy().tobytes()


class CacheByBeginning(Cache):
    def key(self, waveforms: Tensor) -> Any:
        return waveforms.shape, waveforms[:, :4096].detach().numpy().tobytes()


class CacheByLooks(Cache):
    """Keyed by what a tensor prints as, which leaves most of it out, and by its mean."""

    def key(self, waveforms: Tensor) -> Any:
        return str(waveforms.detach()), waveforms.shape


class CacheByFirstRow(Cache):
    def key(self, waveforms: Tensor) -> Any:
        return waveforms.shape, waveforms[0].detach().numpy().tobytes()


class CacheByAddress(Cache):
    """Sees what is changed in place, but not that an address is used again: here always the first that is free."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[weakref.ref[Tensor]] = []

    def key(self, waveforms: Tensor) -> Any:
        for address, held in enumerate(self.held):
            if held() is waveforms:
                return address, waveforms._version, waveforms.shape
        free = next((i for i, held in enumerate(self.held) if held() is None), len(self.held))
        self.held[free : free + 1] = [weakref.ref(waveforms)]
        return free, waveforms._version, waveforms.shape


class CacheOfMel(ConvToy):
    """Only what re-enters at mel is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[torch.Size, Features] = {}

    def features_from_power(self, power: Tensor) -> Features:
        found = super().features_from_mel(self.front_end.mel(power))
        return Features(power, found.mel, found.input, found.extras)

    def features_from_mel(self, mel: Tensor) -> Features:
        return self.cache.setdefault(mel.shape, super().features_from_mel(mel))


class CacheByFirstPrompt(ConvToy):
    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[Any, TextEncoding] = {}

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        prompts = [prompts] if isinstance(prompts, str) else prompts
        key = (prompts[0], len(prompts)) if prompts else ()
        if key not in self.cache:
            self.cache[key] = super().encode_text(prompts)
        return self.cache[key]


class CacheOfText(ConvToy):
    def __init__(self) -> None:
        super().__init__()
        self.held: tuple[object, Any] = (None, None)

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        if self.held[0] is not prompts:
            self.held = (prompts, super().encode_text(prompts))
        return self.held[1]


class StraightThrough(nn.Module):
    """Right forward, wrong backward."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.inner(x) - x).detach()


class WrongBackward(ConvToy):
    def __init__(self) -> None:
        super().__init__()
        self.norm.running_var = torch.full((6,), 9.0)
        self.norm = StraightThrough(self.norm)  # type: ignore[assignment]


class DetachedNorm(ConvToy):
    """Normalises by a length that autograd does not see."""

    def encode(self, features: Features) -> Encoding:
        found = super().encode(features)
        return Encoding(
            nn.functional.normalize(found.embedding + 0.5, dim=-1).detach() + _tangent(found), found.feature_maps
        )


def _tangent(found: Encoding) -> Tensor:
    return found.embedding - found.embedding.detach()


class Quantised(ConvToy):
    """Rounds to 16 bits, whose gradient is zero."""

    def features(self, waveforms: Tensor) -> Features:
        return super().features((waveforms * 32767).round() / 32767)


class Truncates(ConvToy):
    words = 77

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        prompts = [prompts] if isinstance(prompts, str) else prompts
        return super().encode_text([" ".join(p.split()[: self.words]) for p in prompts])


class TruncatesLate(Truncates):
    words = 1024


class PeakInEmbedAudio(ConvToy):
    def embed_audio(self, waveforms: Tensor) -> Tensor:
        peak = waveforms.abs().amax(dim=-1, keepdim=True) if waveforms.numel() else 1.0
        return super().embed_audio(waveforms / (1e-3 + peak))


class PeakOfTheBatch(ConvToy):
    def features(self, waveforms: Tensor) -> Features:
        if waveforms.numel() == 0:
            return super().features(waveforms)
        return super().features(waveforms / (1e-3 + waveforms.abs().max()))


class Late(ConvToy):
    """Everything a tenth of a second late, as an uncentred STFT with padding has it."""

    def features(self, waveforms: Tensor) -> Features:
        found = super().features(waveforms)
        assert found.power is not None
        return self.features_from_power(found.power.roll(10, dims=-1))


class DeafAtTheEnd(ConvToy):
    """Hears 93 % of its window."""

    def features(self, waveforms: Tensor) -> Features:
        return super().features(waveforms[..., :14880] if waveforms.shape[-1] <= 16000 else waveforms)


class CutsSilently(ConvToy):
    def features(self, waveforms: Tensor) -> Features:
        return super().features(waveforms[..., :16000])


class RefusesOneSample(ConvToy):
    def features(self, waveforms: Tensor) -> Features:
        if waveforms.ndim == 2 and 0 < waveforms.shape[-1] < 300:
            raise RuntimeError("Padding size should be less than the input")
        return super().features(waveforms)


class MapBesideThePath(ConvToy):
    def encode(self, features: Features) -> Encoding:
        found = super().encode(features)
        first, second = found.feature_maps
        copied = self.taps["copy"](second.values.detach().clone())
        return Encoding(found.embedding, (first, second, FeatureMap("copy", copied, second.grid)))

    def __init__(self) -> None:
        super().__init__()
        self.taps = {**self.taps, "copy": nn.Identity()}


class TapNeverCalled(ConvToy):
    def encode(self, features: Features) -> Encoding:
        found = super().encode(features)
        first, second = found.feature_maps
        return Encoding(found.embedding, (first, second, FeatureMap("other", second.values, second.grid)))

    def __init__(self) -> None:
        super().__init__()
        self.taps = {**self.taps, "other": nn.Identity()}


class Letters(ConvToy):
    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        return super().encode_text(list(prompts))


class NanBecomesZero(ConvToy):
    def features(self, waveforms: Tensor) -> Features:
        return super().features(waveforms.nan_to_num())


class NoHash(ConvToy):
    def __init__(self) -> None:
        super().__init__()
        self.card = self.card.model_copy(update={"weights_sha256": None})


class LogarithmOfTheScale(ConvToy):
    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = -2.3


class Fault(NamedTuple):
    make: Callable[[], object]
    fails: set[str]
    says: str


FAULTS = [
    Fault(ClaimsAnotherRate, {"sample rate"}, "audio_spec.sample_rate is 32000, front_end.* is 16000"),
    Fault(FewCellsUpsideDown, {"places of maps"}, "map 'few': rows are upside down"),
    Fault(FewCellsBackwards, {"places of maps"}, "map 'few': time runs backwards"),
    Fault(BankOfAnotherRate, {"sample rate"}, "peaks in mel band .* the bank was built for another rate"),
    Fault(SwappedAxes, {"places of maps"}, "map 'second': frequency and time are swapped"),
    Fault(TimeBackwards, {"places of maps"}, "map 'second': time runs backwards"),
    Fault(UpsideDown, {"places of maps"}, "map 'second': rows are upside down"),
    Fault(WrongFolding, {"places of maps"}, "map 'second' does not follow time: of 8 parts, part 1 answers most .* 5"),
    Fault(CropByTorch, {"two passes", "left as found"}, "draws from torch's global generator: a random crop"),
    Fault(CropByNumpy, {"two passes", "left as found"}, "draws from numpy's global generator: a random crop"),
    Fault(CropByPython, {"two passes", "left as found"}, "draws from python's global generator: a random crop"),
    Fault(CropByItself, {"two passes"}, "a random crop, dropout, or a generator of the model's own"),
    Fault(CropOfLongClips, {"two passes"}, "a clip of 25 s, embedded 3 times, differs"),
    Fault(Dropout, {"two passes"}, "'dropout' is in train mode"),
    Fault(LeavesAHook, {"left as found"}, "a forward hook was left on 'second'"),
    Fault(
        LeavesAHookOnceAtFirst, {"left as found"}, "after the first embed_audio: a forward hook was left on 'second'"
    ),
    Fault(LeavesAHookAfterAnError, {"left as found"}, "after encode, raising: a forward hook was left on 'second'"),
    Fault(TurnsEvalOn, {"left as found"}, "'second' was put in train mode"),
    Fault(Backward, {"left as found", "gradient reaches the waveform"}, ".grad of 'head.weight' was changed: .* more"),
    Fault(Seeds, {"left as found"}, "torch's global generator was drawn from or seeded"),
    Fault(HooksAll, {"left as found"}, "a backward-pre hook was left on 'all modules'"),
    Fault(WrapsForward, {"left as found"}, "forward of 'head' was replaced"),
    Fault(LeavesAHookOnNoPrompts, {"left as found"}, "after embed_text of nothing, raising: a forward hook was left"),
    Fault(ChangesTheWaveform, {"left as found"}, "the first embed_audio changes the waveform it is given in place"),
    Fault(ChangesThePrompts, {"left as found"}, "the first embed_text changes the list of prompts it is given"),
    Fault(FaintWhenQuiet, {"unit embeddings"}, r"quiet audio rows have length 0\.\d+, not 1"),
    Fault(NotUnit, {"unit embeddings"}, "audio rows have length 3.7, not 1"),
    Fault(CacheById, {"no stale cache"}, "a tensor whose content was changed in place still gives"),
    Fault(CacheByShape, {"no stale cache"}, "still gives the embedding of what came before"),
    Fault(CacheBySum, {"no stale cache"}, "still gives the embedding of what came before"),
    Fault(CacheByBeginning, {"no stale cache"}, "a clip with other late samples still gives"),
    Fault(CacheByLooks, {"no stale cache"}, "a clip with other late samples still gives"),
    Fault(CacheByFirstRow, {"no stale cache"}, "a batch with another second row still gives"),
    Fault(CacheByAddress, {"no stale cache"}, "what came before|a fresh copy|the second A differs"),
    Fault(CacheOfMel, {"stages agree"}, "features_from_mel differs by .* what is kept from one clip is wrong"),
    Fault(CacheByFirstPrompt, {"no stale cache"}, "a list with another second prompt still gives"),
    Fault(CacheOfText, {"no stale cache"}, "a list of prompts that was changed in place still gives"),
    Fault(WrongBackward, {"gradient is right"}, "autograd says a slope of .* central differences say"),
    Fault(DetachedNorm, {"gradient is right"}, "autograd says a slope of .* central differences say"),
    Fault(Quantised, {"gradient reaches the waveform"}, "only 0.0% of the samples have a gradient .* at 0.000 s"),
    Fault(DeafAtTheEnd, {"gradient reaches the waveform"}, "does not hear the last 0.07 s of the window: part"),
    Fault(Truncates, {"text side"}, "whatever its second half says: it is cut silently"),
    Fault(TruncatesLate, {"text side"}, "whatever its last word says: it is cut silently"),
    Fault(PeakInEmbedAudio, {"stages agree"}, r"differs by .* from embed_audio\(x\)"),
    Fault(PeakOfTheBatch, {"batch is single"}, "clips in a batch and alone differ by"),
    Fault(Late, {"time axis"}, "a click at 0.200 s is loudest at 0.300 s in the power stage"),
    Fault(CutsSilently, {"any length"}, "behind the window is cut silently"),
    Fault(RefusesOneSample, {"any length"}, "1 samples: raised RuntimeError: Padding"),
    Fault(MapBesideThePath, {"taps"}, "no gradient reaches the output of tap 'copy'"),
    Fault(TapNeverCalled, {"taps"}, "never calls the tap 'other'"),
    Fault(Letters, {"bad input"}, "is read as 13 letters"),
    Fault(NanBecomesZero, {"bad input"}, "a NaN has a finite embedding"),
    Fault(NoHash, {"card"}, "weights_sha256 is None"),
    Fault(LogarithmOfTheScale, {"card"}, "logit_scale is -2.3"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.make.__name__)
def test_a_planted_fault_is_named_and_nothing_else_is(fault: Fault) -> None:
    report = check_model(fault.make())
    assert set(failed(report)) == fault.fails, str(report)
    assert any(re.search(fault.says, detail) for detail in failed(report).values()), str(report)
    assert not report
    with pytest.raises(CheckFailedError, match=next(iter(fault.fails))):
        report.raise_if_failed()


def test_every_check_of_a_model_has_a_planted_fault() -> None:
    assert {name for fault in FAULTS for name in fault.fails} == {entry.name for entry in CHECKS}


class LazyText(ConvToy):
    """Builds its text side when it is first asked."""

    tower: nn.Module | None = None

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        if self.tower is None:
            self.tower = nn.Linear(2, 2, device="meta").to_empty(device="cpu").eval()
            nn.init.zeros_(self.tower.weight)
            nn.init.zeros_(self.tower.bias)
        return super().encode_text(prompts)


class PatchesOnly(ConvToy):
    """Drops the frames that fill no patch, as a ViT does: its last 0.03 s."""

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return log_mel[:, None, :, :96], {}


class HopIsWindow(ConvToy):
    def __init__(self) -> None:
        super().__init__(window=2.0, fill="zero", spec=SPEC.model_copy(update={"hop": 512}))


class InAWrapper(ConvToy):
    """Holds its network in somebody else's plain object, and that in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.held = [Wrapper(nn.Sequential(self.second, nn.Dropout(0.3)).eval())]
        del self.second

    def encode(self, features: Features) -> Encoding:
        with evaluating(self):
            return super().encode(features)

    def __getattr__(self, name: str) -> Any:
        if name == "second":
            return self.held[0].net
        raise AttributeError(name)


class Wrapper:
    def __init__(self, net: nn.Module) -> None:
        self.net = net


class Called(Wrapper):
    def __call__(self, x: Tensor) -> Tensor:
        found: Tensor = self.net(x)
        return found


RIGHT = [ConvToy, AnyLength, CacheByContent, FewCells, LazyText, PatchesOnly, HopIsWindow, InAWrapper]


@pytest.mark.parametrize("model", RIGHT, ids=lambda m: m.__name__)
def test_toys_pass(model: Callable[[], object]) -> None:
    report = check_model(model())
    assert report.ok, str(report)
    assert {c.state for c in report.checks} == {"ok"}
    assert [c.name for c in report.checks] == [entry.name for entry in CHECKS]
    report.raise_if_failed()


def test_the_end_that_patches_leave_out_is_a_note() -> None:
    detail = {c.name: c.detail for c in check_model(PatchesOnly()).checks}["gradient reaches the waveform"]
    assert re.search(r"note: the encoder does not hear the last 0\.03\d* s of the window", detail)


class HalfPrecision(ConvToy):
    """Encodes in bfloat16, whose rounding drowns central differences."""

    def __init__(self) -> None:
        super().__init__()
        for module in (self.first, self.norm, self.second, self.head):
            module.bfloat16()

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return log_mel[:, None].bfloat16(), {}

    def encode(self, features: Features) -> Encoding:
        found = super().encode(features)
        return Encoding(nn.functional.normalize(found.embedding.float(), dim=-1), found.feature_maps)


def test_a_gradient_that_central_differences_cannot_judge_is_skipped() -> None:
    report = check_model(HalfPrecision())
    assert report, str(report)
    made = {c.name: c for c in report.checks}["gradient is right"]
    assert made.state == "skipped"
    assert re.search("do not settle .*: gradient_error of zsxai.benchmarks.measure.parity, in a checkout", made.detail)


def test_another_rate_is_seen_before_anything_is_skipped() -> None:
    assert "audio_spec.sample_rate is 48000, front_end" in failed(check_model(NarrowBands()))["sample rate"]


def test_the_order_of_prompts_does_not_matter() -> None:
    assert check_model(ConvToy(), prompts=("somebody plays the violin", "a dog barking", "rain"))


def test_hooks_on_all_modules_are_taken_off_again() -> None:
    before = dict(nn.modules.module._global_backward_pre_hooks)
    check_model(HooksAll())
    assert dict(nn.modules.module._global_backward_pre_hooks) == before


class WrappedBox(BlackBoxToy):
    """Its network, with dropout, sits in somebody else's plain object."""

    def __init__(self) -> None:
        self.towers = {"audio": Wrapper(nn.Dropout(0.3).eval())}

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        return self.towers["audio"].net(super().embed_audio(waveforms))


@pytest.mark.parametrize("box", [BlackBoxToy, WrappedBox], ids=lambda b: b.__name__)
def test_a_black_box_gets_what_it_can(box: Callable[[], object]) -> None:
    report = check_model(box())
    assert report, str(report)
    states = {c.name: c.state for c in report.checks}
    assert states["places of maps"] == states["gradient is right"] == states["stages agree"] == "skipped"
    assert {n for n, s in states.items() if s == "ok"} == {
        *("left as found", "card", "unit embeddings", "two passes", "no stale cache", "batch is single"),
        *("any length", "text side"),
    }
    assert "a black box has no stages" in str(report)


class LeakyBox(BlackBoxToy):
    def __init__(self) -> None:
        self.net = nn.Linear(4, 4)

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        self.net.register_forward_hook(lambda _module, _args, output: None)
        return super().embed_audio(waveforms)


class CalledBox(BlackBoxToy):
    """Leaves a hook in an object that can be called."""

    def __init__(self) -> None:
        self.towers = {"audio": Called(nn.Identity())}

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        self.towers["audio"].net.register_forward_hook(lambda _module, _args, output: None)
        return super().embed_audio(waveforms)


class CroppingBox(BlackBoxToy):
    def embed_audio(self, waveforms: Tensor) -> Tensor:
        start = random.randrange(1 + waveforms.shape[-1] // 2)
        return super().embed_audio(waveforms[:, start : start + 16000])


class FlatBox(BlackBoxToy):
    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        return super().embed_text(prompts)[:, :3]


class NanBox(BlackBoxToy):
    def embed_audio(self, waveforms: Tensor) -> Tensor:
        return super().embed_audio(waveforms) * torch.nan


@pytest.mark.parametrize(
    ("box", "fails", "says"),
    [
        (LeakyBox, {"left as found"}, "a forward hook was left on 'net'"),
        (CalledBox, {"left as found"}, "a forward hook was left on 'towers.audio.net'"),
        (CroppingBox, {"left as found", "two passes"}, "draws from python's global generator"),
        (FlatBox, {"left as found", "unit embeddings", "two passes"}, "audio has 4 dimensions and text 3"),
        (NanBox, {"left as found", "unit embeddings", "two passes"}, "audio gives NaN or infinity"),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_faults_of_a_black_box(box: Callable[[], object], fails: set[str], says: str) -> None:
    report = check_model(box())
    assert set(failed(report)) == fails, str(report)
    assert says in str(report)


class Breaks(ConvToy):
    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        raise KeyError("no such\ntable")


def test_an_exception_is_that_checks_failure_and_the_others_run() -> None:
    report = check_model(Breaks())
    states = {c.name: c for c in report.checks}
    assert states["unit embeddings"].state == "failed"
    assert states["unit embeddings"].detail.startswith("raised KeyError: 'no such")
    assert states["card"].state == "ok"
    assert states["text side"].detail == "waits for 'two passes', which failed or waits itself"
    assert states["text side"].state == "skipped"
    assert all("\n" not in c.detail for c in report.checks)


def test_the_model_and_the_generators_are_left_as_they_were() -> None:
    model = LeavesAHook()
    for tap in model.taps.values():
        tap.eval()
    model.second.train()
    model.head.weight.requires_grad_(True)
    model.head.weight.grad = kept = torch.ones_like(model.head.weight)
    model.first.register_forward_hook(lambda _module, _args, output: None)
    before = generators()
    weights = {k: v.clone() for k, v in model.head.state_dict().items()}
    check_model(model)
    assert generators() == before
    assert [(n, m.training) for n, m in modules_of(model).items() if m.training] == [("second", True)]
    assert model.head.weight.requires_grad
    assert model.head.weight.grad is kept
    assert torch.equal(kept, torch.ones_like(kept))
    hooks = {n: sum(len(getattr(m, kind)) for kind in HOOKS) for n, m in modules_of(model).items()}
    assert {n for n, count in hooks.items() if count} == {"first"}
    assert all(torch.equal(v, weights[k]) for k, v in model.head.state_dict().items())


@pytest.mark.parametrize("seed", [0, 1])
def test_the_report_hangs_on_no_global_generator(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    assert check_model(CropByPython()) == _cropped


_cropped = check_model(CropByPython())


@pytest.mark.parametrize("name", ["tiny", "hf"])
def test_real_models_pass_by_name(name: str, tmp_path: Path) -> None:
    report = check_model("tiny" if name == "tiny" else f"hf:{tiny_hf_folder(tmp_path / 'hf')}", progress=False)
    assert {c.state for c in report.checks} == {"ok"}, str(report)


def test_a_bar_on_stderr_for_whoever_asks(capsys: pytest.CaptureFixture[str]) -> None:
    check_model(ConvToy(), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "checking ConvToy" in err


def test_what_is_no_model() -> None:
    with pytest.raises(InputError, match="is no zero-shot model: it lacks sample_rate"):
        check_model(object())
    with pytest.raises(InputError, match="did you mean 'tiny'"):
        check_model("tny")


def test_a_report_is_frozen_and_survives_json() -> None:
    report = check_model(NoHash())
    with pytest.raises(ValueError, match="frozen"):
        report.checks = ()  # type: ignore[misc]
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert str(report).splitlines()[1].startswith("FAILED card:")


def test_the_kit_is_light_to_name() -> None:
    assert "testing" not in dir(zsxai)
