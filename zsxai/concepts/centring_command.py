"""``zsxai centring``: take the means, or the shared axes, that embeddings are centred by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zsxai.cli.commands import DeviceOption


def centring(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where it goes, such as mean.safetensors.")],
    data: Annotated[
        str,
        typer.Option("--data", metavar="READER=DIR", help="Recordings, never those to be judged: esc50=DIR, ..."),
    ],
    data_option: Annotated[
        list[str] | None,
        typer.Option("--data-option", metavar="KEY=VALUE", help="An option of the reader, such as folds=[1,2]."),
    ] = None,
    model: Annotated[str, typer.Option("--model", metavar="M", help="As zsxai explain takes it.")] = "tiny",
    model_option: Annotated[
        list[str] | None, typer.Option("--model-option", metavar="KEY=VALUE", help="An option of the model.")
    ] = None,
    kind: Annotated[str, typer.Option("--kind", metavar="K", help="mean, or pls, which also reads captions.")] = "mean",
    axes: Annotated[int, typer.Option("--axes", metavar="N", help="Shared axes of pls at most.")] = 48,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Recordings at most.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Take the means (or, with --kind pls, the shared axes) of a data set, for concept explanations of MODEL."""
    from zsxai.checks import whole_number
    from zsxai.cli.commands import parse_options
    from zsxai.cli.output import say
    from zsxai.concepts.centring import KINDS
    from zsxai.concepts.means import measure_centring
    from zsxai.data import load_dataset
    from zsxai.errors import InputError, unknown
    from zsxai.plugins import load_model

    reader, equals, root = data.partition("=")
    if not equals:
        raise InputError(f"--data is READER=DIR, such as esc50=DIR, not {data!r}")
    if kind not in KINDS[1:]:
        raise InputError(unknown("centring", kind, KINDS[1:]))
    most = None if limit is None else whole_number(limit, "--limit", 2)
    options = parse_options(data_option or [])
    dataset = load_dataset(reader, root, **options)
    loaded = load_model(model, device=device, **parse_options(model_option or []))
    described = ", ".join([reader, *(f"{name} {value}" for name, value in options.items())])
    found = measure_centring(kind, loaded, dataset.clips[:most], data=described, axes=axes)
    path = found.save(out)
    say(f"{path}: {kind} of {found.data}, for {found.model}; give it as centring= or --centring")
