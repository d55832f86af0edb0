"""The type of numbers that the networks of a model compute in.

Front end, masks, embeddings and scores are float32 whatever it is: a :class:`~zsxai.model.SpectralModel` casts what
enters its networks to the type of their weights, and gives float32 embeddings back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zsxai.errors import InputError, unknown

if TYPE_CHECKING:
    from zsxai.model import ZeroShotModel

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def find_dtype(dtype: object) -> torch.dtype | None:
    """The type that a name or a ``torch.dtype`` means; None, a model's own, stays None.

    Raises:
        InputError: If it is neither float32 nor bfloat16.
    """
    if dtype is None:
        return None
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(unknown("dtype", name, list(DTYPES)))
    return DTYPES[name]


def rounding_of(dtype: torch.dtype) -> float:
    """Relative rounding of a type of numbers; 0 of whole ones."""
    return torch.finfo(dtype).eps if dtype.is_floating_point else 0.0


def dtype_of(model: ZeroShotModel) -> torch.dtype | None:
    """The coarsest type of a model's weights; None where it shows no weights."""
    weights = (p for root in model.modules() for p in root.parameters() if p.is_floating_point())
    return max({p.dtype for p in weights}, key=rounding_of, default=None)


def dtype_name(model: ZeroShotModel) -> str | None:
    """:func:`dtype_of` as a word."""
    found = dtype_of(model)
    return None if found is None else str(found).removeprefix("torch.")


def compute_in(model: ZeroShotModel, dtype: torch.dtype | None) -> None:
    """Have the networks of a model that was just loaded compute in a type.

    Args:
        model: The model; its weights are cast in place, its front end is not.
        dtype: The type; None leaves the model as it is.

    Raises:
        InputError: If it is a black box, whose numbers are its own affair.
    """
    from zsxai.model import SpectralModel

    if dtype in (None, dtype_of(model) or torch.float32):
        return
    if not isinstance(model, SpectralModel):
        raise InputError(f"{model.card.name} is a black box and computes as it likes: leave dtype out")
    for module in model.modules():
        if module is not model.front_end:
            module.to(dtype)
