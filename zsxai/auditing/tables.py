"""From profiles of recordings to the means of a class, with intervals over recordings, and to its possible cues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.auditing.audit import ClassAudit, Cue, Curve, Curves, Mean, Outlier
from zsxai.auditing.cue import Kind, Place
from zsxai.auditing.profile import BANDS, EDGE_PARTS, MOMENT, MOMENTS, Array, Part, Profile
from zsxai.auditing.rule import SHARE, STANDS_DB, chance, unmet_of_data, unmet_of_model
from zsxai.concepts.statistics import bootstrap_means, bounds, mean_by

WIDE = 3
"""Bands that a narrow band is wide."""
_NEAR, _FAR = 2, 5
"""A steady or short sound stands out of the places so far beside it; into the nearest one it leaks."""
OUTLIERS = 3
"""Of a class, by its profile and by its score."""


class Group:
    """The recordings of a class.

    Args:
        label: The class.
        profiles: Its clips.
        seed: Seed of the bootstrap.
    """

    def __init__(self, label: str, profiles: Sequence[Profile], seed: int) -> None:
        self.label, self.profiles, self.seed = label, list(profiles), seed
        self.sources = np.array([p.source for p in profiles])
        self.recordings = len(set(self.sources.tolist()))
        self._clips = {name: _stacked([getattr(p, name) for p in profiles]) for name in _PARTS}

    def part(self, name: str, columns: Callable[[Array], Array] = lambda values: values) -> Part | None:
        """Shares ``(R, K)`` of the recordings; None where no clip has evidence there."""
        stacked = self._clips[name]
        known = np.isfinite(stacked.evidence).all(axis=1)
        if not known.any():
            return None
        fields = (stacked.evidence, stacked.power, stacked.level, stacked.size)
        return Part(*(mean_by(columns(values[known]), self.sources[known])[1] for values in fields))

    def rows(self, values: Array) -> Array:
        """Values ``(clips, K)`` of the recordings, ``(R, K)``."""
        return mean_by(values, self.sources)[1]

    def mean(self, values: Array) -> Mean:
        """Mean of recordings' values ``(R,)``."""
        curve = self.curve(values[:, None])
        return Mean(
            mean=curve.mean[0], low=curve.low[0] if curve.low else None, high=curve.high[0] if curve.high else None
        )

    def curve(self, values: Array) -> Curve:
        """Means of recordings' values ``(R, K)``."""
        mean = tuple(map(float, values.mean(axis=0)))
        if len(values) < 2:
            return Curve(mean=mean)
        low, high = bounds(bootstrap_means(values, seed=self.seed))
        return Curve(mean=mean, low=tuple(map(float, low)), high=tuple(map(float, high)))

    def curves(self, name: str) -> Curves:
        """Shares of evidence, power and level."""
        part = self.part(name)
        if part is None:
            return Curves(evidence=Curve(), power=Curve(), level=Curve())
        return Curves(evidence=self.curve(part.evidence), power=self.curve(part.power), level=self.curve(part.level))


_PARTS = ("hertz", "time", "after", "silence", "outside")


def _stacked(parts: Sequence[Part]) -> Part:
    return Part(*(np.stack([getattr(p, field) for p in parts]) for field in ("evidence", "power", "level", "size")))


def _windows(values: Array) -> Array:
    """Sums over :data:`WIDE` neighbouring bands, ``(R, BANDS)`` to ``(R, BANDS - WIDE + 1)``."""
    found: Array = np.lib.stride_tricks.sliding_window_view(values, WIDE, axis=1).sum(axis=-1)
    return found


@dataclass(frozen=True)
class _Where:
    """A part of the sound: its kind, the shares it is made of, and how they add up to ``(R, K)``."""

    kind: Kind
    shares: str
    columns: Callable[[Array], Array]


_PLACES = (
    _Where("band", "hertz", _windows),
    _Where("start", "time", lambda values: values[:, :EDGE_PARTS].sum(axis=1, keepdims=True)),
    _Where("end", "time", lambda values: values[:, -EDGE_PARTS:].sum(axis=1, keepdims=True)),
    _Where("silence", "silence", lambda values: values),
    _Where("outside", "outside", lambda values: values),
)


def cues_of_model(groups: Sequence[Group], edges: Array) -> list[Cue]:
    """A cue for every class and part of the sound, with all of the rule but the drive.

    In the band of a class its evidence exceeds that of other classes most.

    Args:
        groups: The classes.
        edges: ``(BANDS + 1,)`` hertz.
    """
    cues = []
    for where in _PLACES:
        found = [(group, group.part(where.shares, where.columns)) for group in groups]
        known = [(group, part) for group, part in found if part is not None]
        if not known:
            continue
        means = np.stack([part.evidence.mean(axis=0) for _, part in known])
        for row, (group, part) in enumerate(known):
            others = np.delete(means, row, axis=0).mean(axis=0) if len(known) > 1 else np.zeros(means.shape[1])
            at = int(np.argmax(means[row] - others))
            evidence, own = part.evidence[:, at], part.own[:, at]
            holding = int(((evidence >= SHARE / 2) & (evidence > own)).sum())
            band = {"low": float(edges[at]), "high": float(edges[at + WIDE])} if where.kind == "band" else {}
            share, blind, theirs = float(evidence.mean()), float(own.mean()), float(others[at])
            cues.append(
                Cue(
                    label=group.label,
                    place=Place(kind=where.kind, **band),
                    share=share,
                    own=blind,
                    others=theirs,
                    holding=holding,
                    recordings=len(evidence),
                    unmet=unmet_of_model(share, blind, theirs, holding / len(evidence), len(evidence)),
                )
            )
    return cues


def cues_of_data(groups: Sequence[Group], edges: Array) -> list[Cue]:
    """What recordings of a class share and others lack: a steady tone and a click, each where it is surest."""
    cues: list[Cue] = []
    for kind in ("tone", "click"):
        has = [_has(group, kind) for group in groups]
        rates = np.stack([h.mean(axis=0) for h in has])
        total, hits = sum(map(len, has)), sum(h.sum(axis=0) for h in has)
        places = len(groups) * (BANDS + 2 * MOMENTS)
        for index, (group, own) in enumerate(zip(groups, has, strict=True)):
            others = np.delete(rates, index, axis=0).max(axis=0) if len(groups) > 1 else np.zeros(rates.shape[1])
            at = int(np.argmax(rates[index] - others))
            holding = int(own[:, at].sum())
            p = min(1.0, places * chance(holding, len(own), int(hits[at]), total))
            shared, most = float(rates[index, at]), float(others[at])
            unmet = unmet_of_data(kind, shared, most, p, len(own))
            if "prevalence" in unmet:
                continue  # nothing that they share
            cues.append(
                Cue(
                    label=group.label,
                    place=_tone(at, edges) if kind == "tone" else _click(at),
                    share=shared,
                    own=0.0,
                    others=most,
                    holding=holding,
                    recordings=len(own),
                    unmet=unmet,
                )
            )
    return cues


def _has(group: Group, kind: str) -> NDArray[Any]:
    """Whether recordings have something that stands out at each place, ``(R, K)`` bool."""
    if kind == "tone":
        above = _above(np.stack([p.steady for p in group.profiles]), open_ended=False)
    else:
        above = np.concatenate([_above(np.stack([p.moments[end] for p in group.profiles])) for end in (0, 1)], axis=1)
    found: NDArray[Any] = group.rows((above >= STANDS_DB).astype(np.float64)) > 0.5
    return found


def _above(levels: Array, *, open_ended: bool = True) -> Array:
    """How far each place stands above the louder of both sides, decibels, ``(R, K)``.

    Before the first places there is nothing: they stand above what is behind them (``open_ended``), or do not count.
    """
    count = levels.shape[1]
    found = np.full(levels.shape, -np.inf)
    for at in range(count):
        before, behind = levels[:, max(0, at - _FAR) : max(0, at - _NEAR + 1)], levels[:, at + _NEAR : at + _FAR + 1]
        sides = [np.median(side, axis=1) for side in (before, behind) if side.shape[1]]
        if behind.shape[1] and (before.shape[1] or open_ended):
            found[:, at] = levels[:, at] - np.maximum.reduce(sides)
    return found


def _tone(at: int, edges: Array) -> Place:
    """Half a band is added on either side: a tone at an edge leaks."""
    half = (edges[at + 1] - edges[at]) / 2
    return Place(kind="tone", low=float(max(0.0, edges[at] - half)), high=float(edges[at + 1] + half))


def _click(at: int) -> Place:
    end, number = divmod(at, MOMENTS)
    start, stop = number * MOMENT, (number + 1) * MOMENT
    return Place(kind="click", start=-stop, stop=-start) if end else Place(kind="click", start=start, stop=stop)


def summarise(group: Group, cues: Sequence[Cue]) -> ClassAudit:
    """The figures of a class."""

    def share(name: str, columns: Callable[[Array], Array] = lambda values: values) -> Mean | None:
        part = group.part(name, columns)
        return None if part is None else group.mean(part.evidence[:, 0])

    places = {where.kind: where for where in _PLACES}
    profiles = group.profiles
    return ClassAudit(
        label=group.label,
        clips=len(profiles),
        recordings=group.recordings,
        blank=sum(not np.isfinite(p.hertz.evidence).all() for p in profiles),
        score=group.mean(group.rows(np.array([[p.score] for p in profiles]))[:, 0]),
        seconds=float(np.mean([p.seconds for p in profiles])),
        hertz=group.curves("hertz"),
        time=group.curves("time"),
        after=group.curves("after"),
        silence=share("silence"),
        silent_time=group.mean(group.rows(np.stack([p.silence.size for p in profiles]))[:, 0]),
        start=share("time", places["start"].columns),
        end=share("time", places["end"].columns),
        outside=share("outside"),
        cues=tuple(cues),
        outliers=find_outliers(group),
    )


def find_outliers(group: Group) -> tuple[Outlier, ...]:
    """The clips whose evidence lies farthest from the class's mean, and those with the lowest scores."""
    both = [np.concatenate([p.hertz.evidence, p.time.evidence]) for p in group.profiles]
    known = [values for values in both if np.isfinite(values).all()]
    # Half of the absolute difference of each profile, and of the two the mean.
    mean = np.mean(known, axis=0) if known else np.zeros(0)
    distances = [float(np.abs(v - mean).sum() / 4) if np.isfinite(v).all() else None for v in both]
    far = sorted(range(len(both)), key=lambda i: -(distances[i] or 0.0))[:OUTLIERS]
    low = sorted(range(len(both)), key=lambda i: group.profiles[i].score)[:OUTLIERS]
    found = []
    for index in dict.fromkeys([*far, *low]):
        why = tuple(name for name, chosen in (("profile", far), ("score", low)) if index in chosen)
        profile = group.profiles[index]
        found.append(
            Outlier(name=profile.name, label=group.label, score=profile.score, distance=distances[index], why=why)
        )
    return tuple(found)


def is_promising(cue: Cue) -> bool:
    """Whether it is worth measuring what the score is without it."""
    return cue.share >= SHARE if cue.of_model else cue.named
