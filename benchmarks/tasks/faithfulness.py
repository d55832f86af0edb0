"""What masks do to the probability of the explained class: kept, removed, heard, at matched budgets, by control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator

from zsxai.benchmarks.tasks.base import INTERVALS, Failure, Item, Place, Plot, Row, TaskCard, TaskRunner
from zsxai.benchmarks.tasks.budgets import Ranking
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.question import Question, ask
from zsxai.benchmarks.tasks.settings import Task
from zsxai.benchmarks.tasks.sounds import (
    draw_by_name,
    embed_masks,
    embed_rendered,
    hear,
    maps_of,
    pooled_cosines,
    power_on_grid,
)
from zsxai.calibration import to_mask
from zsxai.controls import roll
from zsxai.metrics.base import BudgetCurve, MaskedScores
from zsxai.metrics.functional import mask_mean
from zsxai.model import SpectralModel
from zsxai.recording import Recording
from zsxai.scoring import audibility, kept_energy
from zsxai.spectral import Domain, Scale


class Faithfulness(Task):
    """Masks in, masks out, as heard; controls; budgets.

    Attributes:
        variants: Controls made from each explainer: ``foil`` (asked about another class), ``rolled`` (its mask in the
            wrong place), ``binary`` (its mask of zeros and ones, as many of its best cells as the mask mean allows) and
            ``binary-energy`` (the fewest of its best cells that keep as much energy as its mask does).
        budgets: Parts of the cells and of the energy at which rankings are compared; none where empty.
        heard: Whether the rendered explanation is encoded again.
    """

    kind: Literal["faithfulness"] = "faithfulness"
    variants: tuple[Literal["foil", "rolled", "binary", "binary-energy"], ...] = ("foil", "rolled")
    budgets: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.05, 0.1, 0.25, 0.5, 0.75)
    heard: bool = True

    @field_validator("budgets")
    @classmethod
    def _rising(cls, budgets: tuple[float, ...]) -> tuple[float, ...]:
        if list(budgets) != sorted(set(budgets)):
            raise ValueError(f"budgets rise, and none comes twice: not {list(budgets)}")
        return budgets

    def departures(self) -> list[str]:
        """See :meth:`Task.departures` (arXiv 2405.17615, section 4)."""
        scales = ", ".join(self.scales)
        found = [] if scales == "log1p" else [f"the task {self.kind!r} on {scales} for {self.kind!r} on log1p"]
        return found + [f"{c.snr:g} dB for 3" for c in self.contaminations if c.kind != "clean" and c.snr != 3.0]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its explainers."""

    asked: list[Question]
    failures: list[Failure]
    nothing: dict[tuple[Domain, Scale], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Mapped:
    """One item with an explainer's maps: its own first, its foil's second where it was asked.

    Attributes:
        asked: The item.
        labels: The explained class, and the foil.
        recording: The item under one kind of mask.
        maps: ``(P, F, N)`` by label.
    """

    asked: Question
    labels: list[str]
    recording: Recording
    maps: NDArray[Any]


Curves = dict[tuple[str, str], BudgetCurve]
"""By variant and by what is matched: ``area`` or ``energy``."""


class FaithfulnessRunner(TaskRunner[Faithfulness, Prepared]):
    """Runs :class:`Faithfulness`.

    Clips encoded per item and kind of mask, with E explainers: 1 for the original (shared by all kinds), 2 E for masks
    in and out, E for the rendered audio where it is asked for (none for a black box), 2 E for every variant, and with K
    budgets 4 K E for each of an explainer's own and its foil's ranking, besides one for silence.
    """

    task_type = Faithfulness
    evidence = MaskedScores
    card = TaskCard(
        title="Faithfulness",
        strata=("correct",),
        plots=(
            INTERVALS,
            Plot(
                "budgets",
                "zsxai.benchmarks.analyse.plots.curves:draw_budgets",
                "Every explainer's best cells, as many or as loud as every other's: no calibration enters. Left, "
                "higher is better; right, lower. Shades: 95 % intervals.",
            ),
            Plot(
                "trade-off",
                "zsxai.benchmarks.analyse.plots.scatter:draw_trade_off",
                "What size alone buys: AD and FF against the mask mean, with 95 % intervals. Hollow: blind controls.",
                {"metrics": ("average-drop", "faithfulness")},
            ),
        ),
    )

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`."""
        heard, failures = hear(self.stage, items)
        return Prepared([ask(self.classes, h) for h in heard], failures, {})

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        explainer = self.stage.explainers[place.explainer]
        mapped, failures = [], list(prepared.failures)
        for asked in prepared.asked:
            labels = [asked.explained, *self._foil(asked)]
            try:
                recording = asked.heard.recording(place.domain, place.scale)
                targets = [self.classes.target(x) for x in labels]
                maps = maps_of(explainer, recording, targets, forwards, asked.heard.answers)
            except Exception as error:
                failures.append(Failure.of(asked.heard.item.name, error))
            else:
                mapped.append(Mapped(asked, labels, recording, maps))
        if not mapped:
            return [], failures
        curves = self._curves(mapped, self._nothing(prepared, place)) if self.task.budgets else {}
        rows = []
        for calibration in self.task.calibrations or (explainer.calibration,):
            rows += self._rows(mapped, calibration, curves)
        return rows, failures

    def _foil(self, asked: Question) -> list[str]:
        """Another class, drawn by the item's name, where foils are wanted and there is one."""
        others = [label for label in self.classes.labels if label != asked.explained]
        return draw_by_name(asked.heard.item.name, others) if "foil" in self.task.variants else []

    def _rows(self, mapped: Sequence[Mapped], calibration: str, curves: Curves) -> list[Row]:
        masks = [self._masks(m, calibration) for m in mapped]
        variants = list(masks[0])
        stacked = [torch.from_numpy(np.stack(list(m.values()))) for m in masks]
        embedded = embed_masks([(m.recording, torch.cat([k, 1.0 - k])) for m, k in zip(mapped, stacked, strict=True)])
        p = np.stack([self._probabilities(windows) for windows in embedded])  # (B, 2 V, C)
        at = np.array([m.asked.index for m in mapped])
        whole = np.stack([self.classes.probabilities(m.asked.cosines) for m in mapped])
        own_p = p[np.arange(len(p)), :, at]
        heard = self._heard(mapped, [k[0] for k in stacked], own_p[:, 0]) if self.task.heard else None
        energy = np.stack([kept_energy(m.recording, k) for m, k in zip(mapped, stacked, strict=True)])
        audible = np.stack([_audibility(m.recording, k) for m, k in zip(mapped, stacked, strict=True)])
        rows = []
        for v, variant in enumerate(variants):
            scores = MaskedScores(
                p=whole[np.arange(len(p)), at],
                p_in=own_p[:, v],
                p_out=own_p[:, len(variants) + v],
                p_heard=heard if variant == "own" else None,
                all_p=whole,
                all_p_in=p[:, v],
                target=at,
                masks=tuple(m[variant] for m in masks),
                in_band=mapped[0].recording.grid.in_band,
                kept_energy=energy[:, v],
                audibility=audible[:, v],
                by_area=curves.get((variant, "area")),
                by_energy=curves.get((variant, "energy")),
            )
            rows += self._report(mapped, variant, calibration, scores)
        return rows

    def _heard(self, mapped: Sequence[Mapped], masks: Sequence[torch.Tensor], p_in: NDArray[Any]) -> NDArray[Any]:
        """Probability of the explained class on each rendered mask, ``(B,)``."""
        if not isinstance(self.stage.model, SpectralModel):
            return p_in  # a black box hears masks as audio only: the same measurement
        rendered = embed_rendered([(m.recording, mask) for m, mask in zip(mapped, masks, strict=True)])
        pairs = zip(rendered, mapped, strict=True)
        return np.array([self._probabilities(windows)[0, m.asked.index] for windows, m in pairs])

    def _masks(self, mapped: Mapped, calibration: str) -> dict[str, NDArray[Any]]:
        grid = mapped.recording.grid
        own = to_mask(mapped.maps[0], grid.in_band, calibration)
        masks = {"own": own}
        if len(mapped.labels) > 1:
            masks["foil"] = to_mask(mapped.maps[1], grid.in_band, calibration)
        if "rolled" in self.task.variants:
            masks["rolled"] = roll(own, grid)
        if {"binary", "binary-energy"} & set(self.task.variants):
            masks |= self._binary(mapped, own)
        return masks

    def _binary(self, mapped: Mapped, own: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The best cells of the same map, all heard in full: as many, or as loud, as its mask is."""
        recording = mapped.recording
        in_band = recording.grid.in_band
        ranking = Ranking(mapped.maps[0], in_band)
        masks = {}
        if "binary" in self.task.variants:
            masks["binary"] = ranking.best([float(mask_mean([own], in_band)[0])])[0]
        if "binary-energy" in self.task.variants:
            energy = float(kept_energy(recording, torch.from_numpy(own)[None])[0])
            masks["binary-energy"] = ranking.best([energy], power_on_grid(recording))[0]
        return {name: mask.astype(np.float32) for name, mask in masks.items()}

    def _report(self, mapped: Sequence[Mapped], variant: str, calibration: str, scores: MaskedScores) -> list[Row]:
        figures: dict[str, NDArray[Any]] = {}
        for name in ("p", "p_in", "p_out", "p_heard"):
            found = getattr(scores, name)
            if found is not None:
                figures[name] = found
        for name, metric in self.metrics.items():
            if all(getattr(scores, field) is not None for field in metric.needs):
                figures[name] = metric(scores)
        for kind, curve in (("area", scores.by_area), ("energy", scores.by_energy)):
            if curve is not None:
                figures |= {
                    f"{kind}:kept": curve.p_kept,
                    f"{kind}:removed": curve.p_removed,
                    "p_nothing": curve.p_nothing,
                }
        rows = []
        for b, m in enumerate(mapped):
            asked = m.asked
            values: dict[str, float | list[float]] = {name: v[b].tolist() for name, v in figures.items()}
            rows.append(
                Row(
                    item=asked.heard.item.name,
                    sources=asked.heard.item.sources,
                    label=asked.heard.item.label,
                    prompt=m.labels[1] if variant == "foil" else asked.explained,
                    variant=variant,
                    calibration=calibration,
                    figures={
                        "similarity": float(asked.cosines[asked.index]),
                        "snr_met": asked.heard.snr,
                        **values,
                    },
                    strata={"correct": asked.correct},
                )
            )
        return rows

    def _curves(self, mapped: Sequence[Mapped], nothing: dict[str, float]) -> Curves:
        budgets = np.array(self.task.budgets)
        found: dict[tuple[str, str], list[NDArray[Any]]] = {}
        for m in mapped:
            grid, power = m.recording.grid, power_on_grid(m.recording)
            for variant, relevance in zip(("own", "foil"), m.maps, strict=False):
                ranking = Ranking(relevance, grid.in_band)
                for kind, energy in (("area", None), ("energy", power)):
                    kept = torch.from_numpy(ranking.best(self.task.budgets, energy)).float()
                    (windows,) = embed_masks([(m.recording, torch.cat([kept, 1.0 - kept]))])
                    p = self._probabilities(windows)[:, m.asked.index]
                    found.setdefault((variant, kind), []).append(p.reshape(2, -1))
        silent = np.array([nothing[m.asked.heard.item.name] for m in mapped])
        curves = {at: np.stack(p) for at, p in found.items()}
        return {at: BudgetCurve(budgets, p[:, 0], p[:, 1], silent) for at, p in curves.items()}

    def _nothing(self, prepared: Prepared, place: Place) -> dict[str, float]:
        """Probability of the explained class with every cell masked, by item; the same for all explainers."""
        at = (place.domain, place.scale)
        if at not in prepared.nothing:
            silent = [
                (a.heard.recording(*at), torch.zeros(1, *a.heard.recording(*at).grid.shape)) for a in prepared.asked
            ]
            embedded = embed_masks(silent)
            prepared.nothing[at] = np.array(
                [self._probabilities(w)[0, a.index] for w, a in zip(embedded, prepared.asked, strict=True)]
            )
        names = [a.heard.item.name for a in prepared.asked]
        return dict(zip(names, prepared.nothing[at].tolist(), strict=True))

    def _probabilities(self, windows: Sequence[torch.Tensor]) -> NDArray[Any]:
        """``(K, D)`` per window to ``(K, C)``."""
        return self.classes.probabilities(pooled_cosines(self.stage.model, windows, self.classes.text))


def _audibility(recording: Recording, masks: torch.Tensor) -> NDArray[Any]:
    return audibility(recording.stft, recording.masking, recording.original, masks)
