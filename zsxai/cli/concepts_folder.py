"""``zsxai concepts FOLDER``: a row and a page for every recording, or with ``--by folder`` for every folder of them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsxai.cli.commands import print_json
from zsxai.cli.output import say
from zsxai.data.folder import find_audio
from zsxai.errors import InputError
from zsxai.files import check_folder, listed_files, whole_folder
from zsxai.names import printable
from zsxai.progress import track

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.model import ZeroShotModel

LISTING = "recordings.json"
"""Marks a folder that this command wrote, and lists its files."""
NAMED = 4
"""Concepts in a row."""


def explain_recordings(
    folder: Path,
    model: ZeroShotModel,
    embedding: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Explain every recording of a folder, print a row each, and write their pages.

    Args:
        folder: Where the recordings lie, at any depth.
        model: The model.
        embedding: Vocabulary, centring and template, which all share.
        options: The other options of :func:`~zsxai.concepts.api.explain_concepts`.
        out: Where a folder per recording and an index go, if anywhere.
        overwrite: Replace what the command wrote there before.
        as_json: Print one JSON object instead of rows.

    Raises:
        InputError: If there are no recordings, none can be read, or an option is wrong.
    """
    from zsxai.audio import read_audio
    from zsxai.concepts.api import explain_concepts
    from zsxai.concepts.dictionary import build_dictionary
    from zsxai.show.concepts import short_record

    paths = find_audio(folder)
    options = dict(options)
    progress = options.pop("progress")
    words = build_dictionary(model, **embedding, progress=progress)
    records: list[dict[str, Any]] = []
    skipped: list[str] = []
    with _draft(out, overwrite) as draft:
        for path in track(paths, len(paths), "listening", progress):
            name = path.relative_to(folder).as_posix()
            try:
                sound = read_audio(path)
            except InputError as error:
                skipped.append(str(error))
                continue
            found = explain_concepts(sound, model=model, vocabulary=words, progress=False, **options)
            place = None if draft is None else f"{len(records) + 1:04}"
            if draft is not None and place is not None:
                found.save(draft / place)
            about = {"recording": printable(name), "folder": place}
            records.append({**about, **(short_record(found) if as_json else _row(found))})
        if not records:
            raise InputError(f"no recording in {printable(folder)} can be read; the first: {skipped[0]}")
        if draft is not None:
            _write_index(draft, folder, records, skipped)
    if as_json:
        print_json({"recordings": records, "skipped": skipped, "out": None if out is None else printable(out)})
        return
    width = max(len(r["recording"]) for r in records)
    for r in records:
        say(f"{r['recording']:{width}}  {r['said']:4.0%}  {_line(r)}")
    for reason in skipped:
        say(f"note: passed over: {reason}")
    if out is not None:
        say(f"{out / 'index.html'} lists them.")


def compare_folders(
    folder: Path,
    model: ZeroShotModel,
    options: Mapping[str, Any],
    *,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Print the averages of every folder and how they differ, and write a page of them.

    Args:
        folder: Holds a folder for every set.
        model: The model.
        options: Those of :func:`~zsxai.concepts.sets.explain_folder`.
        out: Where the page goes, if anywhere.
        overwrite: Replace what the command wrote there before.
        as_json: Print one JSON object instead.

    Raises:
        InputError: If there are no folders of recordings, none can be read, or an option is wrong.
    """
    from zsxai.concepts.sets import FILES, explain_folder

    if out is not None:
        check_folder(out, FILES, overwrite=overwrite)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is passed over is printed, or a part of the object
        found = explain_folder(folder, model=model, **options)
    place = None if out is None else found.save(out, overwrite=overwrite)
    if as_json:
        print_json({**found.model_dump(mode="json"), "out": None if place is None else printable(place)})
        return
    say(str(found))
    if place is not None:
        say(f"{place / 'index.html'} shows it.")


def _row(found: ConceptExplanation) -> dict[str, Any]:
    concepts = [{"name": c.name, "words": c.words} for c in found.concepts[:NAMED]]
    return {"said": found.said, "concepts": concepts, "seconds": found.seconds}


def _line(record: Mapping[str, Any]) -> str:
    strongest = record["concepts"][:NAMED]
    return ", ".join(f"{printable(c['name'])} {sum(c['words'].values()):.2f}" for c in strongest) or "nothing"


@contextmanager
def _draft(out: Path | None, overwrite: bool) -> Iterator[Path | None]:
    if out is None:
        yield None
        return
    with whole_folder(out, listed_files(out, LISTING), overwrite=overwrite) as draft:
        yield draft


def _write_index(draft: Path, folder: Path, records: list[dict[str, Any]], skipped: list[str]) -> None:
    from zsxai.show.concepts_index import index_html

    rows = [(r["recording"], f"{r['folder']}/index.html", r["said"], _line(r)) for r in records]
    (draft / "index.html").write_bytes(index_html(printable(folder.name), rows, skipped).encode())
    files = sorted(p.relative_to(draft).as_posix() for p in draft.rglob("*") if p.is_file())
    listing = {"recordings": {r["folder"]: r["recording"] for r in records}, "files": files}
    (draft / LISTING).write_bytes(f"{json.dumps(listing, indent=1)}\n".encode())
