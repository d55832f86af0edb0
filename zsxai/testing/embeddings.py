"""Checks of what every model gives: embeddings of audio and of prompts. A black box gets all of these."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from zsxai.black_box import BlackBox
from zsxai.errors import InputError
from zsxai.model import SpectralModel
from zsxai.testing.run import Failed, raised
from zsxai.testing.signals import equal_sums
from zsxai.testing.state import generators, modules_of, moved, seed_generators
from zsxai.testing.subject import CLOSE, SAME, Subject, distance

_UNIT = 1e-4
_QUIET = 1e-3
"""Times the level of the other clips, which makes 1e-4."""
_LONG, _PASSES = 25, 3


def card(subject: Subject) -> str:
    """Who made the model and by which scale its cosines become probabilities."""
    model, made = subject.model, subject.model.card
    if not made.name.strip():
        raise Failed("card.name is empty: say the name that the model is loaded by")
    spectral = isinstance(model, SpectralModel)
    if spectral and not re.fullmatch("[0-9a-f]{64}", made.weights_sha256 or ""):
        raise Failed(
            f"card.weights_sha256 is {made.weights_sha256!r}: set the hash (zsxai.weights.hash_files or hash_tensors), "
            "so that an explanation can say which weights made it"
        )
    scale = model.logit_scale
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise Failed(f"logit_scale is {scale}: the factor on cosines is positive (exp of a stored logarithm?), or None")
    notes = [f"{made.name}, logit scale {'none' if scale is None else f'{scale:.4g}'}"]
    notes += ["note: the licence is unknown"] if made.licence == "unknown" else [f"licence {made.licence}"]
    notes += [] if made.weights_sha256 or spectral else ["note: no hash of the weights"]
    return "; ".join(notes)


def unit_embeddings(subject: Subject) -> str:
    """Audio and text are finite rows of length 1 in one space."""
    model = subject.model
    clips, prompts = torch.cat([subject.clip(subject.short, seed) for seed in range(3)]), list(subject.prompts)
    # Normalising with an epsilon shows where a model hears little.
    sounds = {
        "audio": clips,
        "quiet audio": _QUIET * clips[:1],
        "window-long audio": subject.clip(subject.window),
    }
    if isinstance(model, BlackBox):
        # The wrapper makes rows unit, which would hide rows that cannot be.
        with torch.no_grad():
            rows = {kind: model.inner.embed_audio(given) for kind, given in sounds.items()}
            rows["text"] = model.inner.embed_text(prompts)
        found = {kind: torch.as_tensor(row, dtype=torch.float32).detach().cpu() for kind, row in rows.items()}
    else:
        found = {kind: subject.audio(given) for kind, given in sounds.items()}
        found["text"] = subject.text(prompts)
    for kind, row in found.items():
        count = len(sounds.get(kind, prompts))
        if row.ndim != 2 or len(row) != count:
            raise Failed(f"{kind} of {count} gives shape {tuple(row.shape)}, not ({count}, D)")
        if not row.isfinite().all():
            raise Failed(f"{kind} gives NaN or infinity")
    sizes = [found[kind].shape[1] for kind in ("audio", "text")]
    if sizes[0] != sizes[1]:
        raise Failed(f"audio has {sizes[0]} dimensions and text {sizes[1]}: both are projected into one space")
    norms = torch.cat([row.norm(dim=1) for row in found.values()])
    if isinstance(model, BlackBox):
        if norms.min() == 0:
            raise Failed("a row is zero, which has no direction")
        return f"finite, {sizes[0]} dimensions; a black box's rows are made unit for it"
    for kind, row in found.items():
        off = float((row.norm(dim=1) - 1).abs().max())
        if off > _UNIT:
            worst = float(row.norm(dim=1)[(row.norm(dim=1) - 1).abs().argmax()])
            raise Failed(f"{kind} rows have length {worst:.4g}, not 1: normalise the embedding")
    return f"{sizes[0]} dimensions, lengths within {float((norms - 1).abs().max()):.1e} of 1"


def two_passes(subject: Subject) -> str:
    """The same input gives the same output, bit for bit, in the mode the model is handed over in."""
    window = subject.model.audio_spec.window_samples
    longest = _LONG * subject.rate if window is None else window
    lengths = sorted({1, subject.short, subject.window, longest})
    # A length that does not work is what "any length" says; it must not hide all that waits for this check.
    lengths = [n for n in lengths if _works(subject, n)] or lengths
    for samples in lengths:
        clip = subject.clip(samples)
        _repeat(subject, lambda clip=clip: subject.audio(clip), f"a clip of {samples / subject.rate:.3g} s")  # type: ignore[misc]
    _repeat(subject, lambda: subject.text(list(subject.prompts)), "the same prompts")
    return f"{_PASSES} passes equal bit for bit at {_listed(lengths)} samples, and on {len(subject.prompts)} prompts"


def _works(subject: Subject, samples: int) -> bool:
    try:
        subject.audio(subject.clip(samples))
    except Exception:
        return False
    return True


def _repeat(subject: Subject, embed: Callable[[], Tensor], what: str) -> None:
    found = []
    drawn: list[str] = []
    for seed in range(_PASSES):
        seed_generators(seed)
        before = generators()
        found.append(embed())
        drawn += moved(before, generators())
    apart = max(distance(found[0], again) for again in found[1:])
    if all(torch.equal(found[0], again) for again in found[1:]):
        return
    message = f"{what}, embedded {_PASSES} times, differs by {apart:.1e}: "
    noisy = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    training = [name for name, m in modules_of(subject.model).items() if m.training and isinstance(m, noisy)]
    if training:
        raise Failed(
            f"{message}{training[0]!r} is in train mode: call .eval() in the loader, or use zsxai.model.evaluating"
        )
    if drawn:
        raise Failed(
            f"{message}it draws from {drawn[0]}'s global generator: a random crop (embed the whole clip, zsxai cuts "
            "windows) or dropout that is always on"
        )
    raise Failed(f"{message}a random crop, dropout, or a generator of the model's own")


def no_stale_cache(subject: Subject) -> str:
    """What is remembered is never given for something else."""
    bright, dull = (sound[None].to(subject.model.device) for sound in equal_sums(subject.short))
    near = bright.clone()
    # Every other late sample, in another order: the beginning, the end, every n-th sample, the mean and the loudness
    # stay as they are.
    late = slice(subject.short // 2 | 1, -16, 2)
    near[:, late] = near[:, late].flip(1)
    held = bright.clone()
    first = subject.audio(held)
    held.copy_(dull)
    second = subject.audio(held)
    # Each copy is gone before the next is made, which then often lies at its address.
    copies = [subject.audio(sound.clone()) for sound in (bright, dull, bright, dull)]
    pairs = [subject.audio(torch.cat([bright, other]))[1:] for other in (dull, near)]
    steps = [
        ("a tensor whose content was changed in place", second, first, subject.audio(dull.clone())),
        ("a clip of equal length and equal sum", subject.audio(dull), subject.audio(bright), second),
        ("a clip with other late samples", subject.audio(near), first, subject.audio(near.clone())),
        ("a new clip at the address of one that is gone", copies[1], copies[0], copies[3]),
        ("a batch with another second row", pairs[1], pairs[0], pairs[1]),
    ]
    again = subject.audio(bright)
    a, b, c = subject.prompts
    prompts = [a]
    text = subject.text(prompts)
    prompts[0] = b
    steps += [
        ("a list of prompts that was changed in place", subject.text(prompts), text, subject.text([b])),
        ("a list with another second prompt", subject.text([a, b])[1:], subject.text([a, c])[1:], subject.text([b])),
    ]
    for what, found, other, fresh in steps:
        if distance(found, other) <= SAME:
            raise Failed(
                f"{what} still gives the embedding of what came before it: key the cache by content, or drop it"
            )
        if distance(found, fresh) > CLOSE:
            raise Failed(f"{what} differs by {distance(found, fresh):.1e} from a fresh copy of it: drop the cache")
    if distance(again, first) > CLOSE or distance(subject.text([a]), text) > CLOSE:
        raise Failed(f"A, B, A: the second A differs from the first by {distance(again, first):.1e}")
    return (
        "content changed in place, in part or late, addresses used again, A-B-A: always the embedding of what was given"
    )


def batch_is_single(subject: Subject) -> str:
    """A batch gives what its rows give alone, in any order."""
    bright, dull = equal_sums(subject.short)
    clips = torch.stack([bright, dull, 0.1 * bright.flip(0)])
    order = [2, 0, 1]
    together, mixed = subject.audio(clips), subject.audio(clips[order])
    texts, prompts = subject.text(list(subject.prompts)), [subject.prompts[i] for i in order]
    found = {
        "clips in a batch and alone": distance(together, torch.cat([subject.audio(c[None]) for c in clips])),
        "clips in another order": distance(together[order], mixed),
        "prompts in a batch and alone": distance(texts, torch.cat([subject.text([p]) for p in subject.prompts])),
        "prompts in another order": distance(texts[order], subject.text(prompts)),
    }
    what, apart = max(found.items(), key=lambda item: item[1])
    if apart > CLOSE:
        remedy = (
            "mask the padding"
            if what.startswith("prompts")
            else "statistics over the batch, or an option drawn per batch?"
        )
        raise Failed(f"{what} differ by {apart:.1e} (at most {CLOSE:.0e}): {remedy}")
    return f"within {apart:.1e} ({what})"


def any_length(subject: Subject) -> str:
    """Every length up to the window works; more is refused, never cut silently."""
    model, window = subject.model, subject.model.audio_spec.window_samples
    spec = model.front_end.spec if isinstance(model, SpectralModel) else None
    lengths = {1, 2, spec.hop if spec else 480, spec.n_fft + 1 if spec else 513, subject.window - 1, subject.window}
    lengths = {n for n in lengths if 0 < n <= subject.window} | ({_LONG * subject.rate} if window is None else set())
    for samples in sorted(lengths):
        try:
            found = subject.audio(subject.clip(samples))
        except Exception as error:
            raise Failed(
                f"{samples} samples: {raised(error)}; any length from one sample to the window works"
            ) from error
        if found.ndim != 2 or len(found) != 1 or not found.isfinite().all():
            raise Failed(f"{samples} samples give shape {tuple(found.shape)} or values that are not finite")
    said = f"{_listed(sorted(lengths))} samples"
    if window is None or spec is None:
        return said
    long = subject.clip(window + 2 * spec.hop + 1)
    other = long.clone()
    other[:, window:] *= -3.0
    try:
        found, changed = subject.audio(long), subject.audio(other)
    except InputError:
        return f"{said}; more than the window is refused"
    if distance(found, changed) <= SAME:
        raise Failed("what lies behind the window is cut silently: raise InputError, as SpectralModel.features does")
    return f"{said}; more than the window is heard whole"


def _listed(lengths: Sequence[int]) -> str:
    return ", ".join(map(str, lengths))
