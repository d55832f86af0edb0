"""What is taken off embeddings before they are decomposed: nothing, means, or all but the axes that both sides share.

Recordings and texts lie in two cones of a CLAP space, far from each other in many models. ``none`` leaves that so.
``mean`` subtracts the mean of each side and makes the rows unit again, as SpLiCE does (arXiv 2402.10376, section 4.2).
``pls`` also keeps only the leading axes of the cross-covariance of recordings and their captions (PLS-SVD), after
COMET (arXiv 2605.29628): what recordings and texts vary in together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from zsxai.checks import whole_number
from zsxai.errors import InputError, unknown
from zsxai.files import as_path, whole_file
from zsxai.model import ZeroShotModel
from zsxai.names import printable

Kind = Literal["none", "mean", "pls"]
KINDS: tuple[Kind, ...] = get_args(Kind)
AUTO = "auto"
"""The model's own mean where it brings one, or else none."""
AXES = 48
"""Shared axes that are kept, fewer where the data has fewer."""
_FORMAT = 1
_ARRAYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "mean": ("audio_mean",),
    "pls": ("audio_mean", "text_mean", "audio_axes", "text_axes"),
}


@dataclass(frozen=True, eq=False)
class Centring:
    """How embeddings of one model are centred.

    Attributes:
        kind: ``none``, ``mean`` or ``pls``.
        model: Name of the model; empty for ``none``, which fits any.
        weights_sha256: Hash of its weights; None where it gives none.
        data: What the means were taken over, in words.
        data_sha256: Hash of the embeddings that they were taken over.
        arrays: ``audio_mean`` ``(D,)``; for ``pls`` also ``text_mean`` ``(D,)`` and ``audio_axes``, ``text_axes``
            ``(D, r)`` with orthonormal columns; float64 of what float32 holds.
    """

    kind: Kind
    model: str
    weights_sha256: str | None
    data: str
    data_sha256: str
    arrays: dict[str, Tensor]

    @property
    def card(self) -> dict[str, Any]:
        """Everything but the arrays, with their hash."""
        names = ("kind", "model", "weights_sha256", "data", "data_sha256")
        return {**{name: getattr(self, name) for name in names}, "sha256": self.sha256}

    @property
    def sha256(self) -> str:
        """Hash of the arrays."""
        found = hashlib.sha256(self.kind.encode())
        for name in _ARRAYS[self.kind]:
            found.update(self.arrays[name].float().contiguous().numpy().tobytes())
        return found.hexdigest()

    def check(self, model: ZeroShotModel) -> None:
        """See that it was made for a model.

        Raises:
            InputError: If it was made for another one.
        """
        if self.kind != "none" and not model.card.is_of(self.model, self.weights_sha256):
            raise InputError(
                f"the centring {self.kind!r} was made for {self.model} ({str(self.weights_sha256)[:12]}), not for "
                f"{model.card.name} ({str(model.card.weights_sha256)[:12]}): make one with zsxai centring, or use "
                "centring='none'"
            )

    def check_width(self, width: int, model: ZeroShotModel) -> None:
        """See that it fits embeddings of ``width`` numbers: a model that gives no hash is known by its name alone.

        Raises:
            InputError: If it does not.
        """
        own = {len(array) for array in self.arrays.values()}
        if own - {width}:
            raise InputError(
                f"the centring {self.kind!r} is of embeddings of {own.pop()} numbers, {model.card.name} gives {width}: "
                "it was made for another model"
            )

    def audio(self, embeddings: Tensor) -> Tensor:
        """Embeddings of recordings ``(B, D)`` as codes, unit rows ``(B, D)``, or ``(B, r)`` on shared axes."""
        rows = embeddings.detach().cpu().double()
        if self.kind == "none":
            return _unit(rows)
        rows = rows - self.arrays["audio_mean"]
        return _unit(rows @ self.arrays["audio_axes"] if self.kind == "pls" else rows)

    def text(self, embeddings: Tensor, mean: Tensor) -> Tensor:
        """Embeddings of texts likewise.

        Args:
            embeddings: ``(B, D)``.
            mean: ``(D,)`` mean of the vocabulary, which ``mean`` takes off, as SpLiCE does.
        """
        rows = embeddings.detach().cpu().double()
        if self.kind == "none":
            return _unit(rows)
        if self.kind == "mean":
            return _unit(rows - mean)
        return _unit((rows - self.arrays["text_mean"]) @ self.arrays["text_axes"])

    def restore(self, codes: Tensor) -> Tensor:
        """Codes of recordings as unit rows ``(B, D)`` of the model's own space (SpLiCE: the mean is put back)."""
        if self.kind == "none":
            return _unit(codes)
        rows = codes @ self.arrays["audio_axes"].T if self.kind == "pls" else codes
        return _unit(_unit(rows) + self.arrays["audio_mean"])

    def save(self, path: str | Path) -> Path:
        """Write one safetensors file, its card in the header; returns the path.

        Raises:
            InputError: If it cannot be written, or is ``none``, which needs no file.
        """
        from safetensors.torch import save

        if self.kind == "none":
            raise InputError("the centring 'none' has nothing to save")
        place = as_path(path)
        header = {"zsxai": json.dumps({"format": _FORMAT, **self.card})}
        with whole_file(place) as draft:
            arrays = {name: self.arrays[name].float().contiguous() for name in _ARRAYS[self.kind]}
            draft.write_bytes(save(arrays, metadata=header))
        return place


NONE = Centring("none", "", None, "", "", {})


def fit_centring(
    kind: Kind, model: ZeroShotModel, audio: Tensor, text: Tensor | None = None, *, data: str, axes: int = AXES
) -> Centring:
    """Take means, or shared axes, of recordings; never of those that are to be judged.

    Args:
        kind: ``mean`` or ``pls``.
        model: Whose embeddings they are.
        audio: ``(N, D)`` embeddings of recordings.
        text: ``(N, D)`` embeddings of their captions, row by row; ``pls`` needs them.
        data: What the recordings are, in words.
        axes: Shared axes to keep at most.

    Raises:
        InputError: If there are too few recordings, or no captions for ``pls``.
    """
    if kind not in KINDS:
        raise InputError(unknown("centring", kind, KINDS))
    if kind == "none":
        return NONE
    rows, axes = audio.detach().cpu().double(), whole_number(axes, "axes", 1)
    if len(rows) < 2:
        raise InputError(f"a centring is made from two recordings or more, not {len(rows)}")
    arrays, used = {"audio_mean": rows.mean(dim=0)}, [rows]
    if kind == "pls":
        if text is None or text.shape != rows.shape:
            raise InputError("the centring 'pls' needs a caption's embedding for every recording")
        captions = text.detach().cpu().double()
        arrays["text_mean"] = captions.mean(dim=0)
        left, values, right = torch.linalg.svd((rows - rows.mean(dim=0)).T @ (captions - captions.mean(dim=0)))
        kept = min(axes, int((values > 1e-8 * values[0]).sum()))
        arrays |= {"audio_axes": left[:, :kept].contiguous(), "text_axes": right[:kept].T.contiguous()}
        used.append(captions)
    digest = hashlib.sha256(b"".join(part.numpy().tobytes() for part in used)).hexdigest()
    # As they are saved, so that a saved centring gives the same figures.
    single = {name: array.float().double() for name, array in arrays.items()}
    return Centring(kind, model.card.name, model.card.weights_sha256, data, digest, single)


def find_centring(given: object, model: ZeroShotModel) -> Centring:
    """A centring by its kind, from a file, or as it is.

    Args:
        given: ``none``; ``mean`` or ``pls`` where the model brings one; ``auto``, its ``mean`` where it brings one and
            ``none`` otherwise; the path of a saved one; or a centring.
        model: The model that it is to fit.

    Raises:
        InputError: If there is none, or it was made for another model.
    """
    if isinstance(given, Centring):
        found = given
    elif isinstance(given, str) and given == "none":
        found = NONE
    elif isinstance(given, str) and given in (AUTO, *KINDS):
        wanted = "mean" if given == AUTO else given
        brought = [load_centring(path) for path in model.centrings]
        fitting = [c for c in brought if c.kind == wanted and c.weights_sha256 == model.card.weights_sha256]
        if not fitting and given == AUTO:
            return NONE
        if not fitting:
            raise InputError(
                f"{model.card.name} brings no centring {given!r}: make one with zsxai centring --model M "
                f"--data READER=DIR --kind {given} --out FILE, and give the file; or use 'none'"
            )
        found = fitting[0]
    elif isinstance(given, (str, Path)) and (Path(given).suffix or Path(given).is_file()):
        found = load_centring(as_path(given))
    else:
        raise InputError(
            f"{unknown('centring', str(given), (AUTO, *KINDS))} (or give a file that zsxai centring wrote)"
        )
    found.check(model)
    return found


def load_centring(path: Path) -> Centring:
    """Read what :meth:`Centring.save` wrote.

    Raises:
        InputError: If it is no such file, or was damaged.
    """
    from safetensors import SafetensorError, safe_open

    shown = printable(path)
    if not path.is_file():
        raise InputError(f"no centring at {shown}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {})["zsxai"])
            arrays = {name: file.get_tensor(name).double() for name in file.keys()}  # noqa: SIM118  # no mapping
        if card.pop("format") != _FORMAT or sorted(arrays) != sorted(_ARRAYS[card["kind"]]):
            raise ValueError("another format")
        digest = card.pop("sha256")
        found = Centring(arrays=arrays, **card)
        if found.sha256 != digest:
            raise ValueError("its hash differs")
    except (ValueError, KeyError, TypeError, SafetensorError, OSError) as error:
        raise InputError(f"{shown} holds no centring of zsxai: {printable(str(error))}") from error
    return found


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)
