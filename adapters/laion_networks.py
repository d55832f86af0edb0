"""LAION-CLAP's weights in two networks: Hugging Face's and LAION's own, neither pretrained nor downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    RobertaConfig,
    RobertaModel,
)

from zsxai.adapters.laion_keys import FRONT_END, Sizes, check_unfused, check_weights, renamed
from zsxai.adapters.tokenizers import quiet
from zsxai.isolated import built, import_isolated, replaced

MOST_TOKENS = 77
"""Of a prompt: LAION trained with as many, and its library cuts there."""
WINDOW = 10
"""Seconds."""
# What laion_clap.clap_module imports of torchvision, and no CLAP uses.
_STUBS = ("torchvision.ops.misc", "torchvision.transforms")


def hf_network(state: Mapping[str, Tensor], sizes: Sizes, name: str) -> ClapModel:
    """Hugging Face's ``ClapModel`` with LAION's weights.

    Raises:
        InputError: If weights are missing, too many, or of the wrong shape.
    """
    audio = ClapAudioConfig(**sizes.audio, projection_dim=sizes.width)
    text = ClapTextConfig(**sizes.text, projection_dim=sizes.width)
    config = ClapConfig(audio_config=audio.to_dict(), text_config=text.to_dict(), projection_dim=sizes.width)
    weights = renamed(state)
    with torch.device("meta"):
        wanted = ClapModel(config).state_dict()
    check_weights(weights, wanted, name)
    with quiet():
        return ClapModel.from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)


def laion_network(state: Mapping[str, Tensor], sizes: Sizes, name: str) -> nn.Module:
    """``laion_clap``'s own ``CLAP`` with LAION's weights.

    Raises:
        InputError: If weights are missing, too many, or of the wrong shape, or it is a fusion model.
        ModuleNotFoundError: If laion-clap is not installed.
    """
    check_unfused(sizes, name)
    library = import_isolated("laion_clap", "clap_module", stubs=_STUBS)
    spec, audio = FRONT_END, sizes.audio
    audio_cfg = {
        "model_type": "HTSAT",
        "sample_rate": spec.sample_rate,
        "window_size": spec.n_fft,
        "hop_size": spec.hop,
        "fmin": round(spec.f_min),
        "fmax": round(spec.f_max),
        "mel_bins": spec.n_mels,
        "class_num": sizes.classes,
    }
    # The zeros are of a text encoder of its own, which no RoBERTa model has.
    unused = dict.fromkeys(("vocab_size", "width", "heads", "layers"), 0)

    def encoder(cfg: Any, *_fusion: object) -> nn.Module:
        made: nn.Module = library.htsat.HTSAT_Swin_Transformer(
            patch_size=audio["patch_size"],
            patch_stride=tuple(audio["patch_stride"]),
            num_classes=sizes.classes,
            embed_dim=audio["patch_embeds_hidden_size"],
            depths=audio["depths"],
            num_heads=audio["num_attention_heads"],
            window_size=audio["window_size"],
            mlp_ratio=audio["mlp_ratio"],
            config=cfg,
        )
        return made

    # Its own factory knows three sizes by name; the checkpoint says which it has.
    with (
        built(RobertaModel, lambda: RobertaModel(RobertaConfig(**sizes.text))),
        replaced(library.model, "create_htsat_model", encoder),
    ):
        network: nn.Module = library.CLAP(
            embed_dim=audio["hidden_size"],
            audio_cfg=audio_cfg,
            text_cfg={"model_type": "roberta", "context_length": MOST_TOKENS, **unused},
            joint_embed_shape=sizes.width,
        )
    check_weights(state, network.state_dict(), name)
    network.load_state_dict(state, strict=False)
    return network


def feature_extractor(sizes: Sizes) -> ClapFeatureExtractor:
    """LAION's front end, for :class:`~zsxai.adapters.hf.HuggingFaceClap`."""
    spec = FRONT_END
    return ClapFeatureExtractor(
        feature_size=spec.n_mels,
        sampling_rate=spec.sample_rate,
        hop_length=spec.hop,
        max_length_s=WINDOW,
        fft_window_size=spec.n_fft,
        frequency_min=spec.f_min,
        frequency_max=spec.f_max,
        truncation="fusion" if sizes.fusion else "rand_trunc",
        padding="repeatpad",
    )
