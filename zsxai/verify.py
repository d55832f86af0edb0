"""Check an explanation against its own record, its own arrays and its folder, and score it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.arrays import forget
from zsxai.audio import fingerprint
from zsxai.calibration import distribution, to_mask
from zsxai.conditions import evaluating, plain_torch
from zsxai.errors import InputError
from zsxai.metrics.functional import mask_mean
from zsxai.model import POOLINGS
from zsxai.names import printable
from zsxai.plugins import is_loaded_by_name, load_model
from zsxai.precision import DTYPES
from zsxai.recording import Recording
from zsxai.report import Check, Report
from zsxai.saved import RECORD, Saved, hash_fields, hash_file, read_sound, sounds_in
from zsxai.scoring import SCORES, score_masks
from zsxai.spectral import FrontEnd

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

TOLERANCE = 1e-4
"""Scores of another machine or library version may differ by rounding, not by more; in float32 by less than this."""
_MASK_TOLERANCE = 1e-6
_SOUND_TOLERANCE = 1e-5
"""Of the recording's peak: 100 dB under it."""
_REGION_TOLERANCES = (2e-3, 2e-3, 0.2, 0.2, 2e-3, 0.05)
"""Seconds, hertz, share and decibels: what rounding to the digits of a record can do."""
_NOT_OURS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file managers leave in every folder that they show."""


@plain_torch()
def verify(explanation: Explanation, model: object | None = None) -> Report:
    """Check an explanation.

    Args:
        explanation: What to check; one that was loaded is checked with the folder it came from.
        model: A model object; the recorded name is loaded where None.
    """
    e = explanation
    record = _check_record(e)
    try:
        named = e.provenance.model if model is None else model
        # A model given as an object computes as it does.
        computes_in = e.provenance.dtype if is_loaded_by_name(named) and e.provenance.dtype in DTYPES else None
        loaded = load_model(named, dtype=computes_in)
    except InputError as error:
        if record.ok:
            raise
        return Report(checks=(record, _check("model", False, f"{error}")))
    recorded, actual = e.provenance.model_card.get("weights_sha256"), loaded.card.weights_sha256
    pooling = e.provenance.pooling if e.provenance.pooling in POOLINGS else None  # another is named above
    recording = Recording(loaded, e.original, masking=e.masking, seed=e.provenance.seed, pooling=pooling)
    fits = e.mask.shape == e.relevance.shape == recording.grid.shape and loaded.sample_rate == e.sample_rate
    fits = fits and e.front_end == recording.stft.stft_spec
    unchanged = fingerprint(e.relevance) == e.provenance.relevance_sha256
    checks = [
        record,
        _check("audio", fingerprint(e.original) == e.provenance.audio_sha256, "hash of the samples"),
        _check("relevance", unchanged, "hash of the cells"),
        _check("weights", recorded == actual, f"recorded {_short(recorded)}, loaded {_short(actual)}"),
        _check("grid", fits, f"the mask has {e.mask.shape} cells, the model's front end gives {recording.grid.shape}"),
    ]
    if fits:
        checks += [_check_mask(e, recording), *_check_scores(e, recording)]
    if e._saved is not None:
        checks += _check_folder(e, e._saved, recording if fits else None)
    return Report(checks=tuple(checks))


def _check_record(e: Explanation) -> Check:
    made, now = e._sha256, hash_fields(e.model_dump(mode="json"))
    changed = sorted(name for name in made.keys() | now.keys() if made.get(name) != now.get(name))
    words = f"changed since it was made: {', '.join(map(printable, changed))}" if changed else f"{len(now)} fields"
    return _check("record", not changed, words)


def _check_mask(e: Explanation, recording: Recording) -> Check:
    given, grid = e.provenance.window_weights, recording.grid
    if len(given) not in (0, len(recording.spans)):
        return _check("mask", False, f"{len(given)} weights for {len(recording.spans)} windows")
    frames, calibration = recording.over_frames(given) if given else None, e.provenance.calibration
    parts, apart = [section.frames for section in recording.sections()], 0.0
    try:
        whole = distribution(e.relevance, parts, grid.in_band, calibration, frames)
        for part in parts:
            mask, relevance = e.mask[:, part], e.relevance[:, part]
            if not (np.isfinite(relevance).all() and np.isfinite(mask).all()):
                return _check("mask", False, "the mask or the relevance is not finite")
            weights = None if frames is None else frames[part]
            again = to_mask(relevance, grid.in_band, calibration, weights, whole)
            apart = max(apart, float(np.abs(again - mask).max()))
            forget(e.mask, e.relevance)
    except InputError as error:
        return _check("mask", False, f"{error}")
    words = f"{apart:.1g} at most from the relevance by {calibration}"
    return _check("mask", apart <= _MASK_TOLERANCE, words)


def _check_scores(e: Explanation, recording: Recording) -> Iterator[Check]:
    loaded = recording.model
    with evaluating(loaded):
        target = e.target.bind(loaded, e.provenance.template)
        scores = score_masks(recording, [e.mask], [target])[0]
    tolerance = max(TOLERANCE, target.rounding(loaded.rounding))
    again, windows = {**scores.whole, "kept_energy": scores.kept_energy}, scores.windows
    again["mask_mean"] = _mean(e.mask, e.grid.in_band, [section.frames for section in recording.sections()])
    for name in (*SCORES, "mask_mean", "kept_energy"):
        was, now = getattr(e, name), again[name]
        yield _check(name, abs(was - now) <= tolerance, f"recorded {was:.5f}, now {now:.5f}")
    before, after = (np.array([list(w.model_dump().values()) for w in ws]) for ws in (e.windows, windows))
    same = before.shape == after.shape and bool((np.abs(before - after) <= tolerance).all())
    yield _check("windows", same, f"recorded {len(e.windows)}, now {len(windows)}")


def _mean(mask: NDArray[Any], in_band: NDArray[Any], parts: Sequence[slice]) -> float:
    means = [float(mask_mean(mask[None, :, part], in_band)[0]) for part in parts]
    return float(np.average(means, weights=[part.stop - part.start for part in parts]))


def _check_folder(e: Explanation, saved: Saved, recording: Recording | None) -> Iterator[Check]:
    folder, envelope = saved.folder, saved.envelope
    yield check_files(folder, envelope.files)
    if not folder.is_dir():
        return
    if recording is not None:
        for name in sounds_in(envelope.files):
            yield _check_sound(folder / name, _with_bank(e, recording), residue=name.startswith("residue"))
    yield _check("unit", envelope.unit == e.unit, f"recorded {printable(envelope.unit)!r}, the target's is {e.unit!r}")
    written, found = (
        np.array([list(r.model_dump().values()) for r in rs]).reshape(-1, len(_REGION_TOLERANCES))
        for rs in (envelope.regions, _with_bank(e, recording).regions())
    )
    alike = written.shape == found.shape and bool((np.abs(written - found) <= _REGION_TOLERANCES).all())
    yield _check("regions", alike, f"recorded {len(written)}, the mask has {len(found)}")


def _with_bank(e: Explanation, recording: Recording | None) -> Explanation:
    """The explanation with the model's own mel bank, which is not saved and which levels on mel depend on."""
    if recording is None or not isinstance(recording.stft, FrontEnd):
        return e
    return e.model_copy(update={"bank": recording.stft.bank.cpu().numpy()})


def check_files(folder: Path, hashes: dict[str, str], record: str = RECORD) -> Check:
    """Compare a saved folder with the hashes that its record has of every other file."""
    if not folder.is_dir():
        return Check(name="files", state="skipped", detail=f"{printable(folder)} is there no longer")
    problems = _find_changes(folder, hashes, record)
    return _check("files", not problems, "; ".join(problems) or f"hashes of {len(hashes)} files")


def _check_sound(path: Path, e: Explanation, *, residue: bool) -> Check:
    if not path.is_file():
        return _check(path.name, False, "is missing")
    try:
        written, rate = read_sound(path)
    except ValueError as error:
        return _check(path.name, False, f"{error}")
    if (len(written), rate) != (len(e.original), e.sample_rate):
        words = f"{len(written)} samples at {rate} Hz, not {len(e.original)} at {e.sample_rate}"
        return _check(path.name, False, words)
    apart, peak = 0.0, 0.0
    for stretch in e.stretches():
        apart = max(apart, float(np.abs(written[stretch.samples] - e.sound_of(stretch, residue=residue)).max()))
        peak = max(peak, float(stretch.waveform.abs().max()))
        forget(written)
    return _check(path.name, apart <= _SOUND_TOLERANCE * peak, f"{apart:.1g} at most from what the mask renders")


def _find_changes(folder: Path, hashes: dict[str, str], record: str) -> list[str]:
    """What is missing, added or changed in a folder, in words."""
    paths = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    found = {p.relative_to(folder).as_posix() for p in paths if p.name not in _NOT_OURS}
    problems = [f"{name} is missing" for name in hashes if name not in found]
    problems += [f"{printable(name)} is no part of it" for name in sorted(found - {record, *hashes})]
    for name, digest in hashes.items():
        if name in found and not ((folder / name).is_file() and hash_file(folder / name) == digest):
            problems.append(f"{name} was changed")
    return problems


def _check(name: str, ok: bool, detail: str) -> Check:
    return Check(name=name, state="ok" if ok else "failed", detail=detail)


def _short(digest: object) -> str:
    return str(digest)[:12]
