"""The command ``zsxai timeline``: when in a recording of any length a model hears prompts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zsxai.cli.commands import (
    AudioArgument,
    BatchOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    ModelOption,
    ModelOptions,
    TemplateOption,
    check_out,
    name_or_model,
    one_or_more,
    print_json,
)
from zsxai.cli.output import say
from zsxai.errors import InputError
from zsxai.names import printable

if TYPE_CHECKING:
    from zsxai.timelines.peaks import Peak
    from zsxai.timelines.timeline import Timeline

LISTED = 10
"""Peaks that are printed."""
WIDTH = 60
"""Letters of a line over time."""
NAME = 24
"""Letters of a prompt beside it at most."""


def timeline(
    audio: AudioArgument,
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...", help="What to listen for.")],
    model: ModelOption = "tiny",
    model_option: ModelOptions = None,
    template: TemplateOption = None,
    hop: Annotated[
        float | None,
        typer.Option("--hop", metavar="S", help="Seconds from one window to the next; the model's overlap by default."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="X", help="What peaks are above; a presence of 0.5 by default."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="B", help="What the threshold is one of: presence, cosine, or probability."),
    ] = None,
    explain_peaks: Annotated[
        int, typer.Option("--explain-peaks", metavar="N", help="Explain the N strongest peaks; with --out.")
    ] = 0,
    explainer: Annotated[
        str | None,
        typer.Option("--explainer", metavar="X", help="What explains them; the first that fits by default."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", metavar="FILE", help="Reference figures of the model, from zsxai reference."),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    batch_size: BatchOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the page, the table and the picture here.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DIR if it holds a timeline.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the table, a row a window, and nothing else.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Score every window of AUDIO for every PROMPT: when is it heard? A recording may have any length."""
    if as_csv and as_json:
        raise InputError("--csv and --json both print: say one of them")
    if explain_peaks and out is None:
        raise InputError("--explain-peaks writes pages: say --out DIR")
    if out is not None:
        check_out(out, overwrite)
        from zsxai.files import check_folder, listed_files
        from zsxai.timelines.saved import RECORD

        check_folder(out, listed_files(out, RECORD), overwrite=overwrite)
    from zsxai.timelines.api import timeline as run

    quiet = False if as_json or as_csv else None
    found = run(
        audio,
        prompts,
        model=name_or_model(model, model_option, device, dtype),
        template=one_or_more(template),
        hop=hop,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        reference=reference,
        progress=quiet,
    )
    measure: Any = by  # checked there, with one clear line
    known = threshold is not None or found.measure(measure) == "presence"
    peaks = found.peaks(threshold, measure=measure) if known else []
    if explain_peaks and not known:
        raise InputError(f"a {found.measure(measure)} has no level of its own: give --threshold")
    folder = None
    if out is not None:
        explained = found.explain_peaks(peaks[:explain_peaks], explainer=explainer, progress=quiet)
        folder = found.save(out, threshold=threshold, measure=measure, explained=explained, overwrite=overwrite)
    if as_json:
        print_json({**found.summary(peaks), "folder": None if folder is None else printable(folder)})
    elif as_csv:
        from zsxai.timelines.saved import csv_text

        say(csv_text(found).rstrip("\n"))
    else:
        print_timeline(found, peaks, known=known)
        if folder is None:
            say("--out DIR writes a page with the score over time, and the sound of the peaks.")
        else:
            say(f"{folder / 'index.html'} shows it and plays its peaks.")


def print_timeline(timeline: Timeline, peaks: list[Peak], *, known: bool = True) -> None:
    """A line over time for every prompt, and the strongest peaks."""
    from zsxai.written import clock

    t = timeline
    measure = t.measure()
    values = t.values()
    say(
        f"{t.provenance.audio_name}: {clock(t.seconds)}, {len(t.starts):,} windows of {t.window_seconds:g} s, "
        f"{t.step / t.sample_rate:g} s apart; {measure} over time"
    )
    names = [printable(p) if len(p) <= NAME else printable(p[: NAME - 1]) + "…" for p in t.prompts]
    width = max(map(len, names))
    for name, row in zip(names, values.T, strict=True):
        most = f"{row.max():.0%}" if measure == "presence" else f"{row.max():+.3f}"
        say(f"  {name:{width}}  {draw_line(row, t.edges)}  at most {most}")
    for number, peak in enumerate(peaks[:LISTED], 1):
        say(f"  {number:2}. {peak}")
    if len(peaks) > LISTED:
        say(f"  and {len(peaks) - LISTED} more: --json lists all")
    if known and not peaks:
        say("  no window hears any of them")
    say(f"  model {t.provenance.model}; a peak's edges are coarse: the sound lies somewhere between them")
    for warning in t.provenance.warnings:
        say(f"  note: {warning}")


def draw_line(values: Any, edges: Any) -> str:
    """Values in [0, 1] over time as blocks of eight heights, or as signs that the terminal can write; each the most."""
    import numpy as np

    signs = "▁▂▃▄▅▆▇█"
    try:
        signs.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        signs = "_.-:=+*#"
    places = np.linspace(0.0, edges[-1], WIDTH, endpoint=False)
    first = np.clip(np.searchsorted(edges, places, side="right") - 1, 0, len(values) - 1)
    most = np.maximum.reduceat(values, first)
    return "".join(signs[int(level)] for level in np.clip(most * len(signs), 0, len(signs) - 1))
