"""The CLAP split at its mel input: gradients reach the waveform, maps have a place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stranger_clap.network import Clap, Config, tokenize
from zsxai import AudioSpec, InputError, ModelCard, SpectralModel
from zsxai.conditions import evaluating
from zsxai.hooks import Place, exact_batch_norm, hooked, tapped
from zsxai.model import Encoding, FeatureMap, Features, TextEncoding
from zsxai.spectral import FrontEnd, FrontEndSpec, map_grid
from zsxai.weights import hash_tensors

FRONT_END = FrontEndSpec(
    sample_rate=Config.sampling_rate,
    n_fft=Config.n_fft,
    hop=Config.hop,
    n_mels=Config.n_mels,
    f_min=Config.f_min,
    f_max=Config.f_max,
    mel_scale="htk",
    mel_norm=None,
    floor=Config.floor,
    decibels=False,
)


def swap(values: Tensor) -> Tensor:
    """``(B, C, time, frequency)`` to ``(B, C, frequency, time)``, and back."""
    return values.transpose(2, 3)


class StrangerClap(SpectralModel):
    """Describes the network to zsxai; the network itself stays as it is."""

    def __init__(self, clap: Clap, device: torch.device) -> None:
        self.clap = clap.to(device)
        self.device = device
        self.card = ModelCard(name="stranger", summary="Random weights.", weights_sha256=hash_tensors(clap))
        self.audio_spec = AudioSpec(sample_rate=Config.sampling_rate, window=Config.seconds, fill="repeat")
        self.front_end = FrontEnd(FRONT_END).to(device)
        samples = round(Config.seconds * Config.sampling_rate)
        # The 201 frames of a window become 100, 50 and 25 cells: cells of 2, 4 and 8 frames and as many bands.
        self._places = [
            Place(f"block{i}", block, map_grid(FRONT_END, samples, 48 // 2**i, 200 // 2**i, frames=200), swap, swap)
            for i, block in enumerate(clap.blocks, start=1)
        ]
        self.taps = {place.name: nn.Identity() for place in self._places}

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(B, n_mels, N)`` to the picture ``(B, 1, N, n_mels)``; the network takes nothing else."""
        return log_mel.transpose(1, 2)[:, None], {}

    def encode(self, features: Features) -> Encoding:
        """Unit embeddings, and the map at every tap."""
        with evaluating(self), hooked(self.clap.norm, exact_batch_norm), tapped(self._places, self.taps) as maps:
            embedding = self.clap.audio(features.input)
        found = tuple(FeatureMap(place.name, maps[place.name], place.grid) for place in self._places)
        return Encoding(nn.functional.normalize(embedding, dim=-1), found)

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        """Unit embeddings and the states of the tokens; refuses what the tokenizer would cut."""
        if isinstance(prompts, str) or not prompts:
            raise InputError("stranger takes a list of one or more prompts")
        for prompt in prompts:
            if len(prompt.split()) > Config.words:
                raise InputError(f"stranger takes prompts of at most {Config.words} words: shorten {prompt!r}")
        ids, mask = (tensor.to(self.device) for tensor in tokenize(prompts))
        with evaluating(self):
            embedding, states = self.clap.text(ids, mask)
        return TextEncoding(nn.functional.normalize(embedding, dim=-1), states, mask)


def load(argument: str | None = None, *, device: str | None = None) -> StrangerClap:
    """What the entry point names; ``argument`` is what follows a colon in the model's name."""
    return StrangerClap(Clap().requires_grad_(False), torch.device(device or "cpu"))
