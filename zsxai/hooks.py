"""Hooks that exist only inside a ``with`` and let exceptions pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def hooked(module: nn.Module, hook: Callable[[nn.Module, tuple[Any, ...], Any], Any]) -> Iterator[None]:
    """Lay a forward hook on a module; what the hook returns, unless None, replaces the output."""
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def graph_starts_at(tap: nn.Module) -> Iterator[None]:
    """Start the autograd graph at a tap: nothing before it is recorded, so nothing before it costs a backward.

    The tap's output becomes a leaf that wants a gradient. With frozen weights and a plain input the layers before
    it record no graph at all.
    """

    def start(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
        return output.detach().requires_grad_()

    with hooked(tap, start):
        yield
