"""Numbers of the bundled model that every part of it shares."""

from __future__ import annotations

from zsxai.spectral import FrontEndSpec

SAMPLE_RATE = 32000
"""Hertz."""
SECONDS = 5.0
"""Length of the window."""
WINDOW = 160000
"""Samples in the window."""
DIM = 384
"""Dimensions of the shared space, those of the text teacher."""
FRONT_END = FrontEndSpec(
    sample_rate=SAMPLE_RATE,
    n_fft=1024,
    hop=320,
    n_mels=64,
    f_min=50.0,
    f_max=14000.0,
    mel_scale="slaney",
    mel_norm=None,
    floor=1e-6,
    decibels=True,
)
