"""The least that explanations cost: their forwards and backwards in plain torch, batched alike, weights frozen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zsxai.clip import BATCH_SIZE
from zsxai.explainer import Explainer
from zsxai.model import Features, SpectralModel


class Bare:
    """A model and a clip, without explainers, masks and grids.

    Args:
        model: The model, its weights frozen.
        waveform: ``(T,)`` at the model's rate, at most one window.
        prompt: The score is the cosine with it.
    """

    def __init__(self, model: SpectralModel, waveform: Tensor, prompt: str) -> None:
        self.model = model
        self.waveform = waveform
        self.prompt = prompt
        with torch.no_grad():
            self.text = model.embed_text([prompt])[0]
            power = model.features(waveform[None]).power
        if power is None:
            raise RuntimeError("features() of a spectral model gives the STFT power")
        self._power = power

    def forward(self, batch: int = 1) -> None:
        """From the waveform to the embedding."""
        with torch.inference_mode():
            self.model.embed_audio(self.waveform.expand(batch, -1))

    def forwards_from_power(self, count: int) -> None:
        """``count`` forwards from the STFT power on, where masks act."""
        with torch.no_grad():
            for size in _sizes(count):
                # Every clip of a batch is silenced somewhere else, so every one is a copy.
                self.model.encode(self.model.features_from_power(self._power.repeat(size, 1, 1)))

    def gradients_of_log_mel(self, count: int) -> None:
        """``count`` forwards and backwards to the log-mel."""
        with torch.no_grad():
            mel = self.model.features(self.waveform[None]).mel
            log_mel = self.model.front_end.log(mel)
        for size in _sizes(count):
            leaf = log_mel.repeat(size, 1, 1).requires_grad_()
            model_input, extras = self.model.model_input(leaf, mel)
            torch.autograd.grad(self._score(Features(None, mel, model_input, extras)), leaf)

    def gradient_at_tap(self, tap: nn.Module) -> None:
        """One forward, and one backward from the score to a tap."""
        with torch.no_grad():
            features = self.model.features(self.waveform[None])
        leaves: list[Tensor] = []

        def start(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
            leaves.append(output.detach().requires_grad_())
            return leaves[0]

        handle = tap.register_forward_hook(start)
        score = self._score(features)
        handle.remove()
        torch.autograd.grad(score, leaves[0])

    def _score(self, features: Features) -> Tensor:
        return (self.model.encode(features).embedding @ self.text).sum()


def _sizes(count: int) -> list[int]:
    return [BATCH_SIZE] * (count // BATCH_SIZE) + [count % BATCH_SIZE] * (count % BATCH_SIZE > 0)


Floor = Callable[[Bare, Any], None]


def _at_tap(bare: Bare, explainer: Any) -> None:
    taps = bare.model.taps
    bare.gradient_at_tap(taps[explainer.tap or list(taps)[-1]])


def _occlusion(bare: Bare, explainer: Any) -> None:
    patches = explainer.bands * math.ceil(len(bare.waveform) / bare.model.sample_rate / explainer.seconds - 1e-3)
    bare.forwards_from_power(patches)
    bare.forwards_from_power(1)


def _other(bare: Bare, explainer: Any) -> None:
    FLOORS[explainer.of](bare, explainer.other)


def _foil(bare: Bare, explainer: Any) -> None:
    bare.model.embed_text([explainer.prompt])
    _other(bare, explainer)


FLOORS: Mapping[str, Floor] = {
    "gradcam": _at_tap,
    "gradcam++": _at_tap,
    "saliency": lambda bare, _: bare.gradients_of_log_mel(1),
    "input-x-gradient": lambda bare, _: bare.gradients_of_log_mel(1),
    "smoothgrad": lambda bare, explainer: bare.gradients_of_log_mel(explainer.n_samples),
    "integrated-gradients": lambda bare, explainer: bare.gradients_of_log_mel(explainer.n_steps),
    "occlusion": _occlusion,
    "loudness-x-similarity": lambda bare, _: bare.forward(),
    "rolled": _other,
    "foil": _foil,
}
"""By explainer; controls that need no forward have none, those of decoders are in :mod:`.decoder_costs`."""


ENCODE_THE_CLIP = ("gradcam", "gradcam++")
"""Explainers whose forward is that of the clip as it is: ``zsxai.explain`` needs no other for its score."""


def explain_floor(bare: Bare, explainer: Explainer) -> None:
    """What ``zsxai.explain`` needs: the explainer's forwards, and the clip's own where they are not that."""
    FLOORS[explainer.name](bare, explainer)
    if explainer.name not in ENCODE_THE_CLIP:
        bare.forward()
    score_floor(bare)


def decoded_floor(bare: Bare) -> None:
    """What ``zsxai.explain`` needs by a decoder, beside the decoder itself: the clip's forward, and its scores'."""
    bare.forward()
    score_floor(bare)


def four_forwards(bare: Bare) -> None:
    """Four bare forwards, one after the other."""
    for _ in range(4):
        bare.forward()


def score_floor(bare: Bare) -> None:
    """What scores need beside the clip's own forward: the prompt, the clip under both masks, and heard."""
    with torch.no_grad():
        bare.model.embed_text([bare.prompt])
    bare.forward(2)
    bare.forward()
