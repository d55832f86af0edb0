"""The mask for programs and as a picture, and what it keeps as sound."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.audio.flac import FlacWriter
from zsxai.audio.wav import WavWriter
from zsxai.files import as_path, whole_file

if TYPE_CHECKING:
    from zsxai.explanation import Explanation


def to_npz(e: Explanation, path: str | Path) -> Path:
    """Write ``mask``, ``relevance`` (``(F, N)``), ``frequencies`` (hertz) and ``times`` (seconds) for NumPy."""
    with whole_file(as_path(path)) as draft, draft.open("wb") as file:
        np.savez_compressed(file, **_arrays(e))
    return as_path(path)


def to_safetensors(e: Explanation, path: str | Path) -> Path:
    """Write the arrays of :func:`to_npz` as safetensors, with the prompt among its metadata."""
    from safetensors.numpy import save_file

    with whole_file(as_path(path)) as draft:
        save_file(_arrays(e), draft, {"prompt": e.prompt, "audio": e.provenance.audio_name})
    return as_path(path)


def to_png(e: Explanation, path: str | Path) -> Path:
    """Write the mask alone as a grey picture: a pixel a cell, 0 black and 1 white, low frequencies at the bottom."""
    from PIL import Image

    pixels = np.rint(255 * e.mask[::-1]).astype(np.uint8)
    with whole_file(as_path(path)) as draft:
        Image.fromarray(pixels).save(draft, "PNG")
    return as_path(path)


def to_wav(e: Explanation, path: str | Path) -> Path:
    """Write what the mask keeps as a mono float32 WAV, sample for sample."""
    with whole_file(as_path(path)) as draft, WavWriter(draft, e.sample_rate, len(e.original)) as file:
        for stretch in e.stretches():
            file.write(e.sound_of(stretch))
    return as_path(path)


def to_flac(e: Explanation, path: str | Path) -> Path:
    """Write what the mask keeps as mono FLAC of 24 bits; what lies beyond full scale is cut, with a warning.

    Raises:
        InputError: If FLAC has no such rate.
    """
    with whole_file(as_path(path)) as draft, FlacWriter(draft, e.sample_rate) as file:
        for stretch in e.stretches():
            file.write(e.sound_of(stretch))
    if file.cut:
        warnings.warn(f"{file.cut:,} samples lie beyond full scale and were cut: WAV keeps them", stacklevel=2)
    return as_path(path)


def _arrays(e: Explanation) -> dict[str, Any]:
    arrays = {"mask": e.mask, "relevance": e.relevance, "frequencies": e.frequencies, "times": e.times}
    return {name: np.ascontiguousarray(values) for name, values in arrays.items()}
