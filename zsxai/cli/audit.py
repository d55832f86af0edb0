"""The command ``zsxai audit``: cues that a model may take for a class, over all recordings of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zsxai.cli.commands import (
    DeviceOption,
    JsonOption,
    ModelOption,
    ModelOptions,
    TemplateOption,
    check_out,
    name_or_model,
    one_or_more,
    parse_options,
    print_json,
)
from zsxai.cli.output import say
from zsxai.names import printable


def audit(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A folder of class folders, a CSV file with path and label, or READER=DIR (esc50=DIR)."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the record, the table and a page here.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="A CSV file with path and label of what lies below DATA."),
    ] = None,
    outside: Annotated[
        Path | None,
        typer.Option(
            "--outside", metavar="FILE", help="A CSV file with file, start, stop: how much lies outside of that."
        ),
    ] = None,
    data_option: Annotated[
        list[str] | None,
        typer.Option("--data-option", metavar="KEY=VALUE", help="An option of the reader, such as folds=[1,2]."),
    ] = None,
    among: Annotated[
        bool, typer.Option("--among", help="Explain the probability among all labels of DATA, not the cosine.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Clips of a class at most.")] = None,
    model: ModelOption = "tiny",
    model_option: ModelOptions = None,
    explainer: Annotated[
        str | None, typer.Option("--explainer", metavar="X", help="Default: the first that fits the model.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="An option of the explainer; may be repeated."),
    ] = None,
    template: TemplateOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of all that draws.")] = 0,
    device: DeviceOption = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DIR if an audit wrote it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find cues that are none of a class's own: where its evidence lies, and what the score is without it."""
    from zsxai.auditing.audit import FILES
    from zsxai.files import check_folder

    if out is not None:
        check_out(out, overwrite)
        check_folder(out, FILES, overwrite=overwrite)
        from zsxai.data.checks import keep_apart

        keep_apart(out, [data.rpartition("=")[2], data])
    from zsxai.auditing.api import audit as run

    found = run(
        data,
        labels=labels,
        outside=outside,
        data_options=parse_options(data_option or []),
        among=among,
        limit=limit,
        model=name_or_model(model, model_option, device),
        explainer=explainer,
        options=parse_options(option or []),
        template=one_or_more(template),
        seed=seed,
        device=device,
        progress=False if as_json else None,
    )
    place = None if out is None else found.save(out, overwrite=overwrite)
    if as_json:
        print_json({**found.model_dump(mode="json"), "out": None if place is None else printable(place)})
        return
    say(str(found))
    for clip in found.skipped:
        say(f"note: passed over: {clip.name}: {clip.error}")
    say(
        "--out DIR writes the page, with profiles of every class."
        if place is None
        else f"{place / 'index.html'} shows it."
    )
