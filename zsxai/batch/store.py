"""The folder of a run: what it holds is whole at any time, and the next run goes on from there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from zsxai.batch.row import Row, write_csv
from zsxai.data.recordings import Listed
from zsxai.errors import InputError
from zsxai.files import write_text
from zsxai.folders import hash_name, name_recordings
from zsxai.names import printable
from zsxai.saved import RECORD, hash_file
from zsxai.scratch import PLAN, Folder
from zsxai.value import Value

RUN, TABLE, INDEX, KEPT = "run.json", "table.csv", "index.html", ".rows"
"""Settings, which mark the folder as a run; rows; page; and a file for every recording that is done."""
OWN = (RUN, TABLE, INDEX)


class Shown(Value):
    """A row with its picture.

    Attributes:
        row: The row.
        thumbnail: A small picture, JPEG in base64.
    """

    row: Row
    thumbnail: str = Field(repr=False)


class Kept(Value):
    """What is kept of a recording that is done.

    Attributes:
        name: Name of the recording.
        folder: Given to it.
        size: Bytes of its file.
        changed: When the file was last changed, nanoseconds.
        sha256: Hash of the file.
        shown: A row for every prompt, in order.
    """

    name: str
    folder: str
    size: int
    changed: int
    sha256: str
    shown: tuple[Shown, ...]


class RunFolder:
    """A folder that a run writes into.

    Args:
        folder: Where; it is made where it is not there.
        settings: What can change a row, and what is written: a run goes on only with the same.
        overwrite: Start anew where a run was made before.

    Raises:
        InputError: If it holds anything but a run, or one with other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.folder = folder
        shown = printable(folder)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{shown} is a file: name a folder")
        if (folder / RUN).is_file():
            if overwrite:
                self._clear()
            else:
                self._check(settings)
                return
        elif folder.exists() and (found := next(folder.iterdir(), None)) is not None:
            raise InputError(
                f"{shown} holds {printable(found.name)} and no {RUN}, so no run of ours: name another folder"
            )
        write_text(folder / RUN, json.dumps(settings, indent=1, ensure_ascii=True, sort_keys=True) + "\n")

    def _check(self, settings: Mapping[str, Any]) -> None:
        try:
            before = dict(json.loads((self.folder / RUN).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{printable(self.folder / RUN)} cannot be read: say overwrite, or name another"
            ) from error
        now = json.loads(json.dumps(settings))
        name = next((name for name in sorted({*before, *now}) if before.get(name) != now.get(name)), None)
        if name is not None:
            raise InputError(
                f"{printable(self.folder)} holds a run with {name} {_short(before.get(name))}, not "
                f"{_short(now.get(name))}: name another folder, or say overwrite to start anew"
            )

    def _clear(self) -> None:
        """Remove what runs wrote, and nothing else; the settings last, so that what is left stays a run."""
        for kept in self.read_all():
            for shown in kept.shown:
                place = self.folder / (shown.row.folder or "")
                if shown.row.folder and (place / RECORD).is_file():
                    shutil.rmtree(place)
                    self._remove_empty(place.parent)
            self._path(kept.name).unlink()
        for plan in [*self.folder.rglob(f"*/{PLAN}")]:  # of long recordings that were interrupted
            Folder(plan.parent).remove()
        shutil.rmtree(self.folder / KEPT, ignore_errors=True)
        for name in (TABLE, INDEX, RUN):
            (self.folder / name).unlink(missing_ok=True)

    def _remove_empty(self, place: Path) -> None:
        while place != self.folder and not any(place.iterdir()):
            place.rmdir()
            place = place.parent

    def name_folders(self, names: Sequence[str]) -> dict[str, str]:
        """The folders of recordings; those that were given before stay."""
        taken = {kept.name: kept.folder for kept in self.read_all()}
        return name_recordings(names, {**taken, **{f"/{name}": name for name in (*OWN, KEPT)}})

    def read_all(self) -> list[Kept]:
        """All that is kept, whatever recordings there are now."""
        found = (self._read(path) for path in sorted((self.folder / KEPT).glob("*.json")))
        return [kept for kept in found if kept is not None]

    def find(self, listed: Listed, *, saved: bool) -> Kept | None:
        """What is kept of a recording; None where it is to be explained: anew, if its file or its prompts are others.

        Args:
            listed: The recording.
            saved: Whether its explanations should be there too.
        """
        kept = self._read(self._path(listed.name))
        if kept is None or tuple(shown.row.prompt for shown in kept.shown) != listed.prompts:
            return None
        try:
            now = listed.path.stat()
            same = kept.size == now.st_size and (
                kept.changed == now.st_mtime_ns or kept.sha256 == hash_file(listed.path)
            )
        except OSError:
            return None
        if saved:
            same = same and all((self.folder / (s.row.folder or "") / RECORD).is_file() for s in kept.shown)
        return kept if same else None

    def place_of_work(self, name: str) -> Path:
        """Where a recording is worked on of which nothing but its row stays."""
        return self._path(name).with_suffix(".work")

    def keep(self, kept: Kept) -> None:
        """Keep what was found in a recording: from now on it is done."""
        write_text(self._path(kept.name), kept.model_dump_json())

    def write_lists(self, names: Sequence[str], failures: Mapping[str, str]) -> None:
        """Write the table and the page.

        Args:
            names: Recordings, in order; those that are not done are passed over.
            failures: Why recordings were not explained, by name.
        """
        from zsxai.show.rows import rows_html

        found = (self._read(self._path(name)) for name in names if name not in failures)
        shown = [shown for kept in found if kept is not None for shown in kept.shown]
        write_text(self.folder / TABLE, write_csv(s.row for s in shown))
        write_text(self.folder / INDEX, rows_html(self.folder.name, [(s.row, s.thumbnail) for s in shown], failures))

    def _path(self, name: str) -> Path:
        return self.folder / KEPT / f"{hash_name(name)[:32]}.json"

    @staticmethod
    def _read(path: Path) -> Kept | None:
        try:
            return Kept.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):  # not there, or not of this version: made anew
            return None


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
