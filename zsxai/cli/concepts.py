"""The command ``zsxai concepts``: what a model hears, in words; one recording, or a folder of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zsxai.cli.commands import (
    DeviceOption,
    JsonOption,
    ModelOption,
    ModelOptions,
    TemplateOption,
    check_out,
    load_with_options,
    name_or_model,
    one_or_more,
    print_json,
)
from zsxai.cli.output import say
from zsxai.errors import InputError
from zsxai.names import printable

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation

LINES, NAMED = 12, 4
"""Windows that are printed, and words of each."""
SHOWN = 40
"""Concepts that are printed."""
BAR = 24
"""Characters of the longest bar."""


def concepts(
    audio: Annotated[str, typer.Argument(metavar="AUDIO|FOLDER", help="A recording, or a folder of recordings.")],
    model: ModelOption = "tiny",
    model_option: ModelOptions = None,
    k: Annotated[
        int | None, typer.Option("--k", metavar="N", help="Words at most; 10 where --lam is not given.")
    ] = None,
    lam: Annotated[
        float | None, typer.Option("--lam", metavar="L", help="The penalty on the sum of the weights, instead of --k.")
    ] = None,
    vocabulary: Annotated[
        str,
        typer.Option(
            "--vocabulary",
            metavar="V",
            help="The words that can be said: clustered, baseline, pruned, audioset, or a file.",
        ),
    ] = "clustered",
    centring: Annotated[
        str,
        typer.Option(
            "--centring",
            metavar="C",
            help="What is taken off embeddings: none; mean or pls where the model brings them; auto, its mean or else "
            "none; or a file.",
        ),
    ] = "auto",
    template: TemplateOption = None,
    listen: Annotated[
        bool | None,
        typer.Option(
            "--listen/--no-listen",
            help="Explain where each of the 10 strongest concepts is heard; the default for one recording with --out.",
        ),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option("--window", metavar="S", help="Seconds of the windows of the words over time; 0 leaves them out."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="folder", help="Average over each folder of FOLDER, and say how the folders differ."
        ),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="With --by: two folders hold the same recordings, before and after.")
    ] = False,
    device: DeviceOption = "auto",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the page, and the sounds of the words, here.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DIR if this command wrote it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say in words what the model hears in AUDIO, or in every recording of FOLDER."""
    if by not in (None, "folder"):
        raise InputError(f"--by is folder, not {by!r}")
    if paired and by is None:
        raise InputError("--paired goes with --by folder")
    if by is not None and (listen or window is not None):
        raise InputError("--by folder compares whole recordings: leave out --listen and --window")
    if out is not None:
        check_out(out, overwrite)
    # K, not True, is what listens: every word that a glance takes in has its map and sound.
    from zsxai.concepts.api import K, explain_concepts

    embedding = {"vocabulary": vocabulary, "centring": centring, "template": one_or_more(template)}
    options: dict[str, Any] = {"k": k, "lam": lam, "progress": False if as_json else None}
    place = Path(audio)
    if by is not None or place.is_dir():
        from zsxai.cli import concepts_folder

        loaded = load_with_options(model, model_option, device)
        wanted: dict[str, Any] = {"out": out, "overwrite": overwrite, "as_json": as_json}
        if by is not None:
            concepts_folder.compare_folders(place, loaded, {**embedding, **options, "paired": paired}, **wanted)
        else:
            options |= {"window": window, "listen": K if listen else 0}
            concepts_folder.explain_recordings(place, loaded, embedding, options, **wanted)
        return
    if out is not None:
        from zsxai.concepts.saved import FILES
        from zsxai.files import check_folder

        check_folder(out, FILES, overwrite=overwrite)
        listen = listen is not False
    found = explain_concepts(
        audio,
        model=name_or_model(model, model_option, device),
        device=device,
        listen=K if listen else 0,
        window=window,
        **embedding,  # type: ignore[arg-type]  # checked there, with one clear line
        **options,
    )
    folder = None if out is None else found.save(out, overwrite=overwrite)
    if as_json:
        from zsxai.show.concepts import short_record

        print_json({**short_record(found), "folder": None if folder is None else printable(folder)})
        return
    print_concepts(found)
    if folder is None:
        say("--out DIR writes a page with the map and the sound of every word.")
    else:
        say(f"{folder / 'index.html'} shows it and plays it.")


def print_concepts(explanation: ConceptExplanation) -> None:
    """Words with their bars, where they were listened to, over time, and what can change them."""
    from zsxai.concepts.explanation import words_say
    from zsxai.regions import say_regions

    e = explanation
    made = e.provenance
    say(f"{made.audio_name}: {words_say(len(e.weights), e.said)} of what {made.model} hears")
    if not e.concepts:
        say("  nothing")
    largest = max((c.weight for c in e.concepts), default=1.0)
    for concept in e.concepts[:SHOWN]:
        others = [printable(word) for word, weight in concept.words.items() if weight and word != concept.name]
        also = f" ({', '.join(others)})" if others else ""
        say(f"  {concept.weight:.3f}  {draw_bar(concept.weight / largest)}  {printable(concept.name)}{also}")
    if len(e.concepts) > SHOWN:
        say(f"  and {len(e.concepts) - SHOWN} more, of {e.concepts[SHOWN].weight:.3f} at most; --json lists all")
    for concept, sound in zip(e.concepts, e.sounds, strict=False):
        found = sound.regions(1)
        where = f"{'mostly at ' if found else ''}{say_regions(found)}"
        say(f"  {printable(concept.name)} is heard {where}")
    print_windows(e)
    asked = f"k {made.k}, lambda {e.penalty:.3g}" if made.k else f"lambda {e.penalty:.3g}"
    say(
        f"  model {made.model}, vocabulary {printable(e.vocabulary.name)} ({len(e.vocabulary):,} words), "
        f"centring {made.centring['kind']}, {asked}"
    )
    for warning in made.warnings:
        say(f"  note: {warning}")


def print_windows(explanation: ConceptExplanation) -> None:
    """A line per window, of many those that say most."""
    from zsxai.concepts.explanation import count_in_words

    windows = explanation.windows
    if not windows:
        return
    shown = sorted(sorted(windows, key=lambda w: -w.cosine)[:LINES], key=lambda w: w.start)
    say("over time" if len(shown) == len(windows) else f"over time, where {LINES} of {len(windows)} windows say most")
    for w in shown:
        words = [f"{printable(word)} {weight:.2f}" for word, weight in list(w.words.items())[:NAMED]]
        more = f" and {len(w.words) - NAMED} more" if len(w.words) > NAMED else ""
        say(f"  {w.start:6.2f}-{w.stop:.2f} s  {w.cosine**2:4.0%}  {', '.join(words) or 'nothing'}{more}")
    if len(shown) < len(windows):
        say(f"  {count_in_words(len(windows) - len(shown), 'more window')}: --json lists all")


def draw_bar(part: float) -> str:
    """A bar of blocks, or of signs that the terminal can write."""
    full = "█"
    try:
        full.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        full = "#"
    return f"{full * round(BAR * part):{BAR}}"
