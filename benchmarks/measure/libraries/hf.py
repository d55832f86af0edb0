"""transformers' ``ClapModel``: random checkpoints, and its own pipeline on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zsxai.benchmarks.measure.libraries.tokens import save_tokenizer
from zsxai.benchmarks.measure.libraries.weights import perturb


def random_model(size: Literal["tiny", "full"] = "tiny", *, fusion: bool = False, seed: int = 0, **fields: Any) -> Any:
    """A random ``ClapModel`` in eval mode, of 0.3 or of 153 million parameters.

    Nothing in it is trivial: norms, biases, position tables and the batch norm's statistics (which a fresh model has
    at 0 and 1) all leave their mark on the output. The same seed gives the same weights everywhere.

    Args:
        size: Which configuration.
        fusion: Whether it is a fusion model.
        seed: Seed of the weights.
        **fields: Other fields of ``ClapAudioConfig``.
    """
    from transformers import ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig

    audio: dict[str, Any] = {"enable_fusion": fusion, "fusion_type": "aff_2d" if fusion else None}
    text: dict[str, Any] = {}
    if size == "tiny":
        audio |= {
            "patch_embeds_hidden_size": 16,
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 2, 4],
            "hidden_size": 128,
            "mlp_ratio": 2.0,
        }
        text |= {
            "vocab_size": 600,
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 80,
        }
    width = 32 if size == "tiny" else 512
    audio_config, text_config = ClapAudioConfig(**audio, **fields), ClapTextConfig(**text)
    config = ClapConfig(text_config=text_config.to_dict(), audio_config=audio_config.to_dict(), projection_dim=width)
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = ClapModel(config)
    perturb(model, torch.Generator().manual_seed(seed))
    return model.eval()


def random_checkpoint(
    folder: Path,
    size: Literal["tiny", "full"] = "tiny",
    *,
    truncation: str = "rand_trunc",
    padding: str = "repeatpad",
    seed: int = 0,
) -> Path:
    """Save a random checkpoint as users have them: safetensors, ``preprocessor_config.json``, RoBERTa tokenizer.

    Args:
        folder: Where; made where it is missing.
        size: Size of :func:`random_model`.
        truncation: Truncation of the feature extractor; ``fusion`` makes a fusion model.
        padding: Padding of the feature extractor.
        seed: Seed of the weights.

    Returns:
        The folder.
    """
    from transformers import ClapFeatureExtractor

    folder.mkdir(parents=True, exist_ok=True)
    # 50 Hz and rand_trunc are laion/clap-htsat-unfused's; the class's own defaults are another checkpoint's.
    extractor = ClapFeatureExtractor(frequency_min=50, truncation=truncation, padding=padding)
    extractor.save_pretrained(folder)
    random_model(size, fusion=truncation == "fusion", seed=seed).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


class Reference:
    """transformers' own pipeline on the files of a loaded model.

    Args:
        folder: The checkpoint.
    """

    def __init__(self, folder: Path | str) -> None:
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

        self.extractor = ClapFeatureExtractor.from_pretrained(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = ClapModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)

    @torch.no_grad()
    def embed_audio(self, waveform: NDArray[Any]) -> Tensor:
        """``(D,)``; the clip must fit the window, since longer ones are cropped at random."""
        inputs = self.extractor(waveform, sampling_rate=self.extractor.sampling_rate, return_tensors="pt")
        # A fusion extractor marks one short clip of every batch, at random, as a long one.
        is_longer = torch.zeros_like(torch.as_tensor(inputs["is_longer"]))
        return _pooled(self.model.get_audio_features(input_features=inputs["input_features"], is_longer=is_longer))[0]

    def embed_file(self, file: Path) -> Tensor:
        """``(D,)``; the feature extractor takes arrays: librosa reads, mixes and resamples, as users have it."""
        import librosa

        return self.embed_audio(librosa.load(file, sr=self.extractor.sampling_rate)[0])

    @torch.no_grad()
    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """``(P, D)``."""
        return _pooled(self.model.get_text_features(**self.tokenizer(list(prompts), padding=True, return_tensors="pt")))


def _pooled(output: Any) -> Tensor:
    """The embedding, which is a tensor in transformers 4 and part of an object in transformers 5."""
    return cast("Tensor", output if isinstance(output, Tensor) else output.pooler_output)
