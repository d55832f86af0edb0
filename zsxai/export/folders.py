"""Saved explanations, one or a tree of them, as files of other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zsxai.errors import InputError, unknown
from zsxai.explanation import Explanation
from zsxai.export.arrays import to_flac, to_npz, to_png, to_safetensors, to_wav
from zsxai.export.audacity import format_audacity
from zsxai.export.event import Event, events_of, save_text
from zsxai.export.raven import format_raven
from zsxai.export.tables import format_csv, format_json
from zsxai.export.vtt import format_vtt
from zsxai.names import printable
from zsxai.progress import track
from zsxai.saved import RECORD

Text = Callable[[Sequence[Event]], str]

TABLES: dict[str, tuple[str, Text]] = {"csv": ("regions.csv", format_csv), "json": ("regions.json", format_json)}
"""One file for all recordings: its name, and what makes it."""
TRACKS: dict[str, tuple[str, Text]] = {
    "raven": (".Table.{}.selections.txt", format_raven),
    "audacity": (".labels.txt", format_audacity),
    "vtt": (".vtt", format_vtt),
}
"""A file for each recording: what follows its name, with the number of the table where Raven wants it."""
ARRAYS: dict[str, Callable[[Explanation, Path], Path]] = {
    "npz": to_npz,
    "safetensors": to_safetensors,
    "png": to_png,
    "wav": to_wav,
    "flac": to_flac,
}
"""A file for each explanation, under the name of its folder."""
FORMS = (*TRACKS, *TABLES, *ARRAYS)


@dataclass
class Exported:
    """What was made.

    Attributes:
        text: The one text that was asked for without a place to write it; None otherwise.
        files: What was written.
        failures: Folders that could not be read, and why.
    """

    text: str | None = None
    files: list[Path] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def find_explanations(folder: Path) -> list[Path]:
    """A saved explanation, or all in the folders below, in the order of their names; drafts are left out.

    Raises:
        InputError: If there is none.
    """
    if (folder / RECORD).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.rglob(RECORD)) if folder.is_dir() else []
    found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not found:
        what = "holds no saved explanation" if folder.is_dir() else "is no folder"
        raise InputError(f"{printable(folder)} {what}: name what zsxai explain --out wrote, or a folder of such")
    return found


def export_folder(
    folder: Path,
    forms: Sequence[str],
    out: Path | None = None,
    count: int | None = None,
    *,
    overwrite: bool = False,
    progress: bool | None = False,
) -> Exported:
    """Write what is saved in a folder in the forms of other tools.

    Args:
        folder: A saved explanation, or a folder of such.
        forms: Of :data:`FORMS`.
        out: A folder for the files, or the file where there is just one with this ending; None for one text alone.
        count: Regions of each explanation, those that keep most energy; all but specks where None.
        overwrite: Replace files that are there.
        progress: As :func:`~zsxai.progress.track` takes it.

    Raises:
        InputError: If there is nothing to export, a form is unknown, or a file exists or cannot be written.
    """
    forms = list(dict.fromkeys(forms))
    for form in forms:
        if form not in FORMS:
            raise InputError(unknown("form", form, FORMS))
    if not forms:
        raise InputError(f"name a form: {', '.join(FORMS)}")
    if out is None and (len(forms) > 1 or forms[0] in ARRAYS):
        raise InputError("name a folder for the files: --out DIR")
    events_of([], count)
    folders = find_explanations(folder)
    names = [path.relative_to(folder).as_posix() for path in folders]
    if folders == [folder]:
        names = [folder.resolve().name]
    done = Exported()
    arrays = [form for form in forms if form in ARRAYS]
    places = {
        (name, form): _place(out, f"{name}.{form}", len(names) == len(forms) == 1, overwrite)
        for name in names
        for form in arrays
        if out is not None
    }
    recordings: dict[tuple[str, str], list[Event]] = {}
    for name, path in track(list(zip(names, folders, strict=True)), len(names), "exporting", progress):
        try:
            e = Explanation.load(path)
        except InputError as error:
            if len(folders) == 1:
                raise
            done.failures[printable(path)] = str(error)
            continue
        if len(arrays) < len(forms):
            key = (e.provenance.audio_name, e.provenance.audio_sha256)
            recordings.setdefault(key, []).extend(events_of(e, count))
        done.files += [ARRAYS[form](e, places[name, form]) for form in arrays]
    texts = [made for form in forms if form not in ARRAYS for made in _texts(form, recordings)]
    if out is None:
        if len(texts) != 1:
            raise InputError(f"that makes {len(texts)} files, one a recording: name a folder for them, --out DIR")
        done.text = texts[0][1]
        return done
    there = [_place(out, name, len(texts) == len(forms) == 1, overwrite) for name, _ in texts]
    for place, (_, text) in zip(there, texts, strict=True):
        save_text(text, place)
        done.files.append(place)
    return done


def _texts(form: str, recordings: dict[tuple[str, str], list[Event]]) -> Iterable[tuple[str, str]]:
    """Names and contents of the files of a form."""
    if form in TABLES:
        name, make = TABLES[form]
        yield name, make([event for events in recordings.values() for event in events])
        return
    ending, make = TRACKS[form]
    numbers: dict[str, int] = {}
    for (recording, _), events in recordings.items():
        stem = Path(recording).stem
        # Recordings of one name, in folders of their own.
        number = numbers[stem] = numbers.get(stem, 0) + 1
        yield (
            f"{stem}-{number}{ending}" if number > 1 and "{}" not in ending else stem + ending.format(number),
            make(events),
        )


def _place(out: Path, name: str, alone: bool, overwrite: bool) -> Path:
    is_file = alone and out.suffix.lower() == Path(name).suffix and not out.is_dir()
    place = out if is_file else out / name
    if place.exists() and not overwrite:
        raise InputError(f"{printable(place)} exists already: choose another --out, or say --overwrite")
    return place
