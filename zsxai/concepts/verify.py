"""Check a concept explanation against its own record, arrays and folder, and decompose again with its model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from zsxai.audio import fingerprint
from zsxai.concepts.dictionary import build_dictionary
from zsxai.concepts.recordings import embed_recording
from zsxai.concepts.saved import RECORD
from zsxai.conditions import evaluating, plain_torch
from zsxai.errors import InputError
from zsxai.names import printable
from zsxai.plugins import load_model
from zsxai.recording import Recording
from zsxai.report import Check, Report
from zsxai.saved import hash_fields
from zsxai.verify import TOLERANCE, check_files

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation


@plain_torch()
def verify(explanation: ConceptExplanation, model: object | None = None) -> Report:
    """Check a concept explanation.

    Args:
        explanation: What to check; one that was loaded is checked with the folder it came from.
        model: A model object; the recorded name is loaded where None.
    """
    e = explanation
    loaded = load_model(e.provenance.model if model is None else model)
    made, now = e._sha256, hash_fields(e.model_dump(mode="json"))
    changed = sorted(name for name in made.keys() | now.keys() if made.get(name) != now.get(name))
    recorded, actual = e.provenance.model_card.get("weights_sha256"), loaded.card.weights_sha256
    checks = [
        _check(
            "record",
            not changed,
            f"changed since it was made: {', '.join(map(printable, changed))}" if changed else f"{len(now)} fields",
        ),
        _check("audio", fingerprint(e.original) == e.provenance.audio_sha256, "hash of the samples"),
        _check("weights", recorded == actual, f"recorded {str(recorded)[:12]}, loaded {str(actual)[:12]}"),
        _check("centring", e.centring.card == e.provenance.centring, "kind, data and hash of the arrays"),
    ]
    try:
        checks += _decompose(e, loaded)
    except InputError as error:
        checks.append(_check("decomposition", False, f"{error}"))
    for number, sound in enumerate(e.sounds, 1):
        report = sound.verify(loaded)
        failed = [check.name for check in report.checks if not check.ok]
        checks.append(_check(f"sound {number}", report.ok, ", ".join(failed) or f"{len(report.checks)} checks"))
    if e._saved is not None:
        checks.append(check_files(e._saved.folder, e._saved.envelope.files, RECORD))
    return Report(checks=tuple(checks))


def _decompose(e: ConceptExplanation, loaded: object) -> Iterator[Check]:
    model = load_model(loaded)
    with evaluating(model), torch.no_grad():
        words = build_dictionary(model, e.vocabulary, e.centring, template=e.provenance.template, progress=False)
        recording = Recording(model, e.original, batch_size=e.provenance.batch_size)
        embedding = embed_recording(recording)
    if len(embedding) != len(e.embedding):
        raise InputError(
            f"{model.card.name} gives {len(embedding)} numbers, the recorded embedding has {len(e.embedding)}"
        )
    apart = float(np.abs(embedding.numpy() - e.embedding).max())
    yield _check("embedding", apart <= TOLERANCE, f"{apart:.1g} at most from the recorded one")
    # Of the recorded embedding: rounding of the model must not choose another word.
    code = words.code_audio(torch.from_numpy(e.embedding.copy())[None])
    again = words.decompose(code, e.penalty)
    recorded = e.weights
    given = torch.tensor([[recorded.get(word, 0.0) for word in words.words]], dtype=torch.float64)
    apart = float((again.weights - given).abs().max())
    yield _check("weights of words", apart <= TOLERANCE, f"{apart:.1g} at most from a decomposition now")
    mix = words.mix(given)
    cosine, residual = float((mix @ code.T)[0, 0]), float((code - given @ words.atoms).square().sum())
    for name, now in (("cosine", cosine), ("residual", residual), ("kkt", float(again.kkt[0]))):
        was = getattr(e, name)
        yield _check(name, abs(was - now) <= TOLERANCE, f"recorded {was:.6f}, now {now:.6f}")
    apart = float(np.abs(words.reconstruct(given)[0].numpy() - e.reconstruction).max())
    yield _check("reconstruction", apart <= TOLERANCE, f"{apart:.1g} at most from the recorded one")


def _check(name: str, ok: bool, detail: str) -> Check:
    return Check(name=name, state="ok" if ok else "failed", detail=detail)
