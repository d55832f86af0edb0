"""Measure the reference figures of a model on labelled recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.conditions import evaluating
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError, MissingExtraError
from zsxai.model import ZeroShotModel
from zsxai.progress import track
from zsxai.prompt import embed_prompts
from zsxai.recording import Recording
from zsxai.verdict.bank import bank_of, hash_bank
from zsxai.verdict.reference import FIRST, TAIL, Figures, Reference
from zsxai.versions import versions

SIMILAR = 3
"""Absent labels most similar to a clip that count as much as all absent ones."""
LEAST = 20
"""Clips from which on figures are made."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every clip with every label.

    Attributes:
        cosine: ``(N, C)`` of clip and label.
        margin: ``(N, C)``: the cosine less that of the strongest other sound of the bank.
        present: ``(N, C)`` bool: the clip is labelled so.
        sources: ``(N,)`` recording of each clip.
    """

    cosine: NDArray[Any]
    margin: NDArray[Any]
    present: NDArray[Any]
    sources: NDArray[Any]

    @property
    def first(self) -> NDArray[Any]:
        """``(N, C)`` bool: present, and ranked first."""
        found: NDArray[Any] = self.present & (self.cosine == self.cosine.max(axis=1, keepdims=True))
        return found

    @property
    def similar(self) -> NDArray[Any]:
        """``(N, C)`` bool: among the absent labels most similar to the clip."""
        absent = np.where(self.present, -np.inf, self.cosine)
        order = (-absent).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        found: NDArray[Any] = (order < SIMILAR) & ~self.present
        return found

    @staticmethod
    def join(parts: Sequence[Pairs]) -> Pairs:
        """Pairs of several models, whose labels may differ in number."""
        most = max(part.cosine.shape[1] for part in parts)

        def padded(values: NDArray[Any], fill: Any) -> NDArray[Any]:
            return np.pad(values, ((0, 0), (0, most - values.shape[1])), constant_values=fill)

        return Pairs(
            np.concatenate([padded(p.cosine, -1.0) for p in parts]),
            np.concatenate([padded(p.margin, np.nan) for p in parts]),
            np.concatenate([padded(p.present, False) for p in parts]),
            np.concatenate([p.sources for p in parts]),
        )


def pair_up(
    model: ZeroShotModel,
    clips: Sequence[LabelledClip],
    labels: Sequence[str],
    *,
    progress: bool | None = None,
) -> Pairs:
    """Hear every clip and compare it with every label.

    Args:
        model: The model.
        clips: Labelled recordings, none of which it was trained on.
        labels: The labels, as prompts.
        progress: A bar; None for one on a terminal.

    Raises:
        InputError: If there are fewer than two labels.
    """
    if len(labels) < 2:
        raise InputError("reference figures compare labels: the data set needs two or more")
    bank = bank_of(model, progress=progress)
    with evaluating(model), torch.no_grad():
        text = embed_prompts(model, labels).embedding.float().cpu().numpy()
        heard = np.stack([_embed(model, clip) for clip in track(clips, len(clips), "listening", progress)])
    margin = np.empty((len(clips), len(labels)))
    cosine = (heard @ text.T).astype(np.float64)
    for column, prompt in enumerate(text):
        margin[:, column] = cosine[:, column] - [s.cosine for s in bank.strongest(heard, prompt)]
    present = np.array([[label in clip.classes for label in labels] for clip in clips])
    return Pairs(cosine, margin, present, np.array([clip.source for clip in clips]))


def _embed(model: ZeroShotModel, clip: LabelledClip) -> NDArray[Any]:
    sound = clip.read().at(model.sample_rate)
    if clip.seconds is not None:
        sound = sound[: round(clip.seconds * model.sample_rate)]
    window = model.audio_spec.window_samples
    # One window, as a recording's best window is asked about: its first.
    recording = Recording(model, sound[:window])
    return recording.embedding(0).float().cpu().numpy()


def fit_reference(pairs: Pairs, model: ZeroShotModel, data: str, *, command: str = "") -> Reference:
    """Figures from pairs: a logistic regression of presence on cosine and margin, with a threshold by one rule.

    Present pairs weigh as much as absent ones, and of these the most similar as much as all. The threshold refuses
    :data:`zsxai.verdict.reference.FIRST` of what is present and ranked first: a rule that is the same for every model.

    Args:
        pairs: From :func:`pair_up`.
        model: The model.
        data: What was listened to, in words.
        command: What made it.

    Raises:
        InputError: If there are too few clips, or none that the model ranks rightly.
        MissingExtraError: If scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
    except ModuleNotFoundError as error:
        raise MissingExtraError("reference figures need scikit-learn: pip install 'zsxai[concepts]'") from error
    if len(pairs.cosine) < LEAST:
        raise InputError(f"{len(pairs.cosine)} clips are too few for reference figures: give {LEAST} or more")
    asked = np.isfinite(pairs.margin)
    present, similar, first = (p[asked] for p in (pairs.present, pairs.similar, pairs.first))
    if not first.any():
        raise InputError(f"{model.card.name} ranks no clip rightly: on such recordings no figures can be made")
    features = np.stack([pairs.cosine[asked], pairs.margin[asked]], axis=1)
    middle, spread = features.mean(axis=0), features.std(axis=0)
    weight = np.where(present, 1 / present.sum(), 0.5 / (~present).sum()) + np.where(similar, 0.5 / similar.sum(), 0.0)
    fitted = LogisticRegression(C=1e4).fit((features - middle) / spread, present, sample_weight=weight * present.sum())
    a, b = fitted.coef_[0] / spread
    if a + b <= 0:  # a model that hears nothing: its figures say so by their area under the curve
        a, b = 1.0, 0.0
    evidence = features @ np.array([a, b])
    threshold = float(np.quantile(evidence[first], FIRST))
    evidence -= threshold
    absent = evidence[~present]
    heard = evidence > 0
    return Reference(
        model=model.card.name,
        weights_sha256=model.card.weights_sha256,
        bank_sha256=hash_bank(),
        data=data,
        clips=len(pairs.cosine),
        recordings=len(set(pairs.sources)),
        labels=pairs.cosine.shape[1],
        cosine=float(a),
        margin=float(b),
        constant=-threshold,
        tail=tuple(float(q) for q in np.quantile(absent, TAIL)),
        figures=Figures(
            auc=float(roc_auc_score(present, evidence)),
            present_heard=float(heard[present].mean()),
            first_heard=float(heard[first].mean()),
            absent_refused=float(1 - heard[~present].mean()),
            similar_refused=float(1 - heard[similar].mean()),
        ),
        command=command,
        versions=versions(),
    )
