"""A folder of class folders."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

from zsxai.data.checks import Reader, complete, existing_folder
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.names import printable

ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64")
"""Of files that are taken for audio, in any case."""
BY_AV = (".m4a", ".aac", ".mp4", ".wma", ".webm", ".mkv", ".mka", ".mov")
"""Endings of what the extra ``av`` reads."""


class Folder(Reader):
    """``root/<class>/**/<name>.wav``: the first folder is the class, with underscores read as blanks.

    Names are paths below the root, written with ``/``; each file counts as a recording of its own. Passed over are
    files of other kinds, folders without audio, and all whose names begin with a dot or that lie in ``__MACOSX``.

    Args:
        root: Folder of class folders.

    Raises:
        InputError: If there are no class folders, none holds audio, or all sound in one is in forms that are not read.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = existing_folder(root, "folder of class folders")
        place = printable(self.root)
        folders = sorted(f for f in self.root.iterdir() if f.is_dir() and not is_clutter(f.name))
        if not folders:
            raise InputError(f"{place} holds no class folders: looked for {place}/<class>/<name>.wav")
        clips, empty = [], []
        for folder in folders:
            audio = _list_audio(folder)
            if not audio:
                empty.append(printable(folder.name))
            for path in audio:
                name = path.relative_to(self.root).as_posix()
                # Two files of one stem in two places are two recordings.
                source = path.relative_to(self.root).with_suffix("").as_posix()
                clips.append(LabelledClip(name, folder.name.replace("_", " "), source, path=path))
        if not clips:
            raise InputError(f"the class folders in {place} hold no audio: looked for {', '.join(ENDINGS)}")
        if empty:
            warnings.warn(f"class folders in {place} without audio are passed over: {', '.join(empty)}", stacklevel=2)
        self.clips = complete(sorted(clips, key=lambda clip: clip.name), f"the folder {place}")
        self.labels = sorted({clip.label for clip in clips})


def find_audio(root: Path) -> list[Path]:
    """All audio below a folder, whatever its folders mean, in the order of the paths.

    Raises:
        InputError: If there is none, or only in forms that are not read.
    """
    found = _list_audio(root)
    if not found:
        raise InputError(f"{printable(root)} holds no audio: looked for {', '.join(ENDINGS)}")
    return found


def _list_audio(root: Path) -> list[Path]:
    """Audio below a folder, without clutter, in the order of the paths; an error where all is of a kind not read."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and not any(map(is_clutter, p.relative_to(root).parts)))
    audio = [p for p in files if p.suffix.lower() in read_endings()]
    unread = next((p for p in files if p.suffix.lower() in BY_AV), None)
    if unread is not None and not audio:
        raise InputError(f"{printable(unread)} is read by PyAV: pip install 'zsxai[av]', or convert it to WAV or FLAC")
    return audio


def read_endings() -> tuple[str, ...]:
    """Endings of files that are audio and can be read here."""
    return (*ENDINGS, *BY_AV) if find_spec("av") else ENDINGS


def is_clutter(name: str) -> bool:
    """Whether a file or folder is a program's own: hidden, or what macOS puts into archives."""
    return name.startswith(".") or name == "__MACOSX"
