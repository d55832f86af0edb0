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
