"""The conditions under which models are loaded and run: torch's usual state, eval mode, one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
    products: tuple[Any, ...] = ()


@contextmanager
def _float32() -> Iterator[None]:
    with _SHARED:
        if not _Entered.count:
            _Entered.before, _Entered.products = torch.get_default_dtype(), _products()
            torch.set_default_dtype(torch.float32)
            _set_products(_EXACT)
        _Entered.count += 1
    try:
        yield
    finally:
        with _SHARED:
            _Entered.count -= 1
            if not _Entered.count:
                torch.set_default_dtype(_Entered.before)
                _set_products(_Entered.products)


# Left to itself, torch rounds the factors of float32 convolutions on recent GPUs to TF32, ten bits; on request those of
# other products too, also on CPUs. Torch before 2.9 has one switch for each kind, and later ones refuse to mix both.
_NEW = hasattr(torch.backends.cudnn, "conv")
_SWITCHES: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
if _NEW:
    # Those of recurrent networks too: torch's old switches cannot be read where one kind is exact and another is not.
    _SWITCHES = (
        *(torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn),
        *(torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv, torch.backends.mkldnn.rnn),
    )
_SWITCH = "fp32_precision" if _NEW else "allow_tf32"
_EXACT: tuple[Any, ...] = ("ieee" if _NEW else False,) * len(_SWITCHES)


def _products() -> tuple[Any, ...]:
    return tuple(getattr(switch, _SWITCH) for switch in _SWITCHES)


def _set_products(values: tuple[Any, ...]) -> None:
    for switch, value in zip(_SWITCHES, values, strict=True):
        setattr(switch, _SWITCH, value)


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
