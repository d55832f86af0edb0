"""DCASE 2017 Task 4 in its official layout: sounds that a smart car should know, several in one clip.

A. Mesaros et al., "DCASE 2017 Challenge Setup: Tasks, Datasets and Baseline System", DCASE Workshop 2017. Layout:
github.com/ankitshah009/Task-4-Large-scale-weakly-supervised-sound-event-detection-for-smart-cars.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from zsxai.data.checks import Reader, existing_folder, present, read_fields
from zsxai.data.clip import LabelledClip
from zsxai.data.youtube import audio_files, find_audio
from zsxai.errors import InputError

SPLITS = ("training", "testing", "evaluation")


class DCASE2017Task4(Reader):
    """Ten-second clips of one split, in the order of the file names, with all their classes of the seventeen.

    Classes are those of the whole clip (the *weak* lists), as they are written ("Air horn, truck horn"). The source is
    the YouTube video. Videos vanish, so a clip without audio may be left out; the classes stay all.

    Args:
        root: Folder with ``groundtruth_weak_label_<split>_set.csv``, or the same in ``groundtruth_release/``; and the
            audio in ``audio/<split>/``, ``audio/`` or ``<split>/``, called ``Y<video>_<start>_<end>.wav`` as by the
            organisers, or otherwise as :func:`zsxai.data.youtube.find_audio` says.
        split: ``training``, ``testing`` (both of the development set), or ``evaluation``.
        without_audio: What of clips that have none: ``skip`` them with a warning, or ``refuse``.

    Attributes:
        missing: How many clips were left out for want of audio.

    Raises:
        InputError: If the layout is not found, or there is no audio at all, or not all where that is refused.
    """

    def __init__(
        self,
        root: str | Path,
        split: Literal["training", "testing", "evaluation"] = "evaluation",
        without_audio: Literal["skip", "refuse"] = "skip",
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"split is {', '.join(map(repr, SPLITS[:-1]))} or {SPLITS[-1]!r}, not {split!r}")
        self.root = existing_folder(root, "DCASE 2017 Task 4")
        name = f"groundtruth_weak_label_{split}_set.csv"
        tables = [self.root / name, self.root / "groundtruth_release" / name]
        folders = [self.root / "audio" / split, self.root / "audio", self.root / split]
        table = next((path for path in tables if path.is_file()), None)
        folder = next((path for path in folders if path.is_dir()), None)
        if table is None or folder is None:
            looked = f"{' or '.join(map(str, tables))} and {' or '.join(map(str, folders))}"
            raise InputError(f"no DCASE 2017 Task 4 ({split}) at {self.root}: looked for {looked}")
        classes: dict[tuple[str, str, str], list[str]] = {}
        for file, start, end, label, *_ in sorted(read_fields(table, 4), key=lambda row: row[0]):
            # The clip's own start and end, as the list and the file's name have them: -5QrBL6MzLg_60.000_70.000.wav
            video = Path(file).stem.removesuffix(f"_{start}_{end}")
            classes.setdefault((video, start, end), []).append(label)
        files = audio_files(folder)
        found = [_clip(files, *times, labels) for times, labels in classes.items()]
        self.clips = present(found, without_audio, f"DCASE 2017 Task 4 ({split}) at {self.root}")
        self.missing = len(found) - len(self.clips)
        self.labels = sorted({label for labels in classes.values() for label in labels})


def _clip(files: dict[str, Path], video: str, start: str, end: str, labels: list[str]) -> LabelledClip | None:
    path = find_audio(files, video, start, end)
    name = f"{video}_{start}_{end}"
    return None if path is None else LabelledClip(name, labels[0], video, path=path, labels=tuple(labels))
