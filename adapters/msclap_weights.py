"""From a file of MS-CLAP weights to the network of ``msclap`` that it belongs to, in the file's own shapes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
import yaml
from torch import Tensor, nn
from transformers import AutoModel, BertConfig, BertModel, GPT2Config, GPT2Model

from zsxai.errors import InputError, first_line
from zsxai.hub import LOAD_ERRORS, hub_file
from zsxai.isolated import built, import_isolated
from zsxai.weights import load_weights, tensors_of

Version = Literal["2022", "2023"]
_REPOSITORY = "microsoft/msclap"
_TELLING = {"2022": "audio_encoder.base.bn0.weight", "2023": "audio_encoder.base.htsat.bn0.weight"}
# Constructors compute these: which of them a file holds depends on the torch and transformers that wrote it.
_COMPUTED = (".position_ids", ".token_type_ids", ".attn.bias", ".attn.masked_bias", ".num_batches_tracked")
# A text tower's shapes do not tell how many heads it has; those of the published ones are 64 wide.
_HEAD = 64


def find_file(version: Version, argument: str | None) -> tuple[Path, str]:
    """The file, downloaded where it is the published one, and where it comes from.

    Raises:
        InputError: If it cannot be had.
    """
    published = f"CLAP_weights_{version}.pth"
    file = Path(argument or published).expanduser()
    if argument and file.is_file():
        return file, str(file.resolve())
    if argument not in (None, published):
        raise InputError(
            f"there is no file {argument!r}: the published one is {published} of the hub repository {_REPOSITORY}, "
            f"and 'msclap-{version}' alone downloads it"
        )
    return hub_file(_REPOSITORY, published)


def read_network(version: Version, file: Path) -> nn.Module:
    """Build the network of a file and load it, every weight accounted for.

    Raises:
        InputError: If the file holds no weights, those of the other version, too few or too many.
    """
    state = _state(version, file)
    try:
        network: nn.Module = _build(version, _Shapes({key: tensor.shape for key, tensor in state.items()}))
    except (*LOAD_ERRORS, IndexError) as error:
        raise InputError(f"cannot load {str(file)!r} as MS-CLAP {version}: {first_line(error)}") from error
    own = {key: tensor.shape for key, tensor in network.state_dict().items() if not key.endswith(_COMPUTED)}
    wrong = {
        "lacks": own.keys() - state.keys(),
        "has unknown": state.keys() - own.keys(),
        "has misshapen": {key for key in own.keys() & state.keys() if own[key] != state[key].shape},
    }
    for verb, keys in wrong.items():
        if keys:
            raise InputError(f"{str(file)!r} {verb} weights of MS-CLAP {version}: {len(keys)}, such as {min(keys)}")
    network.load_state_dict(state, strict=False)
    return network.eval()


def published_numbers(version: Version) -> SimpleNamespace:
    """The configuration inside the package, such as ``duration``, ``text_len`` and ``text_model``."""
    package = Path(str(_library("clap").__file__)).parents[1]
    return SimpleNamespace(**yaml.safe_load((package / "configs" / f"config_{version}.yml").read_text("utf-8")))


def _library(module: str) -> Any:
    return import_isolated("msclap", f"models.{module}")


def _state(version: Version, file: Path) -> dict[str, Tensor]:
    state = tensors_of(load_weights(file), repr(str(file)), f"MS-CLAP {version}", inside="model")
    found = [known for known, key in _TELLING.items() if key in state]
    if not found:
        raise InputError(f"{str(file)!r} holds no MS-CLAP: both {_TELLING['2022']} and {_TELLING['2023']} are missing")
    if version not in found:
        raise InputError(f"{str(file)!r} holds MS-CLAP {found[0]}: load it as 'msclap-{found[0]}:<file>'")
    return {key: tensor for key, tensor in state.items() if not key.endswith(_COMPUTED)}


class _Shapes(dict[str, torch.Size]):
    """Shapes of the weights of a file, by key; those that tell a size are matrices and convolutions."""

    def __getitem__(self, key: str) -> torch.Size:
        shape = self.get(key)
        if shape is None:
            raise InputError(f"it lacks {key}")
        if len(shape) < 2 or 0 in shape:
            raise InputError(f"its {key} has the shape {tuple(shape)}")
        return shape

    def count(self, prefix: str) -> int:
        """How many numbered parts follow a prefix."""
        return len({key.removeprefix(prefix).partition(".")[0] for key in self if key.startswith(prefix)})


def _build(version: Version, shapes: _Shapes) -> Any:
    """The network in the shapes of a file: the published ones, or those of a smaller instance."""
    numbers = published_numbers(version)
    with built(AutoModel, by=lambda: _TEXT_TOWERS[version](shapes, "caption_encoder.base.")):
        network: Any = _library("clap").CLAP(
            audioenc_name=numbers.audioenc_name,
            sample_rate=numbers.sampling_rate,
            window_size=numbers.window_size,
            hop_size=numbers.hop_size,
            mel_bins=numbers.mel_bins,
            fmin=numbers.fmin,
            fmax=numbers.fmax,
            classes_num=numbers.num_classes,
            out_emb=shapes["audio_encoder.projection.linear1.weight"][1],
            text_model=numbers.text_model,
            transformer_embed_dim=shapes["caption_encoder.projection.linear1.weight"][1],
            d_proj=shapes["audio_encoder.projection.linear1.weight"][0],
        )
        _AUDIO_TOWERS[version](network.audio_encoder.base, shapes)
    return network


def _bert(shapes: _Shapes, base: str) -> Any:
    tokens, width = shapes[f"{base}embeddings.word_embeddings.weight"]
    config = BertConfig(
        vocab_size=tokens,
        hidden_size=width,
        num_hidden_layers=shapes.count(f"{base}encoder.layer."),
        num_attention_heads=max(width // _HEAD, 1),
        intermediate_size=shapes[f"{base}encoder.layer.0.intermediate.dense.weight"][0],
        max_position_embeddings=shapes[f"{base}embeddings.position_embeddings.weight"][0],
    )
    return BertModel(config)


def _gpt2(shapes: _Shapes, base: str) -> Any:
    tokens, width = shapes[f"{base}wte.weight"]
    config = GPT2Config(
        vocab_size=tokens,
        n_positions=shapes[f"{base}wpe.weight"][0],
        n_embd=width,
        n_layer=shapes.count(f"{base}h."),
        n_head=max(width // _HEAD, 1),
        n_inner=shapes[f"{base}h.0.mlp.c_fc.weight"][1],
        bos_token_id=tokens - 1,
        eos_token_id=tokens - 1,
    )
    return GPT2Model(config)


def _fit_cnn14(tower: Any, shapes: _Shapes) -> None:
    """Replace the parts whose widths the class fixes, where the file's are others."""
    base = "audio_encoder.base."
    widths = [1, *(shapes[f"{base}conv_block{number}.conv2.weight"][0] for number in range(1, 7))]
    for number in range(1, 7):
        if widths[number] != getattr(tower, f"conv_block{number}").conv2.out_channels:
            block = _library("audio").ConvBlock(widths[number - 1], widths[number])
            setattr(tower, f"conv_block{number}", block)
    if widths[-1] != tower.fc1.in_features:
        tower.fc1 = nn.Linear(widths[-1], tower.fc1.out_features)


def _fit_htsat(tower: Any, shapes: _Shapes) -> None:
    """Build HTS-AT anew, where the file's is narrower than the one that the class builds whatever it is told."""
    base = "audio_encoder.base.htsat."
    width = shapes[f"{base}patch_embed.proj.weight"][0]
    if width == tower.htsat.embed_dim:
        return
    stages = [f"{base}layers.{number}.blocks." for number in range(shapes.count(f"{base}layers."))]
    tower.htsat = _library("htsat").HTSAT_Swin_Transformer(
        embed_dim=width,
        depths=[shapes.count(stage) for stage in stages],
        num_heads=[shapes[f"{stage}0.attn.relative_position_bias_table"][1] for stage in stages],
        mlp_ratio=shapes[f"{stages[0]}0.mlp.fc1.weight"][0] / width,
        config=tower.htsat.config,
    )


_TEXT_TOWERS = {"2022": _bert, "2023": _gpt2}
_AUDIO_TOWERS = {"2022": _fit_cnn14, "2023": _fit_htsat}
