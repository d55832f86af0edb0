"""VocalSound in its official layout: laughter, sighs, coughs, throat clearing, sneezes and sniffs of 3,365 speakers.

Y. Gong, J. Yu, J. Glass, "VocalSound: A Dataset for Improving Human Vocal Sounds Recognition", ICASSP 2022. Layout:
README of github.com/YuanGongND/vocalsound.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from zsxai.data.checks import Reader, complete, existing_folder, read_json, read_table
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError

SPLITS = {"train": "tr", "val": "val", "test": "te"}
_AUDIO = ("audio_44k", "data_44k", "audio_16k")


class VocalSound(Reader):
    """Clips of one split of VocalSound, in the order of the file names; the source is the speaker (``f0003``).

    Args:
        root: Folder with ``class_labels_indices_vs.csv``, ``datafiles/te.json`` (or ``te_rev.json``, in the release at
            44.1 kHz) and ``audio_44k/``, ``data_44k/`` or ``audio_16k/``; the first that is there is read.
        split: ``train``, ``val`` or ``test``.

    Raises:
        InputError: If the layout is not found, the lists do not fit, or files are missing.
    """

    def __init__(self, root: str | Path, split: Literal["train", "val", "test"] = "test") -> None:
        if split not in SPLITS:
            raise InputError(f"split is 'train', 'val' or 'test', not {split!r}")
        self.root = existing_folder(root, "VocalSound")
        names = self.root / "class_labels_indices_vs.csv"
        lists = [self.root / "datafiles" / f"{SPLITS[split]}{ending}.json" for ending in ("", "_rev")]
        listed = next((path for path in lists if path.is_file()), None)
        if listed is None or not names.is_file():
            raise InputError(f"no VocalSound at {self.root}: looked for {names} and {' or '.join(map(str, lists))}")
        folders = [self.root / folder for folder in _AUDIO]
        audio = next((folder for folder in folders if folder.is_dir()), folders[0])
        classes = {
            row["mid"]: row["display_name"].replace("_", " ") for row in read_table(names, ("mid", "display_name"))
        }
        clips = []
        for name, mid in _entries(listed):
            if mid not in classes:
                raise InputError(f"{listed}: {name} is of the class {mid!r}, which is not in {names}")
            clips.append(LabelledClip(name, classes[mid], name.partition("_")[0], path=audio / name))
        self.clips = complete(clips, f"VocalSound ({split}) at {self.root}")
        self.labels = sorted(set(classes.values()))


def _entries(path: Path) -> list[tuple[str, str]]:
    """File and class of every clip; the folders before the file are those of the authors' machine."""
    try:
        return sorted((Path(str(entry["wav"])).name, str(entry["labels"])) for entry in read_json(path)["data"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no list 'data' of entries with 'wav' and 'labels'") from error
