"""Writing what was explained as a folder."""

from __future__ import annotations

import json
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from zsxai.arrays import write_tensors
from zsxai.audio.flac import FlacWriter
from zsxai.audio.wav import WavWriter
from zsxai.checks import one_of
from zsxai.files import whole_folder
from zsxai.saved import ARRAYS, ORIGINAL, RECORD, REPLACEABLE, SOUNDS, Sounds, hash_file

if TYPE_CHECKING:
    from zsxai.explanation import Explanation


def write_folder(explanation: Explanation, folder: Path, *, overwrite: bool = False, sounds: Sounds = "wav") -> Path:
    """Write a whole explanation: record, arrays, sounds, picture and page.

    Args:
        explanation: What to write.
        folder: Where; its parents are made.
        overwrite: Replace a folder that holds a saved explanation and nothing else, or nothing at all.
        sounds: How what is kept and what is left are written.

    Returns:
        The folder.

    Raises:
        InputError: If the folder exists and may not be replaced, or cannot be made.
    """
    one_of(sounds, tuple(SOUNDS), "sounds")
    with whole_folder(folder, REPLACEABLE, overwrite=overwrite) as draft:
        write_files(explanation, draft, sounds)
    return folder


def write_files(explanation: Explanation, folder: Path, sounds: Sounds = "wav") -> None:
    """Write the files of an explanation into a folder that exists."""
    from zsxai.show.page import page_html

    e = explanation
    arrays = {"mask": e.mask, "relevance": e.relevance, "frequencies": e.frequencies, "times": e.times}
    write_tensors(folder / ARRAYS, arrays)
    write_sounds(e, folder, sounds)
    write_png(e, folder / "explanation.png")
    (folder / "index.html").write_bytes(page_html(e, beside=sounds).encode())
    record = {
        **e.record(),
        "files": {path.name: hash_file(path) for path in sorted(folder.iterdir())},
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / RECORD).write_bytes(f"{text}\n".encode())


def write_sounds(explanation: Explanation, folder: Path, sounds: Sounds) -> None:
    """Write the recording, and what is kept and left of it, a part at a time."""
    e = explanation
    with ExitStack() as stack:

        def open_file(name: str) -> WavWriter | FlacWriter:
            path = folder / name
            if path.suffix == ".flac":
                return stack.enter_context(FlacWriter(path, e.sample_rate))
            return stack.enter_context(WavWriter(path, e.sample_rate, len(e.original)))

        original, parts = open_file(ORIGINAL), [open_file(name) for name in SOUNDS[sounds]]
        for stretch in e.stretches():
            original.write(e.original[stretch.samples])
            for file, residue in zip(parts, (False, True), strict=False):
                file.write(e.sound_of(stretch, residue=residue))
        cut = sum(file.cut for file in parts if isinstance(file, FlacWriter))
    if cut:
        warnings.warn(f"{cut} samples beyond full scale were cut, which FLAC cannot hold: WAV can", stacklevel=2)


def write_png(explanation: Explanation, path: Path) -> None:
    """Write the picture of an explanation."""
    from zsxai.show.plot import bare_figure, framed_axes, plot_explanation, write_drawing

    figure = bare_figure()
    write_drawing(path, figure, lambda: plot_explanation(explanation, framed_axes(figure), key=True))
