"""Metrics of the task ``faithfulness``: what masks do to the probability of the explained class."""

from __future__ import annotations

import math

import numpy as np

from zsxai.metrics import functional
from zsxai.metrics.base import Array, MaskedScores, Metric
from zsxai.metrics.functional import Values


class AverageIncrease(Metric[MaskedScores]):
    """Percentage of clips whose probability rises when only the explanation is kept."""

    symbol, better, bounds = "AI", "higher", (0.0, 100.0)
    reference = "arXiv 2405.17615, eq. 11; a rise by less than 1e-4 of p is rounding and does not count"
    sensitive_to = "the scale and the calibration of the mask; a rise of any size counts as a large one"
    gamed_by = "a constant mask on the gain scale: CLAP hardly notices a change of volume"
    needs = ("p", "p_in")
    compute = staticmethod(functional.average_increase)


class AverageDrop(Metric[MaskedScores]):
    """Relative loss of probability when only the explanation is kept, in percent; softmaxed once."""

    symbol, better, bounds = "AD", "lower", (0.0, 100.0)
    reference = "arXiv 2405.17615, eq. 12"
    sensitive_to = "the logit scale, the label set, the scale and the calibration of the mask"
    gamed_by = "a mask of ones; a constant mask on the gain scale"
    needs = ("p", "p_in")
    compute = staticmethod(functional.average_drop)


class AverageDropDoubleSoftmax(Metric[MaskedScores]):
    """Average Drop of probabilities that are softmaxed again, as the published recipe codes it: a control."""

    symbol, better, bounds = "AD (double softmax)", "lower", (0.0, 100.0 * (1.0 - 1.0 / math.e))
    reference = (
        "compute_AD of SpeechBrain's recipes/ESC50/interpret, which is given probabilities and softmaxes them; of 50 "
        "classes, a true drop of 50 % from .6 reads 26 %"
    )
    sensitive_to = "the probability itself: a drop of 50 % reads 39 % from 1 and 14 % from .3 (50 classes)"
    gamed_by = "what games AD; besides, it makes drops look smaller than they are"
    needs = ("all_p", "all_p_in", "target")
    compute = staticmethod(functional.average_drop_double_softmax)


class AverageGain(Metric[MaskedScores]):
    """Part of the missing probability that keeping only the explanation gains, in percent."""

    symbol, better, bounds = "AG", "higher", (0.0, 100.0)
    reference = "arXiv 2405.17615, eq. 13"
    sensitive_to = "how sure the model is: near certainty it divides a little by a little"
    gamed_by = "masks optimised on the score itself"
    needs = ("p", "p_in")
    compute = staticmethod(functional.average_gain)


class Faithfulness(Metric[MaskedScores]):
    """Probability lost when the explanation is removed."""

    symbol, better, bounds = "FF", "higher", (-1.0, 1.0)
    reference = "arXiv 2405.17615, eq. 10"
    sensitive_to = "the logit scale, the label set, the scale of the mask, its size"
    gamed_by = "large masks: a mask of ones removes everything; read it beside the mask mean"
    needs = ("p", "p_out")
    compute = staticmethod(functional.faithfulness)


class InputFidelity(Metric[MaskedScores]):
    """Whether the masked-in clip is still predicted as the clip is."""

    symbol, better, bounds = "Fid-In", "higher", (0.0, 1.0)
    reference = "arXiv 2405.17615, eq. 14"
    sensitive_to = "the label set: few classes, or classes far apart, are kept easily"
    gamed_by = "a mask of ones; a constant mask on the gain scale"
    needs = ("all_p", "all_p_in")

    def compute(self, all_p: Array, all_p_in: Array) -> Values:
        """See :meth:`Metric.compute`."""
        broken = np.isnan(all_p).any(axis=-1) | np.isnan(all_p_in).any(axis=-1)
        same = functional.input_fidelity(np.argmax(all_p, axis=-1), np.argmax(all_p_in, axis=-1))
        return np.where(broken, np.nan, same)


class ListeningGap(Metric[MaskedScores]):
    """Distance between the probability under the mask and that of its sound, encoded again.

    Absolute, so that clips which gain and clips which lose do not cancel in the mean; the direction is to be read from
    the heard probability.
    """

    symbol, better, bounds = "gap", "lower", (0.0, 1.0)
    reference = "this project"
    sensitive_to = "the transform: masked power has no phase, rendered sound has; 0 by construction for black boxes"
    gamed_by = "a mask of ones or zeros"
    needs = ("p_in", "p_heard")
    compute = staticmethod(functional.listening_gap)


class HeardProbability(Metric[MaskedScores]):
    """Probability of the explained class on the explanation as it is heard."""

    symbol, better, bounds = "p heard", "higher", (0.0, 1.0)
    reference = "this project"
    sensitive_to = "the logit scale, the label set, how sure the model is of the clip itself"
    gamed_by = "a mask of ones; a constant mask on the gain scale"
    needs = ("p_heard",)

    def compute(self, p_heard: Array) -> Values:
        """See :meth:`Metric.compute`."""
        return np.asarray(p_heard, dtype=np.float64)
