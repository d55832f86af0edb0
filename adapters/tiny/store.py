"""Weights on disk: safetensors and a manifest of hashes; nothing else is read, nothing is executed."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.torch import load, save
from torch import Tensor, nn

from zsxai.errors import InputError

AUDIO, TEXT, VOCABULARY, MANIFEST = "audio.safetensors", "text.safetensors", "vocab.txt", "manifest.json"
CLIPS = "clips.csv"
"""Recordings that the weights were trained on, with their authors."""
BANK = Path(__file__).parent / "weights" / "mel_bank.safetensors"
"""The mel bank of ``FRONT_END``, librosa's in float32: with it, explaining imports no librosa. Of any weights."""
_BANK_SHA256 = "55fe5e2f67db3369589124ba1f713d4e0821e503769ea53bf4854c460d5f3db6"
_SCALE = ".scale"
"""Suffix of the row scales of an int8 matrix."""


def packed(state: Mapping[str, Tensor], *, rows: bool) -> dict[str, Tensor]:
    """Make tensors small: matrices and kernels float16, or int8 with one scale a row; vectors stay float32.

    Args:
        state: Tensors by name.
        rows: True for int8 rows.
    """
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        value = tensor.detach().float().contiguous()
        if value.ndim < 2:
            out[name] = value
        elif rows:
            scale = (value.abs().amax(dim=1, keepdim=True) / 127).clamp(min=1e-12)
            out[name] = (value / scale).round().to(torch.int8)
            out[name + _SCALE] = scale[:, 0]
        else:
            out[name] = value.half()
    return out


def unpacked(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo :func:`packed`, float32."""
    out: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(_SCALE):
            continue
        scale = stored.get(name + _SCALE)
        out[name] = tensor.float() if scale is None else tensor.float() * scale[:, None]
    return out


def packed_text(text: nn.Module, centre: Tensor) -> bytes:
    """The file of a text side: its tower, and ``(D,)`` the mean of the caption embeddings."""
    return save(packed(text.state_dict(), rows=True) | {"centre": centre.float().contiguous()})


def write_weights(folder: Path, audio: nn.Module, text: bytes, vocabulary: bytes, notes: Mapping[str, Any]) -> None:
    """Write a weights folder.

    Args:
        folder: Made where it is absent; its weight files are replaced.
        audio: The audio encoder.
        text: Content of ``text.safetensors``, from :func:`packed_text` or another weights folder.
        vocabulary: Content of ``vocab.txt``.
        notes: How the weights were made; kept in the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Batch norm counts its batches; nothing uses the count.
    state = {k: v for k, v in audio.state_dict().items() if not k.endswith("num_batches_tracked")}
    files = {AUDIO: save(packed(state, rows=False)), TEXT: text, VOCABULARY: vocabulary}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    hashes = {name: _sha256(content) for name, content in files.items()}
    manifest = {"format": 1, "sha256": hashes, "notes": dict(notes)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def read_verified(folder: Path, beside: Path | None = None) -> dict[str, bytes]:
    """Read the files of a weights folder, each held against the manifest.

    Args:
        folder: Holds the manifest.
        beside: Another weights folder, for the files that the first leaves to it.

    Raises:
        InputError: If a file is missing or is not what the manifest says.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        hashes = {name: str(manifest["sha256"][name]) for name in (AUDIO, TEXT, VOCABULARY)}
    except OSError:
        raise InputError(f"no weights of tiny at {folder}: {MANIFEST} is missing") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{folder / MANIFEST} is no manifest of tiny's weights") from None
    places = {name: folder if beside is None or (folder / name).exists() else beside for name in hashes}
    return {name: _verified(places[name] / name, wanted) for name, wanted in hashes.items()}


def read_bank() -> NDArray[Any]:
    """The bundled mel bank, ``(n_mels, n_fft // 2 + 1)`` float32.

    Raises:
        InputError: If its file is missing or corrupt.
    """
    bank: NDArray[Any] = load_arrays(_verified(BANK, _BANK_SHA256))["bank"]
    return bank


def _verified(file: Path, wanted: str) -> bytes:
    """The content of a file, which must have a SHA-256."""
    try:
        content = file.read_bytes()
    except OSError:
        raise InputError(f"the weights of tiny at {file.parent} lack {file.name}; install again") from None
    found = _sha256(content)
    if found != wanted:
        raise InputError(f"{file} is corrupt (sha256 {found[:12]}..., not {wanted[:12]}...); install again")
    return content


def manifest_of(folder: Path) -> tuple[str, dict[str, Any]]:
    """The hash of the manifest, which pins every weight file, and its notes."""
    content = (folder / MANIFEST).read_bytes()
    return _sha256(content), dict(json.loads(content).get("notes", {}))


def read_classes(folder: Path) -> tuple[str, ...]:
    """Names of the sounds that weights were trained on, from the list of clips beside them; none without a list."""
    try:
        with (folder / CLIPS).open(encoding="utf-8", newline="") as file:
            return tuple(sorted({row["category"] for row in csv.DictReader(file)}))
    except (OSError, KeyError):
        return ()


def fill_module(module: nn.Module, content: bytes, *, also: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Load stored tensors into a module.

    Args:
        module: Takes every tensor by its name.
        content: A safetensors file.
        also: Names of tensors that are not the module's.

    Returns:
        The tensors named by ``also``.

    Raises:
        InputError: If a tensor is missing, left over or of another shape.
    """
    state = unpacked(load(content))
    try:
        extra = {name: state.pop(name) for name in also}
    except KeyError as error:
        raise InputError(f"the weights of tiny lack the tensor {error.args[0]}") from None
    own = module.state_dict()
    counters = {k for k in own if k.endswith("num_batches_tracked")}
    wrong = sorted((set(own) - counters) ^ set(state))
    wrong += sorted(k for k in set(own) & set(state) if own[k].shape != state[k].shape)
    if wrong:
        raise InputError(f"the weights of tiny do not fit its network: {', '.join(wrong[:4])}")
    module.load_state_dict(state | {k: own[k] for k in counters}, strict=True)
    return extra


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
