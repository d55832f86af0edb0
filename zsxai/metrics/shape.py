"""Metrics of :class:`MaskedScores` that look at the mask alone: its size, its energy, its loudness, its spread."""

from __future__ import annotations

from functools import partial

import numpy as np

from zsxai.metrics import functional, masks
from zsxai.metrics.base import MaskedScores, Metric

_metric = partial(Metric, evidence=MaskedScores, needs=("masks", "in_band"))

MASK_MEAN = _metric(
    name="mask-mean",
    symbol="MM",
    summary="Mean of the mask over the cells that the model hears.",
    better="neither",
    bounds=(0.0, 1.0),
    compute=functional.mask_mean,
    formula="`mean M` over the rows in the band",
    reference="arXiv 2405.17615, section 4",
    sensitive_to="the calibration of the mask",
    gamed_by="nothing: it sets the other figures in context",
    invalid="no row is in the band",
)

KEPT_ENERGY = _metric(
    name="kept-energy",
    symbol="KE",
    summary="Part of the in-band power that the explanation keeps.",
    better="neither",
    bounds=(0.0, 1.0),
    needs=("kept_energy",),
    compute=lambda kept_energy: np.asarray(kept_energy, dtype=np.float64),
    formula="`sum g P / sum P` over the bins in the band: P power of the clip, g power gain of the mask",
    reference="this project",
    sensitive_to="the calibration and the scale of the mask; one loud cell can be all of the power",
    gamed_by="nothing: it sets the other figures in context",
    invalid="the band is silent (an `Explanation` has 0 there)",
)

AUDIBILITY = _metric(
    name="audibility",
    symbol="audible",
    summary="Part of the power that the explanation keeps which is within 6 dB of the recording: how much of what is "
    "heard is as loud as it was.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("audibility",),
    compute=lambda audibility: np.asarray(audibility, dtype=np.float64),
    formula="`sum P g [g >= 10^-0.6] / sum P g` over the bins: P power of the clip, g power gain of the mask; the gain "
    "of a mel mask is carried to bins by the bank's weights",
    reference="this project",
    sensitive_to="the calibration and the scale of the mask: on `gain` a cell needs M of one half, on `log` a cell of "
    "L dB above the floor needs `1 - 6 / L`; a few loud cells decide",
    gamed_by="any mask of zeros and ones, wherever it lies, ones everywhere too, and a mask of one loud cell: read it "
    "beside mask mean, kept energy and the binary control of the same size",
    invalid="the mask is empty, or the recording silent",
)

SPARSENESS = _metric(
    name="sparseness",
    symbol="SPS",
    summary="Gini index of the mask over the cells that the model hears.",
    better="higher",
    bounds=(0.0, 1.0),
    compute=masks.sparseness,
    formula="`sum_k (2k - n - 1) a_k / (n sum_k a_k)`: a the n cells in the band over their maximum, plus 1e-7, rising",
    reference="Chalasani et al., arXiv 1810.06583; equal to Quantus's Sparseness",
    sensitive_to="the calibration of the mask: the same ranks score anything",
    gamed_by="any mask of a single cell, wherever it is",
    invalid="no row is in the band; an empty mask is constant and scores 0, as any constant one",
)

COMPLEXITY = _metric(
    name="complexity",
    symbol="COMP",
    summary="Entropy of the mask over the cells that the model hears, in nats.",
    better="lower",
    bounds=(0.0, float("inf")),
    compute=masks.complexity,
    formula="`-sum b log b` with `b = M / sum M` over the n cells in the band; at most `log n`",
    reference="Bhatt et al., arXiv 2005.00631; equal to Quantus's Complexity",
    sensitive_to="the number of cells n, whose log n bounds it: never compare it across resolutions, lengths or bands",
    gamed_by="any mask of a single cell, wherever it is",
    invalid="the mask is empty",
)
