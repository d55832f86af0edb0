"""Metrics of :class:`MixtureMaps`: does the map find the sound that was asked for?

A map that is blind to the prompt scores, in the mean over both prompts of a mixture, exactly one half (AUC, pointing,
specificity) or 0 (the others), whatever it shows; that is what makes these figures hard to game.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from zsxai.metrics.base import Array, Metric, MixtureMaps
from zsxai.metrics.functional import Values
from zsxai.metrics.localisation import correlation, delta_energy, ideal_binary_mask, ideal_ratio_mask, pointing, roc_auc
from zsxai.metrics.separation import si_sdr

_metric = partial(
    Metric,
    evidence=MixtureMaps,
    reference="this project",
    gamed_by="separating the sounds without the model; knowing which cells each class is apt to fill",
)

_LEVEL = "the level of one sound over the other, and how much they overlap"
_HEARD = "whether the model hears both sounds at all: a faithful map of one that does not need not find the other"
_ONE_CELL = "a mask of the one cell that is surest: nothing asks how much of the sound it finds"


def _by_row(figure: Callable[..., Any], *fields: Sequence[Array]) -> Values:
    return np.array([figure(*row) for row in zip(*fields, strict=True)], dtype=np.float64)


def _by_cells(figure: Callable[..., float], *fields: Sequence[Array]) -> Values:
    """A figure of flat arrays ``(n,)``, row by row: the first field says which cells of the others count."""

    def of_row(cells: Array, *maps: Array) -> float:
        indices = np.flatnonzero(cells)  # once for all maps: several times faster than a mask for each
        return figure(*(m.reshape(-1)[indices] for m in maps))

    return _by_row(of_row, *fields)


def _weighted_auc(relevance: Array, target: Array, other: Array, mixture: Array) -> float:
    return roc_auc(relevance, ideal_binary_mask(target, other), np.sqrt(mixture, dtype=np.float64))


def _difference(mask: Array, mask_other: Array) -> Array:
    return np.subtract(mask, mask_other, dtype=np.float64)


def _specificity(mask: Array, mask_other: Array, target: Array, other: Array) -> float:
    truth = ideal_ratio_mask(target, other)
    # The sign of NaN is NaN.
    return 0.5 + 0.5 * float(np.sign(correlation(mask, truth) - correlation(mask_other, truth)))


def _mean_difference(mask: Array, mask_other: Array) -> float:
    return float(np.abs(_difference(mask, mask_other)).mean()) if mask.size else float("nan")


WEIGHTED_AUC = _metric(
    name="weighted-auc",
    symbol="wAUC",
    summary="Area under the ROC curve of the relevance against the ideal binary mask, weighted by the mixture's "
    "magnitude.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("cells", "relevance", "target", "other", "mixture"),
    compute=partial(_by_cells, _weighted_auc),
    formula="`P(R_i > R_j) + P(R_i = R_j) / 2`, i drawn from the wanted sound's cells and j from the other's, "
    "with weight `sqrt(power of the mixture)`",
    reference="this project, after explain_where (arXiv 2506.04391)",
    sensitive_to=f"the resolution of the map: compare with the oracle of the same resolution; {_HEARD}",
    invalid="one sound has no cell; a relevance that counts is not a number",
)

AUC = _metric(
    name="auc",
    symbol="AUC",
    summary="Area under the ROC curve of the relevance against the ideal binary mask, every cell alike.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("cells", "relevance", "target", "other"),
    compute=partial(_by_cells, lambda relevance, *powers: roc_auc(relevance, ideal_binary_mask(*powers))),
    formula="as `weighted-auc`, every cell of weight 1",
    reference="this project, after explain_where (arXiv 2506.04391)",
    sensitive_to="how quiet a cell still counts: there are many faint cells; besides, what changes the weighted AUC",
    invalid="one sound has no cell; a relevance that counts is not a number",
)

CONTRASTIVE_AUC = _metric(
    name="contrastive-auc",
    symbol="cAUC",
    summary="Weighted AUC of the mask for this prompt less the mask for the other one.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("cells", "masks", "masks_other", "target", "other", "mixture"),
    compute=partial(_by_cells, lambda mask, mask_other, *powers: _weighted_auc(_difference(mask, mask_other), *powers)),
    formula="as `weighted-auc`, of `M - M_other` in place of R",
    sensitive_to=f"the calibration of the masks; the resolution of the map; {_HEARD}",
    invalid="one sound has no cell; a mask value that counts is not a number",
)

DELTA_ENERGY = _metric(
    name="delta-energy",
    symbol="dE",
    summary="The wanted sound's part of the power under the mask, less its part of all power.",
    better="higher",
    bounds=(-1.0, 1.0),
    needs=("cells", "masks", "target", "other"),
    compute=partial(_by_cells, delta_energy),
    formula="`sum M S / sum M (S + O) - sum S / sum (S + O)`: S power of the wanted sound, O of the other",
    reference="this project, after the energy-based pointing game (Wang et al., arXiv 1910.01279)",
    sensitive_to=f"{_LEVEL}; a few loud cells decide",
    gamed_by=_ONE_CELL,
    invalid="the mask is empty on the cells that count",
)

POINTING = _metric(
    name="pointing",
    symbol="point",
    summary="Whether the cell where mask times magnitude is greatest belongs to the wanted sound; tied cells share it.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("cells", "masks", "mixture", "target", "other"),
    compute=partial(_by_cells, lambda mask, mixture, *powers: pointing(mask, mixture, ideal_binary_mask(*powers))),
    formula="`IBM` at the greatest `M sqrt(power of the mixture)`, the mean over tied cells",
    reference="after the pointing game, Zhang et al., arXiv 1608.00507",
    sensitive_to=f"{_LEVEL}; one cell decides",
    gamed_by=_ONE_CELL,
    invalid="no cell counts; a mask value that counts is not a number",
)

CORRELATION = _metric(
    name="correlation",
    symbol="rho",
    summary="Pearson correlation of the mask with the ideal ratio mask; 0 for a constant mask.",
    better="higher",
    bounds=(-1.0, 1.0),
    needs=("cells", "masks", "target", "other"),
    compute=partial(_by_cells, lambda mask, *powers: correlation(mask, ideal_ratio_mask(*powers))),
    formula="Pearson of M and `IRM = S / (S + O)`; a constant mask: 0",
    sensitive_to="the calibration of the mask; how quiet a cell still counts; the resolution of the map",
    invalid="the truth is constant; a mask value that counts is not a number",
)

PROMPT_SPECIFICITY = _metric(
    name="prompt-specificity",
    symbol="spec",
    summary="Whether the mask for this prompt fits its sound better than the mask for the other prompt does; "
    "a tie is .5.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("cells", "masks", "masks_other", "target", "other"),
    compute=partial(_by_cells, _specificity),
    formula="`[r > r_other]`, one half where equal: r, r_other as `correlation`, of M and of M_other with the wanted "
    "sound's IRM",
    sensitive_to="nothing but the order of two correlations: a difference of any size counts as a large one",
    invalid="either correlation is",
)

MASK_DIFFERENCE = _metric(
    name="mask-difference",
    symbol="|dM|",
    summary="Mean absolute difference of the masks for both prompts: 0 where the explainer is blind to the prompt.",
    better="neither",
    bounds=(0.0, 1.0),
    needs=("cells", "masks", "masks_other"),
    compute=partial(_by_cells, _mean_difference),
    formula="`mean abs(M - M_other)`",
    sensitive_to="the calibration and the size of the masks",
    gamed_by="masks drawn at random for every prompt: it says that masks differ, not that they are right",
    invalid="no cell counts",
)

SI_SDR_IMPROVEMENT = _metric(
    name="si-sdr-improvement",
    symbol="SI-SDRi",
    summary="SI-SDR of the rendered explanation less that of the mixture, against the wanted sound, in dB.",
    better="higher",
    bounds=(float("-inf"), float("inf")),
    needs=("estimate", "sound", "heard"),
    compute=partial(_by_row, lambda estimate, sound, heard: si_sdr(estimate, sound) - si_sdr(heard, sound)),
    formula="`SI-SDR(estimate, sound) - SI-SDR(mixture, sound)`; "
    "`SI-SDR(e, s) = 10 log10(sum (a s)^2 / sum (e - a s)^2)`, `a = sum e s / sum s^2`",
    reference="Le Roux et al., arXiv 1811.02508, means kept",
    sensitive_to="the resolution and the calibration of the mask; it rewards caution: ones give 0 dB, noise less",
    gamed_by="a mask near ones never loses; separating the sounds without the model",
    invalid="a waveform is silent; infinite, and counted as invalid, where the estimate is the sound to the last digit "
    "or holds none of it",
)
