"""What is annotated in recordings: a CSV file of spans."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from zsxai.data.checks import existing_file, read_table
from zsxai.data.clip import LabelledClip, tidy_label, tidy_name
from zsxai.errors import InputError

Spans = Sequence[tuple[float, float]]
"""Start and stop of what is annotated in a recording, seconds."""


def read_annotations(path: Path, clips: Sequence[LabelledClip]) -> dict[str, Spans]:
    """Read spans of recordings.

    Args:
        path: A CSV file with the columns ``file`` (the name of a clip, or of its file where only one is called so),
            ``start`` and ``stop`` in seconds, and perhaps ``label``: spans of other labels are not a clip's own.
        clips: Clips of the data set.

    Returns:
        Spans by the name of the clip; clips that the file does not list are not in it.

    Raises:
        InputError: If the file is no such table, or lists none of the clips.
    """
    table = existing_file(path, "CSV file of annotations")
    base = {clip.name: PurePosixPath(clip.path.as_posix() if clip.path else clip.name).name for clip in clips}
    alone = {name for name, count in Counter(base.values()).items() if count == 1}
    by_file = {base[clip.name]: clip for clip in clips if base[clip.name] in alone} | {
        clip.name: clip for clip in clips
    }
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in read_table(table, ("file", "start", "stop")):
        clip = by_file.get(tidy_name(row["file"].strip()))
        if clip is None:
            continue
        try:
            start, stop = float(row["start"]), float(row["stop"])
        except ValueError:
            start, stop = 0.0, -1.0
        if not 0.0 <= start < stop < float("inf"):
            raise InputError(
                f"{table}: {row['file']} from {row['start']!r} to {row['stop']!r}: "
                "start and stop are seconds, the start first"
            )
        spans = found[clip.name]
        if not row.get("label", "").strip() or tidy_label(row["label"]) in clip.classes:
            spans.append((start, stop))
    if not found:
        raise InputError(f"{table} lists none of the recordings: its files are named otherwise, see column 'file'")
    return dict(found)
