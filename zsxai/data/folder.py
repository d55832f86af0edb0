"""A folder of class folders."""

from __future__ import annotations

from pathlib import Path

from zsxai.data.checks import Reader, complete, existing_folder
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError

ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64")
"""Of files that are taken for audio, in any case."""


class Folder(Reader):
    """``root/<class>/**/<name>.wav``: the first folder is the class, with underscores read as blanks.

    Names are paths below the root, written with ``/``; each file counts as a recording of its own. Files of other
    kinds, and all whose names begin with a dot, are passed over.

    Args:
        root: Folder of class folders.

    Raises:
        InputError: If there are no class folders, or one holds no audio.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = existing_folder(root, "folder of class folders")
        folders = sorted(f for f in self.root.iterdir() if f.is_dir() and not f.name.startswith("."))
        if not folders:
            raise InputError(f"{self.root} holds no class folders: looked for {self.root}/<class>/<name>.wav")
        clips = []
        for folder in folders:
            files = [
                p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file() and not _hidden(p, folder)
            ]
            if not files:
                raise InputError(f"the class folder {folder} holds no audio: looked for {', '.join(ENDINGS)}")
            for path in files:
                name = path.relative_to(self.root).as_posix()
                # Two files of one stem in two places are two recordings.
                source = path.relative_to(self.root).with_suffix("").as_posix()
                clips.append(LabelledClip(name, folder.name.replace("_", " "), source, path=path))
        self.clips = complete(sorted(clips, key=lambda clip: clip.name), f"the folder {self.root}")
        self.labels = sorted({clip.label for clip in clips})


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)
