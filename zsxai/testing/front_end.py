"""Checks of the three stages: they agree, and hertz and seconds are where the grids say."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from zsxai.model import Features
from zsxai.spectral import mel_grid, stft_grid
from zsxai.testing.run import Failed, Skipped
from zsxai.testing.signals import click, equal_sums, tone
from zsxai.testing.subject import CLOSE, Subject, distance

_TONES = (0.15, 0.4, 0.65, 0.9)
"""Where on the mel axis tones are tried."""
_CLICKS = (0.2, 0.5, 0.8)
"""Where in the window clicks are tried."""


def _features(subject: Subject, sound: Tensor) -> Features:
    with torch.no_grad():
        found = subject.spectral.features(sound[None].to(subject.model.device))
    if found.power is None:
        raise Failed("features(waveforms).power is None: masks act on it, so features() gives it")
    return found


def stages_agree(subject: Subject) -> str:
    """Re-entering at power or at mel gives the embedding of the waveform."""
    # The second has the first's shape: what is kept by shape is found.
    most, what = max(_apart(subject, clip) for clip in equal_sums(subject.short))
    if most > CLOSE:
        raise Failed(
            f"{what} differs by {most:.1e} from embed_audio(x): masks re-enter there, so whatever embed_audio does "
            "beyond features() and encode() is lost, and what is kept from one clip is wrong for the next"
        )
    return f"encode(features(x)), from power and from mel are embed_audio(x) within {most:.1e}"


def _apart(subject: Subject, clip: Tensor) -> tuple[float, str]:
    """The greatest distance from ``embed_audio``, and the way in that has it."""
    model = subject.spectral
    whole = subject.audio(clip[None])
    features = _features(subject, clip)
    with torch.no_grad():
        found = {
            "encode(features(x))": model.encode(features).embedding.cpu(),
            "features_from_power": model.encode(
                model.features_from_power(cast("Tensor", features.power))
            ).embedding.cpu(),
            "features_from_mel": model.encode(model.features_from_mel(features.mel)).embedding.cpu(),
        }
    return max((distance(whole, embedding), name) for name, embedding in found.items())


def sample_rate(subject: Subject) -> str:
    """Tones in hertz peak where the grids say, in power and in mel."""
    spec = subject.spectral.front_end.spec
    rate, samples = subject.rate, subject.window
    if rate != spec.sample_rate:
        raise Failed(
            f"audio_spec.sample_rate is {rate}, front_end.spec.sample_rate is {spec.sample_rate}: both are the rate "
            "that the checkpoint was trained at"
        )
    bins, bands = stft_grid(spec, samples), mel_grid(spec, samples)
    width = spec.sample_rate / spec.n_fft
    tried = []
    for part in _TONES:
        band = round(part * (spec.n_mels - 1))
        hertz = round(float(bands.frequencies[band]) / width) * width
        low, high = bands.frequency_edges[band], bands.frequency_edges[band + 1]
        # A band that holds the tone well inside; narrower ones share a bin with their neighbours.
        if low + 0.2 * (high - low) <= hertz <= high - 0.2 * (high - low) and high - low >= 1.5 * width:
            tried.append((band, hertz))
    if not tried:
        raise Skipped(f"no band is wider than the STFT's {width:.3g} Hz, so tones cannot tell bands apart")
    for band, hertz in tried:
        features = _features(subject, tone(samples, rate, hertz))
        row = int(cast("Tensor", features.power)[0].mean(dim=1).argmax())
        if row != bins.cell(0, hertz)[0]:
            raise Failed(
                f"a tone of {hertz:.0f} Hz peaks at {bins.frequencies[row]:.0f} Hz in the power stage: the STFT "
                "is not the one that front_end.spec says, or what it is given is resampled"
            )
        row = int(features.mel[0].mean(dim=1).argmax())
        if row != band:
            raise Failed(
                f"a tone of {hertz:.0f} Hz peaks in mel band {row} (around {bands.frequencies[row]:.0f} Hz by the "
                f"grid), not in {band}: the bank was built for another rate, scale or range than front_end.spec says"
            )
    return f"{rate} Hz; tones of {', '.join(f'{h:.0f}' for _, h in tried)} Hz peak in their bins and bands"


def time_axis(subject: Subject) -> str:
    """The frames span the window, and a click lights the frames of its second."""
    spec = subject.spectral.front_end.spec
    samples, rate = subject.window, spec.sample_rate
    frames = spec.n_frames(samples)
    worst = 0
    for part in _CLICKS:
        # On a frame's centre: a window no longer than the hop is deaf between two.
        at = round(part * samples / spec.hop) * spec.hop
        features = _features(subject, click(samples, at))
        power, mel = cast("Tensor", features.power)[0], features.mel[0]
        found = (power.shape[-1], mel.shape[-1])
        if set(found) != {frames}:
            raise Failed(
                f"a window of {samples / rate:.3g} s gives {found[0]} frames of power and {found[1]} of mel; by the "
                f"hop of {spec.hop} samples it has {frames}: audio_spec.window, hop and rate do not fit together"
            )
        times = stft_grid(spec, samples).times
        for stage, values in (("power", power), ("mel", mel)):
            frame = int(values.sum(dim=0).argmax())
            off = abs(frame - round(at / spec.hop))
            worst = max(worst, off)
            if off > 1:
                raise Failed(
                    f"a click at {at / rate:.3f} s is loudest at {times[frame]:.3f} s in the {stage} stage: frame n is "
                    "centred on sample n * hop (a centred STFT)"
                )
    end = float(np.round((frames - 1) * spec.hop / rate, 4))
    return f"{frames} frames from 0 to {end:g} s; clicks within {worst} frames of their second"
