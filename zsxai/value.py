"""What a value of this library is: frozen, typed, finite, and known by its own names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

_INHERITED = frozenset(dir(BaseModel))


class Value(BaseModel):
    """Base of the records that are shown and saved: no unknown field, no NaN or infinity, nothing to assign to."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __dir__(self) -> Iterable[str]:
        """The public names of the class itself: tab completion shows a contract, not pydantic."""
        return [name for name in super().__dir__() if not name.startswith("_") and name not in _INHERITED]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other fields; what had been computed from the old ones (``cached_property``) is left behind."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied
