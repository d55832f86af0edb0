"""How exactly CLAP libraries are reproduced: ``python -m zsxai.benchmarks.measure.parity [NAME ...]``.

Each checkpoint is loaded by its adapter and, from the same file, by the library that it belongs to. The table gives the
greatest absolute difference of unit embeddings from the library's own call, and the greatest relative difference
between the gradient on the waveform and central differences in float64. Without names it takes random checkpoints of
every backend, saved as users' checkpoints are, of small sizes and with ``--full`` of the published ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

import zsxai
from zsxai.audio import read_audio
from zsxai.benchmarks.measure.checkpoints import BACKENDS, Checkpoint, Library, named_checkpoint, random_checkpoint
from zsxai.benchmarks.measure.frame import AsJson, Full, Only, Table, app, measure_each, show
from zsxai.benchmarks.measure.libraries.tokens import PROMPTS
from zsxai.errors import InputError
from zsxai.model import SpectralModel
from zsxai.recording import split
from zsxai.spectral import FrontEnd
from zsxai.versions import versions

LIMITS = {"audio": 1e-5, "file": 1e-5, "text": 1e-5, "gradient": 1e-4, "GradCAM": 1e-5}
"""By the first word of a row; ``hf`` may differ by 1e-4 in audio: its own front end is numpy's."""
# Short, so that hardly a ReLU of millions turns within it; in float64 the difference keeps nine digits.
_STEP = 1e-6


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: Such as ``audio: silence``.
        difference: Greatest absolute difference of unit embeddings; relative for a gradient.
        limit: What it must stay within.
    """

    what: str
    difference: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether it stays within; what is not a number does not."""
        return self.difference <= self.limit


def signals(rate: int, seconds: float, *, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Test signals, ``(T,)`` float32 each; a pure tone leaves most mel bands at the floor, where rounding shows."""
    time = np.arange(round(rate * seconds)) / rate
    noise = _noise(rate, seconds, seed)
    chirp = 0.3 * np.sin(2 * np.pi * (100 * time + 5900 * time**2 / (2 * seconds)))
    by_name = {
        "noise": noise,
        "chirp": chirp + 0.01 * noise,
        "tone 1 kHz": 0.5 * np.sin(2 * np.pi * 1000 * time),
        "noise, then silence": np.where(time < seconds / 2, noise, 0.0),
        "silence": np.zeros(len(time)),
        "noise 1 s": noise[:rate],
        "noise 5 s": noise[: 5 * rate],
    }
    return {name: values.astype(np.float32) for name, values in by_name.items()}


def _noise(rate: int, seconds: float, seed: int = 0) -> NDArray[Any]:
    values: NDArray[Any] = np.random.default_rng(seed).standard_normal(round(rate * seconds)) * 0.1
    return values


def gradient_error(model: SpectralModel, waveform: NDArray[Any], *, directions: int = 3, seed: int = 0) -> float:
    """Greatest relative difference of the float32 gradient on the waveform from central differences in float64.

    Args:
        model: It is turned to float64 meanwhile, front end and all.
        waveform: ``(T,)``.
        directions: Random directions, tried one by one.
        seed: Seed of the directions and of the text embedding's stand-in.
    """
    generator = torch.Generator().manual_seed(seed)
    clip = torch.from_numpy(waveform)[None].requires_grad_()
    embedding = model.embed_audio(clip)
    target = torch.randn(embedding.shape[-1], generator=generator, dtype=torch.float64)
    gradient = torch.autograd.grad((embedding.double() @ target).sum(), clip)[0].double()
    own = model.front_end
    encoders = [module for module in model.modules() if module is not own]
    exact = FrontEnd(own.spec.model_copy(update={"precision": "float64"}))
    # A front end hands over float32, whose rounding would drown differences as small as these.
    exact.log = lambda mel: 10.0 * torch.log10(mel.clamp(min=own.spec.floor))  # type: ignore[method-assign]
    errors = []

    def score(x: Tensor) -> Tensor:
        return model.embed_audio(x)[0] @ target

    model.front_end = exact
    for encoder in encoders:
        encoder.double()
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
        model.front_end = own
        for encoder in encoders:
            encoder.float()
    return max(errors)


def compare(checkpoint: Checkpoint) -> Iterator[Row]:
    """Compare a checkpoint with its library, and with its twin.

    Raises:
        InputError: If the checkpoint does not load, here or in its library.
    """
    model = zsxai.load_model(checkpoint.name, **checkpoint.options)
    if not isinstance(model, SpectralModel):
        raise InputError(f"{checkpoint.name} is a black box: it has no library to compare with")
    library = _load_library(checkpoint)
    rate, window = model.sample_rate, model.audio_spec.window_samples
    clips = signals(rate, model.audio_spec.window or 10)
    longer = {f"noise {seconds} s": _noise(rate, seconds).astype(np.float32) for seconds in (10, 25)}
    for signal, waveform in (clips | longer).items():
        # Libraries crop at random what is longer than their window: every window is compared by itself.
        cuts = [waveform[a:b] for a, b in split(len(waveform), window, 0.5, model.front_end.spec.hop)]
        worst = max(_difference(_embed(model, cut), library.embed_audio(cut)) for cut in cuts)
        yield _row(checkpoint, f"audio: {signal}", worst)
    with tempfile.TemporaryDirectory() as scratch:
        for channels, name in ((1, "mono"), (2, "stereo")):
            for hertz in (44100, 48000):
                file = _write_noise(Path(scratch) / "recording.wav", channels, hertz)
                ours = _embed(model, read_audio(file).at(rate))
                what = f"file: {name}, {hertz / 1000:g} kHz"
                yield _row(checkpoint, what, _difference(ours, library.embed_file(file)))
    with torch.no_grad():
        ours = model.embed_text(PROMPTS)
    yield _row(checkpoint, f"text: {len(PROMPTS)} prompts", _difference(ours, library.embed_text(PROMPTS)))
    if checkpoint.twin is not None:
        yield from _compare_twin(checkpoint, model, clips["chirp"])
    yield _row(checkpoint, "gradient (relative)", gradient_error(model, clips["noise"]))


def _load_library(checkpoint: Checkpoint) -> Library:
    """Its own library on it, which may be missing, and which knows fewer kinds of files and sizes than the adapter."""
    try:
        return checkpoint.library()
    except InputError:
        raise
    except (ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(
            f"{checkpoint.name}: its own library does not load it: {type(error).__name__}: {line}"
        ) from error


def _compare_twin(checkpoint: Checkpoint, model: SpectralModel, clip: NDArray[Any]) -> Iterator[Row]:
    """The same weights through other classes: an embedding, and GradCAM's raw map relative to its own span."""
    other = zsxai.load_model(checkpoint.name, **{**checkpoint.options, **(checkpoint.twin or {})})
    yield _row(checkpoint, "audio: chirp, other classes", _difference(_embed(model, clip), _embed(other, clip)))
    one, two = (
        zsxai.explain(clip, PROMPTS[0], sample_rate=model.sample_rate, model=m, explainer="gradcam").relevance
        for m in (model, other)
    )
    span = float(np.abs(one).max())
    yield _row(checkpoint, "GradCAM, other classes (relative)", float(np.abs(one - two).max()) / span)


def _row(checkpoint: Checkpoint, what: str, difference: float) -> Row:
    kind = what.partition(" ")[0].rstrip(":,")
    limit = 1e-4 if kind in ("audio", "file") and checkpoint.name.startswith("hf:") else LIMITS[kind]
    return Row(what, difference, limit)


def _write_noise(file: Path, channels: int, rate: int) -> Path:
    """Three seconds of noise, another in every channel; float32, so that reading it rounds nothing."""
    soundfile.write(file, np.stack([_noise(rate, 3, seed) for seed in range(channels)], axis=1), rate, subtype="FLOAT")
    return file


@torch.no_grad()
def _embed(model: Any, waveform: NDArray[Any]) -> Tensor:
    embedding: Tensor = model.embed_audio(torch.from_numpy(waveform)[None])[0]
    return embedding


def _difference(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max())


def parity(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: random checkpoints.")] = None,
    full: Full = False,
    only: Only = None,
    tokenizer: Annotated[str | None, typer.Option(help="Folder of the tokenizer, for NAME.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare models with the libraries that they come from."""

    def compare_named(name: str) -> list[Row]:
        return list(compare(named_checkpoint(name, tokenizer)))

    def compare_random(backend: str) -> list[Row]:
        with random_checkpoint(backend, full) as checkpoint:
            return list(compare(checkpoint))

    one = compare_named if names else compare_random
    try:
        rows = measure_each({name: partial(one, name) for name in names or BACKENDS}, only, _summary)
    except ModuleNotFoundError as error:
        raise InputError(f"{error}: pip install -e '.[hf,laion,msclap]', or give --only hf") from error
    made_by = versions() | {name: _version(name) for name in ("transformers", "laion-clap", "msclap")}
    records = {name: [{**asdict(row), "met": row.met} for row in of_one] for name, of_one in rows.items()}
    met = all(row.met for of_one in rows.values() for row in of_one)
    show(_table(rows, made_by), {"versions": made_by, "rows": records}, as_json, met=met)


def _summary(rows: Sequence[Row]) -> str:
    missed = [row.what for row in rows if not row.met]
    return f"over the limit: {', '.join(missed)}" if missed else "within all limits"


def _table(rows: Mapping[str, Sequence[Row]], context: Mapping[str, str]) -> Table:
    """A column for every checkpoint; what exceeds its limit is marked."""
    cells = {
        name: {row.what: f"{row.difference:.0e}{'' if row.met else ' !'}" for row in of_one}
        for name, of_one in rows.items()
    }
    whats = dict.fromkeys(what for of_one in cells.values() for what in of_one)
    lines = [[what, *(of_one.get(what, "") for of_one in cells.values())] for what in whats]
    return Table(("greatest difference", *rows), lines, context)


def _version(package: str) -> str:
    try:
        return package_version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    app(parity)()
