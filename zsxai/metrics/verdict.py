"""Metrics of the verdict: is what is there heard, is what is not refused, and does the map lie where it should?"""

from __future__ import annotations

from functools import partial

import numpy as np

from zsxai.metrics.base import Array, HeardPrompts, JudgedMaps, Metric, SceneMaps
from zsxai.metrics.functional import INSIDE, Values, heard_rows

MARKED = 0.02
"""A place is marked where the mean of the mask is so much at least, and one cell lies inside the line."""

_of_prompts = partial(
    Metric, evidence=HeardPrompts, better="higher", bounds=(0.0, 1.0), reference="this project (zsxai.verdict.presence)"
)
_of_maps = partial(Metric, evidence=JudgedMaps, bounds=(0.0, 1.0), reference="this project (zsxai.verdict.judge)")
_of_scenes = partial(Metric, evidence=SceneMaps, needs=("masks", "places", "in_band"), reference="this project")

_WHICH = "which prompts are absent; whether recordings hold sounds besides their label"


def _as_it_is(values: Array) -> Values:
    return np.asarray(values, dtype=np.float64)


def area_by_row(present: Array, absent: Array) -> Values:
    """Area under the ROC curve as a mean over recordings, so that intervals can be drawn over them.

    Every recording is worth how often its present prompt beats absent ones, and how often its absent prompts are
    beaten, over all recordings, less the area: the first term of the area's expansion (DeLong et al., Biometrics 44,
    1988). The mean over all rows is the area.

    Args:
        present: ``(B,)`` evidence for what is there.
        absent: ``(B, K)`` evidence for what is not; NaN counts for nothing.

    Returns:
        ``(B,)``, from -1 to 2; NaN where a recording has no evidence.
    """
    wanted, others = np.asarray(present, dtype=np.float64), np.asarray(absent, dtype=np.float64)
    rising = np.sort(wanted[np.isfinite(wanted)])
    asked = np.isfinite(others)
    found = np.sort(others[asked])
    if not len(rising) or not len(found):
        return np.full(len(wanted), np.nan)

    def below(values: Array, among: Array) -> Values:
        ties = (np.searchsorted(among, values, side) for side in ("left", "right"))
        return np.asarray(sum(ties) / (2 * len(among)))

    beats = below(wanted, found)
    beaten = np.where(asked, 1.0 - below(others, rising), 0.0).sum(axis=1) * len(rising) / len(found)
    area = float(beats[np.isfinite(wanted)].mean())
    return np.where(np.isfinite(wanted), beats + beaten - area, np.nan)


PRESENCE_HEARD = _of_prompts(
    name="presence-heard",
    symbol="heard",
    summary="Whether a prompt whose sound is there counts as heard.",
    needs=("heard",),
    compute=_as_it_is,
    formula="`[evidence > 0]`",
    sensitive_to="whether the model hears the sound at all: read it for clips that it names rightly, and misheard ones",
    gamed_by="hearing everything: read it beside `presence-refused`",
    invalid="the sound is not there (`presence-refused` is of these)",
)

PRESENCE_REFUSED = _of_prompts(
    name="presence-refused",
    symbol="refused",
    summary="Whether a prompt whose sound is not there does not count as heard.",
    needs=("refused",),
    compute=_as_it_is,
    formula="`[evidence <= 0]`",
    sensitive_to=_WHICH,
    gamed_by="hearing nothing: read it beside `presence-heard`",
    invalid="the sound is there (`presence-heard` is of these)",
)

PRESENCE_AUC = _of_prompts(
    name="presence-auc",
    symbol="ROC",
    summary="Area under the ROC curve of the evidence: prompts that are there against absent ones drawn at random. The "
    "mean over recordings is the area.",
    bounds=(-1.0, 2.0),
    needs=("present", "drawn"),
    compute=area_by_row,
    formula="of a recording `P(e > e_absent) + P(e_present > e_its absent) - area`, ties one half",
    reference="DeLong et al., Biometrics 44, 1988, clustered by recordings",
    sensitive_to=_WHICH,
    gamed_by="nothing that tells nothing apart: chance is .5",
    invalid="the sound is not there, or the recording could not be read",
)

PRESENCE_AUC_HARDEST = _of_prompts(
    name="presence-auc-hardest",
    symbol="ROC hardest",
    summary="The same area against the absent prompts that are the most similar to each recording.",
    bounds=(-1.0, 2.0),
    needs=("present", "hardest"),
    compute=area_by_row,
    formula="as `presence-auc`",
    reference="DeLong et al., Biometrics 44, 1988, clustered by recordings",
    sensitive_to=f"{_WHICH}; they are chosen by the cosine, which is at its worst on them",
    gamed_by="nothing that tells nothing apart; chosen by the cosine, these prompts are hardest for the cosine",
    invalid="the sound is not there, or the recording could not be read",
)

HEARD_SHARE = _of_maps(
    name="heard-share",
    symbol="heard",
    summary="Part of the prompts of a mixture that the verdict calls heard, located or not.",
    better="neither",
    needs=("called_heard",),
    compute=_as_it_is,
    formula="`[level is heard and located, or heard, weakly located]`",
    sensitive_to="the model, not the map",
    gamed_by="hearing everything",
)

LOCATED_SHARE = _of_maps(
    name="located-share",
    symbol="located",
    summary="Part of the prompts of a mixture that the verdict calls heard and located.",
    better="higher",
    needs=("called_located",),
    compute=_as_it_is,
    formula="`[level is heard and located]`",
    sensitive_to="the calibration of the mask; whether the model hears the sound",
    gamed_by="maps made to change the score, wherever they lie: read `weighted-auc` of those called located beside it",
)

FOIL_AT_25 = _of_maps(
    name="foil-at-25",
    symbol="over foil@25",
    summary="Whether removing the best quarter of this prompt's map lowers its cosine more than removing the best "
    "quarter of the other prompt's; equal ones count half.",
    better="higher",
    needs=("removed", "removed_foil"),
    compute=lambda own, foil: np.where(np.isnan(own + foil), np.nan, (own < foil) + 0.5 * (own == foil)),
    formula="`[s_removed < s_removed by the other's]`, a quarter of the cells each",
    sensitive_to="how much the sounds overlap; whether the model hears both",
    gamed_by="nothing that is blind to the prompt: such maps score one half",
    invalid="a relevance is not a number",
)


def _outside(masks: tuple[Array, ...], places: tuple[Array, ...], in_band: Array) -> Values:
    found = []
    for mask, spans in zip(heard_rows(masks, in_band), places, strict=True):
        by_frame = mask.sum(axis=0, dtype=np.float64)
        total = float(by_frame.sum())
        found.append(float(by_frame[~spans.any(axis=0)].sum()) / total if total > 0 else np.nan)
    return np.array(found, dtype=np.float64)


def _recall(masks: tuple[Array, ...], places: tuple[Array, ...], in_band: Array) -> Values:
    found = []
    for mask, spans in zip(heard_rows(masks, in_band), places, strict=True):
        parts = [mask[:, span] for span in spans]
        found.append(np.mean([part.mean(dtype=np.float64) >= MARKED and part.max() >= INSIDE for part in parts]))
    return np.array(found, dtype=np.float64)


OUTSIDE = _of_scenes(
    name="outside",
    symbol="outside",
    summary="Part of the mask that lies outside the places that have the sound.",
    better="lower",
    bounds=(0.0, 1.0),
    compute=_outside,
    formula="`sum M over other frames / sum M`, in the band",
    sensitive_to="the calibration of the mask; windows that lie across two places; sounds besides a clip's label",
    gamed_by="a mask of one cell: read it beside `window-recall`",
    invalid="the mask is empty",
)

WINDOW_RECALL = _of_scenes(
    name="window-recall",
    symbol="recall",
    summary="Part of the places that have the sound in which the mask shows something: a mean of .02 or more, and a "
    "cell of one half or more.",
    better="higher",
    bounds=(0.0, 1.0),
    compute=_recall,
    formula="`mean over places of [mean M >= .02][max M >= 1/2]`, in the band; 0 of an empty mask",
    sensitive_to="the calibration of the mask; whether the model hears the sound",
    gamed_by="a mask of ones: read it beside `outside`",
    invalid="no row is in the band",
)
