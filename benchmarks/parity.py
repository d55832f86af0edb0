"""How exactly an ``hf:`` checkpoint is reproduced: ``python -m zsxai.benchmarks.parity [hf:<folder> ...]``.

Each model is loaded by the adapter and, from the same files, by transformers' own ``ClapFeatureExtractor`` and
``ClapModel``. The table gives the greatest absolute difference of unit embeddings, and the greatest relative
difference between the gradient on the waveform and central differences in float64. Without arguments, it takes
random checkpoints of a tiny and of the full configuration, saved as users' checkpoints are.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from zsxai.model import SpectralModel
from zsxai.registry import Registry

PROMPTS = ("a dog barking", "This is the sound of rain falling on a tin roof.", "Wind", "a clock ticks; a door slams")
_SENTENCES = [*PROMPTS, "the sound of a dog", "a car passes by", "birds sing in the wood", "water runs from a tap"]
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_STEP = 1e-4


def random_model(size: Literal["tiny", "full"] = "tiny", *, fusion: bool = False, seed: int = 0, **fields: Any) -> Any:
    """A random ``ClapModel`` in eval mode, of 0.3 or of 153 million parameters.

    Nothing in it is trivial: norms, biases, position tables and the batch norm's statistics (which a fresh model has
    at 0 and 1) all leave their mark on the output. The same seed gives the same weights everywhere.

    Args:
        size: Which configuration.
        fusion: Whether it is a fusion model.
        seed: Of the weights.
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
    _perturb(model, torch.Generator().manual_seed(seed))
    return model.eval()


@torch.no_grad()
def _perturb(model: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight anew: fresh ones hardly move the residual stream, and differ between transformers 4 and 5."""
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if "logit_scale" in name:
            parameter.add_(0.3)
        elif parameter.ndim < 2:
            parameter.add_(0.2 * noise)
        elif "relative_position_bias_table" in name:
            parameter.copy_(0.2 * noise)
        else:
            parameter.copy_(0.7 * noise * parameter[0].numel() ** -0.5)
    for name, module in sorted(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            meets_decibels = name.endswith("audio_encoder.batch_norm")
            mean, low, high = (-45.0, 200.0, 600.0) if meets_decibels else (0.0, 0.5, 2.0)
            cast("Tensor", module.running_mean).normal_(mean, 0.2 * low**0.5, generator=generator)
            cast("Tensor", module.running_var).uniform_(low, high, generator=generator)


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
        size: Of :func:`random_model`.
        truncation: Of the feature extractor; ``fusion`` makes a fusion model.
        padding: Of the feature extractor.
        seed: Of the weights.

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


def save_tokenizer(folder: Path) -> None:
    """Train a RoBERTa tokenizer on a few sentences and save it."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        _SENTENCES, vocab_size=500, min_frequency=1, special_tokens=_SPECIAL, show_progress=False
    )
    trained.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizerFast"}))
    RobertaTokenizerFast.from_pretrained(folder).save_pretrained(folder)


def signals(rate: int, seconds: float, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Test signals, ``(T,)`` float32 each; a pure tone leaves most mel bands at the floor, where rounding shows."""
    samples = round(rate * seconds)
    time = np.arange(samples) / rate
    noise = np.random.default_rng(seed).standard_normal(samples) * 0.1
    chirp = 0.3 * np.sin(2 * np.pi * (100 * time + 5900 * time**2 / (2 * seconds)))
    found = {
        "noise": noise,
        "chirp": chirp + 0.01 * noise,
        "tone 1 kHz": 0.5 * np.sin(2 * np.pi * 1000 * time),
        "noise, then silence": np.where(time < seconds / 2, noise, 0.0),
        "silence": np.zeros(samples),
        "noise 1 s": noise[:rate],
        "noise 5 s": noise[: 5 * rate],
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


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
    def embed_audio(self, waveform: np.ndarray) -> Tensor:
        """``(D,)``; the clip must fit the window, since longer ones are cropped at random."""
        inputs = self.extractor(waveform, sampling_rate=self.extractor.sampling_rate, return_tensors="pt")
        # A fusion extractor marks one short clip of every batch, at random, as a long one.
        is_longer = torch.zeros_like(torch.as_tensor(inputs["is_longer"]))
        return _pooled(self.model.get_audio_features(input_features=inputs["input_features"], is_longer=is_longer))[0]

    @torch.no_grad()
    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """``(P, D)``."""
        return _pooled(self.model.get_text_features(**self.tokenizer(list(prompts), padding=True, return_tensors="pt")))


def _pooled(output: Any) -> Tensor:
    """The embedding, which is a tensor in transformers 4 and part of an object in transformers 5."""
    return cast("Tensor", output if isinstance(output, Tensor) else output.pooler_output)


def gradient_error(model: SpectralModel, waveform: np.ndarray, *, directions: int = 3, seed: int = 0) -> float:
    """Greatest relative difference of the float32 gradient on the waveform from central differences in float64.

    Args:
        model: A model whose front end transforms in float64; it is turned to float64 meanwhile.
        waveform: ``(T,)``.
        directions: Random directions, tried one by one.
        seed: Of the directions and of the text embedding's stand-in.
    """
    generator = torch.Generator().manual_seed(seed)
    clip = torch.from_numpy(waveform)[None].requires_grad_()
    embedding = model.embed_audio(clip)
    target = torch.randn(embedding.shape[-1], generator=generator, dtype=torch.float64)
    gradient = torch.autograd.grad((embedding.double() @ target).sum(), clip)[0].double()
    front_end = model.front_end
    encoders = [module for module in model.modules() if module is not front_end]
    errors = []

    def score(x: Tensor) -> Tensor:
        return model.embed_audio(x)[0] @ target

    for encoder in encoders:
        encoder.double()
    # The front end hands over float32, whose rounding would drown differences as small as these.
    front_end.log = lambda mel: 10.0 * torch.log10(mel.clamp(min=front_end.spec.floor))  # type: ignore[method-assign]
    try:
        with torch.no_grad():
            for _ in range(directions):
                # Half along the gradient: in a purely random direction of 480,000 samples nearly all cancels.
                step = torch.randn(clip.shape, generator=generator, dtype=torch.float64)
                step = step / step.norm() + gradient / gradient.norm()
                ahead, behind = (score(clip.double() + sign * _STEP * step) for sign in (1.0, -1.0))
                numeric = float(ahead - behind) / (2 * _STEP)
                errors.append(abs(float((gradient * step).sum()) - numeric) / abs(numeric))
    finally:
        del front_end.log
        for encoder in encoders:
            encoder.float()
    return max(errors)


def rows(name: str, folder: Path | str) -> list[tuple[str, str, float]]:
    """Compare one checkpoint: ``(model, what, difference)``."""
    models: Registry[Any] = Registry("model", "zsxai.models")
    model = models.get("hf")(str(folder))
    reference = Reference(folder)
    spec = model.audio_spec
    found = []
    clips = signals(spec.sample_rate, spec.window)
    for signal, waveform in clips.items():
        with torch.no_grad():
            ours = model.embed_audio(torch.from_numpy(waveform)[None])[0]
        found.append((name, f"audio: {signal}", float((ours - reference.embed_audio(waveform)).abs().max())))
    with torch.no_grad():
        text = (model.embed_text(PROMPTS) - reference.embed_text(PROMPTS)).abs().max()
    found.append((name, f"text: {len(PROMPTS)} prompts", float(text)))
    found.append((name, "gradient (relative)", gradient_error(model, clips["noise"])))
    return found


def table(found: Sequence[tuple[str, str, float]]) -> Table:
    """The rows, printed."""
    import transformers

    out = Table(title=f"Parity with transformers {transformers.__version__}, torch {torch.__version__}")
    for column in ("model", "what", "greatest difference"):
        out.add_column(column)
    for name, what, difference in found:
        out.add_row(name, what, f"{difference:.1e}")
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m zsxai.benchmarks.parity", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="hf:<folder>", help="default: random tiny and full ones")
    named: list[str] = parser.parse_args(arguments).models
    with tempfile.TemporaryDirectory() as scratch:
        folders: dict[str, Path | str] = {}
        for model in named:
            kind, _, folder = model.partition(":")
            if kind != "hf" or not Path(folder).is_dir():
                parser.error(f"{model!r} is no 'hf:<folder>'")
            folders[model] = folder
        sizes: tuple[Literal["tiny", "full"], ...] = ("tiny", "full")
        for size in sizes if not named else ():
            folders[f"random, {size}"] = random_checkpoint(Path(scratch) / size, size)
        found = [row for name, folder in folders.items() for row in rows(name, folder)]
    Console().print(table(found))


if __name__ == "__main__":
    main()
