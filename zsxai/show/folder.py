"""Writing what was explained as a folder."""

from __future__ import annotations

import json
import warnings
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from zsxai.arrays import write_tensors
from zsxai.audio.wav import WavWriter
from zsxai.files import whole_folder
from zsxai.saved import ARRAYS, FILES, RECORD, hash_file

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

DRAWING = Lock()
"""Matplotlib draws in one thread at a time; nor can two threads change what is warned of."""


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
    from zsxai.show.page import page_html

    e = explanation
    arrays = {"mask": e.mask, "relevance": e.relevance, "frequencies": e.frequencies, "times": e.times}
    write_tensors(folder / ARRAYS, arrays)
    write_sounds(e, folder)
    write_png(e, folder / "explanation.png")
    (folder / "index.html").write_bytes(page_html(e, beside=True).encode())
    record = {**e.record(), "files": {name: hash_file(folder / name) for name in FILES[1:]}}
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / RECORD).write_bytes(f"{text}\n".encode())


def write_sounds(explanation: Explanation, folder: Path) -> None:
    """Write what is kept, what is left and the recording as WAV files, a part at a time."""
    e = explanation
    with ExitStack() as stack:
        kept, left, original = (
            stack.enter_context(WavWriter(folder / f"{name}.wav", e.sample_rate, len(e.original)))
            for name in ("explanation", "residue", "original")
        )
        for stretch in e.stretches():
            kept.write(e.sound_of(stretch))
            left.write(e.sound_of(stretch, residue=True))
            original.write(e.original[stretch.samples])


def write_png(explanation: Explanation, path: Path) -> None:
    """Write the picture of an explanation."""
    from zsxai.show.plot import bare_figure, framed_axes, plot_explanation

    with DRAWING, warnings.catch_warnings():
        # A prompt in a script that matplotlib's font lacks is drawn as boxes; the page beside shows it.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = bare_figure()
        plot_explanation(explanation, framed_axes(figure), key=True)
        figure.savefig(path, format="png", pil_kwargs={"compress_level": 3})
