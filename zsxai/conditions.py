"""The conditions under which models are loaded and run: torch's usual state, eval mode, one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from weakref import WeakKeyDictionary

import torch

from zsxai.model import ZeroShotModel

_LOCKS: WeakKeyDictionary[object, threading.RLock] = WeakKeyDictionary()
_SHARED = threading.RLock()
"""Of models that cannot be weakly referred to, and around the table of the others."""


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
        dtype = torch.get_default_dtype()
        if dtype != torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        yield


@contextmanager
def evaluating(model: ZeroShotModel) -> Iterator[None]:
    """Have a model to oneself inside a ``with``, its modules in eval mode; each one's own mode is restored after.

    Other threads wait: modes and hooks belong to the modules, which all threads share.
    """
    with _lock_of(model):
        modules = model.modules()
        was_training = [m for root in modules for m in root.modules() if m.training]
        try:
            for root in modules:
                root.eval()
            yield
        finally:
            for m in was_training:
                m.training = True


def _lock_of(model: ZeroShotModel) -> threading.RLock:
    # A black box is wrapped anew by every call: the lock belongs to what it wraps.
    owner = getattr(model, "inner", model)
    with _SHARED:
        try:
            return _LOCKS.setdefault(owner, threading.RLock())
        except TypeError:  # not hashable, or without room for weak references
            return _SHARED
