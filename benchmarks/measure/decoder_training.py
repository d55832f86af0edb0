"""Trainings of a decoder for measuring: on synthesised clips, and watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from zsxai.data import load_dataset
from zsxai.lmac_zs.training.config import DecoderChoice, TrainingConfig, parse_config
from zsxai.lmac_zs.training.trainer import Trainer
from zsxai.model import SpectralModel, TextEncoding

Encodes = list[tuple[int, bool]]
"""Clips in every forward of an audio encoder, and whether a graph was recorded."""


def make_trainer(model: SpectralModel, values: Mapping[str, Any]) -> Trainer:
    """Prepare a training on synthesised clips as long as the window: clips read, prompts embedded, none held out.

    Args:
        model: The model.
        values: Values of the configuration, in place of the defaults.
    """
    # A model of fewer maps than the default reads gets as many widths.
    fitting = {"widths": DecoderChoice().widths[-len(model.taps) :]}
    config: TrainingConfig = parse_config({"decoder": fitting, **values}, "the configuration")
    length = max(1.0, model.audio_spec.window or config.seconds)
    clips = load_dataset("synthetic", clips_per_class=1, seconds=length).clips
    trainer = Trainer(model, clips, (), config)
    for index in range(len(trainer.corpus.clips)):
        trainer.corpus.sound(index)
    trainer.corpus.captions.encode(torch.tensor([0]))
    return trainer


def centre_captions(trainer: Trainer) -> float:
    """Centre the captions of a training: a random text tower says nearly the same to all.

    Returns:
        Their median cosine before.
    """
    captions = trainer.corpus.captions
    texts = captions.encode(torch.arange(len(captions.texts)))
    rows = torch.arange(len(texts))
    alike = float((texts.embedding @ texts.embedding.T)[rows[:, None] < rows].median())
    centred = torch.nn.functional.normalize(texts.embedding - texts.embedding.mean(dim=0), dim=-1)
    captions.embedding = centred
    captions._encoded = TextEncoding(centred, texts.tokens, texts.token_mask)
    return alike


@contextmanager
def watch(trainer: Trainer) -> Iterator[tuple[list[float], Encodes]]:
    """Within, note the gradient's norm before it is clipped, and every forward of the audio encoder."""
    norms: list[float] = []
    encoded: Encodes = []
    encode = trainer.model.encode

    def clip_noting(*arguments: Any) -> Any:
        norm = torch.nn.utils.clip_grad_norm_(*arguments)
        norms.append(float(norm))
        return norm

    def encode_noting(features: Any) -> Any:
        encoded.append((len(features.input), torch.is_grad_enabled() and features.input.requires_grad))
        return encode(features)

    with (
        mock.patch("zsxai.lmac_zs.training.trainer.clip_grad_norm_", clip_noting),
        mock.patch.object(trainer.model, "encode", encode_noting),
    ):
        yield norms, encoded
