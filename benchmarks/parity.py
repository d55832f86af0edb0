"""How exactly an ``hf:`` checkpoint is reproduced: ``python -m zsxai.benchmarks.parity [hf:<folder> ...]``.

Each model is loaded by the adapter and, from the same files, by transformers' own ``ClapFeatureExtractor`` and
``ClapModel``. The table gives the greatest absolute difference of unit embeddings, and the greatest relative
difference between the gradient on the waveform and central differences in float64. Without arguments, it takes
random checkpoints of a tiny and of the full configuration, saved as users' checkpoints are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from zsxai.benchmarks.libraries.hf import Reference, random_checkpoint
from zsxai.benchmarks.libraries.tokens import PROMPTS
from zsxai.model import SpectralModel
from zsxai.registry import Registry

_STEP = 1e-4


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
