"""Decoders of LMAC-ZS with random weights, and trainings of seconds, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.toys import ConvToy
from zsxai.data import LabelledClip, load_dataset
from zsxai.lmac_zs.card import DecoderCard
from zsxai.lmac_zs.checkpoint import TrainedDecoder
from zsxai.lmac_zs.decoder import Decoder, DecoderSpec
from zsxai.lmac_zs.training.config import TrainingConfig, parse_config
from zsxai.model import SpectralModel

SYNTHETIC: Mapping[str, Any] = {
    "reader": "synthetic",
    "options": {"clips_per_class": 1, "seconds": 1.0, "sample_rate": 16000},
}
"""Eight classes with one clip of a second each, as a configuration names them."""


def toy(**options: Any) -> ConvToy:
    """One that hears a quarter of a second: trainings are four times as quick."""
    return ConvToy(**{"window": 0.25, **options})


def noise(samples: int = 16000, seed: int = 0) -> NDArray[Any]:
    """White noise at -20 dB, ``(T,)`` float32."""
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@cache
def sounds(per_class: int = 1, seconds: float = 1.0) -> tuple[LabelledClip, ...]:
    """Eight classes of synthetic sounds at 16 kHz, in memory."""
    made = load_dataset("synthetic", clips_per_class=per_class, seconds=seconds, sample_rate=16000)
    return tuple(heard(clip.name, clip.label, clip.audio()["array"]) for clip in made.clips)


def heard(name: str, label: str, waveform: NDArray[Any] | None = None, captions: Sequence[str] = ()) -> LabelledClip:
    """A clip of a sound at 16 kHz, of noise that the name decides where none is given."""
    wave = noise(seed=sum(name.encode())) if waveform is None else waveform
    audio = {"array": wave, "sampling_rate": 16000}
    return LabelledClip(name=name, label=label, source=name, audio=audio, captions=tuple(captions))


def classes(count: int, each: int = 1) -> list[LabelledClip]:
    """Clips of noise of so many classes."""
    return [heard(f"class{c}-{i}", f"class {c}") for c in range(count) for i in range(each)]


def config(**changes: Any) -> TrainingConfig:
    """A training of :class:`tests.toys.ConvToy` in a second; a change of None leaves its default."""
    values: dict[str, Any] = {
        "decoder": {"widths": (8, 8)},
        "templates": ("{}", "the sound of {}"),
        "held_out": 0.0,
        "steps": 2,
        "batch": 4,
        "bank": 6,
        "precision": "float32",
        "validation_clips": 4,
        **changes,
    }
    return parse_config(
        {name: value for name, value in values.items() if value is not None}, "the test's configuration"
    )


def spec(**changes: Any) -> DecoderSpec:
    """For :class:`tests.toys.ConvToy`."""
    values: dict[str, Any] = {
        "maps": ("first", "second"),
        "channels": (6, 12),
        "widths": (8, 8),
        "text_dim": 8,
        "token_dim": 8,
        **changes,
    }
    return DecoderSpec(**values)


def random_decoder(numbers: DecoderSpec | None = None, seed: int = 0) -> Decoder:
    """A decoder whose answers differ from cell to cell and from prompt to prompt."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = Decoder(numbers or spec())
        torch.nn.init.normal_(decoder.out.weight, std=2.0)
    decoder.requires_grad_(False).eval()
    # Answers on both sides of one half, not far from it.
    decoder.out.weight -= decoder.out.weight.mean()
    decoder.out.bias.zero_()
    return decoder


def constant_decoder(log_odds: float) -> Decoder:
    """A decoder that says the same of every cell."""
    decoder = random_decoder()
    for weight in decoder.parameters():
        torch.nn.init.zeros_(weight)
    torch.nn.init.constant_(decoder.out.bias, log_odds)
    return decoder


def trained(model: SpectralModel, decoder: Decoder | None = None, **card: Any) -> TrainedDecoder:
    """A decoder with a card that says it was trained for a model."""
    decoder = decoder or random_decoder()
    values: dict[str, Any] = {
        "model": model.card.name,
        "model_sha256": str(model.card.weights_sha256),
        "domain": "stft",
        "scale": "log",
        "decoder": decoder.spec,
        "training": {},
        **card,
    }
    return TrainedDecoder(decoder, DecoderCard(**values))


def saved(folder: Path, model: SpectralModel, decoder: Decoder | None = None, **card: Any) -> Path:
    """The same in a folder."""
    return trained(model, decoder, **card).save(folder)
