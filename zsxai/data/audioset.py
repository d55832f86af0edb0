"""AudioSet: ten seconds of YouTube videos, with all of 527 classes that are heard in them.

J. F. Gemmeke et al., "Audio Set: An Ontology and Human-Labeled Dataset for Audio Events", ICASSP 2017. Tables:
research.google.com/audioset/download.html; folders: as github.com/qiuqiangkong/audioset_tagging_cnn lays them out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from zsxai.data.checks import Reader, existing_folder, present, read_fields, read_table
from zsxai.data.clip import LabelledClip
from zsxai.data.youtube import audio_files, find_audio
from zsxai.errors import InputError

SPLITS = ("eval", "balanced_train")


class AudioSet(Reader):
    """Clips of one split of AudioSet, in the order of the YouTube ids, with all their classes.

    Classes are named as in the table ("Male speech, man speaking"); there are 527, heard in the split or not. The
    source is the YouTube video. Videos vanish, so hardly a copy is whole: a clip without audio may be left out.

    Args:
        root: Folder with ``<split>_segments.csv`` and ``class_labels_indices.csv``, or both in ``metadata/``; and the
            audio in ``audios/<split>_segments/``, ``<split>_segments/``, ``audio/<split>/`` or ``audio/``, called as
            :func:`zsxai.data.youtube.find_audio` says (``Y<video>.wav``, ``<video>_<start>.flac``, ...).
        split: ``eval`` or ``balanced_train``.
        without_audio: What of clips that have none: ``skip`` them with a warning, or ``refuse``.

    Attributes:
        missing: How many clips were left out for want of audio.

    Raises:
        InputError: If the layout is not found, the tables do not fit, or there is no audio at all, or not all where
            that is refused.
    """

    def __init__(
        self,
        root: str | Path,
        split: Literal["eval", "balanced_train"] = "eval",
        without_audio: Literal["skip", "refuse"] = "skip",
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"split is {' or '.join(map(repr, SPLITS))}, not {split!r}")
        self.root = existing_folder(root, "AudioSet")
        segments, indices = self._table(f"{split}_segments.csv"), self._table("class_labels_indices.csv")
        places = (f"audios/{split}_segments", f"{split}_segments", f"audio/{split}", "audio")
        folder = next((self.root / place for place in places if (self.root / place).is_dir()), None)
        if folder is None:
            raise InputError(f"no audio of AudioSet at {self.root}: looked for {'/, '.join(places)}/")
        names = {row["mid"]: row["display_name"].strip() for row in read_table(indices, ("mid", "display_name"))}
        files = audio_files(folder)
        found: list[LabelledClip | None] = []
        for video, start, end, mids, *_ in sorted(read_fields(segments, 4, ",")):
            path = find_audio(files, video, start, end)
            if strange := [mid for mid in mids.split(",") if mid not in names]:
                raise InputError(f"{segments}: {video} is of the class {strange[0]!r}, which is not in {indices}")
            labels = tuple(names[mid] for mid in mids.split(","))
            found.append(None if path is None else LabelledClip(video, labels[0], video, path=path, labels=labels))
        self.clips = present(found, without_audio, f"AudioSet ({split}) at {self.root}")
        self.missing = len(found) - len(self.clips)
        self.labels = sorted(set(names.values()))

    def _table(self, name: str) -> Path:
        tables = [self.root / name, self.root / "metadata" / name]
        table = next((path for path in tables if path.is_file()), None)
        if table is None:
            raise InputError(f"no AudioSet at {self.root}: looked for {' or '.join(map(str, tables))}")
        return table
