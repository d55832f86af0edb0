"""``zsxai reference``: measure the reference figures of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zsxai.cli.commands import DeviceOption


def reference(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As zsxai explain takes it: 'hf:<id or folder>', ...")],
    data: Annotated[
        str,
        typer.Option("--data", metavar="READER=DIR", help="Labelled recordings that MODEL was not trained on."),
    ],
    data_option: Annotated[
        list[str] | None,
        typer.Option("--data-option", metavar="KEY=VALUE", help="An option of the reader, such as folds=[1,2]."),
    ] = None,
    model_option: Annotated[
        list[str] | None, typer.Option("--model-option", metavar="KEY=VALUE", help="An option of the model.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Recordings at most.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write them here, for --reference; nothing is kept elsewhere."),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Measure reference figures of MODEL, which verdicts then use: on labelled recordings that it has not heard."""
    from zsxai.checks import whole_number
    from zsxai.cli.commands import parse_options
    from zsxai.cli.output import say
    from zsxai.data import load_dataset
    from zsxai.errors import InputError
    from zsxai.places import write_command
    from zsxai.plugins import load_model
    from zsxai.verdict.measure import fit_reference, pair_up
    from zsxai.verdict.reference import USELESS, place_of

    reader, equals, root = data.partition("=")
    if not equals:
        raise InputError(f"--data is READER=DIR, such as esc50=DIR, not {data!r}")
    most = None if limit is None else whole_number(limit, "--limit", 2)
    options = parse_options(data_option or [])
    dataset = load_dataset(reader, root, **options)
    loaded = load_model(model, device=device, **parse_options(model_option or []))
    described = ", ".join([reader, *(f"{name} {value}" for name, value in options.items())])
    # Not the first ones, which may all be of one class.
    clips = dataset.clips if most is None else dataset.clips[:: max(1, len(dataset.clips) // most)][:most]
    pairs = pair_up(loaded, clips, dataset.labels)
    words = ["zsxai", "reference", model, "--data", f"{reader}=DIR"]
    for name, given in (("--data-option", data_option), ("--model-option", model_option)):
        words += [word for each in given or [] for word in (name, each)]
    words += [] if most is None else ["--limit", str(most)]
    found = fit_reference(pairs, loaded, described, command=write_command(words))
    path = found.save(place_of(loaded) if out is None else out)
    figures = found.figures
    say(f"{found.model} on {found.clips} clips of {found.data}, {found.labels} labels:")
    say(f"  area under the ROC curve {figures.auc:.3f}")
    say(f"  heard: {figures.present_heard:.1%} of present labels, {figures.first_heard:.1%} of those ranked first")
    say(f"  refused: {figures.absent_refused:.1%} of absent labels, {figures.similar_refused:.1%} of the nearest three")
    if not found.is_useful:
        say(f"  under {USELESS}: this model does not tell sounds that are there from others; verdicts will say so")
    if loaded.card.training_data != "unknown":
        say(f"  it was trained on: {loaded.card.training_data}; on recordings that it has heard, figures are too good")
    say(f"{path} is used by every verdict on this model." if out is None else f"{path}: give it as --reference")
