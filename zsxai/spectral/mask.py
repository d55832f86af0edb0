"""What a mask does to power, on either scale, and how it becomes audio.

A mask M in [0, 1] is an exact power gain on every scale:

* ``log``: the level moves toward a floor, ``P' = floor^(1-M) P^M`` (power at or under the floor stays);
* ``gain``: magnitude times M, ``P' = M^2 P``; kept + residue = input;
* ``log1p``: ``log(1 + magnitude)`` times M, as published recipes mask spectra. What it does depends on the level of the
  recording: it is ``gain`` on quiet sound and near ``log`` on loud. For literal comparisons only.

M = 1 leaves the clip, M = 0 is silence (the floor on ``log``). Raw decibels are never multiplied: 0 x dB is loud.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from pydantic import field_validator
from torch import Tensor, nn

from zsxai.spectral.front_end import FrontEnd, Stft, power_of
from zsxai.spectral.grid import Domain
from zsxai.value import Value

Scale = Literal["log", "gain", "log1p"]
SCALES: tuple[Scale, ...] = get_args(Scale)
DYNAMIC_RANGE_DB = 80.0

_FLOAT = torch.finfo(torch.float32)


class Masking(Value):
    """How masks act: domain, scale and floor, stored with every mask.

    Attributes:
        domain: ``stft`` (linear frequency) or ``mel``.
        scale: ``log``, ``gain`` or ``log1p``.
        floor: Power, in the domain's own units, toward which ``log`` moves; a normal float32.
    """

    domain: Domain
    scale: Scale = "log"
    floor: float

    @field_validator("floor")
    @classmethod
    def _normal(cls, floor: float) -> float:
        if not _FLOAT.tiny <= floor <= _FLOAT.max:
            raise ValueError(f"the floor is a power above 0 that float32 can hold, not {floor:g}")
        return floor

    def gain(self, power: Tensor, mask: Tensor) -> Tensor:
        """Power gain of a mask.

        Args:
            power: ``(..., F, N)`` power in the domain.
            mask: Broadcastable to ``power``, in [0, 1].

        Returns:
            Gain in [0, 1], shaped as the broadcast of both; multiply power by it.
        """
        return power_gain(self.scale, power, mask, self.floor)

    def kept(self, power: Tensor, mask: Tensor) -> Tensor:
        """Part of a cell's power, over what an empty mask would leave there, that a mask keeps.

        The gain, but for cells near the floor of ``log``: no mask changes what lies under it, so that its gain is 1
        everywhere in silence. Here such a cell counts as its mask says.

        Args:
            power: ``(..., F, N)`` power in the domain.
            mask: Broadcastable to ``power``, in [0, 1].

        Returns:
            In [0, 1], shaped as the broadcast of both: 0 where the mask is 0, 1 where it is 1.
        """
        if self.scale != "log":
            return self.gain(power, mask)
        depth = torch.log(power.clamp(min=self.floor) / self.floor).clamp(min=1e-6)
        return torch.expm1(depth * mask.to(depth.dtype)) / torch.expm1(depth)


def power_gain(scale: Scale, power: Tensor, mask: Tensor, floor: Tensor | float) -> Tensor:
    """Power gain of a mask on a scale, for one floor or one per clip.

    Args:
        scale: How the mask acts.
        power: ``(..., F, N)``.
        mask: Broadcastable to ``power``, in [0, 1].
        floor: Power toward which ``log`` moves; a tensor is broadcastable to ``power``.

    Returns:
        Gain in [0, 1], shaped as the broadcast of power and mask.
    """
    if scale == "gain":
        return mask.square()
    if scale == "log1p":
        # Below, magnitude / (expm1(M log1p(magnitude))) is 0 / 0: there the limit of quiet sound holds, M.
        magnitude = power.clamp(min=1e-20).sqrt()
        return (torch.expm1(mask.to(magnitude.dtype) * torch.log1p(magnitude)) / magnitude).square()
    # (floor / P)^(1-M), as exp(depth - depth M) in one buffer: a quarter of the cost of a power.
    depth = torch.log(floor / power.clamp(min=floor))
    return torch.addcmul(depth, depth, mask.to(depth.dtype), value=-1.0).exp_()


def floor_of(peak: float, model_floor: float) -> float:
    """The default floor: the higher of the model's own and 80 dB under the clip's peak power."""
    drop: float = 10.0 ** (-DYNAMIC_RANGE_DB / 10.0)
    return max(model_floor, peak * drop)


def spread(bank: Tensor, mel_values: Tensor) -> Tensor:
    """Carry values from mel bands to STFT bins by the bank's own weights, ``(..., M, N)`` to ``(..., F, N)``.

    Bins outside the bank get 0. Constant values stay constant inside the band.
    """
    weights = bank / bank.sum(dim=0, keepdim=True).clamp(min=1e-30)
    return weights.T.to(mel_values.dtype) @ mel_values


def audio_gain(front_end: Stft, masking: Masking, power: Tensor, mask: Tensor, *, residue: bool = False) -> Tensor:
    """Power gain on STFT bins of a mask in either domain.

    Outside the model's band the explanation is silent and the residue keeps everything.

    Args:
        front_end: Gives the mel bank where the mask is on mel.
        masking: How the mask acts.
        power: ``(F, N)`` STFT power of the clip.
        mask: ``(..., rows, N)`` in [0, 1], 0 outside the band.
        residue: Gain of what the mask leaves (1 - M) instead of what it keeps.

    Returns:
        ``(..., F, N)`` in [0, 1]. On ``gain`` the roots of kept and residue sum to 1.
    """
    if masking.domain == "stft":
        return masking.gain(power, 1.0 - mask if residue else mask)
    if not isinstance(front_end, FrontEnd):
        raise TypeError("a mel mask needs a front end with a mel bank")
    bank = front_end.bank.to(power.dtype)
    if masking.scale == "gain":
        kept = spread(bank, mask)
        return (1.0 - kept if residue else kept).square()
    gain = spread(bank, masking.gain(front_end.mel(power), 1.0 - mask if residue else mask))
    if residue:
        gain = gain + (bank.sum(dim=0) == 0).to(gain.dtype)[:, None]
    return gain


def render(front_end: Stft, masking: Masking, waveform: Tensor, mask: Tensor, *, residue: bool = False) -> Tensor:
    """Audio of a mask, with the mixture's phase.

    Args:
        front_end: Gives the STFT (and the bank, for mel masks).
        masking: How the mask acts.
        waveform: ``(T,)`` samples.
        mask: ``(..., rows, N)`` in [0, 1] on the clip's grid.
        residue: What the mask leaves instead of what it keeps.

    Returns:
        ``(..., T)`` float32, as long as the input.
    """
    samples = waveform.shape[-1]
    # Behind the last whole hop, samples would lie under the taper of one frame alone and click: they get one more.
    behind = -samples % front_end.stft_spec.hop
    if behind:
        waveform = nn.functional.pad(waveform, (0, behind))
        mask = torch.cat([mask, mask[..., -1:]], dim=-1)
    spectrum = front_end.complex(waveform)
    power = power_of(spectrum)
    gain = audio_gain(front_end, masking, power, mask.to(power.dtype), residue=residue)
    return front_end.inverse(spectrum * gain.sqrt(), samples + behind)[..., :samples]
