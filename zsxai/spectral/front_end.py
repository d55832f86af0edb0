"""Waveform -> power -> mel power -> log-mel, differentiable and described by data.

Every CLAP front end this library meets is a centred Hann STFT, a triangular mel bank and a clamped
logarithm; they differ in numbers only. Those numbers come from the checkpoint and live in
:class:`FrontEndSpec`; :class:`FrontEnd` computes them in torch so that gradients reach the waveform.

The mel bank is librosa's, or one that the model brings. Importing ``librosa.filters`` costs 1.3 s of CPU time, more
than half of what importing torch costs, so it is imported where a bank is computed; and the mel scale itself, which
every grid needs, is four lines here because ``librosa.core.convert`` costs as much.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator, model_validator
from torch import Tensor, nn

from zsxai.value import Value


class StftSpec(Value):
    """Numbers of a centred Hann STFT.

    The bounds are far beyond any model's: within them, whatever a file says can be computed and shown.

    Attributes:
        sample_rate: Samples per second.
        n_fft: Length of the window and of the transform, in samples.
        hop: Samples between frames.
        precision: Float type of the transform; ``float64`` where parity with a float64 extractor matters.
    """

    sample_rate: int = Field(gt=0, le=2**20)
    n_fft: int = Field(default=1024, gt=1, le=2**16)
    hop: int = Field(default=320, gt=0)
    precision: Literal["float32", "float64"] = "float32"

    @field_validator("hop")
    @classmethod
    def _overlap(cls, hop: int, others: ValidationInfo) -> int:
        n_fft = others.data.get("n_fft", 2 * hop)
        if 4 * hop > 3 * n_fft:
            raise ValueError(f"frames of {n_fft} samples every {hop} overlap by less than a quarter")
        return hop

    @property
    def n_bins(self) -> int:
        """Number of frequency bins, ``n_fft // 2 + 1``."""
        return self.n_fft // 2 + 1

    def n_frames(self, samples: int) -> int:
        """Number of frames of a signal of ``samples`` samples (frame n is centred on sample n * hop)."""
        return samples // self.hop + 1


class FrontEndSpec(StftSpec):
    """Numbers of a log-mel front end.

    Attributes:
        n_mels: Number of mel bands.
        f_min: Lowest frequency of the bank, hertz.
        f_max: Highest frequency of the bank, hertz.
        mel_scale: ``slaney`` (linear below 1 kHz) or ``htk``.
        mel_norm: ``slaney`` (unit area) or None.
        filter_rate: Sample rate the bank was built for, where it is not the audio's (MS-CLAP 2023).
        floor: Mel power below which the logarithm is clamped.
        decibels: True for 10 log10, False for the natural logarithm.
    """

    n_mels: int = Field(default=64, gt=0, le=1024)
    f_min: float = Field(default=50.0, ge=0)
    f_max: float = Field(default=14000.0, gt=0)
    mel_scale: Literal["slaney", "htk"] = "slaney"
    mel_norm: Literal["slaney"] | None = "slaney"
    filter_rate: int | None = Field(default=None, gt=0, le=2**20)
    floor: float = Field(default=1e-10, gt=0)
    decibels: bool = True

    @model_validator(mode="after")
    def _band(self) -> Self:
        rate = self.filter_rate or self.sample_rate
        width = rate / self.n_fft
        if width * (self.f_min // width + 1) >= min(self.f_max, rate / 2 + width):
            raise ValueError(f"no bin of the STFT lies between {self.f_min:g} and {self.f_max:g} Hz")
        return self


def hz_to_mel(hertz: NDArray[Any] | float, scale: str = "slaney") -> NDArray[Any]:
    """Hertz to mel, on the Slaney or the HTK scale."""
    f = np.asarray(hertz, dtype=np.float64)
    htk: NDArray[Any] = 2595.0 * np.log10(1.0 + f / 700.0)
    if scale == "htk":
        return htk
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(f, 1e-9) / 1000.0) / math.log(6.4)
    return np.where(f < 1000.0, 3.0 * f / 200.0, logarithmic)


def mel_to_hz(mel: NDArray[Any] | float, scale: str = "slaney") -> NDArray[Any]:
    """Mel to hertz, on the Slaney or the HTK scale."""
    m = np.asarray(mel, dtype=np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (m / 2595.0) - 1.0)
    return np.where(m < 15.0, 200.0 * m / 3.0, 1000.0 * np.exp((m - 15.0) * math.log(6.4) / 27.0))


def mel_points(spec: FrontEndSpec) -> NDArray[Any]:
    """Corner frequencies of the triangles, ``(n_mels + 2,)`` hertz, as heard at ``spec.sample_rate``."""
    low, high = hz_to_mel(spec.f_min, spec.mel_scale), hz_to_mel(spec.f_max, spec.mel_scale)
    points = mel_to_hz(np.linspace(low, high, spec.n_mels + 2), spec.mel_scale)
    return points * (spec.sample_rate / (spec.filter_rate or spec.sample_rate))


def mel_bank(spec: FrontEndSpec) -> NDArray[Any]:
    """Compute the triangular mel bank by librosa, ``(n_mels, n_fft // 2 + 1)`` float64; the rows act on power."""
    import librosa

    with warnings.catch_warnings():
        # Filters narrower than a bin are empty, and librosa warns of them: they are the checkpoint's affair.
        warnings.filterwarnings("ignore", message="Empty filters")
        bank: NDArray[Any] = librosa.filters.mel(
            sr=spec.filter_rate or spec.sample_rate,
            n_fft=spec.n_fft,
            n_mels=spec.n_mels,
            fmin=spec.f_min,
            fmax=spec.f_max,
            htk=spec.mel_scale == "htk",
            norm=spec.mel_norm,
            dtype=np.float64,
        )
    return bank


class Stft(nn.Module):
    """Centred Hann STFT and its inverse.

    Args:
        spec: The numbers of the transform.
    """

    window: Tensor

    def __init__(self, spec: StftSpec) -> None:
        super().__init__()
        self.stft_spec = spec
        window = torch.hann_window(spec.n_fft, periodic=True, dtype=getattr(torch, spec.precision))
        self.register_buffer("window", window, persistent=False)

    def complex(self, waveform: Tensor) -> Tensor:
        """Complex STFT.

        Args:
            waveform: ``(..., T)`` samples, T >= 1. Ends are reflected, or zero-filled where the signal is too
                short to reflect.

        Returns:
            ``(..., n_fft // 2 + 1, T // hop + 1)`` complex.
        """
        spec = self.stft_spec
        flat = waveform.reshape(-1, waveform.shape[-1]).to(self.window.dtype)
        pad_mode = "reflect" if flat.shape[-1] > spec.n_fft // 2 else "constant"
        out = torch.stft(
            flat, spec.n_fft, spec.hop, window=self.window, center=True, pad_mode=pad_mode, return_complex=True
        )
        return out.reshape(*waveform.shape[:-1], *out.shape[-2:])

    def inverse(self, spectrum: Tensor, length: int) -> Tensor:
        """Inverse STFT by overlap-add, ``(..., F, N)`` complex to ``(..., length)`` float32."""
        flat = spectrum.reshape(-1, *spectrum.shape[-2:])
        spec = self.stft_spec
        out = torch.istft(flat, spec.n_fft, spec.hop, window=self.window, center=True, length=length)
        return out.reshape(*spectrum.shape[:-2], length).float()

    def power(self, waveform: Tensor) -> Tensor:
        """Power spectrum, ``(..., T)`` to ``(..., n_fft // 2 + 1, T // hop + 1)``."""
        return power_of(self.complex(waveform))


def power_of(spectrum: Tensor) -> Tensor:
    """Power of a complex spectrum."""
    return spectrum.real.square() + spectrum.imag.square()


class FrontEnd(Stft):
    """The three differentiable stages of a log-mel front end.

    Args:
        spec: The numbers, from the checkpoint.
        bank: ``(n_mels, n_fft // 2 + 1)``, the mel bank of these numbers where the checkpoint has it; librosa's where
            None.

    Attributes:
        heard: Bins from the lowest to the highest that the bank weighs: what masks do to others is not heard.
    """

    bank: Tensor

    def __init__(self, spec: FrontEndSpec, bank: NDArray[Any] | None = None) -> None:
        super().__init__(spec)
        self.spec = spec
        values = torch.tensor(mel_bank(spec) if bank is None else bank, dtype=self.window.dtype)
        self.register_buffer("bank", values, persistent=False)
        weighed = values.any(dim=0).nonzero()[:, 0].tolist()
        self.heard = slice(weighed[0], weighed[-1] + 1) if weighed else slice(0, spec.n_bins)

    def mel(self, power: Tensor) -> Tensor:
        """Mel power, ``(..., F, N)`` to ``(..., n_mels, N)``."""
        return torch.matmul(self.bank.to(power.dtype), power)

    def mel_of_heard(self, power: Tensor) -> Tensor:
        """Mel power of the bins of :attr:`heard` alone, ``(..., R, N)`` to ``(..., n_mels, N)``."""
        return torch.matmul(self.bank[:, self.heard].to(power.dtype), power)

    def log(self, mel: Tensor) -> Tensor:
        """Clamped logarithm of mel power, float32, in decibels or nepers as the checkpoint wants."""
        clamped = mel.clamp(min=self.spec.floor)
        return (10.0 * torch.log10(clamped) if self.spec.decibels else torch.log(clamped)).float()

    @property
    def power_floor(self) -> float:
        """STFT power at which every mel band is at or under the mel floor."""
        return self.spec.floor / float(self.bank.sum(dim=1).max())
