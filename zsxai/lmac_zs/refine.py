"""Masks optimised for one clip: from the decoder's (``lmac-zs+``), or from an open one (``mask-optimisation``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from zsxai.calibration import STEEPNESS
from zsxai.clip import Clip, Relevance, batches
from zsxai.explainer import MOST_FORWARDS, Count, Explainer, ExplainerCard
from zsxai.lmac_zs.bank import bank_of, log_of_rest, log_probability
from zsxai.lmac_zs.cells import Cells, Sounds
from zsxai.lmac_zs.explainer import LMACZS
from zsxai.spectral import Grid, patch_grid
from zsxai.target import BoundTarget

PATCHES = (32, 16)
"""Number of parts of the window's time and of the model's band, in mel, on which a change of the mask is optimised."""


class Optimisation(Explainer):
    """Base of both: the objective of the training on one clip, for the target's prompt against others.

    With M the mask: ``-log p(M x) - removed log(1 - p((1 - M) x)) + size mean(M)``, p the softmax of the prompt among
    the target's other prompts, or among everyday sounds where it has none (:mod:`zsxai.lmac_zs.bank`).

    Attributes:
        steps: Number of steps of Adam.
        rate: Learning rate of Adam, on log-odds.
        removed: Weight of the term on what the mask leaves.
        size: Weight of the mask's mean.
    """

    calibration: str = "steep-sigmoid"
    steps: int = Field(default=10, ge=0, le=MOST_FORWARDS)
    rate: float = Field(default=0.3, gt=0)
    removed: float = Field(default=1.0, ge=0)
    size: float = Field(default=0.5, ge=0)

    def optimise(self, clip: Clip, targets: Sequence[BoundTarget], start: Tensor, grid: Grid) -> Tensor:
        """Improve relevance ``(P, f, t)`` on ``grid``, which the calibration makes masks of; returns as much."""
        model = clip.spectral
        sounds = Sounds.of_clip(clip)
        seconds = float(clip.window_grid.time_edges[-1]) / PATCHES[0]
        patches = patch_grid(clip.window_grid, seconds, PATCHES[1])
        steepness = self._steepness
        change, cells = Cells(patches, grid, model.device), Cells(grid, clip.window_grid, model.device)
        improved = []
        for part in batches(len(targets), max(1, clip.batch_size // 2)):
            some = targets[part]
            banks = [bank_of(model, target) for target in some]
            delta = torch.zeros(len(some), *patches.shape, device=model.device, requires_grad=True)
            optimiser = torch.optim.Adam([delta], lr=self.rate)
            for _ in range(self.steps):
                with torch.enable_grad():
                    log_odds = cells.spread(steepness * start[part] + change.spread(delta))
                    # The copies of a short clip are masked as one: what is optimised is what the clip is given.
                    masks = torch.sigmoid(clip.frames.forward(clip.frames.mean(log_odds)))
                    loss = self._loss(sounds, masks, some, banks)
                (delta.grad,) = torch.autograd.grad(loss, [delta])
                optimiser.step()
            improved.append(start[part] + change.spread(delta.detach()) / steepness)
        return torch.cat(improved)

    @property
    def _steepness(self) -> float:
        return STEEPNESS.get(self.calibration, 1.0)

    def _loss(self, sounds: Sounds, masks: Tensor, targets: Sequence[BoundTarget], banks: Sequence[Tensor]) -> Tensor:
        scale = sounds.model.logit_scale or 1.0
        of = torch.zeros(2 * len(masks), dtype=torch.long, device=masks.device)
        embedded = sounds.embed(torch.cat([masks, 1.0 - masks]), of)
        losses = []
        for row, (target, bank) in enumerate(zip(targets, banks, strict=True)):
            both = embedded[[row, len(masks) + row]]
            text = target.text[:1].expand(2, -1)
            nothing = torch.zeros(2, len(bank), dtype=torch.bool, device=masks.device)
            kept, left = log_probability(both, text, bank, nothing, scale)
            losses.append(-kept - self.removed * log_of_rest(left) + self.size * masks[row].mean())
        return torch.stack(losses).sum()


class LMACZSPlus(Optimisation, LMACZS):
    """The decoder's mask, improved on the clip by a few steps of the training's objective.

    Its scores rise by construction; whether it points better is what two sounds are for
    (docs/results/lmac-zs.md).
    """

    name: ClassVar[str] = "lmac-zs+"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="The decoder's mask, improved by a few steps on the clip.",
        needs_gradients=True,
        deterministic=True,
        forwards="1 + 2 steps; and the decoder",
        backwards="2 steps",
        differentiates_target=False,
        reference="this project, after arXiv 2405.17615; objective: docs/lmac-zs.md",
    )

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        (start,), grid = self.decode([clip], targets)
        return Relevance(self.optimise(clip, targets, start, grid), grid, "window", copies="mean")


class MaskOptimisation(Optimisation):
    """The mask that scores best on one clip, from an open one: high scores by construction, no better explanation.

    It maximises what faithfulness metrics measure, and may find whatever moves the model, cells that sound like nothing
    among them. Read it as what scores can be reached (docs/lmac-zs.md).
    """

    name: ClassVar[str] = "mask-optimisation"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="The mask that scores best on the clip: a reference for scores.",
        needs_gradients=True,
        deterministic=True,
        forwards="2 steps",
        backwards="2 steps",
        differentiates_target=False,
        reference="Fong and Vedaldi, ICCV 2017, eq. 4, with the objective of docs/lmac-zs.md",
    )
    steps: Count = 60

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        window = clip.window_grid
        grid = patch_grid(window, float(window.time_edges[-1]) / PATCHES[0], PATCHES[1])
        start = torch.full((len(targets), *grid.shape), 2.0 / self._steepness, device=clip.model.device)
        return Relevance(self.optimise(clip, targets, start, grid), grid, "window", copies="mean")
