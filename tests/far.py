"""A device that this machine has not got: tensors that say they lie elsewhere and mix with none that does not.

Their numbers are real and lie on the CPU, behind the name of torch's ``meta`` device. What a GPU refuses is refused: a
tensor of the CPU beside one of the device, ``numpy()`` of it, a generator of the CPU for numbers on it. What a GPU
rounds otherwise is not found so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

FAR = torch.device("meta")
_aten = torch.ops.aten
_ACROSS = {_aten._to_copy.default, _aten.copy_.default}
"""What may take tensors of two devices."""
_INDEXING = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default, _aten._index_put_impl_.default}
"""What may take numbers of cells from the CPU."""


class FarTensor(Tensor):
    """A tensor on the device."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> FarTensor:
        made: FarTensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            near.size(),
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=FAR,
            requires_grad=near.requires_grad,
        )
        made.near = near
        return made

    def tolist(self) -> Any:
        return self.near.tolist()

    def __getitem__(self, index: Any) -> Any:
        # torch takes a list to the device by itself, where its numbers would be lost.
        return super().__getitem__(FarTensor(torch.tensor(index)) if isinstance(index, list) else index)

    def __repr__(self, **_: Any) -> str:
        return f"far({self.near!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


def dispatch(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute on the CPU what would be computed on the device, or refuse it."""
    given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    far = [value for value in given if isinstance(value, FarTensor)]
    near = [value for value in given if not isinstance(value, FarTensor) and value.ndim]
    if any(value.device == FAR for value in given if not isinstance(value, FarTensor)):
        raise RuntimeError(f"{func} of numbers that are lost")
    asked = kwargs.get("device")
    to = None if asked is None else torch.device(asked)
    if far and near and func not in _ACROSS and not (func in _INDEXING and isinstance(args[0], FarTensor)):
        raise RuntimeError(f"{func} of tensors on two devices")
    if to == FAR and kwargs.get("generator") is not None:
        raise RuntimeError(f"{func} on the device with a generator of the CPU")
    if to is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain_args, plain = tree_map(lambda v: v.near if isinstance(v, FarTensor) else v, (args, kwargs))
    found = func(*plain_args, **plain)
    goes_far = to == FAR if to is not None else bool(far) and (not near or isinstance(given[0], FarTensor))
    if not goes_far:
        return found
    found = tree_map(lambda v: FarTensor(v) if isinstance(v, Tensor) and not isinstance(v, FarTensor) else v, found)
    if far and func._schema.name.endswith("_"):
        if torch.Tag.inplace_view in func.tags:
            with no_dispatch():
                func(*args, **kwargs)
        return args[0]
    return found


class _Computing(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


class _Making(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is torch.tensor and given.get("device") == FAR:  # made by torch where no mode sees it
            return FarTensor(torch.tensor(*args, **{**given, "device": "cpu"}))
        return func(*args, **given)


@contextmanager
def far_device() -> Iterator[torch.device]:
    """Within, the device is there."""
    real = torch.autocast

    def autocast(kind: str, **options: Any) -> Any:
        return nullcontext() if kind == FAR.type else real(kind, **options)

    with _Making(), _Computing(), patch.object(torch, "autocast", autocast):
        yield FAR
