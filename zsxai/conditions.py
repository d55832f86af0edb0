"""The conditions under which models are loaded and run: torch's usual state, eval mode, one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch

from zsxai.model import ZeroShotModel

_LOCKS: WeakKeyDictionary[object, threading.RLock] = WeakKeyDictionary()
_UNNAMED = threading.RLock()
"""Of models that cannot be weakly referred to."""
_SHARED = threading.Lock()
"""Around what all threads share here."""


@contextmanager
def plain_torch() -> Iterator[None]:
    """Lift what the caller has set for all of torch, and restore it after; also a decorator.

    Tensors made under ``inference_mode`` can never take part in a gradient again, and a default dtype or device goes
    into every tensor that names none: a model loaded so would be broken for good, and a cached one for everybody.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_float32())
        yield


class _Entered:
    """How many threads need settings that are the whole process's, and what these were before the first."""

    count = 0
    before = torch.float32
    restore: Callable[[], None] = staticmethod(lambda: None)


@contextmanager
def _float32() -> Iterator[None]:
    with _SHARED:
        if not _Entered.count:
            _Entered.before, _Entered.restore = torch.get_default_dtype(), _products()
            torch.set_default_dtype(torch.float32)
        _Entered.count += 1
    try:
        yield
    finally:
        with _SHARED:
            _Entered.count -= 1
            if not _Entered.count:
                torch.set_default_dtype(_Entered.before)
                _Entered.restore()


def _products() -> Callable[[], None]:
    """Have products of float32 computed in float32; returns what restores how they were.

    Left to itself, torch rounds the factors of convolutions on recent GPUs to TF32, ten bits; on request those of other
    products too, also on CPUs.
    """
    cudnn: Any = torch.backends.cudnn
    try:
        old = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    except RuntimeError:  # from torch 2.9 on, the old switches cannot be read once the caller has used the new ones
        mkldnn: Any = torch.backends.mkldnn
        kinds = (torch.backends.cuda.matmul, cudnn.conv, mkldnn.matmul, mkldnn.conv)
        new = [kind.fp32_precision for kind in kinds]
        _set_kinds(kinds, ["ieee"] * len(kinds))
        return partial(_set_kinds, kinds, new)
    _set_old(False, "highest")
    return partial(_set_old, *old)


def _set_old(allow_tf32: bool, products: str) -> None:
    torch.backends.cudnn.allow_tf32 = allow_tf32
    torch.set_float32_matmul_precision(products)


def _set_kinds(kinds: Sequence[Any], values: Sequence[str]) -> None:
    for kind, value in zip(kinds, values, strict=True):
        kind.fp32_precision = value


@contextmanager
def evaluating(model: ZeroShotModel) -> Iterator[None]:
    """Have a model to oneself inside a ``with``, its modules in eval mode; each one's own mode is restored after.

    Other threads wait: modes and hooks belong to the modules, which all threads and all wrappers share.
    """
    modules = model.modules()
    with ExitStack() as locks:
        # A black box is wrapped anew by every call: its lock is that of what it wraps. Always in one order.
        for lock in _locks_of(modules or (getattr(model, "inner", model),)):
            locks.enter_context(lock)
        was_training = [m for root in modules for m in root.modules() if m.training]
        try:
            for root in modules:
                root.eval()
            yield
        finally:
            for m in was_training:
                m.training = True


def _locks_of(owners: Sequence[object]) -> list[threading.RLock]:
    with _SHARED:
        return [_lock_of(owner) for owner in sorted(owners, key=id)]


def _lock_of(owner: object) -> threading.RLock:
    try:
        return _LOCKS.setdefault(owner, threading.RLock())
    except TypeError:  # not hashable, or without room for weak references
        return _UNNAMED
