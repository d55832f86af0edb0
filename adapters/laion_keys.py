"""LAION-CLAP state dicts: what they say of the network, and the same weights under Hugging Face's names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from zsxai.adapters.torchlibrosa import check_filters
from zsxai.errors import InputError
from zsxai.spectral import FrontEndSpec
from zsxai.weights import tensors_of

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
        width: Width of the embeddings.
        classes: Classes of the tagging head.
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
        name: Name of the model, for errors.

    Raises:
        InputError: If there is none, or it is that of another network.
    """
    state = {
        key.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in tensors_of(weights, name, "LAION-CLAP", inside="state_dict").items()
    }
    for prefix, what in _FOREIGN.items():
        if any(key.startswith(prefix) for key in state):
            raise InputError(f"{name} has {what}")
    return state


def sizes_of(state: Mapping[str, Tensor], name: str) -> Sizes:
    """Read the sizes of a network off its weights.

    Raises:
        InputError: If a weight that tells a size is missing or of no such shape, or the network is of a kind that is
            not supported.
    """

    def shape(key: str, dimensions: int = 2) -> tuple[int, ...]:
        if key not in state:
            raise InputError(f"{name} lacks the weight {key!r}: it is no whole LAION-CLAP checkpoint")
        found = state[key].shape
        if len(found) != dimensions or 0 in found:
            raise InputError(f"{name} is no LAION-CLAP checkpoint: its weight {key!r} has the shape {tuple(found)}")
        return found

    patches, table = shape(_PATCHES, 4), shape(_TABLE.format(0))
    words, positions, types = (shape(_WORDS.format(kind)) for kind in ("word", "position", "token_type"))
    depths = _depths(state, r"audio_branch\.layers\.(\d+)\.blocks\.(\d+)\.")
    stem = patches[0]
    audio = {
        "patch_embeds_hidden_size": stem,
        "patch_size": patches[2],
        "patch_stride": list(patches[2:]),
        "hidden_size": stem * 2 ** (len(depths) - 1),
        "depths": depths,
        "num_hidden_layers": len(depths),
        "num_attention_heads": [shape(_TABLE.format(stage))[1] for stage in range(len(depths))],
        "window_size": (round(table[0] ** 0.5) + 1) // 2,
        "mlp_ratio": shape("audio_branch.layers.0.blocks.0.mlp.fc1.weight")[0] / stem,
        "num_mel_bins": shape("audio_branch.bn0.weight", 1)[0],
        "enable_fusion": _FUSION in state,
        "fusion_type": "aff_2d" if _FUSION in state else None,
    }
    text = {
        "vocab_size": words[0],
        "hidden_size": words[1],
        "num_hidden_layers": sum(_depths(state, r"text_branch\.encoder\.(layer)\.(\d+)\.")),
        # Every RoBERTa has heads of 64; no shape tells.
        "num_attention_heads": max(1, words[1] // 64),
        "intermediate_size": shape("text_branch.encoder.layer.0.intermediate.dense.weight")[0],
        "max_position_embeddings": positions[0],
        "type_vocab_size": types[0],
        "layer_norm_eps": 1e-5,
    }
    width = shape("audio_projection.0.weight")[0]
    if types[0] != 1:
        raise InputError(f"{name} has a BERT text encoder: only those with RoBERTa are supported")
    if patches[1] != 1 or (_FUSION in state and not any(".fusion_model." in key for key in state)):
        raise InputError(f"{name} has another fusion: only aff_2d is supported")
    head = "audio_branch.tscam_conv.bias"
    return Sizes(audio=audio, text=text, width=width, classes=shape(head, 1)[0] if head in state else 527)


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
    """See that the filters in a state dict, where it has any, are those of a front end.

    Raises:
        InputError: If they are not.
    """
    kernel, bank = "spectrogram_extractor.stft.conv_real.weight", "logmel_extractor.melW"
    check_filters(spec, state.get(f"audio_branch.{kernel}"), state.get(f"audio_branch.{bank}"), name)
