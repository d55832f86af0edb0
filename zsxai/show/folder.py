"""Writing what was explained: a folder beside its place, then one rename, so that it is whole or absent."""

from __future__ import annotations

import json
import os
import shutil
import struct
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from zsxai.errors import InputError

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

FILES = (
    "explanation.json",
    "mask.safetensors",
    "explanation.wav",
    "residue.wav",
    "original.wav",
    "explanation.png",
    "index.html",
)
"""What a saved explanation holds; the first marks it as one."""


def write_folder(explanation: Explanation, folder: Path, *, overwrite: bool = False) -> Path:
    """Write a whole explanation: record, arrays, three WAVs, picture and page.

    Args:
        explanation: What to write.
        folder: Where; its parents are made.
        overwrite: Replace a folder that holds a saved explanation and nothing else, or nothing at all.

    Returns:
        The folder.

    Raises:
        InputError: If the folder exists and may not be replaced, or cannot be made.
    """
    with whole_folder(folder, FILES, overwrite=overwrite) as draft:
        write_files(explanation, draft)
    return folder


def write_files(explanation: Explanation, folder: Path) -> None:
    """Write the files of an explanation into a folder that exists."""
    from safetensors.numpy import save

    from zsxai.show.page import page_html

    e = explanation
    record = json.dumps(e.record(), indent=2, ensure_ascii=False)
    (folder / "explanation.json").write_bytes(f"{record}\n".encode())
    arrays = {"mask": e.mask, "relevance": e.relevance, "frequencies": e.frequencies, "times": e.times}
    (folder / "mask.safetensors").write_bytes(save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))
    for name, waveform in (("explanation", e.audio), ("residue", e.residue), ("original", e.original)):
        (folder / f"{name}.wav").write_bytes(wav_bytes(waveform, e.sample_rate))
    write_png(e, folder / "explanation.png")
    (folder / "index.html").write_bytes(page_html(e, beside=True).encode())


def write_png(explanation: Explanation, path: Path) -> None:
    """Write the picture of an explanation."""
    from zsxai.show.plot import bare_figure, framed_axes, plot_explanation

    figure = bare_figure()
    plot_explanation(explanation, framed_axes(figure), key=True)
    with warnings.catch_warnings():
        # A prompt in a script that matplotlib's font lacks is drawn as boxes; the page beside shows it.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path, format="png", pil_kwargs={"compress_level": 3})


def wav_bytes(waveform: NDArray[Any], sample_rate: int) -> bytes:
    """A mono float32 WAV, sample for sample, the same bytes every time (libsndfile adds the time of day)."""
    data = np.ascontiguousarray(waveform, dtype="<f4").tobytes()
    form = struct.pack("<HHIIHHH", 3, 1, sample_rate, 4 * sample_rate, 4, 32, 0)
    chunks = ((b"fmt ", form), (b"fact", struct.pack("<I", len(data) // 4)), (b"data", data))
    body = b"WAVE" + b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@contextmanager
def whole_folder(folder: Path, files: Collection[str], *, overwrite: bool) -> Iterator[Path]:
    """Give a draft beside ``folder``; leaving the ``with`` renames it, any exception removes it.

    Args:
        folder: Where the draft goes in the end.
        files: Relative paths that may be replaced; the first marks a folder as replaceable. A folder that holds any
            other file is never touched.
        overwrite: Replace a folder that is there.

    Yields:
        The draft, an empty folder on the same file system.

    Raises:
        InputError: If the folder exists and may not be replaced, or cannot be made.
    """
    place = folder.resolve()
    _check(folder, place, files, overwrite)
    token = uuid4().hex[:8]
    draft, old = (place.with_name(f".{place.name}.{token}.{end}") for end in ("part", "old"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    try:
        yield draft
        # Looked at again: the folder may have appeared, or gained a file, while the draft was written.
        _check(folder, place, files, overwrite)
        _swap(draft, place, old)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)


def _swap(draft: Path, place: Path, old: Path) -> None:
    if not place.exists():
        draft.rename(place)
        return
    try:
        place.rename(old)
        draft.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise


def _check(folder: Path, place: Path, files: Collection[str], overwrite: bool) -> None:
    if not os.path.lexists(place):
        return
    if not place.is_dir():
        raise InputError(f"{folder} is a file: name a folder")
    if not overwrite:
        raise InputError(f"{folder} exists: name another folder, or say overwrite")
    marker = next(iter(files))
    found = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_symlink() or not p.is_dir())
    other = next((name for name in found if name not in files), None)
    if other is not None:
        raise InputError(f"{folder} holds {other}, which is not ours to replace: name another folder")
    if found and marker not in found:
        raise InputError(f"{folder} holds no {marker}, so it is no saved explanation: name another folder")
