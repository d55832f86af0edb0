"""A decoder before its first step, sized by the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import ValidationError
from torch import Tensor

from zsxai.clip import make_grid
from zsxai.errors import InputError, first_problem
from zsxai.lmac_zs.card import domains_of
from zsxai.lmac_zs.cells import Cells
from zsxai.lmac_zs.decoder import Decoder, DecoderSpec, select_maps
from zsxai.lmac_zs.training.config import TrainingConfig
from zsxai.model import SpectralModel
from zsxai.spectral import Domain


def build_decoder(
    model: SpectralModel, waveforms: Tensor, caption: str, config: TrainingConfig
) -> tuple[Decoder, dict[Domain, Cells]]:
    """Build a decoder for a model, with weights drawn from the seed.

    Args:
        model: In eval mode.
        waveforms: ``(B, T)`` recordings, on whose maps the decoder is standardised.
        caption: Any, whose encoding gives the sizes of the text side.
        config: Everything else.

    Returns:
        The decoder, and what carries its log-odds to masks in each domain trained for.

    Raises:
        InputError: If the configuration does not fit the model.
    """
    with torch.no_grad():
        feature_maps = model.encode(model.features(waveforms.to(model.device))).feature_maps
        text = model.encode_text([caption])
    known = [m.name for m in feature_maps]
    names = config.decoder.maps or tuple(known[-len(config.decoder.widths) :])
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"{model.card.name} has no feature map {unknown[0]!r}: it has {', '.join(known)}")
    maps = select_maps(feature_maps, names)
    spec = decoder_spec(config, names, [m.shape[1] for m in maps], text.embedding.shape[1], text.tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        decoder = Decoder(spec).to(model.device)
    decoder.standardise(maps)
    source = next(m.grid for m in feature_maps if m.name == names[0])
    grids = {d: make_grid(model.front_end.spec, d, waveforms.shape[-1]) for d in domains_of(config.domain)}
    return decoder, {domain: Cells(source, onto, model.device) for domain, onto in grids.items()}


def decoder_spec(
    config: TrainingConfig, names: Sequence[str], channels: Sequence[int], text_dim: int, tokens: Tensor | None
) -> DecoderSpec:
    """The decoder's sizes for a model.

    Raises:
        InputError: If there are not as many maps as widths.
    """
    choice = config.decoder
    if len(names) != len(choice.widths):
        raise InputError(f"the decoder reads {len(names)} maps and has {len(choice.widths)} widths: {choice.widths}")
    try:
        return DecoderSpec(
            maps=tuple(names),
            channels=tuple(channels),
            widths=choice.widths,
            text_dim=text_dim,
            token_dim=None if tokens is None else tokens.shape[2],
            conditioning="pooled" if tokens is None else choice.conditioning,
            gradient=choice.gradient,
        )
    except ValidationError as error:
        raise InputError(f"decoder.{first_problem(error, DecoderSpec.model_fields)}") from error
