"""Mixtures of two known sounds: does a map find the one that was asked for?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from zsxai.benchmarks.tasks.base import Place, Plot, Row, Stage, TaskCard
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.mixing import STRATA, Figures, Mixing, MixingRunner, Mixture
from zsxai.benchmarks.tasks.mixtures import beside_truth
from zsxai.benchmarks.tasks.oracles import Cells, oracle, resolution
from zsxai.benchmarks.tasks.sounds import stitch_maps
from zsxai.calibration import to_mask
from zsxai.explainer import Explainer
from zsxai.metrics import functional
from zsxai.metrics.base import MixtureMaps
from zsxai.recording import Recording
from zsxai.scoring import kept_energy


class TwoSounds(Mixing):
    """Mixtures of two clips whose truth is known, asked for each in turn.

    Attributes:
        resolutions: Cells of which the oracle is measured besides, such as ``"125x16"``: parts of the time by parts of
            the band. Their rows stand with one of the controls, as variants ``oracle 125x16``.
    """

    kind: Literal["two-sounds"] = "two-sounds"
    resolutions: tuple[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}x[1-9][0-9]{0,2}$")], ...] = ()

    @model_validator(mode="after")
    def _asks_once(self) -> Self:
        if len({*self.resolutions}) < len(self.resolutions):
            raise ValueError("two-sounds is asked for a resolution twice")
        return self


class TwoSoundsRunner(MixingRunner[TwoSounds]):
    """Runs :class:`TwoSounds`: two rows per mixture and explainer, one per prompt.

    Everything is judged on STFT bins within the model's band; a mel mask and its relevance are carried there by the
    bank's own weights. SI-SDR is of what the explanation sounds like, against the sound within the band.

    Variants: ``own``; ``oracle``, the true share of the prompt's sound read on the explainer's own cells and carried
    the same way (cells of one bin and frame, as those of ``energy``, give the ideal ratio mask); with one of the
    controls one ``oracle <resolution>`` for each that the task names. An oracle is a reference for a resolution, not
    a bound: another pooling of the truth on the same cells can exceed it a little, and delta-energy and pointing reward
    the surest cells alone.

    Nothing is encoded under masks: besides what :class:`MixingRunner` encodes, only what the explainers do themselves.
    """

    task_type = TwoSounds
    evidence = MixtureMaps
    card = TaskCard(
        title="Two sounds",
        strata=STRATA,
        paired_by=("item", "prompt"),
        plots=(
            Plot(
                "two-sounds",
                "zsxai.benchmarks.analyse.plots.intervals:draw_beside_oracles",
                "Every method beside the true share of the sound drawn on its own cells (its ceiling), and blind "
                "controls (its floor).",
            ),
        ),
    )

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.renders = any("estimate" in metric.needs for metric in self.metrics.values())

    def rows(self, mixture: Mixture, explainer: Explainer, place: Place, forwards: Forwards) -> list[Row]:
        """See :meth:`MixingRunner.rows`."""
        recording = mixture.heard.recording(place.domain, place.scale)
        targets = [self.classes.target(clip.label) for clip in mixture.heard.item.clips]
        with forwards.on_behalf_of("explainer"):
            relevance = [explainer.relevance(clip, targets) for clip in recording.clips]
        maps = stitch_maps(recording, relevance)
        rows: list[Row] = []
        for calibration in self.task.calibrations or (explainer.calibration,):
            rows += _rows_of(mixture, "own", calibration, self._figures(mixture, recording, maps, calibration))
        cells: dict[str, list[Cells]] = {"oracle": [(r.grid, r.on) for r in relevance]}
        if place.explainer == self._bearer:
            cells |= {f"oracle {n}": [resolution(clip, n) for clip in recording.clips] for n in self.task.resolutions}
        for variant, where in cells.items():
            rows += _rows_of(mixture, variant, "identity", self._oracle(mixture, recording, where))
        return rows

    @cached_property
    def _bearer(self) -> str | None:
        """Label of the control that the named resolutions stand with: the last one that runs once on every model."""
        cards = {label: explainer.card for label, explainer in self.stage.explainers.items()}
        once = [k for k, card in cards.items() if card.control and card.deterministic and not card.needs_gradients]
        return once[-1] if once else None

    def _oracle(self, mixture: Mixture, recording: Recording, cells: Sequence[Cells]) -> Figures:
        where = tuple((grid.frequency_edges.tobytes(), grid.time_edges.tobytes(), on) for grid, on in cells)
        key = (recording.masking, where)
        if key not in mixture.oracles:
            maps = oracle(recording, mixture.sounds, cells)
            mixture.oracles[key] = self._figures(mixture, recording, maps, "identity")
        return mixture.oracles[key]

    def _figures(self, mixture: Mixture, recording: Recording, maps: NDArray[Any], calibration: str) -> Figures:
        in_band = recording.grid.in_band
        masks = np.stack([to_mask(relevance, in_band, calibration) for relevance in maps])
        estimate = tuple(recording.render(torch.from_numpy(masks)).cpu().numpy()) if self.renders else None
        evidence = beside_truth(recording, mixture.truth, maps, masks, estimate)
        values = {
            "mask_mean": functional.mask_mean(masks, in_band),
            "kept_energy": kept_energy(recording, torch.from_numpy(masks)),
            **{name: metric(evidence) for name, metric in self.metrics.items()},
        }
        own, other = ({name: float(v[k]) for name, v in values.items()} for k in (0, 1))
        return own, other


def _rows_of(mixture: Mixture, variant: str, calibration: str, figures: Figures) -> list[Row]:
    return [
        mixture.row(which, variant=variant, calibration=calibration, figures=found)
        for which, found in enumerate(figures)
    ]
