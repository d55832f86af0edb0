"""Metrics of :class:`AbsentMaps`: what an explainer shows of a sound that is not there, and of the one that is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from zsxai.metrics import functional
from zsxai.metrics.base import AbsentMaps, Array, Metric
from zsxai.metrics.functional import INSIDE, Values

ROUNDING = 1e-4
"""A cosine that rises by less did not rise: the same sound in another batch moves it by as much."""
OVER_SILENCE = 0.02
"""What is heard is above silence by more than so much of a cosine. Some prompts are nearer to silence than to most
recordings: for these a mask that keeps next to nothing is above the level of absence by itself."""

_metric = partial(Metric, evidence=AbsentMaps, bounds=(0.0, 1.0), reference="this project")

_WHICH = "which prompts are absent: those most similar to the clip are the hardest"
_EMPTY = "empty masks for every prompt: read it beside the figures of the present one"


def _shown(masks: Sequence[Array], in_band: Array) -> Values:
    heard = functional.heard_rows(masks, in_band)
    return np.array([float(m.max() >= INSIDE) if m.size and not np.isnan(m).any() else np.nan for m in heard])


def _heard(similarity_in: Array, level: Array, silence: Array) -> Values:
    found = (similarity_in > level) & (similarity_in > silence + OVER_SILENCE)
    return np.where(np.isnan(similarity_in + level + silence), np.nan, found)


def _made_up(similarity: Array, *kept: Array) -> Values:
    risen = _heard(*kept) * (kept[0] > similarity + ROUNDING)
    return np.where(np.isnan(similarity), np.nan, risen)


ABSENT_MASK_MEAN = _metric(
    name="absent-mask-mean",
    symbol="MM absent",
    summary="Mask mean for a prompt whose sound is not in the clip.",
    better="lower",
    needs=("masks", "in_band"),
    compute=functional.mask_mean,
    formula="`mean M` for the absent prompt, in the band",
    sensitive_to=f"the calibration of the mask; {_WHICH}",
    gamed_by=f"{_EMPTY}; the mask times the similarity, a variant of every row",
    invalid="no row is in the band",
)

PRESENT_MASK_MEAN = _metric(
    name="present-mask-mean",
    symbol="MM present",
    summary="Mask mean for the prompt whose sound is in the same clip.",
    better="neither",
    needs=("masks_present", "in_band"),
    compute=functional.mask_mean,
    formula="`mean M` for the present prompt, in the band",
    sensitive_to="the calibration of the mask",
    gamed_by="nothing: it sets the other figures in context",
    invalid="no row is in the band",
)

ABSENT_SHOWN = _metric(
    name="absent-shown",
    symbol="absent shown",
    summary="Whether the absent prompt's mask shows anything: one cell of one half or more.",
    better="lower",
    needs=("masks", "in_band"),
    compute=_shown,
    formula="`[max M >= 1/2]` for the absent prompt, in the band",
    sensitive_to=f"the calibration of the mask: over its own maximum, every mask shows something; {_WHICH}",
    gamed_by=f"{_EMPTY}; masks that stay just under one half",
    invalid="no row is in the band; a mask value is not a number",
)

PRESENT_SHOWN = _metric(
    name="present-shown",
    symbol="present shown",
    summary="Whether the present prompt's mask shows anything: one cell of one half or more.",
    better="higher",
    needs=("masks_present", "in_band"),
    compute=_shown,
    formula="`[max M >= 1/2]` for the present prompt, in the band",
    sensitive_to="the calibration of the mask: over its own maximum, every mask shows something",
    gamed_by="a mask of ones, or of any one cell",
    invalid="no row is in the band; a mask value is not a number",
)

MADE_UP = _metric(
    name="made-up",
    symbol="made up",
    summary="Whether keeping the absent prompt's mask raises the similarity above the prompt's level of absence: the "
    "explanation makes up a sound that is not there.",
    better="lower",
    needs=("similarity", "similarity_in", "level", "silence"),
    compute=_made_up,
    formula="`[s_in > max(a, s + 1e-4, s_0 + .02)]`: s cosine of clip and absent prompt, `s_in` with only its mask "
    "kept, `s_0` with every cell masked, a the level of absence",
    sensitive_to=f"the quantile and the recordings of the level; {_WHICH}; how well the model tells sounds apart: in "
    "the stratum `unheard` it hears none itself",
    gamed_by=f"{_EMPTY}; a mask of ones, which raises nothing",
    invalid="no other recording without the sound gives a level of absence",
)

PRESENT_HEARD = _metric(
    name="present-heard",
    symbol="present heard",
    summary="Whether the present prompt stays above its level of absence when only its own mask is kept.",
    better="higher",
    needs=("similarity_in_present", "level_present", "silence_present"),
    compute=_heard,
    formula="`[s_in > max(a, s_0 + .02)]` for the present prompt, as in `made-up`",
    sensitive_to="the quantile and the recordings of the level; whether the model hears the sound at all",
    gamed_by="a mask of ones; masks optimised on the score itself",
    invalid="no other recording without the sound gives a level of absence",
)
