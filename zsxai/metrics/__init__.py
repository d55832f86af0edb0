"""Metrics: thin classes that say how to read a figure, around the pure functions of ``functional``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from zsxai.metrics import functional
from zsxai.metrics.functional import Summary, Values, summarise


@dataclass(frozen=True, eq=False)
class MaskedScores:
    """What metrics read, one row per clip.

    Attributes:
        p: ``(B,)`` probability of the explained class on the clip.
        p_in: ``(B,)`` masked in.
        p_out: ``(B,)`` masked out.
        predicted: ``(B,)`` predicted class on the clip.
        predicted_in: ``(B,)`` masked in.
        mask_mean: ``(B,)``.
        kept_energy: ``(B,)``.
    """

    p: Values
    p_in: Values
    p_out: Values
    predicted: Values
    predicted_in: Values
    mask_mean: Values
    kept_energy: Values


class Metric(ABC):
    """A figure and how to read it.

    Attributes:
        symbol: Column head.
        better: Which way is better; ``neither`` for figures that only set others in context.
        bounds: Range.
        reference: Equation.
        gamed_by: What scores well without explaining anything.
    """

    symbol: ClassVar[str]
    better: ClassVar[Literal["higher", "lower", "neither"]]
    bounds: ClassVar[tuple[float, float]]
    reference: ClassVar[str]
    gamed_by: ClassVar[str]

    @abstractmethod
    def __call__(self, scores: MaskedScores) -> Values:
        """One value per clip, ``(B,)``; NaN where it cannot be computed."""


class AverageIncrease(Metric):
    """Percentage of clips whose probability rises when only the explanation is kept."""

    symbol, better, bounds = "AI", "higher", (0.0, 100.0)
    reference = "arXiv 2405.17615, eq. 11"
    gamed_by = "a constant mask on the gain scale: CLAP hardly notices a change of volume"

    def __call__(self, scores: MaskedScores) -> Values:
        """See :meth:`Metric.__call__`."""
        return functional.average_increase(scores.p, scores.p_in)


class AverageDrop(Metric):
    """Relative loss of probability when only the explanation is kept, in percent; softmaxed once."""

    symbol, better, bounds = "AD", "lower", (0.0, 100.0)
    reference = "arXiv 2405.17615, eq. 12"
    gamed_by = "a mask of ones; a constant mask on the gain scale"

    def __call__(self, scores: MaskedScores) -> Values:
        """See :meth:`Metric.__call__`."""
        return functional.average_drop(scores.p, scores.p_in)


class AverageGain(Metric):
    """Part of the missing probability that keeping only the explanation gains, in percent."""

    symbol, better, bounds = "AG", "higher", (0.0, 100.0)
    reference = "arXiv 2405.17615, eq. 13"
    gamed_by = "masks optimised on the score itself"

    def __call__(self, scores: MaskedScores) -> Values:
        """See :meth:`Metric.__call__`."""
        return functional.average_gain(scores.p, scores.p_in)


class Faithfulness(Metric):
    """Probability lost when the explanation is removed."""

    symbol, better, bounds = "FF", "higher", (-1.0, 1.0)
    reference = "arXiv 2405.17615, eq. 10"
    gamed_by = "large masks: a mask of ones removes everything; read it beside the mask mean"

    def __call__(self, scores: MaskedScores) -> Values:
        """See :meth:`Metric.__call__`."""
        return functional.faithfulness(scores.p, scores.p_out)


class InputFidelity(Metric):
    """Whether the masked-in clip is still predicted as the clip is."""

    symbol, better, bounds = "Fid-In", "higher", (0.0, 1.0)
    reference = "arXiv 2405.17615, eq. 14"
    gamed_by = "a mask of ones; a constant mask on the gain scale"

    def __call__(self, scores: MaskedScores) -> Values:
        """See :meth:`Metric.__call__`."""
        return functional.input_fidelity(scores.predicted, scores.predicted_in)


class MaskMean(Metric):
    """Mean of the mask over the cells that the model hears."""

    symbol, better, bounds = "MM", "neither", (0.0, 1.0)
    reference = "arXiv 2405.17615, section 4"
    gamed_by = "nothing: it sets the other figures in context"

    def __call__(self, scores: MaskedScores) -> Values:
        """See :meth:`Metric.__call__`."""
        return scores.mask_mean


class KeptEnergy(Metric):
    """Part of the in-band power that the explanation keeps."""

    symbol, better, bounds = "KE", "neither", (0.0, 1.0)
    reference = "this project"
    gamed_by = "nothing: it sets the other figures in context"

    def __call__(self, scores: MaskedScores) -> Values:
        """See :meth:`Metric.__call__`."""
        return scores.kept_energy


__all__ = [
    "AverageDrop",
    "AverageGain",
    "AverageIncrease",
    "Faithfulness",
    "InputFidelity",
    "KeptEnergy",
    "MaskMean",
    "MaskedScores",
    "Metric",
    "Summary",
    "summarise",
]
