"""A model's weights drawn anew from its last layers to its first, and put back bit for bit.

Adebayo et al., "Sanity Checks for Saliency Maps", 2018; drawn as the code of LMAC-ZS's authors draws: weights
Xavier-uniform, their biases .01, norms left as they were trained (arXiv 2405.17615, figure 3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from zsxai.conditions import evaluating
from zsxai.errors import InputError
from zsxai.model import ZeroShotModel

Tower = Literal["audio", "text"]
BIAS = 0.01


@dataclass(frozen=True, eq=False)
class Layer:
    """One module with weights of its own: kernels, matrices, embeddings, tables of positions.

    Attributes:
        name: Path to the module; what is drawn depends on it and on the seed alone.
        weights: Its parameters of two or more dimensions.
        biases: Its one-dimensional ones that are called biases.
    """

    name: str
    weights: tuple[nn.Parameter, ...]
    biases: tuple[nn.Parameter, ...]


def layers_of(model: ZeroShotModel, tower: Tower) -> list[Layer]:
    """The layers whose weights make a tower's embedding, first to last.

    One forward is watched. A layer stands where it is first called; one whose weights are used without a call (a table
    of positions, the projection after attention) stands where the module around it is, or first of all. Then each is
    drawn anew once: what leaves the embedding as it was is no layer of the tower (the other tower, heads that are not
    used, filters of a front end that an adapter replaces). A layer that both towers use is a layer of both; weights
    that two layers share belong to the later one. Buffers are no weights: running statistics, windows, mel filters.
    Costs about one forward per layer.

    Args:
        model: Any model that holds torch modules.
        tower: ``audio``, watched on noise of one window (a second where the model has none), or ``text``.

    Raises:
        InputError: If no weights change the embedding.
    """
    embed = _noise(model) if tower == "audio" else lambda: model.embed_text(["a sound"])

    def matter(layers: Sequence[Layer]) -> bool:
        with drawn_anew(layers, seed=-1):  # a seed that no suite draws with
            return not torch.equal(embed(), before)

    with evaluating(model), torch.no_grad():
        with _watched(model) as calls:
            before = embed()
        uncalled, called = _in_order(model, calls)
        found = [*_that_matter(uncalled, matter), *(layer for layer in called if matter([layer]))]
    if not found:
        raise InputError(
            f"no torch weights of {model.card.name} change its {tower} embedding: it holds none where they are looked "
            "for, or answers from a copy or a cache; leave this tower, or this model, out of the task"
        )
    return found


def steps(layers: Sequence[Layer], levels: int) -> list[list[Layer]]:
    """Cut a tower into steps of a cascade, the last layers first.

    Args:
        layers: First to last.
        levels: Steps; where there are fewer layers, there are as many steps as layers.

    Returns:
        Groups of equal size, up to one layer.
    """
    groups = np.array_split(np.arange(len(layers))[::-1], min(levels, len(layers)))
    return [[layers[i] for i in group] for group in groups]


@contextmanager
def drawn_anew(layers: Sequence[Layer], seed: int) -> Iterator[None]:
    """Draw the weights of some layers anew, in place, inside a ``with``; after it every bit is as it was.

    Args:
        layers: What is drawn; the same layer gets the same weights whatever else is drawn, on every device.
        seed: Seed of the draw.
    """
    kept = [(p, p.detach().clone()) for layer in layers for p in (*layer.weights, *layer.biases)]
    try:
        with torch.no_grad():
            for layer in layers:
                _draw(layer, seed)
        yield
    finally:
        with torch.no_grad():
            for parameter, before in kept:
                parameter.copy_(before)


def _draw(layer: Layer, seed: int) -> None:
    key = hashlib.sha256(f"{seed}/{layer.name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))
    for weight in layer.weights:
        # Drawn on the CPU in one precision, so that it is the same model wherever it runs.
        weight.copy_(nn.init.xavier_uniform_(torch.empty(weight.shape), generator=generator))
    for bias in layer.biases:
        bias.fill_(BIAS)


def _noise(model: ZeroShotModel) -> Callable[[], Tensor]:
    samples = model.audio_spec.window_samples or model.sample_rate
    noise = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
    return lambda: model.embed_audio(noise.to(model.device))


def _modules(model: ZeroShotModel) -> dict[nn.Module, str]:
    """Every module once, with its path."""
    found: dict[nn.Module, str] = {}
    for number, root in enumerate(model.modules()):
        for name, module in root.named_modules(prefix=str(number)):
            found.setdefault(module, name)
    return found


@contextmanager
def _watched(model: ZeroShotModel) -> Iterator[dict[nn.Module, int]]:
    """When each module was first called inside the ``with``, counted from 0."""
    calls: dict[nn.Module, int] = {}

    def note(module: nn.Module, _args: Any) -> None:
        calls.setdefault(module, len(calls))

    with ExitStack() as hooks:
        for module in _modules(model):
            hooks.callback(module.register_forward_pre_hook(note).remove)
        yield calls


def _in_order(model: ZeroShotModel, calls: dict[nn.Module, int]) -> tuple[list[Layer], list[Layer]]:
    """Layers in nothing that was called, and the others in the order of their calls; every weight once."""
    modules = _modules(model)
    around = {child: parent for parent in modules for child in parent.children()}
    places = []
    for module, name in modules.items():
        own = {k: p for k, p in module.named_parameters(recurse=False) if p.is_floating_point()}
        weights = tuple(p for p in own.values() if p.ndim >= 2)
        biases = tuple(p for k, p in own.items() if p.ndim == 1 and "bias" in k)
        called: nn.Module | None = module
        while called is not None and called not in calls:
            called = around.get(called)
        if weights:
            places.append((-1 if called is None else calls[called], Layer(name, weights, biases)))
    places.sort(key=lambda place: place[0])  # stable: at one place, the order in which modules were registered
    seen: set[nn.Parameter] = set()
    layers: tuple[list[Layer], list[Layer]] = ([], [])
    for place, layer in reversed(places):
        weights = tuple(p for p in layer.weights if p not in seen)
        seen.update(weights)
        if weights:
            layers[place >= 0].insert(0, Layer(layer.name, weights, layer.biases))
    return layers


def _that_matter(layers: list[Layer], matter: Callable[[Sequence[Layer]], bool]) -> list[Layer]:
    """Those that matter among many that do not, by halves."""
    if not layers or not matter(layers):
        return []
    half = len(layers) // 2
    return [*_that_matter(layers[:half], matter), *_that_matter(layers[half:], matter)] if half else layers
