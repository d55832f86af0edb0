"""Check an explanation against its own arrays and score it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from zsxai.audio import fingerprint
from zsxai.conditions import evaluating, plain_torch
from zsxai.metrics.functional import mask_mean
from zsxai.plugins import load_model
from zsxai.recording import Recording
from zsxai.report import Check, Report
from zsxai.scoring import SCORES, kept_energy, score_masks

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

TOLERANCE = 1e-4
"""Scores of another machine or library version may differ by rounding, not by more."""


@plain_torch()
def verify(explanation: Explanation, model: object | None = None) -> Report:
    """Check an explanation.

    Args:
        explanation: What to check.
        model: A model object; the recorded name is loaded where None.
    """
    e = explanation
    loaded = load_model(e.provenance.model if model is None else model)
    recorded, actual = e.provenance.model_card.get("weights_sha256"), loaded.card.weights_sha256
    recording = Recording(loaded, e.original, masking=e.masking, seed=e.provenance.seed)
    fits = e.mask.shape == e.relevance.shape == recording.grid.shape and loaded.sample_rate == e.sample_rate
    fits = fits and e.front_end == recording.stft.stft_spec
    checks = [
        _check("audio", fingerprint(e.original) == e.provenance.audio_sha256, "hash of the samples"),
        _check("weights", recorded == actual, f"recorded {_short(recorded)}, loaded {_short(actual)}"),
        _check("grid", fits, f"the mask has {e.mask.shape} cells, the model's front end gives {recording.grid.shape}"),
    ]
    if not fits:
        return Report(checks=tuple(checks))
    inside = bool((e.mask >= 0).all() and (e.mask <= 1).all() and not e.mask[~e.grid.in_band].any())
    finite = bool(np.isfinite(e.relevance).all())
    checks.append(_check("mask", inside and finite, "in [0, 1], 0 outside the band, finite"))
    unchanged = fingerprint(e.relevance) == e.provenance.relevance_sha256
    checks.append(_check("relevance", unchanged, "hash of the cells"))
    with evaluating(loaded):
        target = e.target.bind(loaded, e.provenance.template)
        mask = torch.from_numpy(e.mask.copy())[None].to(loaded.device)
        again, windows = score_masks(recording, mask, [target])[0]
        again["kept_energy"] = float(kept_energy(recording, mask)[0])
    again["mask_mean"] = float(mask_mean(e.mask[None], e.grid.in_band)[0])
    for name in (*SCORES, "mask_mean", "kept_energy"):
        was, now = getattr(e, name), again[name]
        checks.append(_check(name, abs(was - now) <= TOLERANCE, f"recorded {was:.5f}, now {now:.5f}"))
    before, after = (np.array([list(w.model_dump().values()) for w in ws]) for ws in (e.windows, windows))
    same = before.shape == after.shape and bool((np.abs(before - after) <= TOLERANCE).all())
    checks.append(_check("windows", same, f"recorded {len(e.windows)}, now {len(windows)}"))
    return Report(checks=tuple(checks))


def _check(name: str, ok: bool, detail: str) -> Check:
    return Check(name=name, state="ok" if ok else "failed", detail=detail)


def _short(digest: object) -> str:
    return str(digest)[:12]
