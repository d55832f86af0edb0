"""Weights are data: files read without running what they say, and hashed so that a figure can say what made it."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from zsxai.errors import InputError, first_line


def load_weights(file: Path) -> Any:
    """Read a file of weights: safetensors, or torch's pickle if it holds tensors, containers and numbers only.

    ``torch.load(weights_only=True)`` refuses the files that LAION published (pickle protocol 4, a numpy scalar);
    this reader takes them, and still calls nothing that a file names except what rebuilds tensors and numbers.

    Args:
        file: ``.safetensors``, or what ``torch.save`` wrote (a zip archive).

    Returns:
        What was saved, on the CPU.

    Raises:
        InputError: If the file is missing, is none of these, is damaged, or names anything else.
    """
    if not file.is_file():
        raise InputError(f"there is no file {str(file)!r}")
    try:
        return load_file(file) if file.suffix == ".safetensors" else _load_pickle(file)
    except InputError:
        raise
    except (pickle.UnpicklingError, SafetensorError) as error:
        raise InputError(f"cannot read {str(file)!r}: {first_line(error)}") from error
    # A damaged or crafted pickle may raise anything, and ask for any amount of memory.
    except Exception as error:
        raise InputError(f"{str(file)!r} is damaged: {type(error).__name__}: {first_line(error)}") from error


def _load_pickle(file: Path) -> Any:
    # torch looks at the first bytes for the kind of archive, and so does this: what else it would take (a tar, bare
    # pickles) is never reached.
    with file.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            raise InputError(f"{str(file)!r} is no file that torch.save wrote (torch 1.6 or newer), nor safetensors")
    # Asked of torch's own reader, as torch does: another one may see other members in a crafted archive.
    if "constants.pkl" in torch._C.PyTorchFileReader(str(file)).get_all_records():
        raise InputError(f"{str(file)!r} is a TorchScript program, not weights: save its state_dict instead")
    # torch types what it takes here as a module; it calls two names of it.
    tensors_only: Any = SimpleNamespace(__name__="zsxai.weights", Unpickler=_Unpickler, load=_refuse_load)
    with _our_unpickler():
        return torch.load(file, map_location="cpu", pickle_module=tensors_only, weights_only=False)


@contextmanager
def _our_unpickler() -> Iterator[None]:
    """Lift ``TORCH_FORCE_WEIGHTS_ONLY_LOAD``: it forbids all unpicklers but torch's, stricter ones too."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    forced = os.environ.pop(name, None)
    try:
        yield
    finally:
        if forced is not None:
            os.environ[name] = forced


def hash_files(files: Sequence[Path]) -> str:
    """SHA-256 of a file; of the concatenated digests where the weights lie in several."""
    digests = []
    for file in files:
        with file.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def hash_tensors(model: nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of the sorted state."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _number(dtype: np.dtype[Any], data: bytes = b"") -> Any:
    """What numpy's own rebuilder does, for numbers only: it would hand on any object."""
    if dtype.kind not in "biufc" or len(data) != dtype.itemsize:
        raise pickle.UnpicklingError(f"a numpy scalar of type {dtype} is no number")
    return np.frombuffer(data, dtype)[0]


def _latin1(text: str, encoding: str) -> bytes:
    """How pickle protocol 2 writes bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes are written as latin1, not {encoding!r}")
    return text.encode("latin-1")


class _Sealed:
    """A call that a pickle may make. A bare function it might change as well, for the whole process (BUILD)."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, _state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function, which weights do not need: it is refused")


_ADMITTED: dict[tuple[str, str], Any] = {
    # Classes written in C, which nobody can change.
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): torch.Size,
    ("numpy", "dtype"): np.dtype,
    ("torch._utils", "_rebuild_tensor_v2"): _Sealed(torch._utils._rebuild_tensor_v2),
    ("torch._utils", "_rebuild_parameter"): _Sealed(torch._utils._rebuild_parameter),
    ("numpy.core.multiarray", "scalar"): _Sealed(_number),
    ("numpy._core.multiarray", "scalar"): _Sealed(_number),
    ("_codecs", "encode"): _Sealed(_latin1),
}


class _Unpickler(pickle.Unpickler):
    """Admits what rebuilds tensors and numbers. Storages never come here: torch resolves their names itself."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which weights do not need: pickle can run code, so it is refused"
            ) from None


def _refuse_load(*_arguments: Any, **_options: Any) -> Any:
    """Torch calls it for files of before 1.6 alone."""
    raise pickle.UnpicklingError("it was written by a torch older than 1.6")


def tensors_of(saved: Any, name: str, model: str, *, inside: str | None = None) -> dict[str, torch.Tensor]:
    """The state dict in what a file of weights holds.

    Args:
        saved: From :func:`load_weights`.
        name: Name of the file, for errors.
        model: What it should be a checkpoint of, for errors.
        inside: Key under which training keeps the state dict; one without it is taken as it is.

    Raises:
        InputError: If there is no mapping from names to tensors.
    """
    found = saved.get(inside, saved) if isinstance(saved, dict) else None
    if not isinstance(found, dict) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in found.items()
    ):
        raise InputError(
            f"{name} is no file of weights and no {model} checkpoint: it shall hold tensors by name and nothing else"
        )
    return dict(found)
