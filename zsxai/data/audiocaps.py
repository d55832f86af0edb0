"""AudioCaps: ten seconds of YouTube videos, with captions.

C. D. Kim, B. Kim, H. Lee, G. Kim, "AudioCaps: Generating Captions for Audios in The Wild", NAACL-HLT 2019.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from zsxai.data.checks import Reader, complete, existing_folder, read_table
from zsxai.data.clip import LabelledClip
from zsxai.data.youtube import audio_files, find_audio
from zsxai.errors import InputError

SPLITS = ("train", "val", "test")


class AudioCaps(Reader):
    """Clips of one split of AudioCaps, in the order of the YouTube ids; labelled by the first caption.

    A clip has the captions of all lines with its YouTube id, which is its source. Videos vanish from YouTube, so hardly
    a copy is whole: a clip without audio is left out.

    Args:
        root: Folder with ``<split>.csv`` and the audio in ``audio/<split>/`` or ``<split>/``, called
            ``<youtube_id>.wav``, ``Y<youtube_id>.wav`` or ``<youtube_id>_<start_time>.wav``; other endings will do.
        split: ``train``, ``val`` or ``test``.

    Attributes:
        missing: How many clips were left out for want of audio.

    Raises:
        InputError: If the layout is not found, a caption is empty, or there is no audio at all.
    """

    def __init__(self, root: str | Path, split: Literal["train", "val", "test"] = "train") -> None:
        if split not in SPLITS:
            raise InputError(f"split is {', '.join(map(repr, SPLITS[:-1]))} or {SPLITS[-1]!r}, not {split!r}")
        self.root = existing_folder(root, "AudioCaps")
        table = self.root / f"{split}.csv"
        folders = [self.root / "audio" / split, self.root / split]
        folder = next((f for f in folders if f.is_dir()), None)
        if folder is None or not table.is_file():
            raise InputError(f"no AudioCaps at {self.root}: looked for {table} and {' or '.join(map(str, folders))}")
        videos: dict[str, list[dict[str, str]]] = {}
        for row in read_table(table, ("youtube_id", "start_time", "caption")):
            videos.setdefault(row["youtube_id"], []).append(row)
        files = audio_files(folder)
        clips = []
        for video, rows in sorted(videos.items()):
            path = find_audio(files, video, rows[0]["start_time"])
            captions = tuple(row["caption"].strip() for row in rows)
            if path is not None:
                clips.append(LabelledClip(video, captions[0], video, path=path, captions=captions))
        if not clips:
            raise InputError(f"AudioCaps ({split}): {folder} holds no audio of the table, such as {min(videos)}.wav")
        self.missing = len(videos) - len(clips)
        self.clips = complete(clips, f"AudioCaps ({split}) at {self.root}")
        self.labels = sorted({clip.label for clip in clips})
