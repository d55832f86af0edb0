"""Hooks that exist only inside a ``with`` and let exceptions pass."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from zsxai.spectral import Grid


@contextmanager
def hooked(module: nn.Module, hook: Callable[[nn.Module, tuple[Any, ...], Any], Any]) -> Iterator[None]:
    """Lay a forward hook on a module; what the hook returns, unless None, replaces the output.

    It acts in the thread that laid it alone: others may be running the same module.
    """
    thread = threading.get_ident()

    def own(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        return hook(module, args, output) if threading.get_ident() == thread else None

    handle = module.register_forward_hook(own)
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


def exact_batch_norm(module: nn.Module, args: tuple[Any, ...], _output: Any) -> Tensor:
    """A hook for a ``BatchNorm2d`` in eval mode: its formula in place of torch's kernel, for the gradient.

    torch's CPU kernel (2.13) gives wrong input gradients, without a word, where the last axis is 1 long, as in front of
    most CLAP encoders (``(B, n_mels, N, 1)``), and the gradient comes back in another memory order than the input's.
    """
    norm = cast("nn.BatchNorm2d", module)
    mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return cast("Tensor", args[0] * scale[:, None, None] + (norm.bias - mean * scale)[:, None, None])


@dataclass(frozen=True)
class Place:
    """A feature map in somebody else's network: which module gives it, in which layout, and where its cells lie.

    Attributes:
        name: Name of the map and of its tap.
        module: Its output, or the first part of a tuple of outputs, is the map.
        grid: Where the unfolded cells lie, in hertz and in seconds of the window.
        unfold: The module's layout to ``(B, C, f, t)``, frequency low to high.
        refold: The inverse of ``unfold``.
    """

    name: str
    module: nn.Module
    grid: Grid
    unfold: Callable[[Tensor], Tensor]
    refold: Callable[[Tensor], Tensor]


@contextmanager
def tapped(places: Sequence[Place], taps: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Lay taps over maps: within the ``with`` each map is unfolded, goes through its tap and comes back folded.

    Args:
        places: Early to late.
        taps: An identity module for every place, by name.

    Yields:
        The unfolded maps by name, filled as the network runs.
    """
    maps: dict[str, Tensor] = {}

    def through(place: Place) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
        def lay(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
            # Transformer blocks give (tokens, attentions...), other modules a tensor.
            folded, rest = (output[0], output[1:]) if isinstance(output, tuple) else (output, None)
            maps[place.name] = taps[place.name](place.unfold(folded))
            laid = place.refold(maps[place.name])
            return laid if rest is None else (laid, *rest)

        return lay

    with ExitStack() as hooks:
        for place in places:
            hooks.enter_context(hooked(place.module, through(place)))
        yield maps
