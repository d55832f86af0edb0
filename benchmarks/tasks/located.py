"""Mixtures of two known sounds, judged: do maps that the verdict calls located lie where the sound is?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.benchmarks.tasks.base import INTERVALS, Place, Plot, Row, TaskCard
from zsxai.benchmarks.tasks.budgets import Ranking
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.mixing import STRATA, Mixing, MixingRunner, Mixture
from zsxai.benchmarks.tasks.mixtures import beside_truth
from zsxai.benchmarks.tasks.sounds import embed_masks, maps_of, pooled_cosines
from zsxai.calibration import to_mask
from zsxai.explainer import Explainer
from zsxai.metrics.base import JudgedMaps
from zsxai.metrics.functional import mask_mean
from zsxai.recording import Recording
from zsxai.scoring import Scores, score_masks
from zsxai.target import BoundTarget
from zsxai.verdict.judge import find_location, judge
from zsxai.verdict.presence import Listener, Presence
from zsxai.verdict.verdict import LEVELS, Verdict

QUARTER = 0.25
"""Part of the cells that is removed, of the prompt's own map and of the other's."""
LEVEL_STRATA = dict(zip(LEVELS, ("located", "weakly-located", "not-heard", "cannot-say"), strict=True))
"""Name of each level as a stratum."""


class Located(Mixing):
    """Mixtures of two clips, explained for each in turn and judged as :func:`zsxai.explain` does by default."""

    kind: Literal["located"] = "located"


class LocatedRunner(MixingRunner[Located]):
    """Runs :class:`Located`: the verdict on every map, beside where the sound is, which the verdict does not know.

    Every row has the figure ``location``, the strength by which the verdict decides (NaN of an empty mask), and
    ``evidence``: above 0 the prompt is heard. Windows of a longer mixture all count alike.

    Strata: those of :class:`MixingRunner`; ``located``, ``weakly-located``, ``not-heard``, ``cannot-say``, what the
    verdict says; ``not-located``, all but the first of these.

    Clips encoded per mixture, explainer and kind of mask, besides what :class:`MixingRunner` and the explainers
    encode: 10 for the verdict (two masks, kept, removed, heard, and rolled), 2 for the quarters.
    """

    task_type = Located
    evidence = JudgedMaps
    card = TaskCard(
        title="Located",
        strata=(*STRATA, *LEVEL_STRATA.values(), "not-located"),
        paired_by=("item", "prompt"),
        plots=(
            INTERVALS,
            Plot(
                "coverage",
                "zsxai.benchmarks.analyse.plots.coverage:draw_coverage",
                "Weighted AUC of the maps whose location is the surest: a quarter of them, half, three quarters, all. "
                "A line that falls to the right says that the verdict knows which maps to believe.",
                {"figure": "weighted-auc", "by": "location"},
            ),
        ),
    )

    @cached_property
    def _listener(self) -> Listener:
        return Listener(self.stage.model, progress=False)

    def rows(self, mixture: Mixture, explainer: Explainer, place: Place, forwards: Forwards) -> list[Row]:
        """See :meth:`MixingRunner.rows`."""
        recording = mixture.heard.recording(place.domain, place.scale)
        targets = [self.classes.target(clip.label) for clip in mixture.heard.item.clips]
        maps = maps_of(explainer, recording, targets, forwards, mixture.heard.answers)
        windows = torch.stack(mixture.heard.windows).float().cpu().numpy()
        heard = [self._listener.ask(windows, _text(target), recording.side_by_side) for target in targets]
        removed = self._remove_quarters(recording, maps, targets)
        rows: list[Row] = []
        for calibration in self.task.calibrations or (explainer.calibration,):
            masks = np.stack([to_mask(relevance, recording.grid.in_band, calibration) for relevance in maps])
            verdicts = _judge(recording, masks, targets, heard)
            evidence = JudgedMaps(
                **vars(beside_truth(recording, mixture.truth, maps, masks, self._render(recording, masks))),
                called_heard=np.array([v.level in LEVELS[:2] for v in verdicts], dtype=float),
                called_located=np.array([v.believable for v in verdicts], dtype=float),
                removed=np.diag(removed),
                removed_foil=np.diag(removed[::-1]),
            )
            found = {name: metric(evidence) for name, metric in self.metrics.items()}
            for which, (verdict, presence) in enumerate(zip(verdicts, heard, strict=True)):
                figures = {
                    "location": verdict.figures.get("location", float("nan")),
                    "evidence": presence.evidence,
                    **{name: float(values[which]) for name, values in found.items()},
                }
                levels = {stratum: verdict.level == level for level, stratum in LEVEL_STRATA.items()}
                strata = {**levels, "not-located": not verdict.believable}
                rows.append(mixture.row(which, variant="own", calibration=calibration, figures=figures, strata=strata))
        return rows

    def _remove_quarters(
        self, recording: Recording, maps: NDArray[Any], targets: Sequence[BoundTarget]
    ) -> NDArray[Any]:
        """``(2, 2)`` cosines without the best quarter of each map (rows), of each prompt (columns)."""
        best = [Ranking(relevance, recording.grid.in_band).best([QUARTER])[0] for relevance in maps]
        left = torch.from_numpy(1.0 - np.stack(best).astype(np.float32))
        (windows,) = embed_masks([(recording, left)])
        return pooled_cosines(self.stage.model, windows, torch.stack([target.text[0] for target in targets]))

    def _render(self, recording: Recording, masks: NDArray[Any]) -> tuple[NDArray[Any], ...] | None:
        if not any("estimate" in metric.needs for metric in self.metrics.values()):
            return None
        return tuple(recording.render(torch.from_numpy(masks)).cpu().numpy())


def _text(target: BoundTarget) -> NDArray[np.float32]:
    text: NDArray[np.float32] = target.text[0].detach().float().cpu().numpy()
    return text


def _judge(
    recording: Recording, masks: NDArray[Any], targets: Sequence[BoundTarget], heard: Sequence[Presence]
) -> list[Verdict]:
    scores: list[Scores] = score_masks(recording, masks, targets, rolled=True)
    means = mask_mean(masks, recording.grid.in_band)
    return [
        judge(
            presence,
            score,
            find_location(score, presence.best) if mask.any() else None,
            mask_mean=float(mean),
        )
        for presence, score, mask, mean in zip(heard, scores, masks, means, strict=True)
    ]
