"""Metrics of :class:`MaskedScores`: what masks do to the probability of the explained class."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from zsxai.metrics import functional
from zsxai.metrics.base import Array, MaskedScores, Metric
from zsxai.metrics.functional import Values

_metric = partial(Metric, evidence=MaskedScores)

_UNCHANGED = "a mask of ones; a constant mask on the gain scale"


def _input_fidelity(all_p: Array, all_p_in: Array) -> Values:
    broken = np.isnan(all_p).any(axis=-1) | np.isnan(all_p_in).any(axis=-1)
    same = functional.input_fidelity(np.argmax(all_p, axis=-1), np.argmax(all_p_in, axis=-1))
    return np.where(broken, np.nan, same)


AVERAGE_INCREASE = _metric(
    name="average-increase",
    symbol="AI",
    summary="Percentage of clips whose probability rises when only the explanation is kept.",
    better="higher",
    bounds=(0.0, 100.0),
    needs=("p", "p_in"),
    compute=functional.average_increase,
    formula="`100 [p_in > 1.0001 p]`",
    reference="arXiv 2405.17615, eq. 11; a rise by less than 1e-4 of p is rounding and does not count",
    sensitive_to="the scale and the calibration of the mask; a rise of any size counts as a large one",
    gamed_by="a constant mask on the gain scale: CLAP hardly notices a change of volume",
)

AVERAGE_DROP = _metric(
    name="average-drop",
    symbol="AD",
    summary="Relative loss of probability when only the explanation is kept, in percent; softmaxed once.",
    better="lower",
    bounds=(0.0, 100.0),
    needs=("p", "p_in"),
    compute=functional.average_drop,
    formula="`100 max(0, p - p_in) / p`",
    reference="arXiv 2405.17615, eq. 12",
    sensitive_to="the logit scale, the label set, the scale and the calibration of the mask",
    gamed_by=_UNCHANGED,
    invalid="p is 0",
)

AVERAGE_DROP_DOUBLE_SOFTMAX = _metric(
    name="average-drop-double-softmax",
    symbol="AD (double softmax)",
    summary="Average Drop of probabilities that are softmaxed again, as the published recipe codes it: a control.",
    better="lower",
    bounds=(0.0, 100.0 * (1.0 - 1.0 / math.e)),
    needs=("all_p", "all_p_in", "target"),
    compute=functional.average_drop_double_softmax,
    formula="`100 max(0, q - q_in) / q` with `q = softmax(all_p)[target]`, `q_in = softmax(all_p_in)[target]`",
    reference="compute_AD of SpeechBrain's recipes/ESC50/interpret, which is given probabilities and softmaxes them; "
    "of 50 classes, a true drop of 50 % from .6 reads 26 %",
    sensitive_to="the probability itself: a drop of 50 % reads 39 % from 1 and 14 % from .3 (50 classes)",
    gamed_by="what games AD; besides, it makes drops look smaller than they are",
)

AVERAGE_GAIN = _metric(
    name="average-gain",
    symbol="AG",
    summary="Part of the missing probability that keeping only the explanation gains, in percent.",
    better="higher",
    bounds=(0.0, 100.0),
    needs=("p", "p_in"),
    compute=functional.average_gain,
    formula="`100 max(0, p_in - p) / (1 - p)`",
    reference="arXiv 2405.17615, eq. 13",
    sensitive_to="how sure the model is: near certainty it divides a little by a little",
    gamed_by="masks optimised on the score itself",
    invalid="p is 1",
)

FAITHFULNESS = _metric(
    name="faithfulness",
    symbol="FF",
    summary="Probability lost when the explanation is removed.",
    better="higher",
    bounds=(-1.0, 1.0),
    needs=("p", "p_out"),
    compute=functional.faithfulness,
    formula="`p - p_out`",
    reference="arXiv 2405.17615, eq. 10",
    sensitive_to="the logit scale, the label set, the scale of the mask, its size",
    gamed_by="large masks: a mask of ones removes everything; read it beside the mask mean",
)

INPUT_FIDELITY = _metric(
    name="input-fidelity",
    symbol="Fid-In",
    summary="Whether the masked-in clip is still predicted as the clip is.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("all_p", "all_p_in"),
    compute=_input_fidelity,
    formula="`[argmax all_p = argmax all_p_in]`",
    reference="arXiv 2405.17615, eq. 14",
    sensitive_to="the label set: few classes, or classes far apart, are kept easily",
    gamed_by=_UNCHANGED,
)

LISTENING_GAP = _metric(
    name="listening-gap",
    symbol="gap",
    summary="Distance between the probability under the mask and that of its sound, encoded again.",
    better="lower",
    bounds=(0.0, 1.0),
    needs=("p_in", "p_heard"),
    compute=functional.listening_gap,
    formula="`abs(p_in - p_heard)`",
    reference="this project",
    sensitive_to="the transform: masked power has no phase, rendered sound has; 0 by construction for black boxes",
    gamed_by="a mask of ones or zeros",
)

HEARD_PROBABILITY = _metric(
    name="heard-probability",
    symbol="p heard",
    summary="Probability of the explained class on the explanation as it is heard.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("p_heard",),
    compute=lambda p_heard: np.asarray(p_heard, dtype=np.float64),
    formula="`p_heard`",
    reference="this project",
    sensitive_to="the logit scale, the label set, how sure the model is of the clip itself",
    gamed_by=_UNCHANGED,
)
