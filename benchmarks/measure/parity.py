"""How exactly CLAP libraries are reproduced: ``python -m zsxai.benchmarks.measure.parity [NAME ...]``.

Each checkpoint is loaded by its adapter and, from the same file, by the library that it belongs to. The table gives the
greatest absolute difference of unit embeddings from the library's own call, and the greatest relative difference
between the gradient on the waveform and central differences in float64. Without names it takes random checkpoints of
every backend, saved as users' checkpoints are, of small sizes and with ``--full`` of the published ones.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import soundfile
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

import zsxai
from zsxai.audio import read_audio
from zsxai.benchmarks.measure.libraries import hf, laion, msclap
from zsxai.benchmarks.measure.libraries.tokens import PROMPTS
from zsxai.errors import InputError
from zsxai.model import SpectralModel
from zsxai.recording import split
from zsxai.spectral import FrontEnd
from zsxai.versions import versions
from zsxai.weights import load_weights, tensors_of

LIMITS = {"audio": 1e-5, "file": 1e-5, "text": 1e-5, "gradient": 1e-4, "GradCAM": 1e-5}
"""By the first word of a row; ``hf`` may differ by 1e-4 in audio: its own front end is numpy's."""
# Short, so that hardly a ReLU of millions turns within it; in float64 the difference keeps nine digits.
_STEP = 1e-6
# Of the embeddings of both published versions of MS-CLAP.
_WIDTH = 1024

Size = Literal["tiny", "full"]


class Library(Protocol):
    """A library's own calls on a checkpoint."""

    def embed_audio(self, waveform: NDArray[Any]) -> Tensor:
        """``(T,)`` at the model's rate, at most one window, to ``(D,)``."""
        ...

    def embed_file(self, file: Path) -> Tensor:
        """A recording, read as the library reads it, to ``(D,)``."""
        ...

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """``(P, D)``."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, and who else can run it.

    Attributes:
        name: What ``zsxai.load_model`` takes.
        library: Loads it as its own library does.
        options: For ``zsxai.load_model``.
        twin: Options under which ``zsxai.load_model`` runs it through other classes, or None.
    """

    name: str
    library: Callable[[], Library]
    options: Mapping[str, Any] = field(default_factory=dict)
    twin: Mapping[str, Any] | None = None


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
    found = {
        "noise": noise,
        "chirp": chirp + 0.01 * noise,
        "tone 1 kHz": 0.5 * np.sin(2 * np.pi * 1000 * time),
        "noise, then silence": np.where(time < seconds / 2, noise, 0.0),
        "silence": np.zeros(len(time)),
        "noise 1 s": noise[:rate],
        "noise 5 s": noise[: 5 * rate],
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def _noise(rate: int, seconds: float, seed: int = 0) -> NDArray[Any]:
    drawn: NDArray[Any] = np.random.default_rng(seed).standard_normal(round(rate * seconds)) * 0.1
    return drawn


def gradient_error(model: SpectralModel, waveform: NDArray[Any], *, directions: int = 3, seed: int = 0) -> float:
    """Greatest relative difference of the float32 gradient on the waveform from central differences in float64.

    Args:
        model: It is turned to float64 meanwhile, front end and all.
        waveform: ``(T,)``.
        directions: Random directions, tried one by one.
        seed: Of the directions and of the text embedding's stand-in.
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


def rows(checkpoint: Checkpoint) -> Iterator[Row]:
    """Compare a checkpoint with its library, and with its twin.

    Raises:
        InputError: If the checkpoint does not load, here or in its library.
    """
    model = zsxai.load_model(checkpoint.name, **checkpoint.options)
    if not isinstance(model, SpectralModel):
        raise InputError(f"{checkpoint.name} is a black box: it has no library to compare with")
    library = _library(checkpoint)
    rate, window = model.sample_rate, model.audio_spec.window_samples
    clips = signals(rate, model.audio_spec.window or 10)
    longer = {f"noise {seconds} s": _noise(rate, seconds).astype(np.float32) for seconds in (10, 25)}
    for signal, waveform in (clips | longer).items():
        # Libraries crop at random what is longer than their window: every window is compared by itself.
        cuts = [waveform[a:b] for a, b in split(len(waveform), window, 0.5, model.front_end.spec.hop)]
        worst = max(_apart(_embed(model, cut), library.embed_audio(cut)) for cut in cuts)
        yield _row(checkpoint, f"audio: {signal}", worst)
    with tempfile.TemporaryDirectory() as scratch:
        for channels, name in ((1, "mono"), (2, "stereo")):
            for hertz in (44100, 48000):
                file = _recording(Path(scratch) / "recording.wav", channels, hertz)
                ours = _embed(model, read_audio(file).at(rate))
                what = f"file: {name}, {hertz / 1000:g} kHz"
                yield _row(checkpoint, what, _apart(ours, library.embed_file(file)))
    with torch.no_grad():
        ours = model.embed_text(PROMPTS)
    yield _row(checkpoint, f"text: {len(PROMPTS)} prompts", _apart(ours, library.embed_text(PROMPTS)))
    if checkpoint.twin is not None:
        yield from _twin_rows(checkpoint, model, clips["chirp"])
    yield _row(checkpoint, "gradient (relative)", gradient_error(model, clips["noise"]))


def _library(checkpoint: Checkpoint) -> Library:
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


def _twin_rows(checkpoint: Checkpoint, model: SpectralModel, clip: NDArray[Any]) -> Iterator[Row]:
    """The same weights through other classes: an embedding, and GradCAM's raw map relative to its own span."""
    other = zsxai.load_model(checkpoint.name, **{**checkpoint.options, **(checkpoint.twin or {})})
    yield _row(checkpoint, "audio: chirp, other classes", _apart(_embed(model, clip), _embed(other, clip)))
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


def _recording(file: Path, channels: int, rate: int) -> Path:
    """Three seconds of noise, another in every channel; float32, so that reading it rounds nothing."""
    soundfile.write(file, np.stack([_noise(rate, 3, seed) for seed in range(channels)], axis=1), rate, subtype="FLOAT")
    return file


@torch.no_grad()
def _embed(model: Any, waveform: NDArray[Any]) -> Tensor:
    found: Tensor = model.embed_audio(torch.from_numpy(waveform)[None])[0]
    return found


def _apart(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max())


def _hf(folder: Path, size: Size, truncation: str = "rand_trunc") -> Checkpoint:
    saved = hf.random_checkpoint(folder, size, truncation=truncation)
    return Checkpoint(f"hf:{saved}", partial(hf.Reference, saved))


def _laion(folder: Path, size: Size, classes: str = "hf", twin: str | None = None, fusion: bool = False) -> Checkpoint:
    saved = laion.random_checkpoint(folder / "laion.pt", size, fusion=fusion)
    other = None if twin is None else {"classes": twin}
    return Checkpoint(f"laion:{saved}", partial(laion.Reference, saved), {"classes": classes}, other)


def _msclap(folder: Path, size: Size, version: msclap.Version) -> Checkpoint:
    saved = msclap.random_checkpoint(folder / "msclap.pth", version, size)
    return Checkpoint(f"msclap-{version}:{saved}", partial(msclap.Reference, saved, version, size))


BACKENDS: dict[str, Callable[[Path, Size], Checkpoint]] = {
    "hf": _hf,
    "hf, fused": partial(_hf, truncation="fusion"),
    "laion": partial(_laion, twin="laion"),
    "laion, own classes": partial(_laion, classes="laion", twin="hf"),
    "laion, fused": partial(_laion, fusion=True),
    "msclap-2022": partial(_msclap, version="2022"),
    "msclap-2023": partial(_msclap, version="2023"),
}
"""Save a random checkpoint in a folder: small, or of the published size (about 0.7 GB)."""


def named_checkpoint(name: str, tokenizer: str | None) -> Checkpoint:
    """A checkpoint of the user's.

    Raises:
        InputError: If the name has no library here.
    """
    kind, _, where = name.partition(":")
    path, options = Path(where).expanduser(), {} if tokenizer is None else {"tokenizer": tokenizer}
    if kind not in ("hf", "laion", "msclap-2022", "msclap-2023") or not where or not path.exists():
        raise InputError(
            f"{name!r} is no hf:<folder>, laion:<file>, msclap-2022:<file> or msclap-2023:<file> on this machine"
        )
    if kind == "hf":
        return Checkpoint(name, partial(hf.Reference, path), options)
    if kind == "laion":
        state = tensors_of(load_weights(path), name, "LAION-CLAP", inside="state_dict")
        fused = any("fusion_model" in key for key in state)
        twin = None if fused else {"classes": "laion"}
        return Checkpoint(name, partial(laion.Reference, path, tokenizer), options, twin)
    version: Any = kind.removeprefix("msclap-")
    state = tensors_of(load_weights(path), name, f"MS-CLAP {version}", inside="model")
    projection = state.get("audio_encoder.projection.linear1.weight")
    size: Size = "full" if projection is None or len(projection) == _WIDTH else "tiny"
    return Checkpoint(name, partial(msclap.Reference, path, version, size, tokenizer), options)


def table(found: Mapping[str, Sequence[Row]]) -> Table:
    """A column for every checkpoint; what exceeds its limit is marked."""
    out = Table(caption=", ".join(f"{key} {value}" for key, value in _made_by().items()))
    out.add_column("greatest difference", no_wrap=True)
    for name in found:
        out.add_column(name, justify="right")
    by_name = {name: {row.what: row for row in rows} for name, rows in found.items()}
    for what in dict.fromkeys(row.what for rows in found.values() for row in rows):
        cells = [by_name[name].get(what) for name in found]
        out.add_row(what, *("" if row is None else f"{row.difference:.0e}{'' if row.met else ' !'}" for row in cells))
    return out


def _made_by() -> dict[str, str]:
    libraries = ("transformers", "laion-clap", "msclap")
    return versions() | {name: _version(name) for name in libraries}


def _version(package: str) -> str:
    try:
        return package_version(package)
    except PackageNotFoundError:
        return "not installed"


def parity(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: random checkpoints.")] = None,
    full: Annotated[bool, typer.Option(help="Random checkpoints of the published sizes.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only backends whose name contains this; repeatable.")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Folder of the tokenizer, for NAME.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Compare models with the libraries that they come from."""
    for part in only or ():
        if not any(part in name for name in BACKENDS):
            raise typer.BadParameter(f"--only {part!r} is in none of the backends {'; '.join(BACKENDS)}")
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            found = {name: list(rows(named_checkpoint(name, tokenizer))) for name in names or ()}
            for name, save in BACKENDS.items() if not names else ():
                if not only or any(part in name for part in only):
                    with progress.status(name):
                        found[name] = list(rows(save(Path(scratch) / name, "full" if full else "tiny")))
        except ModuleNotFoundError as error:
            raise typer.BadParameter(f"{error}: pip install 'zsxai[hf,laion,msclap]', or give --only hf") from error
        except InputError as error:
            raise typer.BadParameter(str(error)) from error
    if as_json:
        records = {name: [{**asdict(row), "met": row.met} for row in rows] for name, rows in found.items()}
        typer.echo(json.dumps({"versions": _made_by(), "rows": records}, indent=2))
    else:
        wide = Console()
        wide.width = max(wide.width, 40 + 12 * len(found))
        wide.print(table(found))
    if not all(row.met for rows in found.values() for row in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(parity)
