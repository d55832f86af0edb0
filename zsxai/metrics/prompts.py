"""Metrics of the task ``prompts``: what the mask does as the prompt is right, wrong, or said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from zsxai.metrics import functional
from zsxai.metrics.base import Array, Metric, PromptMaps
from zsxai.metrics.functional import Values, ratio
from zsxai.metrics.similarity import agreement, is_constant, spearman

_WRONG = "how many wrong prompts there are, and how near to the right one"
_BLIND = "any map that ignores the prompt, an empty one too: read the prompt contrast"

Kinds = tuple[str, ...]


class MaskMeanRight(Metric[PromptMaps]):
    """Mask mean for the right prompt."""

    task: ClassVar[Literal["prompts"]] = "prompts"
    symbol, better, bounds = "MM right", "neither", (0.0, 1.0)
    reference = "arXiv 2405.17615, section 4"
    sensitive_to = "the calibration of the mask"
    gamed_by = "nothing: it sets the other figures in context"
    needs = ("masks", "kinds", "in_band")

    def compute(self, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        return _means(masks, in_band)[:, kinds.index("right")]


class MaskMeanWrong(Metric[PromptMaps]):
    """Mean of the mask means for the wrong prompts."""

    task: ClassVar[Literal["prompts"]] = "prompts"
    symbol, better, bounds = "MM wrong", "lower", (0.0, 1.0)
    reference = "arXiv 2405.17615, section 4"
    sensitive_to = f"the calibration of the mask; {_WRONG}"
    gamed_by = "empty masks for every prompt: read it beside the mask mean of the right one"
    needs = ("masks", "kinds", "in_band")

    def compute(self, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        return _mean(_means(masks, in_band)[:, _are(kinds, "wrong")])


class MaskMeanRatio(Metric[PromptMaps]):
    """Mask mean for the right prompt over the mean of those for the wrong prompts."""

    task: ClassVar[Literal["prompts"]] = "prompts"
    symbol, better, bounds = "MM ratio", "higher", (0.0, float("inf"))
    reference = "this project"
    sensitive_to = f"small masks: the mean over clips hangs on a few large ratios; {_WRONG}"
    gamed_by = "any map scaled by the similarity of clip and prompt, such as loudness"
    needs = ("masks", "kinds", "in_band")

    def compute(self, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        means = _means(masks, in_band)
        return ratio(means[:, kinds.index("right")], _mean(means[:, _are(kinds, "wrong")]))


class SimilarityCorrelation(Metric[PromptMaps]):
    """Spearman correlation, within a clip, of mask mean and similarity over all prompts; 0 for equal mask means."""

    task: ClassVar[Literal["prompts"]] = "prompts"
    symbol, better, bounds = "MM-sim", "higher", (-1.0, 1.0)
    reference = "after arXiv 2405.17615, figure 3, which shows it without a figure"
    sensitive_to = "how many prompts there are, and how far apart their similarities"
    gamed_by = "any map scaled by the similarity, such as loudness: it follows it by construction"
    needs = ("masks", "similarity", "in_band")

    def compute(self, masks: Sequence[Array], similarity: Array, in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        rows = zip(_means(masks, in_band), similarity, strict=True)
        # Masks of one size follow nothing; similarities that do not vary cannot be followed (NaN).
        return np.array([0.0 if is_constant(m) and not is_constant(s) else spearman(m, s) for m, s in rows])


class RightIsLargest(Metric[PromptMaps]):
    """Whether the right prompt's mask mean exceeds those of all wrong prompts; k masks tied at the top get 1 / k."""

    task: ClassVar[Literal["prompts"]] = "prompts"
    symbol, better, bounds = "right largest", "higher", (0.0, 1.0)
    reference = "this project"
    sensitive_to = f"{_WRONG}: chance, and a map blind to the prompt, is one over all of them and the right one"
    gamed_by = "any map scaled by the similarity of clip and prompt, such as loudness"
    needs = ("masks", "kinds", "in_band")

    def compute(self, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        means = _means(masks, in_band)
        right, wrong = means[:, [kinds.index("right")]], means[:, _are(kinds, "wrong")]
        share = (wrong <= right).all(axis=1) / (1.0 + (wrong == right).sum(axis=1))
        return np.where(np.isnan(right[:, 0]) | np.isnan(wrong).any(axis=1) | (wrong.size == 0), np.nan, share)


class ParaphraseAgreement(Metric[PromptMaps]):
    """Mean Pearson correlation of the mask for the right prompt with those for its paraphrases."""

    task: ClassVar[Literal["prompts"]] = "prompts"
    symbol, better, bounds = "para", "higher", (-1.0, 1.0)
    reference = "this project"
    sensitive_to = "which paraphrases; two flat masks count as 1, a flat one and another as 0"
    gamed_by = _BLIND
    needs = ("masks", "kinds", "in_band")

    def compute(self, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        return _agreement_with_right(masks, kinds, in_band, "paraphrase")


class WrongAgreement(Metric[PromptMaps]):
    """Mean Pearson correlation of the mask for the right prompt with those for wrong prompts."""

    task: ClassVar[Literal["prompts"]] = "prompts"
    symbol, better, bounds = "wrong", "lower", (-1.0, 1.0)
    reference = "this project"
    sensitive_to = f"{_WRONG}; two flat masks count as 1, a flat one and another as 0"
    gamed_by = "masks drawn at random for every prompt: read the prompt contrast"
    needs = ("masks", "kinds", "in_band")

    def compute(self, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        return _agreement_with_right(masks, kinds, in_band, "wrong")


class PromptContrast(Metric[PromptMaps]):
    """Paraphrase agreement less wrong agreement: 0 where the explainer is blind to the prompt."""

    task: ClassVar[Literal["prompts"]] = "prompts"
    symbol, better, bounds = "para - wrong", "higher", (-2.0, 2.0)
    reference = "this project"
    sensitive_to = f"which paraphrases; {_WRONG}"
    gamed_by = "a map drawn at random by the class that the prompt means: it says that maps follow it, not where to"
    needs = ("masks", "kinds", "in_band")

    def compute(self, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        paraphrase, wrong = (_agreement_with_right(masks, kinds, in_band, kind) for kind in ("paraphrase", "wrong"))
        return paraphrase - wrong


def _are(kinds: Kinds, kind: str) -> list[int]:
    return [index for index, k in enumerate(kinds) if k == kind]


def _means(masks: Sequence[Array], in_band: Array) -> Values:
    """``(B, P)`` mask means."""
    return np.array([functional.mask_mean(of_clip, in_band) for of_clip in masks])


def _mean(values: Values) -> Values:
    """Mean of the last axis; NaN where it is empty."""
    return values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def _agreement_with_right(masks: Sequence[Array], kinds: Kinds, in_band: Array, kind: str) -> Values:
    found = []
    for of_clip in masks:
        heard = list(functional.heard_rows(of_clip, in_band))
        right = heard[kinds.index("right")]
        found.append([agreement(right, heard[index]) for index in _are(kinds, kind)])
    return _mean(np.array(found, dtype=np.float64).reshape(len(masks), -1))
