"""Checks of feature maps: their taps, and that their cells lie where their grids say."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zsxai.hooks import hooked
from zsxai.model import FeatureMap
from zsxai.spectral import mel_grid
from zsxai.testing.run import Failed
from zsxai.testing.signals import band_noise, noise
from zsxai.testing.subject import Subject, distance

_TIMES, _BANDS = 8, 4
"""Segments of the window, and of the mel axis, that are disturbed one at a time."""
_BACKGROUND, _BURST = 0.02, 0.2
_CLEAR = 1.2
"""By how much the burst of another part must outweigh a part's own to be a fault."""


def taps(subject: Subject) -> str:
    """Every map has a tap that lies on the path from the waveform to the embedding, and a grid of its shape."""
    model = subject.spectral
    names = list(model.taps)
    if not names:
        raise Failed("the model has no taps: lay at least one identity module over a map, for GradCAM")
    clip = subject.clip(subject.short)

    def embedded() -> Tensor:
        with torch.no_grad():
            return model.encode(model.features(clip)).embedding

    whole = embedded()
    for name in names:
        seen: list[Tensor] = []

        def watch(_module: nn.Module, _args: tuple[Any, ...], output: Tensor, seen: list[Tensor] = seen) -> None:
            seen.append(output)

        with hooked(model.taps[name], watch):
            encoding = model.encode(model.features(clip.clone().requires_grad_()))
        maps = {m.name: m for m in encoding.feature_maps}
        if list(maps) != names:
            raise Failed(f"encode gives the maps {list(maps)}, the taps are {names}: the same names in the same order")
        if not seen:
            raise Failed(f"encode never calls the tap {name!r}: pass the map through it and use what comes out")
        _fits(maps[name], seen[-1])
        _on_the_path(name, seen[-1], encoding.embedding)
        with hooked(model.taps[name], lambda _module, _args, output: torch.zeros_like(output)):
            without = embedded()
        if distance(whole, without) == 0.0:
            raise Failed(f"zeros in place of the output of tap {name!r} change nothing: the encoder does not use it")
    return f"{', '.join(f'{m.name} {m.grid.shape}' for m in encoding.feature_maps)}: used, with gradients"


def _fits(found: FeatureMap, tapped: Tensor) -> None:
    values, grid, name = found.values, found.grid, found.name
    if values.ndim != 4 or tuple(values.shape[2:]) != grid.shape:
        raise Failed(f"map {name!r} has shape {tuple(values.shape)} and its grid {grid.shape}: (B, C, *grid.shape)")
    for axis, edges in (("frequencies", grid.frequency_edges), ("times", grid.time_edges)):
        if not (np.diff(edges) > 0).all() or not (np.diff(getattr(grid, axis)) > 0).all():
            raise Failed(f"the {axis} of map {name!r} do not rise: low to high, early to late")
    if tapped.shape != values.shape or not torch.equal(tapped, values):
        raise Failed(f"map {name!r} is not what its tap gave: put the tap's own output into the FeatureMap")


def _on_the_path(name: str, tapped: Tensor, embedding: Tensor) -> None:
    problem = f"no gradient reaches the output of tap {name!r}: the embedding is not computed from it"
    if not tapped.requires_grad or not embedding.requires_grad:
        raise Failed(problem)
    score = embedding[0, : max(1, embedding.shape[1] // 2)].sum()
    gradient = torch.autograd.grad(score, tapped, allow_unused=True)[0]
    if gradient is None or not gradient.any():
        raise Failed(problem)
    if not gradient.isfinite().all():
        raise Failed(f"the gradient at tap {name!r} is NaN or infinite")


def places(subject: Subject) -> str:
    """A burst at a known time or in a known band changes the cells whose grid lies there.

    For every map, ``M[k, j]`` is how much of the change that a burst in segment k makes lies in the cells of segment
    j. In every j the burst of that very segment must weigh most.
    """
    model = subject.spectral
    spec, samples = model.front_end.spec, subject.window
    background = noise(samples, 0, _BACKGROUND)
    bounds = {"time": np.linspace(0, samples, _TIMES + 1), "frequency": np.linspace(0, spec.n_mels, _BANDS + 1)}
    bands = mel_grid(spec, samples).frequency_edges
    bursts: dict[str, list[tuple[FeatureMap, ...]]] = {}
    for axis, edges in bounds.items():
        # The middle half of each segment: encoders answer to the edges of a sound most, and those stay inside.
        inner = np.stack([0.75 * edges[:-1] + 0.25 * edges[1:], 0.25 * edges[:-1] + 0.75 * edges[1:]], axis=1)
        bursts[axis] = []
        for k, (low, high) in enumerate(inner):
            sound = background.clone()
            if axis == "time":
                start, stop = round(low), round(high)
                sound[start:stop] += noise(stop - start, k + 1, _BURST)
            else:
                hertz = np.interp([low, high], np.arange(spec.n_mels + 1), bands)
                sound += band_noise(samples, spec.sample_rate, hertz[0], hertz[1], k + 1, _BURST)
            bursts[axis].append(_maps(subject, sound))
    said = []
    for index, found in enumerate(bursts["time"][0]):
        segments = {
            "time": (bounds["time"] / spec.sample_rate, found.grid.time_edges),
            "frequency": (bounds["frequency"], _bands(found.grid.frequency_edges, bands)),
        }
        maps = {axis: torch.stack([each[index].values[0].double() for each in all_]) for axis, all_ in bursts.items()}
        said.append(_judge(found.name, maps, segments))
    return "; ".join(said)


def _bands(hertz: NDArray[Any], bands: NDArray[Any]) -> NDArray[Any]:
    """Hertz as numbers of mel bands, ``bands`` holding the edges; going on beyond them at the width of the last."""
    number = np.interp(hertz, bands, np.arange(len(bands)))
    below, above = (hertz - bands[0]) / (bands[1] - bands[0]), (hertz - bands[-1]) / (bands[-1] - bands[-2])
    wider: NDArray[Any] = number + np.minimum(below, 0.0) + np.maximum(above, 0.0)
    return wider


def _maps(subject: Subject, sound: Tensor) -> tuple[FeatureMap, ...]:
    model = subject.spectral
    with torch.no_grad():
        return model.encode(model.features(sound[None].to(model.device))).feature_maps


def _changes(maps: Tensor, parts: int) -> NDArray[Any]:
    """``(k, f, t)``: squared difference of every burst's map from what is usual at a cell, summed over channels.

    The usual is not the map without any burst: a model that normalises loudness is changed everywhere by any burst, and
    by all of them alike. Where a part holds several bursts it is the neighbour in the same part, from which a burst
    differs mostly there, however far a cell of a small map hears; else it is the median over the bursts.

    Args:
        maps: ``(k, C, f, t)``, one for every burst.
        parts: Into how many parts the axis that the bursts lie along is divided.
    """
    bursts = len(maps)
    usual = maps[[k ^ 1 for k in range(bursts)]] if parts < bursts else maps.median(dim=0).values
    found: NDArray[Any] = (maps - usual).square().sum(dim=1).cpu().numpy()
    return found


def _judge(
    name: str,
    maps: dict[str, Tensor],
    segments: dict[str, tuple[NDArray[Any], NDArray[Any]]],
) -> str:
    rows, columns = maps["time"].shape[2:]
    counts = {"time": columns, "frequency": rows}
    said, wrong = [], {}
    for axis, across in (("time", 1), ("frequency", 2)):
        bounds, cells = segments[axis]
        parts = _parts(counts[axis], len(bounds) - 1)
        if parts < 2:
            said.append(f"one cell in {axis}")
            continue
        matrix = _matrix(_changes(maps[axis], parts).sum(axis=across), _overlap(cells, bounds), parts)
        said.append(f"{parts} in {axis}")
        # Where every cell hears almost everything, as a few may, neither order is seen.
        unclear = matrix.max(axis=0) < _CLEAR * matrix.diagonal()
        order = np.where(unclear, np.arange(parts), matrix.argmax(axis=0))
        if (order != np.arange(parts)).any():
            wrong[axis] = order
    if wrong:
        raise Failed(_diagnosis(name, wrong, maps))
    return f"{name} follows {' and '.join(said)}"


def _parts(cells: int, most: int) -> int:
    """Into how many parts an axis of a map is divided: two cells each, but two parts from two cells on."""
    parts = most
    while parts > 2 and parts * 2 > cells:
        parts //= 2
    return parts if cells >= 2 else 1


def _overlap(cells: NDArray[Any], bounds: NDArray[Any]) -> NDArray[Any]:
    """``(cells, segments)``: the part of every cell that lies in every segment."""
    low, high = np.maximum(cells[:-1, None], bounds[None, :-1]), np.minimum(cells[1:, None], bounds[None, 1:])
    overlap: NDArray[Any] = np.clip(high - low, 0.0, None) / np.diff(cells)[:, None]
    return overlap


def _matrix(changes: NDArray[Any], overlap: NDArray[Any], parts: int) -> NDArray[Any]:
    """``(parts, parts)``: the share of segment k's change that lies in segment j."""
    whole = changes @ overlap
    whole = whole / np.maximum(whole.sum(axis=1, keepdims=True), 1e-300)
    segments = len(whole)
    joined: NDArray[Any] = whole.reshape(parts, segments // parts, parts, segments // parts).sum(axis=(1, 3))
    return joined


def _diagnosis(name: str, wrong: dict[str, NDArray[Any]], maps: dict[str, Tensor]) -> str:
    words = {"time": "time runs backwards", "frequency": "rows are upside down (low to high is the order)"}
    if all((order == np.arange(len(order))[::-1]).all() for order in wrong.values()):
        return f"map {name!r}: {' and '.join(words[axis] for axis in wrong)}"
    if all(_follows_the_other(maps[axis], axis) for axis in wrong):
        return f"map {name!r}: frequency and time are swapped; unfold to (B, C, frequency, time)"
    said = []
    for axis, order in wrong.items():
        j = int((order != np.arange(len(order))).argmax())
        said.append(
            f"map {name!r} does not follow {axis}: of {len(order)} parts, part {j + 1} answers most to sound in "
            f"part {int(order[j]) + 1}; check unfold and grid"
        )
    return "; ".join(said)


def _follows_the_other(maps: Tensor, axis: str) -> bool:
    """Whether sound that moves along an axis moves along the map's other one, in either direction."""
    segments, cells = len(maps), maps.shape[2 if axis == "time" else 3]
    parts = _parts(cells, segments)
    # Two parts lie either way whatever is wrong.
    if parts <= 2:
        return False
    found = _changes(maps, parts).sum(axis=2 if axis == "time" else 1)
    overlap = _overlap(np.linspace(0, 1, cells + 1), np.linspace(0, 1, segments + 1))
    order = _matrix(found, overlap, parts).argmax(axis=0)
    straight = np.arange(parts)
    return bool((order == straight).all() or (order == straight[::-1]).all())
