"""Small models with known answers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from zsxai.errors import InputError
from zsxai.fill import FillRule
from zsxai.model import AudioSpec, Encoding, FeatureMap, Features, ModelCard, SpectralModel, TextEncoding
from zsxai.spectral import FrontEnd, FrontEndSpec, map_grid, mel_grid

STRICT = [pytest.mark.filterwarnings(f"error::{kind}") for kind in ("UserWarning", "RuntimeWarning")]
"""For ``pytestmark``: what warns, fails."""

SPEC = FrontEndSpec(sample_rate=16000, n_fft=512, hop=160, n_mels=32, f_min=50, f_max=7800, mel_norm=None, floor=1e-6)


def prompt_vector(prompt: str, size: int) -> Tensor:
    """A unit vector that depends on the prompt alone."""
    generator = torch.Generator().manual_seed(zlib.crc32(prompt.encode()))
    return nn.functional.normalize(torch.randn(size, generator=generator), dim=0)


class Toy(SpectralModel):
    """What the toys share: front end, text side."""

    size: int

    def __init__(self, window: float | None = 1.0, fill: FillRule = "repeat", spec: FrontEndSpec = SPEC) -> None:
        self.front_end = FrontEnd(spec)
        self.audio_spec = AudioSpec(sample_rate=spec.sample_rate, window=window, fill=fill)
        self.card = ModelCard(name=type(self).__name__, weights_sha256="0" * 64)
        self.logit_scale = 10.0

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return log_mel[:, None], {}

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        prompts = [prompts] if isinstance(prompts, str) else prompts
        if not prompts:
            raise InputError("no prompts: give at least one")
        vectors = torch.stack([prompt_vector(p, self.size) for p in prompts])
        words = [p.split() for p in prompts]
        longest = max(map(len, words))
        tokens = torch.zeros(len(prompts), longest, self.size)
        mask = torch.zeros(len(prompts), longest, dtype=torch.bool)
        for row, split in enumerate(words):
            for column, word in enumerate(split):
                tokens[row, column] = prompt_vector(word, self.size)
                mask[row, column] = True
        return TextEncoding(vectors, tokens, mask)


class ConvToy(Toy):
    """A small convolutional encoder with random weights and two taps."""

    size = 8

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.first = nn.Conv2d(1, 6, 3, stride=2, padding=1)
            self.norm = nn.BatchNorm2d(6)
            self.norm.running_mean = torch.randn(6)
            self.second = nn.Conv2d(6, 12, 3, stride=2, padding=1)
            self.head = nn.Linear(12, self.size)
        for module in self.modules():
            module.requires_grad_(False).eval()
        self.taps = {"first": nn.Identity(), "second": nn.Identity()}

    def encode(self, features: Features) -> Encoding:
        frames = features.input.shape[-1]
        samples = (frames - 1) * self.front_end.spec.hop
        maps = []
        x = self.taps["first"](torch.relu(self.norm(self.first(features.input / 10))))
        maps.append(FeatureMap("first", x, map_grid(self.front_end.spec, samples, *x.shape[-2:])))
        x = self.taps["second"](torch.relu(self.second(x)))
        maps.append(FeatureMap("second", x, map_grid(self.front_end.spec, samples, *x.shape[-2:])))
        embedding = nn.functional.normalize(self.head(x.mean(dim=(2, 3))), dim=-1)
        return Encoding(embedding, tuple(maps))


class LinearToy(Toy):
    """Score = <weight, log-mel in nepers above the floor>: its gradient is ``weight`` everywhere.

    Args:
        weight: ``(n_mels, N)``.
    """

    size = 1

    def __init__(self, weight: Tensor, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.weight = weight
        self.taps = {"input": nn.Identity()}

    def encode(self, features: Features) -> Encoding:
        spec = self.front_end.spec
        nepers = features.input * (torch.log(torch.tensor(10.0)) / 10.0) - torch.log(torch.tensor(spec.floor))
        x = self.taps["input"](nepers)
        samples = (x.shape[-1] - 1) * spec.hop
        place = map_grid(spec, samples, *x.shape[-2:])
        return Encoding((x[:, 0] * self.weight).sum(dim=(1, 2))[:, None], (FeatureMap("input", x, place),))

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        return TextEncoding(torch.ones(len(prompts), 1))


class BandToy(Toy):
    """Hears how much of four equal parts of the mel axis sounds; the prompt ``"band k"`` asks for one of them."""

    size = 4

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.taps = {"bands": nn.Identity()}
        self.part = torch.eye(4).repeat_interleave(self.front_end.spec.n_mels // 4, dim=1)[:, :, None]

    def encode(self, features: Features) -> Encoding:
        spec = self.front_end.spec
        level = features.input / 60.0 + 1.0
        x = self.taps["bands"](level * self.part)
        place = map_grid(spec, (x.shape[-1] - 1) * spec.hop, *x.shape[-2:])
        embedding = nn.functional.normalize(x.mean(dim=(2, 3)), dim=-1)
        return Encoding(embedding, (FeatureMap("bands", x, place),))

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        return TextEncoding(torch.stack([torch.eye(4)[int(p.split()[-1])] for p in prompts]))


def band_edges(model: BandToy) -> list[float]:
    """Where the parts of :class:`BandToy` meet, hertz."""
    return mel_grid(model.front_end.spec, 16000).frequency_edges[:: model.front_end.spec.n_mels // 4].tolist()


class BlackBoxToy:
    """Gives only ``embed_audio`` and ``embed_text``: energies of four bands, no gradients."""

    sample_rate = 16000
    window = 2.0
    logit_scale = 10.0
    name = "black-box-toy"

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(waveforms, n=32000).abs().square()
        bands = torch.stack([b.mean(dim=-1) for b in spectrum.chunk(4, dim=-1)], dim=-1)
        return torch.log1p(bands).detach()

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        return torch.stack([prompt_vector(p, 4).abs() for p in prompts])
