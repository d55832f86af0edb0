"""Augmentation of log-mels in batches: everything a recording may suffer, and everything an explanation does to one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zsxai.adapters.tiny.spec import FRONT_END
from zsxai.spectral.front_end import mel_bank, mel_points
from zsxai.spectral.mask import DYNAMIC_RANGE_DB

FLOOR = 10.0 * math.log10(FRONT_END.floor)
"""Decibels of silence."""


@dataclass(frozen=True)
class Strength:
    """Probabilities and widths.

    Attributes:
        mixup: Probability of mixing with another clip.
        noise: Probability of added noise.
        low_pass: Probability of a lost top.
        masked: Probability of a smooth mask like an explanation's.
        level: Probability of a level change, -24 to +6 dB.
        short: Probability of silence after a part of the window.
        shift: Most mel bands up or down.
        stretch: Largest factor of tempo.
        colour: Spread of a random equaliser, in decibels.
        patches: Most SpecAugment bars along each axis.
    """

    mixup: float = 0.5
    noise: float = 0.12
    low_pass: float = 0.12
    masked: float = 0.2
    level: float = 0.8
    short: float = 0.1
    shift: int = 3
    stretch: float = 1.3
    colour: float = 4.0
    patches: int = 1


class Augment:
    """Random log-mel changes from one generator.

    Args:
        generator: Source of every random number.
        strength: How much.
    """

    def __init__(self, generator: torch.Generator, strength: Strength) -> None:
        self.generator = generator
        self.strength = strength
        bank = mel_bank(FRONT_END)
        self.band = torch.from_numpy(bank.sum(axis=1)).float().log10().mul(10)
        # A band that averages k independent bins fluctuates by 5.6 / sqrt(k) decibels.
        self.jitter = 5.6 / torch.from_numpy(bank.sum(axis=1)).float().clamp(min=1).sqrt()
        self.hertz = torch.from_numpy(mel_points(FRONT_END)[1:-1]).float()

    def __call__(self, clips: Tensor, length: int, *, whole: bool, mixing: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Augment a batch.

        Args:
            clips: ``(B, n_mels, N)`` decibels.
            length: Frames wanted.
            whole: Keep the clips' own time instead of cropping round their loud parts.
            mixing: Whether clips may be mixed.

        Returns:
            ``(B, n_mels, length)`` decibels, the position of each clip's partner ``(B,)`` and the clip's own share of
            its target ``(B,)`` in [0, 1]; the partner has the rest.
        """
        s = self.strength
        out = self._cut(clips, length, whole)
        out = self._move(out)
        out, partner, share = self._mix(out, mixing)
        self._apply(self._noisy, out, s.noise)
        self._apply(self._muffled, out, s.low_pass)
        out = self._bars(out)
        self._apply(self._masked, out, s.masked)
        self._apply(self._shortened, out, s.short)
        return out.clamp_(min=FLOOR), partner, share

    def nothing(self, count: int, length: int) -> Tensor:
        """Steady noise of any level and slope, a quarter of it silence: ``(count, n_mels, length)`` decibels."""
        shape = self._noise(torch.empty(count, len(self.band), length))
        loudest = shape.amax(dim=(1, 2), keepdim=True)
        level = self._uniform(count, 1, 1, low=FLOOR, high=20.0)
        silent = self._some(count, 0.25)
        return torch.where(silent, FLOOR, shape - loudest + level).clamp_(min=FLOOR)

    def _noise(self, clips: Tensor) -> Tensor:
        """White or sloping noise of the clips' shape, in decibels of no particular level."""
        n, mels, _ = clips.shape
        slope = self._uniform(n, 1, 1, low=-8, high=3) * torch.linspace(0, 1, mels)[:, None]
        slope = torch.where(self._some(n, 0.5), 0.0, slope)
        return self.band[:, None] + slope + self.jitter[:, None] * torch.randn(clips.shape, generator=self.generator)

    def _uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.generator)

    def _some(self, n: int, probability: float) -> Tensor:
        return (self._uniform(n) < probability)[:, None, None]

    def _apply(self, change: Callable[[Tensor], Tensor], clips: Tensor, probability: float) -> None:
        """Change some of the clips in place."""
        chosen = self._some(len(clips), probability).flatten().nonzero().flatten()
        if len(chosen):
            clips[chosen] = change(clips[chosen])

    def _cut(self, clips: Tensor, length: int, whole: bool) -> Tensor:
        """Crop a stretched, wrapped piece that holds a loud frame."""
        n, _, frames = clips.shape
        rate = torch.exp(self._uniform(n, low=-1, high=1) * math.log(self.strength.stretch))
        if whole:
            rate = torch.where(self._uniform(n) < 0.5, rate, 1.0)
            start = torch.where(self._uniform(n) < 0.5, self._uniform(n) * frames, 0.0)
        else:
            level = clips.amax(dim=1)
            weight = 10.0 ** ((level - level.amax(dim=1, keepdim=True)).clamp(min=-50) / 25.0)
            loud = torch.multinomial(weight, 1, generator=self.generator)[:, 0]
            start = loud - self._uniform(n) * (length - 1) * rate
        at = (start[:, None] + rate[:, None] * torch.arange(length)) % frames
        left = at.floor().long().clamp(max=frames - 1)
        part = (at - left)[:, None]
        index = left[:, None].expand(-1, clips.shape[1], -1)
        return torch.lerp(clips.gather(2, index), clips.gather(2, (index + 1) % frames), part)

    def _move(self, clips: Tensor) -> Tensor:
        """Shift along mel, colour, and change the level."""
        n, mels, _ = clips.shape
        s = self.strength
        by = torch.randint(-s.shift, s.shift + 1, (n,), generator=self.generator)
        at = torch.arange(mels)[None] - by[:, None]
        inside = ((at >= 0) & (at < mels))[..., None]
        moved = clips.gather(1, at.clamp(0, mels - 1)[..., None].expand(-1, -1, clips.shape[2]))
        colour = s.colour * torch.randn(n, 1, 5, generator=self.generator)
        colour = nn.functional.interpolate(colour, size=mels, mode="linear", align_corners=True)[:, 0, :, None]
        level = torch.where(self._some(n, s.level), self._uniform(n, 1, 1, low=-24, high=6), 0.0)
        # Silence has no colour and no level: what lies on the floor stays there.
        return torch.where(inside & (moved > FLOOR), moved + colour + level, FLOOR).clamp_(min=FLOOR)

    def _mix(self, clips: Tensor, mixing: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Add another clip in power, at a level matched to the share."""
        n = len(clips)
        partner = torch.randperm(n, generator=self.generator)
        share = self._uniform(n)
        share = torch.maximum(share, 1 - share)
        mixed = (self._uniform(n) < self.strength.mixup) & mixing
        share = torch.where(mixed, share, 1.0)
        if not bool(mixed.any()):
            return clips, partner, share
        chosen = mixed.nonzero().flatten()
        power, other = 10.0 ** (clips[chosen] / 10.0), 10.0 ** (clips[partner[chosen]] / 10.0)
        balance = power.mean(dim=(1, 2)) / other.mean(dim=(1, 2))
        factor = ((1 - share) / share)[chosen].square() * balance
        out = clips.clone()
        out[chosen] = 10.0 * torch.log10(power + factor[:, None, None] * other)
        return out, partner, share

    def _noisy(self, clips: Tensor) -> Tensor:
        """Add white or sloping noise, 3 to 30 dB under the clip."""
        noise = 10.0 ** (self._noise(clips) / 10.0)
        power = 10.0 ** (clips / 10.0)
        snr = self._uniform(len(clips), 1, 1, low=3, high=30)
        ratio = 10.0 ** (-snr / 10.0) * power.mean(dim=(1, 2), keepdim=True) / noise.mean(dim=(1, 2), keepdim=True)
        return 10.0 * torch.log10(power + ratio * noise)

    def _muffled(self, clips: Tensor) -> Tensor:
        """Lose everything over a frequency, as a low sample rate does."""
        cut = torch.exp(self._uniform(len(clips), 1, 1, low=math.log(2500.0), high=math.log(12000.0)))
        over = torch.log2(self.hertz[:, None] / cut).clamp(min=0)
        return clips - 400.0 * over

    def _bars(self, clips: Tensor) -> Tensor:
        """SpecAugment: bars along time and frequency, filled with the floor or with the clip's mean."""
        n, mels, frames = clips.shape
        fill = torch.where(self._some(n, 0.5), FLOOR, clips.mean(dim=(1, 2), keepdim=True))
        for _ in range(self.strength.patches):
            for size, widest, axis in ((mels, 9, 1), (frames, 40, 2)):
                width = self._uniform(n, 1) * widest
                start = self._uniform(n, 1) * (size - width)
                at = torch.arange(size)[None]
                bar = (at >= start) & (at < start + width)
                clips = torch.where(bar[:, :, None] if axis == 1 else bar[:, None], fill, clips)
        return clips

    def _masked(self, clips: Tensor) -> Tensor:
        """Move the level toward the floor by a random smooth mask, as explanations on the log scale do."""
        n, mels, frames = clips.shape
        coarse = torch.randn(n, 1, 8, 14, generator=self.generator)
        fine = torch.randn(n, 1, 3, 5, generator=self.generator)
        size = (mels, frames)
        field = nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=True)
        field = field + 1.5 * nn.functional.interpolate(fine, size=size, mode="bilinear", align_corners=True)
        sharp = torch.exp(self._uniform(n, 1, 1, low=math.log(0.7), high=math.log(8.0)))
        mask = torch.sigmoid(sharp * (field[:, 0] + self._uniform(n, 1, 1, low=-0.8, high=1.2)))
        floor = (clips.amax(dim=(1, 2), keepdim=True) - DYNAMIC_RANGE_DB).clamp(min=FLOOR)
        over = (clips - floor).clamp(min=0)
        # A mask that hides the sound teaches nothing: such a one keeps its complement.
        kept = (over * mask).sum(dim=(1, 2), keepdim=True) / over.sum(dim=(1, 2), keepdim=True).clamp(min=1e-6)
        mask = torch.where(kept < 0.35, 1 - mask, mask)
        return torch.where(clips > floor, floor + over * mask, clips)

    def _shortened(self, clips: Tensor) -> Tensor:
        """Silence after a part of the window, as a short recording leaves."""
        frames = clips.shape[2]
        end = self._uniform(len(clips), 1, 1, low=0.35, high=1.0) * frames
        return torch.where(torch.arange(frames) < end, clips, FLOOR)
