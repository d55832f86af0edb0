"""FLAC files, 24 bits: a third of the size of WAV or less."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from zsxai.audio.words import reason
from zsxai.errors import InputError

_FULL = 2**23


class FlacWriter:
    """Writes mono FLAC block by block; a context manager.

    Args:
        path: The file.
        sample_rate: Samples per second.

    Attributes:
        cut: How many samples lay beyond full scale, 1, and were cut to it.

    Raises:
        InputError: If FLAC has no such rate.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self.cut = 0
        try:
            self._file = soundfile.SoundFile(path, "w", sample_rate, 1, "PCM_24", format="FLAC")
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"FLAC cannot hold {sample_rate:,} samples per second ({reason(error)}): WAV can"
            ) from error

    def write(self, block: NDArray[Any]) -> None:
        """Write the next ``(n,)`` samples."""
        whole = np.rint(np.asarray(block, np.float64) * _FULL)
        self.cut += int(np.count_nonzero((whole < -_FULL) | (whole > _FULL)))
        # libsndfile takes the upper 24 of 32 bits.
        self._file.write(np.clip(whole, -_FULL, _FULL - 1).astype(np.int32) << 8)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
