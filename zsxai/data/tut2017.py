"""TUT Acoustic Scenes 2017 in its official layout: ten-second segments of fifteen scenes.

A. Mesaros, T. Heittola, T. Virtanen, "TUT Database for Acoustic Scene Classification and Sound Event Detection",
EUSIPCO 2016; zenodo.org/records/400515 (development) and 1040168 (evaluation). Layout: as the organisers' dcase_util
reads it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from zsxai.data.checks import Reader, complete, existing_folder, in_folds, read_fields
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError

SPLITS = ("development", "evaluation", "both")
FOLDS = (1, 2, 3, 4)


class TUT2017(Reader):
    """Segments of TUT Acoustic Scenes 2017, in the order of the file names; scenes in words ("forest path").

    A segment's source is the recording that it was cut from (``b020``): a place is recorded once. The evaluation set
    hides it; where no list says it, every segment counts as its own recording, and intervals come out too narrow.

    Args:
        root: Folder with ``meta.txt``, ``evaluation_setup/`` and ``audio/``; or with the two folders as the archives
            unpack, ``TUT-acoustic-scenes-2017-development/`` and ``TUT-acoustic-scenes-2017-evaluation/``.
        split: ``development``, ``evaluation``, or ``both``, as in figures over 6,300 segments.
        folds: Folds of the development set to keep, each the segments that it tests on; all by default. Classes stay
            all.

    Raises:
        InputError: If the layout is not found, or the lists or the files are incomplete.
    """

    def __init__(
        self,
        root: str | Path,
        split: Literal["development", "evaluation", "both"] = "evaluation",
        folds: Collection[int] | None = None,
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"split is {', '.join(map(repr, SPLITS[:-1]))} or {SPLITS[-1]!r}, not {split!r}")
        if folds is not None and split != "development":
            raise InputError(f"folds are of the development set: leave them out with split = {split!r}")
        self.root = existing_folder(root, "TUT Acoustic Scenes 2017")
        clips = [clip for part in (SPLITS[:2] if split == "both" else (split,)) for clip in self._read(part)]
        what = f"TUT Acoustic Scenes 2017 ({split}) at {self.root}"
        self.clips = complete(in_folds(clips, folds, what), what)
        self.labels = sorted({clip.label for clip in clips})

    def _read(self, part: str) -> list[LabelledClip]:
        folders = [self.root / f"TUT-acoustic-scenes-2017-{part}", self.root]
        tables = [folder / "meta.txt" for folder in folders]
        if part == "evaluation":
            tables += [folder / "evaluation_setup" / "evaluate.txt" for folder in folders]
        table = next((path for path in tables if path.is_file()), None)
        if table is None:
            looked = " or ".join(map(str, tables))
            raise InputError(f"no TUT Acoustic Scenes 2017 ({part}) at {self.root}: looked for {looked}")
        folder = table.parent if table.name == "meta.txt" else table.parent.parent
        folds = _tested_in(folder / "evaluation_setup") if part == "development" else {}
        hidden = folder / "evaluation_setup" / "map.txt"
        names = dict(row[:2] for row in read_fields(hidden, 2)) if hidden.is_file() else {}
        return [
            LabelledClip(
                name=Path(file).name,
                label=scene.replace("_", " "),
                source=said[0] if said and said[0] else _recording(names.get(file, file)),
                fold=folds.get(file, 0),
                path=folder / file,
            )
            for file, scene, *said in sorted(read_fields(table, 2))
        ]


def _tested_in(setup: Path) -> dict[str, int]:
    """The fold that each segment is tested in."""
    lists = {fold: setup / f"fold{fold}_evaluate.txt" for fold in FOLDS}
    if lacking := [path for path in lists.values() if not path.is_file()]:
        raise InputError(f"TUT Acoustic Scenes 2017 lacks the list of a fold, {lacking[0]}")
    return {file: fold for fold, path in lists.items() for file, *_ in read_fields(path, 1)}


def _recording(file: str) -> str:
    """``b020`` of ``audio/b020_90_100.wav``; the name itself where it is no such name."""
    found = re.fullmatch(r"(\w+)_\d+_\d+", Path(file).stem)
    return found[1] if found else Path(file).stem
