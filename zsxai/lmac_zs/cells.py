"""From the decoder's cells to masks, and masked sounds before the model; differentiable in the log-odds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from zsxai.clip import Clip, make_grid
from zsxai.model import Features, SpectralModel
from zsxai.spectral import Domain, Grid, Scale, floor_of, power_gain
from zsxai.spectral.grid import interpolation


class Cells:
    """Carries log-odds from the cells of one grid to the heard rows of another, linearly as :meth:`Grid.resample` does.

    Args:
        source: Grid of the log-odds.
        onto: Grid that they are carried to, such as that of masks.
        device: Device of the tensors.
    """

    def __init__(self, source: Grid, onto: Grid, device: torch.device) -> None:
        frequency, time = interpolation(source, onto)
        self._frequency = torch.from_numpy(frequency[onto.in_band]).float().to(device)
        self._time = torch.from_numpy(time.T).float().to(device)

    def spread(self, values: Tensor) -> Tensor:
        """``(n, f, t)`` to ``(n, R, N)`` on the R rows that are heard."""
        return self._frequency @ (values @ self._time)

    def mask(self, log_odds: Tensor, steepness: float = 1.0) -> Tensor:
        """``(n, f, t)`` log-odds to masks ``(n, R, N)``; ``steepness`` is a factor on them."""
        return torch.sigmoid(steepness * self.spread(log_odds))


@dataclass(frozen=True, eq=False)
class Sounds:
    """A batch of filled windows, ready to be masked.

    Attributes:
        model: The model.
        domain: Domain of the masks.
        scale: How masks act.
        rows: ``(F,)`` bool: rows that the model hears.
        power: ``(B, R, N)`` float32 power on those rows.
        floor: ``(B, 1, 1)``.
        features: Features of the windows as they are.
        autocast: Context that the encoder runs in; masks and spectra are computed in float32.
    """

    model: SpectralModel
    domain: Domain
    scale: Scale
    rows: Tensor
    power: Tensor
    floor: Tensor
    features: Features
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext

    @classmethod
    def of(cls, model: SpectralModel, waveforms: Tensor, domain: Domain, scale: Scale) -> Sounds:
        """Compute the features of ``(B, T)`` filled windows, without a graph; each has the default floor."""
        with torch.no_grad():
            features = model.features(waveforms)
            front_end = model.front_end
            power = _power(features, domain)
            least = front_end.spec.floor if domain == "mel" else front_end.power_floor
            floor = torch.tensor([floor_of(float(clip.max()), least) for clip in power], device=power.device)
            rows = _rows(model, domain, waveforms.shape[-1])
            return cls(model, domain, scale, rows, power[:, rows].float(), floor[:, None, None], features)

    @classmethod
    def of_clip(cls, clip: Clip) -> Sounds:
        """One clip, filled, under the masking of its recording."""
        model, masking = clip.spectral, clip.masking
        rows = _rows(model, masking.domain, clip.window_samples)
        power = _power(clip.features, masking.domain)[:, rows].float()
        floor = torch.full((1, 1, 1), masking.floor, device=power.device)
        return cls(model, masking.domain, masking.scale, rows, power, floor, clip.features)

    def masked(self, masks: Tensor, of: Tensor) -> Features:
        """What the encoder takes under masks.

        Args:
            masks: ``(n, R, N)`` in [0, 1].
            of: ``(n,)`` index of the window that each lies on.
        """
        if self.scale == "log":
            # floor^(1-M) P^M, with all that depends on the clip alone computed once for its many masks.
            over, base = self._level
            kept = base[of] * torch.exp(over[of] * masks)
        else:
            power = self.power[of]
            kept = power * power_gain(self.scale, power, masks, self.floor[of])
        # Out of the model's band there is nothing to hear: its rows of the bank are 0.
        bank = self.model.front_end.bank[:, self.rows].to(kept.dtype) if self.domain == "stft" else None
        return self.model.features_from_mel(kept if bank is None else bank @ kept)

    @cached_property
    def _level(self) -> tuple[Tensor, Tensor]:
        """Nepers of power over the floor, 0 or more, and what lies at or under it."""
        return torch.log(self.power.clamp(min=self.floor) / self.floor), torch.minimum(self.power, self.floor)

    def embed(self, masks: Tensor, of: Tensor) -> Tensor:
        """Embeddings of masked windows, ``(n, D)``."""
        features = self.masked(masks, of)
        with self.autocast():
            return self.model.encode(features).embedding.float()


def _rows(model: SpectralModel, domain: Domain, samples: int) -> Tensor:
    grid = make_grid(model.front_end.spec, domain, samples)
    return torch.from_numpy(grid.in_band).to(model.device)


def _power(features: Features, domain: Domain) -> Tensor:
    if domain == "mel":
        return features.mel
    if features.power is None:
        raise RuntimeError("features() of a spectral model gives the STFT power")
    return features.power
