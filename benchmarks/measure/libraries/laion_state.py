"""Random LAION-CLAP state dicts, made of transformers' network under LAION's names."""

from __future__ import annotations

import re
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zsxai.benchmarks.measure.libraries.weights import perturb
from zsxai.spectral import FrontEnd, FrontEndSpec

Size = Literal["tiny", "full", "base"]
_FRONT_END = FrontEndSpec(sample_rate=48_000, hop=480, precision="float64")
_CLASSES = 527
"""Of AudioSet, which the tagging head knows."""
_SMALL_TEXT = {"vocab_size": 600, "max_position_embeddings": 80, "num_hidden_layers": 1, "intermediate_size": 64}
# Fields of the audio and of the text configuration, and the width of the embeddings.
_SIZES: dict[Size, tuple[dict[str, Any], dict[str, Any], int]] = {
    "tiny": (
        {"depths": [1] * 4, "num_attention_heads": [1, 2, 2, 4], "mlp_ratio": 2.0}
        | {"patch_embeds_hidden_size": 16, "hidden_size": 128},
        _SMALL_TEXT,
        128,
    ),
    "full": ({}, {}, 512),
    "base": ({"depths": [2, 2, 12, 2], "patch_embeds_hidden_size": 128, "hidden_size": 1024}, {}, 512),
}
_NAMES = {
    r"^text_model\.": "text_branch.",
    r"^(audio|text)_projection\.linear1\.": r"\1_projection.0.",
    r"^(audio|text)_projection\.linear2\.": r"\1_projection.2.",
    r"^audio_model\.audio_encoder\.": "audio_branch.",
    r"^audio_branch\.batch_norm\.": "audio_branch.bn0.",
    r"^(audio_branch\..*)\.attention\.output\.dense\.": r"\1.attn.proj.",
    r"^(audio_branch\..*)\.attention\.self\.": r"\1.attn.",
    r"^(audio_branch\..*)\.layernorm_before\.": r"\1.norm1.",
    r"^(audio_branch\..*)\.layernorm_after\.": r"\1.norm2.",
    r"^(audio_branch\..*)\.intermediate\.dense\.": r"\1.mlp.fc1.",
    r"^(audio_branch\..*)\.output\.dense\.": r"\1.mlp.fc2.",
}


def random_state(size: Size = "tiny", *, fusion: bool = False, seed: int = 0) -> dict[str, Tensor]:
    """A random state dict with the filters that LAION's files hold.

    Args:
        size: Which size: 3, 158 or 200 million parameters.
        fusion: Whether it is a fusion model's.
        seed: Seed of the weights.
    """
    from transformers import ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig

    audio, text, width = _SIZES[size]
    audio_config = ClapAudioConfig(**audio, enable_fusion=fusion, fusion_type="aff_2d" if fusion else None)
    text_config = ClapTextConfig(**text, type_vocab_size=1, layer_norm_eps=1e-5)
    config = ClapConfig(text_config=text_config.to_dict(), audio_config=audio_config.to_dict(), projection_dim=width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # perturb adds to biases, which torch draws
        model: nn.Module = ClapModel(config)
    generator = torch.Generator().manual_seed(seed)
    perturb(model, generator)
    state = _under_laions_names(model.state_dict())
    hidden = audio_config.hidden_size
    # The tagging head reads both rows of the last map and three columns.
    state["audio_branch.tscam_conv.weight"] = 0.1 * torch.randn(_CLASSES, hidden, 2, 3, generator=generator)
    state["audio_branch.tscam_conv.bias"] = 0.1 * torch.randn(_CLASSES, generator=generator)
    return state | _filters()


def _under_laions_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if key.endswith(("position_ids", "token_type_ids")):  # constants, which LAION's own network does not save
            continue
        for pattern, name in _NAMES.items():
            key = re.sub(pattern, name, key)
        named[key] = tensor
    for query in [key for key in named if key.startswith("audio_branch") and ".attn.query." in key]:
        parts = [named.pop(query.replace("query", part)) for part in ("query", "key", "value")]
        named[query.replace("query", "qkv")] = torch.cat(parts)
    return named


def _filters() -> dict[str, Tensor]:
    """torchlibrosa's, float32 as there."""
    front_end = FrontEnd(_FRONT_END)
    n_fft = _FRONT_END.n_fft
    turns = torch.outer(torch.arange(_FRONT_END.n_bins), torch.arange(n_fft)) % n_fft
    angle, stft = 2 * torch.pi * turns.double() / n_fft, "audio_branch.spectrogram_extractor.stft."
    return {
        f"{stft}conv_real.weight": (angle.cos() * front_end.window)[:, None].float(),
        f"{stft}conv_imag.weight": (-angle.sin() * front_end.window)[:, None].float(),
        "audio_branch.logmel_extractor.melW": front_end.bank.T.float().contiguous(),
    }
