"""Checks of gradients: they reach the waveform, and they are right."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zsxai.testing.run import Failed, Skipped
from zsxai.testing.signals import noise
from zsxai.testing.state import parameters_of
from zsxai.testing.subject import Subject

_SHARE, _TAIL = 0.99, 0.05
"""Of the samples that must have a gradient, and of the window's end, which strided layers drop where their steps do
not fill it."""
_ERROR = 3e-2
_CHANGES = (3e-4, 1e-4, 3e-5, 1e-5, 3e-6)
"""Changes of the score that steps of central differences aim at, falling: kinks and near-silent bins, whose logarithm
bends sharply, blur the large ones, float32 the small ones, so the three neighbours that agree best count."""
_LITTLE = 1e-3
"""Slopes below this part of the gradient are rounding: they agree with anything."""


def _direction(embedding: Tensor) -> Tensor:
    drawn = torch.randn(embedding.shape[-1], generator=torch.Generator().manual_seed(0))
    return nn.functional.normalize(drawn, dim=0).to(embedding)


def _gradient(subject: Subject, clip: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient ``(1, T)`` of the embedding along a fixed direction ``(D,)``, and the direction."""
    leaf = clip.clone().requires_grad_()
    embedding = subject.spectral.embed_audio(leaf)
    if not embedding.requires_grad:
        raise Failed(
            "embed_audio(x) has no graph although x wants a gradient: take no_grad, detach and numpy out of it"
        )
    target = _direction(embedding)
    gradient = torch.autograd.grad((embedding @ target).sum(), leaf, allow_unused=True)[0]
    if gradient is None:
        raise Failed("the embedding does not depend on the waveform in autograd: a detach, or numpy, lies between them")
    return gradient.detach(), target


def reaches_the_waveform(subject: Subject) -> str:
    """Every sample of broadband noise has a finite gradient, and no parameter is given one."""
    subject.spectral  # noqa: B018 - skips a black box
    before = {name: None if p.grad is None else p.grad.clone() for name, p in parameters_of(subject.model).items()}
    gradient, _ = _gradient(subject, subject.clip(subject.window))
    if not gradient.isfinite().all():
        raise Failed(f"{int((~gradient.isfinite()).sum())} of {gradient.numel()} gradients are NaN or infinite")
    live = gradient[0] != 0
    heard = int(live.nonzero().amax()) + 1 if live.any() else len(live)
    share, tail = float(live[:heard].float().mean()), len(live) - heard
    if share < _SHARE:
        dead = float((~live).nonzero()[0]) / subject.rate
        raise Failed(
            f"only {share:.1%} of the samples have a gradient (at least {_SHARE:.0%}), the first without at "
            f"{dead:.3f} s: part of the clip is cut, rounded or detached (or max pooling leaves most of it out)"
        )
    unheard = f"the encoder does not hear the last {tail / subject.rate:.3g} s of the window"
    if tail > _TAIL * len(live):
        raise Failed(f"{unheard}: part of the clip is cut")
    for name, p in parameters_of(subject.model).items():
        was = before[name]
        if (p.grad is None) != (was is None) or (p.grad is not None and was is not None and not p.grad.equal(was)):
            raise Failed(f".grad of {name!r} was changed: use torch.autograd.grad, not backward()")
    note = f"; note: {unheard}" if tail else ""
    return f"finite, and not zero at {share:.2%} of {heard} samples{note}"


def is_right(subject: Subject) -> str:
    """The gradient along several directions is that of central differences.

    One direction is the gradient's own; the others follow the clip under slow random envelopes, so that a gradient
    which lacks a part is found too.
    """
    subject.spectral  # noqa: B018
    clip = subject.clip(subject.short)
    gradient, target = _gradient(subject, clip)
    if not float(gradient.norm()) > 0:
        raise Failed("the gradient is zero")

    def score(waveform: Tensor) -> float:
        with torch.no_grad():
            return float(subject.model.embed_audio(waveform)[0].double() @ target.double())

    random = [noise(16, seed, 1.0)[None, None] for seed in (1, 2)]
    slow = [nn.functional.interpolate(r, clip.shape[1], mode="linear")[0].to(clip) for r in random]
    norm, worst, unsettled = float(gradient.norm()), 0.0, ""
    for name, direction in (
        ("the gradient", gradient),
        ("the gradient under an envelope", gradient * (0.2 + slow[0].abs())),
        ("the clip under an envelope", clip * slow[1]),
    ):
        unit = direction / direction.norm()
        analytic = float((gradient.double() * unit.double()).sum())
        steps = [change / (2 * norm) for change in _CHANGES]
        slopes = [(score(clip + step * unit) - score(clip - step * unit)) / (2 * step) for step in steps]
        spread, numeric = min(_spread(slopes[i : i + 3], _LITTLE * norm) for i in range(len(slopes) - 2))
        # Across the gradient little is left of it, and rounding with it: errors are parts of the whole gradient.
        error = abs(analytic - numeric) / max(norm, abs(numeric))
        if error <= _ERROR:
            worst = max(worst, error)
        elif spread > _ERROR or error <= _ERROR + spread:
            unsettled = name
        else:
            raise Failed(
                f"along {name}, autograd says a slope of {analytic:.4g} and central differences say {numeric:.4g} "
                f"(off by {error:.1%}, at most {_ERROR:.0%}): a detach, a custom backward, or a kernel of torch with a "
                "wrong one (see zsxai.hooks.exact_batch_norm)"
            )
    if unsettled:
        raise Skipped(
            f"float32 central differences do not settle along {unsettled}: gradient_error of "
            "zsxai.benchmarks.measure.parity, in a checkout, takes them in float64"
        )
    return f"within {worst:.1e} of central differences along 3 directions"


def _spread(slopes: Sequence[float], little: float) -> tuple[float, float]:
    """How far neighbouring slopes lie apart, relative to the greatest, and their mean."""
    # A step that changes nothing is lost in rounding, as in half precision; that several are is no agreement.
    apart = float("inf") if 0.0 in slopes else max(slopes) - min(slopes)
    return apart / max(little, *map(abs, slopes)), sum(slopes) / len(slopes)
