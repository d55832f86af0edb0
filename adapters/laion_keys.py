"""LAION-CLAP state dicts: what they say of the network, and the same weights under Hugging Face's names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from zsxai.errors import InputError
from zsxai.spectral import FrontEnd, FrontEndSpec

FRONT_END = FrontEndSpec(sample_rate=48_000, hop=480, precision="float64")
"""The front end of every checkpoint that LAION published; the hop is nowhere in a state dict."""

# Filters, which the front end computes; heads for tagging and a second projection, which embeddings do without; and
# constants, which the constructors compute.
_UNUSED = re.compile(
    r"audio_branch\.(spectrogram_extractor|logmel_extractor|tscam_conv|head)\.|(audio|text)_transform\."
    r"|.*(relative_position_index|attn_mask|position_ids|token_type_ids|num_batches_tracked)$"
)
_RENAMED = [
    (r"^text_branch\.", "text_model."),
    (r"^(audio|text)_projection\.0\.", r"\1_projection.linear1."),
    (r"^(audio|text)_projection\.2\.", r"\1_projection.linear2."),
    (r"^audio_branch\.bn0\.", "audio_branch.batch_norm."),
    (r"^audio_branch\.(.*)\.attn\.proj\.", r"audio_branch.\1.attention.output.dense."),
    (r"^audio_branch\.(.*)\.attn\.", r"audio_branch.\1.attention.self."),
    (r"^audio_branch\.(.*)\.norm1\.", r"audio_branch.\1.layernorm_before."),
    (r"^audio_branch\.(.*)\.norm2\.", r"audio_branch.\1.layernorm_after."),
    (r"^audio_branch\.(.*)\.mlp\.fc1\.", r"audio_branch.\1.intermediate.dense."),
    (r"^audio_branch\.(.*)\.mlp\.fc2\.", r"audio_branch.\1.output.dense."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
]
_FOREIGN = {
    "audio_branch.conv_block1.": "a PANN audio encoder: only those with HTS-AT are supported",
    "text_branch.resblocks.": "CLIP's text encoder: only those with RoBERTa are supported",
    "text_branch.shared.": "a BART text encoder: only those with RoBERTa are supported",
    "audio_branch.mel_conv1d.": "fusion in one dimension: only aff_2d is supported",
    "audio_branch.patch_embed.fusion_model.local_att2.": "fusion iaff_2d: only aff_2d is supported",
    "text_model.": "Hugging Face's names: load its folder as hf:<folder>",
}
_PATCHES = "audio_branch.patch_embed.proj.weight"
_FUSION = "audio_branch.patch_embed.mel_conv2d.weight"
_TABLE = "audio_branch.layers.{}.blocks.0.attn.relative_position_bias_table"
_WORDS = "text_branch.embeddings.{}_embeddings.weight"


class Sizes(BaseModel):
    """Sizes of a network, read off its weights.

    Attributes:
        audio: Fields of transformers' ``ClapAudioConfig``.
        text: Fields of ``ClapTextConfig`` and of ``RobertaConfig``.
        width: Of the embeddings.
        classes: Of the tagging head.
    """

    model_config = ConfigDict(frozen=True)

    audio: dict[str, Any]
    text: dict[str, Any]
    width: int
    classes: int

    @property
    def fusion(self) -> bool:
        """Whether it is a fusion model."""
        return bool(self.audio["enable_fusion"])


def state_of(weights: Any, name: str) -> dict[str, Tensor]:
    """The state dict in a file, under the names that ``laion_clap``'s ``CLAP`` gives.

    Args:
        weights: What the file holds: the state dict, or a dict with it; training prefixes every key with ``module.``.
        name: Of the model, for errors.

    Raises:
        InputError: If there is none, or it is that of another network.
    """
    found = weights.get("state_dict", weights) if isinstance(weights, dict) else None
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise InputError(f"{name} has no state dict: it is no LAION-CLAP checkpoint")
    state = {
        str(key).removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in found.items()
    }
    for prefix, what in _FOREIGN.items():
        if any(key.startswith(prefix) for key in state):
            raise InputError(f"{name} has {what}")
    return state


def sizes_of(state: Mapping[str, Tensor], name: str) -> Sizes:
    """Read the sizes of a network off its weights.

    Raises:
        InputError: If a weight that tells a size is missing, or the network is of a kind that is not supported.
    """
    try:
        patches, table = state[_PATCHES], state[_TABLE.format(0)]
        words, positions, types = (state[_WORDS.format(kind)] for kind in ("word", "position", "token_type"))
        depths = _depths(state, r"audio_branch\.layers\.(\d+)\.blocks\.(\d+)\.")
        stem = patches.shape[0]
        audio = {
            "patch_embeds_hidden_size": stem,
            "patch_size": patches.shape[2],
            "patch_stride": list(patches.shape[2:]),
            "hidden_size": stem * 2 ** (len(depths) - 1),
            "depths": depths,
            "num_hidden_layers": len(depths),
            "num_attention_heads": [state[_TABLE.format(stage)].shape[1] for stage in range(len(depths))],
            "window_size": (round(table.shape[0] ** 0.5) + 1) // 2,
            "mlp_ratio": state["audio_branch.layers.0.blocks.0.mlp.fc1.weight"].shape[0] / stem,
            "num_mel_bins": state["audio_branch.bn0.weight"].shape[0],
            "enable_fusion": _FUSION in state,
            "fusion_type": "aff_2d" if _FUSION in state else None,
        }
        text = {
            "vocab_size": words.shape[0],
            "hidden_size": words.shape[1],
            "num_hidden_layers": sum(_depths(state, r"text_branch\.encoder\.(layer)\.(\d+)\.")),
            # Every RoBERTa has heads of 64; no shape tells.
            "num_attention_heads": max(1, words.shape[1] // 64),
            "intermediate_size": state["text_branch.encoder.layer.0.intermediate.dense.weight"].shape[0],
            "max_position_embeddings": positions.shape[0],
            "type_vocab_size": types.shape[0],
            "layer_norm_eps": 1e-5,
        }
        width = state["audio_projection.0.weight"].shape[0]
    except (KeyError, IndexError) as error:
        raise InputError(f"{name} lacks the weight {error}: it is no whole LAION-CLAP checkpoint") from error
    if types.shape[0] != 1:
        raise InputError(f"{name} has a BERT text encoder: only those with RoBERTa are supported")
    if patches.shape[1] != 1 or (_FUSION in state and not any(".fusion_model." in key for key in state)):
        raise InputError(f"{name} has another fusion: only aff_2d is supported")
    head = state.get("audio_branch.tscam_conv.bias")
    return Sizes(audio=audio, text=text, width=width, classes=527 if head is None else len(head))


def check_unfused(sizes: Sizes, name: str) -> None:
    """Refuse fusion models, whose mel ``laion_clap`` computes outside of its network."""
    if sizes.fusion:
        raise InputError(f"{name} is a fusion model: load it with classes='hf', through Hugging Face's classes")


def _depths(state: Mapping[str, Tensor], pattern: str) -> list[int]:
    """Blocks in each stage, from the numbers in the keys."""
    blocks = {match.groups() for key in state if (match := re.match(pattern, key))}
    stages = sorted({stage for stage, _ in blocks}, key=lambda stage: (len(stage), stage))
    return [sum(stage == wanted for stage, _ in blocks) for wanted in stages]


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights that embeddings need, under Hugging Face's names."""
    return {name: tensor for key, whole in state.items() for name, tensor in _rename(key, whole)}


def _rename(key: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if _UNUSED.match(key):
        return
    for pattern, replacement in _RENAMED:
        key = re.sub(pattern, replacement, key)
    if ".qkv." not in key:
        yield key, tensor
        return
    for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
        yield key.replace(".qkv.", f".{part}."), third


def check_weights(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str) -> None:
    """See that a state dict is the one wanted, but for filters and constants that are computed anyway.

    Raises:
        InputError: If weights are missing, are too many, or are of another shape; one of them is named.
    """

    def refuse(keys: Collection[str], what: str) -> None:
        if keys:
            raise InputError(f"{name} {what.format(len(keys))} of a LAION-CLAP, such as {min(keys)}")

    refuse({key for key in wanted.keys() - state.keys() if not _UNUSED.match(key)}, "lacks {} weights")
    refuse({key for key in state.keys() - wanted.keys() if not _UNUSED.match(key)}, "has {} tensors that are none")
    both = state.keys() & wanted.keys()
    refuse({key for key in both if state[key].shape != wanted[key].shape}, "has {} weights unlike those in shape")


def check_front_end(state: Mapping[str, Tensor], spec: FrontEndSpec, name: str) -> None:
    """See that the STFT kernels and mel filters in a state dict, where it has any, are those of a front end.

    Raises:
        InputError: If they are not: the network was trained on another sample rate, transform or band.
    """
    front_end = FrontEnd(spec)
    # The phase modulo one turn, in integers, is exact.
    turns = torch.outer(torch.arange(spec.n_bins), torch.arange(spec.n_fft)) % spec.n_fft
    kernel = torch.cos(2 * torch.pi * turns.double() / spec.n_fft) * front_end.window
    expected = {
        "audio_branch.spectrogram_extractor.stft.conv_real.weight": kernel[:, None],
        "audio_branch.logmel_extractor.melW": front_end.bank.T,
    }
    for key, filters in expected.items():
        theirs = state.get(key, filters).cpu()
        # They come as float32 from float64.
        if theirs.shape != filters.shape or (theirs - filters).abs().max() > 1e-5 * filters.abs().max():
            raise InputError(
                f"{name} was trained with another front end than {spec.n_fft} samples at {spec.sample_rate} Hz and "
                f"{spec.n_mels} mel bands of {spec.f_min:g}-{spec.f_max:g} Hz: its {key} differs"
            )
