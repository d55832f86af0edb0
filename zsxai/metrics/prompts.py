"""Metrics of :class:`PromptMaps`: what the mask does as the prompt is right, wrong, or said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from zsxai.metrics import functional
from zsxai.metrics.base import Array, Metric, PromptMaps
from zsxai.metrics.functional import Values, ratio
from zsxai.metrics.similarity import agreement, is_constant, spearman

_metric = partial(Metric, evidence=PromptMaps, needs=("masks", "kinds", "in_band"), reference="this project")

_WRONG = "how many wrong prompts there are, and how near to the right one"
_FLAT = "two flat masks count as 1, a flat one and another as 0"
_SCALED = "any map scaled by the similarity of clip and prompt, such as loudness"

Kinds = tuple[str, ...]


def _columns(kinds: Kinds, kind: str) -> list[int]:
    return [index for index, k in enumerate(kinds) if k == kind]


def _means(masks: Sequence[Array], in_band: Array) -> Values:
    """``(B, P)`` mask means."""
    return np.array([functional.mask_mean(of_clip, in_band) for of_clip in masks])


def _mean(values: Values) -> Values:
    """Mean of the last axis; NaN where it is empty."""
    return values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def _mean_of(kind: str, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
    return _mean(_means(masks, in_band)[:, _columns(kinds, kind)])


def _mean_ratio(masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
    means = _means(masks, in_band)
    return ratio(means[:, kinds.index("right")], _mean(means[:, _columns(kinds, "wrong")]))


def _similarity_correlation(masks: Sequence[Array], similarity: Array, in_band: Array) -> Values:
    rows = zip(_means(masks, in_band), similarity, strict=True)
    # Masks of one size follow nothing; similarities that do not vary cannot be followed (NaN).
    return np.array([0.0 if is_constant(m) and not is_constant(s) else spearman(m, s) for m, s in rows])


def _right_is_largest(masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
    means = _means(masks, in_band)
    right, wrong = means[:, [kinds.index("right")]], means[:, _columns(kinds, "wrong")]
    share = (wrong <= right).all(axis=1) / (1.0 + (wrong == right).sum(axis=1))
    return np.where(np.isnan(right[:, 0]) | np.isnan(wrong).any(axis=1) | (wrong.size == 0), np.nan, share)


def _agreement(kind: str, masks: Sequence[Array], kinds: Kinds, in_band: Array) -> Values:
    """Mean agreement of the right prompt's mask with those of the prompts of one kind."""
    rows = []
    for of_clip in masks:
        heard = list(functional.heard_rows(of_clip, in_band))
        right = heard[kinds.index("right")]
        rows.append([agreement(right, heard[column]) for column in _columns(kinds, kind)])
    return _mean(np.array(rows, dtype=np.float64).reshape(len(masks), -1))


MASK_MEAN_RIGHT = _metric(
    name="mask-mean-right",
    symbol="MM right",
    summary="Mask mean for the right prompt.",
    better="neither",
    bounds=(0.0, 1.0),
    compute=partial(_mean_of, "right"),
    formula="`mean M` for the right prompt, in the band",
    reference="arXiv 2405.17615, section 4",
    sensitive_to="the calibration of the mask",
    gamed_by="nothing: it sets the other figures in context",
    invalid="no row is in the band",
)

MASK_MEAN_WRONG = _metric(
    name="mask-mean-wrong",
    symbol="MM wrong",
    summary="Mean of the mask means for the wrong prompts.",
    better="lower",
    bounds=(0.0, 1.0),
    compute=partial(_mean_of, "wrong"),
    formula="mean over the wrong prompts of `mean M`, in the band",
    reference="arXiv 2405.17615, section 4",
    sensitive_to=f"the calibration of the mask; {_WRONG}",
    gamed_by="empty masks for every prompt: read it beside the mask mean of the right one",
    invalid="there is no wrong prompt",
)

MASK_MEAN_RATIO = _metric(
    name="mask-mean-ratio",
    symbol="MM ratio",
    summary="Mask mean for the right prompt over the mean of those for the wrong prompts.",
    better="higher",
    bounds=(0.0, float("inf")),
    compute=_mean_ratio,
    formula="`mask-mean-right / mask-mean-wrong`",
    sensitive_to=f"small masks: the mean over clips depends on a few large ratios; {_WRONG}",
    gamed_by=_SCALED,
    invalid="the masks for all wrong prompts are empty (the ideal, so read `right-is-largest` and `prompt-contrast` "
    "beside it), or there is no wrong prompt",
)

SIMILARITY_CORRELATION = _metric(
    name="similarity-correlation",
    symbol="MM-sim",
    summary="Spearman correlation, within a clip, of mask mean and similarity over all prompts; "
    "0 for equal mask means.",
    better="higher",
    bounds=(-1.0, 1.0),
    needs=("masks", "similarity", "in_band"),
    compute=_similarity_correlation,
    formula="Spearman of `mean M` and the cosine over all prompts of a clip; equal mask means: 0",
    reference="after arXiv 2405.17615, figure 3, which shows it without a figure",
    sensitive_to="how many prompts there are, and how far apart their similarities",
    gamed_by="any map scaled by the similarity, such as loudness: it follows it by construction",
    invalid="all similarities are equal",
)

RIGHT_IS_LARGEST = _metric(
    name="right-is-largest",
    symbol="right largest",
    summary="Whether the right prompt's mask mean exceeds those of all wrong prompts; "
    "k masks tied at the top get 1 / k.",
    better="higher",
    bounds=(0.0, 1.0),
    compute=_right_is_largest,
    formula="`[mean M of the right prompt is the greatest]` over the right and the wrong prompts, shared by ties",
    sensitive_to=f"{_WRONG}: chance, and a map blind to the prompt, is one over all of them and the right one",
    gamed_by=_SCALED,
    invalid="there is no wrong prompt",
)

PARAPHRASE_AGREEMENT = _metric(
    name="paraphrase-agreement",
    symbol="para",
    summary="Mean Pearson correlation of the mask for the right prompt with those for its paraphrases.",
    better="higher",
    bounds=(-1.0, 1.0),
    compute=partial(_agreement, "paraphrase"),
    formula="mean over the paraphrases of the Pearson correlation with the right prompt's mask, in the band; "
    "two flat masks: 1, one: 0",
    sensitive_to=f"which paraphrases; {_FLAT}",
    gamed_by="any map that ignores the prompt, an empty one too: read the prompt contrast",
    invalid="there is no paraphrase",
)

WRONG_AGREEMENT = _metric(
    name="wrong-agreement",
    symbol="wrong",
    summary="Mean Pearson correlation of the mask for the right prompt with those for wrong prompts.",
    better="lower",
    bounds=(-1.0, 1.0),
    compute=partial(_agreement, "wrong"),
    formula="as `paraphrase-agreement`, over the wrong prompts",
    sensitive_to=f"{_WRONG}; {_FLAT}",
    gamed_by="masks drawn at random for every prompt: read the prompt contrast",
    invalid="there is no wrong prompt",
)

PROMPT_CONTRAST = _metric(
    name="prompt-contrast",
    symbol="para - wrong",
    summary="Paraphrase agreement less wrong agreement: 0 where the explainer is blind to the prompt.",
    better="higher",
    bounds=(-2.0, 2.0),
    compute=lambda *fields: _agreement("paraphrase", *fields) - _agreement("wrong", *fields),
    formula="`paraphrase-agreement - wrong-agreement`",
    sensitive_to=f"which paraphrases; {_WRONG}",
    gamed_by="a map drawn at random by the class that the prompt means: it says that maps follow it, not where to",
    invalid="either is",
)
