"""Checkpoints that adapters and the libraries they belong to both load: random ones of every backend, and users'."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray
from torch import Tensor

from zsxai.benchmarks.measure.libraries import hf, laion, msclap
from zsxai.errors import InputError
from zsxai.weights import load_weights, tensors_of

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


@contextmanager
def random_checkpoint(backend: str, full: bool) -> Iterator[Checkpoint]:
    """Within, a random checkpoint of a backend lies on the disk."""
    with tempfile.TemporaryDirectory() as scratch:
        yield BACKENDS[backend](Path(scratch), "full" if full else "tiny")


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
