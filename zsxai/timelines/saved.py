"""A timeline as a folder: written whole, and read with nothing in it that this library could not write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zsxai.files import listed_files, whole_folder
from zsxai.saved import hash_file, read_record, reading
from zsxai.value import Value
from zsxai.written import as_csv

if TYPE_CHECKING:
    from zsxai.timelines.measures import Measure
    from zsxai.timelines.peaks import ExplainedPeak
    from zsxai.timelines.timeline import Timeline

FORMAT = 1
"""Version of the saved folder; a loader refuses what it does not know."""
RECORD, ARRAYS, TABLE, PICTURE, PAGE = (
    *("timeline.json", "timeline.safetensors", "timeline.csv"),
    *("timeline.png", "index.html"),
)


class Envelope(Value):
    """What a record holds beside the fields of the timeline.

    Attributes:
        format: :data:`FORMAT`.
        seconds: Length of the recording.
        windows: Number of windows.
        window_seconds: Length of a window.
        step_seconds: From one window to the next.
        peaks: The peaks that the page lists.
        explained: Folders of explanations, by the number of the peak, from 1 on, with the seconds where they start.
        files: Hash of every other file of the folder.
    """

    format: Literal[1]
    seconds: float
    windows: int
    window_seconds: float
    step_seconds: float
    peaks: tuple[dict[str, Any], ...]
    explained: dict[str, float]
    files: dict[str, str]


def write_folder(
    timeline: Timeline,
    folder: Path,
    *,
    threshold: float | None,
    measure: Measure | None,
    explained: Sequence[ExplainedPeak],
    overwrite: bool,
) -> Path:
    """See :meth:`zsxai.timelines.timeline.Timeline.save`."""
    with whole_folder(folder, listed_files(folder, RECORD), overwrite=overwrite) as draft:
        _write_files(timeline, draft, threshold, measure, explained)
    return folder


def _write_files(
    t: Timeline, folder: Path, threshold: float | None, measure: Measure | None, explained: Sequence[ExplainedPeak]
) -> None:
    from safetensors.numpy import save

    from zsxai.show.folder import write_files as write_explanation
    from zsxai.show.timeline import page_html

    # Without a level of its own and a threshold there are no peaks but those that were explained.
    known = threshold is not None or t.measure(measure) == "presence"
    peaks = t.peaks(threshold, measure=measure) if known else [one.peak for one in explained]
    arrays = {name: getattr(t, name) for name in ("starts", "cosines", "evidence", "levels", "overview")}
    (folder / ARRAYS).write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
    (folder / TABLE).write_bytes(csv_text(t).encode())
    places = {}
    for number, one in enumerate(explained, 1):
        seconds = int(one.start)
        name = f"peaks/{number}-{seconds // 3600}h{seconds // 60 % 60:02d}m{seconds % 60:02d}s"
        (folder / name).mkdir(parents=True)
        write_explanation(one.explanation, folder / name)
        places[name] = one
    _write_png(t, folder / PICTURE, measure)
    (folder / PAGE).write_bytes(page_html(t, peaks, threshold=threshold, measure=measure, explained=places).encode())
    files = {p.relative_to(folder).as_posix(): hash_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    record = {
        "format": FORMAT,
        **t.summary(peaks),
        "explained": {name: one.start for name, one in places.items()},
        "files": files,
    }
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / RECORD).write_bytes(f"{text}\n".encode())


def csv_text(timeline: Timeline) -> str:
    """The table: a row a window; its times, the cosine of every prompt, and where it is known the presence."""
    t = timeline
    measures: list[Measure] = ["cosine", "presence"] if t.knows_presence else ["cosine"]
    heads = ["start", "stop", *(f"{prompt} ({measure})" for measure in measures for prompt in t.prompts)]
    numbers = np.concatenate([t.values(measure) for measure in measures], axis=1)
    rows = zip(t.start_times, t.stop_times, numbers, strict=True)
    return as_csv([heads, *([f"{start:.3f}", f"{stop:.3f}", *(f"{v:.4f}" for v in row)] for start, stop, row in rows)])


def _write_png(timeline: Timeline, path: Path, measure: Measure | None) -> None:
    from zsxai.show.plot import bare_figure, framed_axes, write_drawing
    from zsxai.show.timeline_plot import plot_timeline

    figure = bare_figure()
    write_drawing(path, figure, lambda: plot_timeline(timeline, framed_axes(figure), measure=measure))


def read_folder(kind: type[Timeline], folder: Path) -> Timeline:
    """Read what :func:`write_folder` wrote.

    Args:
        kind: The class.
        folder: What its ``save`` wrote.

    Raises:
        InputError: If it is no such folder, or was damaged.
    """
    with reading(folder, (RECORD, ARRAYS), "timeline"):
        from safetensors.numpy import load

        data = read_record(folder / RECORD, FORMAT)
        fields = {name: data.pop(name) for name in kind.model_fields if name in data}
        envelope = Envelope.model_validate(data)
        content = (folder / ARRAYS).read_bytes()
        if hashlib.sha256(content).hexdigest() != envelope.files.get(ARRAYS):
            raise ValueError(f"{ARRAYS} does not hold what was written (its hash differs)")
        return kind(**fields, **load(content))
