"""Any object with a rate and two functions as a model, with what it gives checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn

from zsxai.errors import InputError, ZsxaiError, first_line, first_problem
from zsxai.model import AudioSpec, ModelCard, ZeroShotModel, check_rows, modules_held_by
from zsxai.names import printable
from zsxai.precision import rounding_of


@runtime_checkable
class BlackBoxLike(Protocol):
    """The least an object must have to be explained."""

    sample_rate: int

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        """``(B, T)`` to ``(B, D)``."""
        ...

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Prompts to ``(P, D)``."""
        ...


class BlackBox(ZeroShotModel):
    """Any object with ``sample_rate``, ``embed_audio`` and ``embed_text`` as a :class:`ZeroShotModel`.

    Args:
        inner: The object. Optional attributes ``window`` (seconds), ``logit_scale``, ``name``, ``templates`` and
            ``card`` (a :class:`ModelCard`) are taken over.

    Raises:
        InputError: If an attribute is not what it should be; :meth:`embed_audio` and :meth:`embed_text` also where the
            object raises an error or gives anything but one finite row of numbers for every clip and prompt.
    """

    def __init__(self, inner: BlackBoxLike) -> None:
        self.inner = inner
        name = getattr(inner, "name", None)
        card = getattr(inner, "card", None)
        plain = ModelCard(
            name=printable(type(inner).__name__ if name is None else str(name)),
            summary="A black box: no gradients, no feature maps.",
        )
        self.card = card if isinstance(card, ModelCard) else plain
        rate, window, scale = inner.sample_rate, getattr(inner, "window", None), getattr(inner, "logit_scale", None)
        try:
            self.audio_spec = AudioSpec(sample_rate=_number(rate), window=_number(window), fill="none")
        except ValidationError as error:
            raise InputError(f"{self.card.name}: {first_problem(error, AudioSpec.model_fields)}") from error
        self.logit_scale = _number(scale)
        if scale is not None and not (isinstance(self.logit_scale, (int, float)) and 0 < self.logit_scale <= 1e9):
            raise InputError(f"{self.card.name}: logit_scale is a number above 0, 1e9 at most, or None, not {scale!r}")
        self.templates = _check_templates(getattr(inner, "templates", None), self.card.name)
        self._coarsest = 0.0
        self._width = 0

    @property
    def rounding(self) -> float:
        """See :attr:`ZeroShotModel.rounding`: here of the embeddings that came back, too."""
        return max(super().rounding, self._coarsest)

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        """Embed by the inner object and make the rows unit."""
        # A copy, since the object may write into what it gets.
        return self._rows(self.inner.embed_audio, waveforms.clone(), "clips")

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Embed by the inner object and make the rows unit."""
        return self._rows(self.inner.embed_text, list(prompts), "prompts")

    def _rows(self, embed: Callable[[Any], Any], given: Any, what: str) -> Tensor:
        said = f"{embed.__name__} of {self.card.name}"
        try:
            found = embed(given)
        except ZsxaiError:
            raise
        except Exception as error:
            raise InputError(
                f"{said} failed on {len(given)} {what}: {type(error).__name__}: {first_line(error)}"
            ) from error
        rows = _as_tensor(found, said)
        self._coarsest = max(self._coarsest, rounding_of(rows.dtype))
        rows = rows if rows.is_floating_point() else rows.double()
        check_rows(rows, len(given), self.card.name, what)
        self._width = self._width or rows.shape[1]
        if rows.shape[1] != self._width:
            raise InputError(
                f"{self.card.name} gives {self._width} and {rows.shape[1]} numbers for clips and prompts: "
                "both embeddings have to lie in one space"
            )
        return _unit(rows).to(self.device)

    def modules(self) -> tuple[nn.Module, ...]:
        """The inner object, where it is a module itself, or the modules that it holds."""
        return tuple(modules_held_by(self.inner).values())


def _number(value: Any) -> Any:
    """A number of torch or numpy as Python's own, a whole one as an int; anything else as it is."""
    if isinstance(value, (Tensor, np.generic, np.ndarray)) and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _as_tensor(found: Any, said: str) -> Tensor:
    """What an object gave for a batch as a tensor on the CPU, in its own precision."""
    if isinstance(found, list) and found and all(isinstance(row, Tensor) for row in found):
        found = [row.detach().cpu().numpy() for row in found]
    if not isinstance(found, (Tensor, np.ndarray, list)):
        raise InputError(f"{said} gave a {type(found).__name__}: return an array of numbers, one row each")
    try:
        rows = _dense(found) if isinstance(found, Tensor) else torch.as_tensor(_plain_array(found))
    except Exception as error:  # of whatever kind of array the object has
        raise InputError(
            f"{said} gave a {type(found).__name__} that is no array of numbers: {first_line(error)}"
        ) from error
    if rows.is_complex() or rows.dtype == torch.bool:
        raise InputError(f"{said} gave numbers of type {rows.dtype}: return real ones")
    return rows


def _dense(rows: Tensor) -> Tensor:
    if rows.is_nested:
        raise TypeError("it is nested")
    plain = rows.dequantize() if rows.is_quantized else rows.detach()
    return (plain if plain.layout == torch.strided else plain.to_dense()).cpu()


def _plain_array(found: Any) -> NDArray[Any]:
    rows = np.asanyarray(found)
    if np.ma.is_masked(rows):
        raise TypeError("some of it is masked")
    return np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("="))


def _unit(rows: Tensor) -> Tensor:
    """Unit float32 rows; those whose length or squares float32 cannot hold are scaled first."""
    largest = rows.abs().amax(dim=1, keepdim=True)
    extreme = (largest > 0) & ((largest > 1e6) | (largest < 1e-6))
    scaled = torch.where(extreme, rows / torch.where(extreme, largest, torch.ones_like(largest)), rows)
    return nn.functional.normalize(scaled.float(), dim=-1)


def _check_templates(templates: Any, model: str) -> dict[str, tuple[str, ...]]:
    problem = f"{model}: templates is a mapping from names to lists of sentences, not {type(templates).__name__}"
    if templates is None:
        return {}
    if not isinstance(templates, Mapping) or any(isinstance(given, str) for given in templates.values()):
        raise InputError(problem)
    try:
        return {str(name): tuple(map(str, given)) for name, given in templates.items() if given}
    except TypeError as error:
        raise InputError(problem) from error


def as_model(obj: object) -> ZeroShotModel:
    """Take a :class:`ZeroShotModel` as it is and wrap a black box.

    Raises:
        InputError: If the object lacks what a model needs; the message names what is missing.
    """
    if isinstance(obj, type):
        raise InputError(f"{obj.__name__} is a class: give an object of it, {obj.__name__}(...)")
    if isinstance(obj, ZeroShotModel):
        return obj
    if isinstance(obj, BlackBoxLike):
        return BlackBox(obj)
    missing = [n for n in ("sample_rate", "embed_audio", "embed_text") if not hasattr(obj, n)]
    raise InputError(f"{type(obj).__name__} is no zero-shot model: it lacks {', '.join(missing)}")
