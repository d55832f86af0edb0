"""``msclap``: random checkpoints of its two versions, and its own wrapper on them.

``import msclap`` is avoided here too: it silences every warning of the process and needs torchaudio, whose binary
loads only beside the torch it was built for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast
from unittest import mock

import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zsxai.benchmarks.measure.libraries.tokens import save_bert_tokenizer, save_gpt2_tokenizer
from zsxai.benchmarks.measure.libraries.weights import perturb
from zsxai.isolated import built, import_isolated

Version = Literal["2022", "2023"]
Size = Literal["tiny", "full"]

_HUB = {"2022": "bert-base-uncased", "2023": "gpt2"}
_WIDTHS = (1, 8, 16, 32, 32, 64, 64)
_TINY_2022 = {"out_emb": 32, "d_proj": 32, "transformer_embed_dim": 64}
_TINY_2023 = {"out_emb": 128, "d_proj": 32, "transformer_embed_dim": 64}


def random_model(version: Version, size: Size = "tiny", *, seed: int = 0) -> Any:
    """A random ``CLAP`` module in eval mode, of the published sizes or of 0.3 million parameters.

    Args:
        version: Cnn14 and BERT, or HTS-AT and GPT-2.
        size: ``tiny`` narrows the layers of the same classes.
        seed: Seed of the weights; nothing in the model is trivial.
    """
    from transformers import AutoModel

    clap = import_isolated("msclap", "models.clap")
    read = import_isolated("msclap", "models.utils").read_config_as_args
    numbers = read(Path(str(clap.__file__)).parents[1] / "configs" / f"config_{version}.yml")
    if size == "tiny":
        vars(numbers).update(_TINY_2022 if version == "2022" else _TINY_2023)
    with built(AutoModel, by=lambda: _text_tower(version, size)):
        # Inside, the generator is put back after; biases keep what the constructors draw.
        torch.default_generator.manual_seed(seed)
        model = clap.CLAP(
            audioenc_name=numbers.audioenc_name,
            sample_rate=numbers.sampling_rate,
            window_size=numbers.window_size,
            hop_size=numbers.hop_size,
            mel_bins=numbers.mel_bins,
            fmin=numbers.fmin,
            fmax=numbers.fmax,
            classes_num=numbers.num_classes,
            out_emb=numbers.out_emb,
            text_model=numbers.text_model,
            transformer_embed_dim=numbers.transformer_embed_dim,
            d_proj=numbers.d_proj,
        )
        if size == "tiny":
            _narrow(version, model.audio_encoder.base)
    perturb(model, torch.Generator().manual_seed(seed))
    model.eval()
    if version == "2022":
        _settle(model.audio_encoder, seed)
    return model


@torch.no_grad()
def _settle(tower: Any, seed: int) -> None:
    """Give the batch norms of Cnn14 statistics of sounds: under random ones every sound ends as nearly the same."""

    def measure(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(args[0], dim=(0, 2, 3))
        # A deviation low: five in six units are on, and central differences meet few kinks.
        cast("Tensor", norm.running_mean).copy_(mean - variance.sqrt())
        cast("Tensor", norm.running_var).copy_(variance)

    noise = torch.randn(44_100, generator=torch.Generator().manual_seed(seed))
    handles = [
        module.register_forward_pre_hook(measure)
        for name, module in tower.named_modules()
        if isinstance(module, nn.BatchNorm2d) and "conv_block" in name
    ]
    tower(torch.stack([0.1 * noise, 0.01 * noise.cumsum(0), noise.sign() * 0.01, 0.1 * noise.roll(1) * noise]))
    for handle in handles:
        handle.remove()


def _text_tower(version: Version, size: Size) -> Any:
    from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

    if version == "2022":
        bert: dict[str, Any] = {
            "vocab_size": 600,
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 1,
            "intermediate_size": 128,
            "max_position_embeddings": 128,
        }
        return BertModel(BertConfig(**bert if size == "tiny" else {}))
    gpt2: dict[str, Any] = {
        "vocab_size": 600,
        "n_positions": 128,
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 1,
        "n_inner": 128,
        "bos_token_id": 599,
        "eos_token_id": 599,
    }
    return GPT2Model(GPT2Config(**gpt2 if size == "tiny" else {}))


def _narrow(version: Version, tower: Any) -> None:
    """Replace the parts whose widths the classes fix."""
    if version == "2022":
        block = import_isolated("msclap", "models.audio").ConvBlock
        for number in range(1, 7):
            setattr(tower, f"conv_block{number}", block(_WIDTHS[number - 1], _WIDTHS[number]))
        tower.fc1 = nn.Linear(_WIDTHS[-1], tower.fc1.out_features)
        return
    tower.htsat = import_isolated("msclap", "models.htsat").HTSAT_Swin_Transformer(
        embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4], mlp_ratio=2.0, config=tower.htsat.config
    )


def random_checkpoint(path: Path, version: Version = "2022", size: Size = "tiny", seed: int = 0) -> Path:
    """Save random weights as the published files hold them, and a tokenizer beside them.

    The published files were written by an older transformers, which kept BERT's position ids and GPT-2's causal masks
    among the weights; the optimizer's state lies beside those of 2022; that of 2023 holds float32 only.

    Args:
        path: The file.
        version: Version of the model.
        size: Size of :func:`random_model`.
        seed: Seed of the weights.

    Returns:
        The file; the tokenizer is in :func:`tokenizer_folder`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    model = random_model(version, size, seed=seed)
    state: dict[str, Tensor] = model.state_dict()
    text, config = "caption_encoder.base.", model.caption_encoder.base.config
    if version == "2022":
        state[f"{text}embeddings.position_ids"] = torch.arange(config.max_position_embeddings)[None]
        saved: dict[str, Any] = {"model": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]}, "epoch": 1}
        save_bert_tokenizer(tokenizer_folder(path))
    else:
        for layer in range(config.n_layer):
            square = torch.ones(config.n_positions, config.n_positions)
            state[f"{text}h.{layer}.attn.bias"] = square.tril()[None, None]
            state[f"{text}h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
        saved = {"model": {key: tensor.float() for key, tensor in state.items()}}
        save_gpt2_tokenizer(tokenizer_folder(path))
    torch.save(saved, path)
    return path


def tokenizer_folder(path: Path) -> Path:
    """Where :func:`random_checkpoint` puts the tokenizer."""
    return path.with_suffix(".tokenizer")


class Reference:
    """msclap's own ``CLAPWrapper`` on a file: its constructor, its loading, its preprocessing.

    What is not its own: the text tower, which it would download to overwrite it; a tokenizer from a folder; and
    ``torchaudio.load``, in whose place soundfile reads. The wrapper crops at random above its window and lays two
    channels end to end, so it is given one channel of at most a window.

    Args:
        path: Weights, published or from :func:`random_checkpoint`.
        version: Version of the model.
        size: Size of the model.
        tokenizer: Folder or hub id; where None, the folder beside the file, or without one the wrapper's own.
    """

    def __init__(
        self, path: Path, version: Version = "2022", size: Size = "tiny", tokenizer: Path | str | None = None
    ) -> None:
        from transformers import AutoTokenizer

        self._library = import_isolated("msclap", "CLAPWrapper", stubs=("torchaudio.transforms",))
        own = tokenizer_folder(path) if tokenizer_folder(path).is_dir() else _HUB[version]
        vocabulary = AutoTokenizer.from_pretrained(tokenizer or own)
        if not hasattr(vocabulary, "encode_plus"):  # transformers 5 calls it so no more
            vocabulary.encode_plus = vocabulary.__call__
        # Other weights than the file's: the wrapper has to load those.
        empty = mock.Mock(return_value=random_model(version, size, seed=99))
        with built(AutoTokenizer, by=lambda: vocabulary), mock.patch.object(self._library, "CLAP", empty):
            self.wrapper = self._library.CLAPWrapper(path, version=version)

    def embed_audio(self, waveform: NDArray[Any]) -> Tensor:
        """``(T,)`` float32 at 44,100 Hz, at most a window, to ``(D,)``."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "clip.wav"
            soundfile.write(file, waveform, 44_100, subtype="FLOAT")
            with mock.patch.object(self._library, "torchaudio", SimpleNamespace(load=_load)):
                embedding = self.wrapper.get_audio_embeddings([str(file)])[0]
        return nn.functional.normalize(embedding, dim=-1)

    def embed_file(self, file: Path) -> Tensor:
        """A recording of at most a window, to ``(D,)``; librosa mixes and resamples in torchaudio's place."""
        import librosa

        return self.embed_audio(librosa.load(file, sr=44_100)[0])

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """``(P, D)``; the wrapper pads every prompt to the longest it takes."""
        return nn.functional.normalize(self.wrapper.get_text_embeddings(list(prompts)), dim=-1)


def _load(path: str) -> tuple[Tensor, int]:
    """What ``torchaudio.load`` gives: ``(C, T)`` float32 and the sample rate."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate
