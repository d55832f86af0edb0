"""STFT, mel, grids, masks: everything between a waveform and a map on seconds x hertz."""

from zsxai.spectral.front_end import FrontEnd, FrontEndSpec, Stft, StftSpec, power_of
from zsxai.spectral.grid import DOMAINS, Domain, Grid, heard_band, map_grid, mel_grid, overlap, patch_grid, stft_grid
from zsxai.spectral.mask import SCALES, Masking, Scale, floor_of, power_gain, render, spread

__all__ = [
    "DOMAINS",
    "SCALES",
    "Domain",
    "FrontEnd",
    "FrontEndSpec",
    "Grid",
    "Masking",
    "Scale",
    "Stft",
    "StftSpec",
    "floor_of",
    "heard_band",
    "map_grid",
    "mel_grid",
    "overlap",
    "patch_grid",
    "power_gain",
    "power_of",
    "render",
    "spread",
    "stft_grid",
]
