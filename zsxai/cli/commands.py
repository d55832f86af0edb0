"""The built-in commands. Each imports what it needs when it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zsxai.cli.output import interruptible, say
from zsxai.errors import ExitCode, InputError, ZsxaiError, unknown
from zsxai.names import printable

if TYPE_CHECKING:
    from zsxai.model import ZeroShotModel
    from zsxai.report import Report

ModelOption = Annotated[
    str, typer.Option("--model", metavar="M", help="A model: 'tiny', 'hf:<id or folder>', ...; see zsxai list models.")
]
ModelOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--model-option", metavar="KEY=VALUE", help="An option of the model, such as tokenizer=DIR; may be repeated."
    ),
]
TemplateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        metavar="T",
        help="Around every prompt, such as 'the sound of {}'; repeated, their embeddings are averaged. By name: "
        "ensemble, published.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option("--device", metavar="D", help="A torch device, such as cuda; auto takes a GPU where there is one."),
]
DtypeOption = Annotated[
    str | None,
    typer.Option("--dtype", metavar="T", help="What the model computes in: float32, the default, or bfloat16."),
]
BatchOption = Annotated[
    int | None, typer.Option("--batch-size", metavar="N", help="Clips that go through the model at a time.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
AudioArgument = Annotated[str, typer.Argument(metavar="AUDIO", help="A recording: WAV, FLAC, OGG, MP3, ...")]


def top(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Say what there is."""
    if version:
        from zsxai import __version__

        typer.echo(f"zsxai {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def explain(
    audio: Annotated[
        str,
        typer.Argument(
            metavar="AUDIO",
            help="A recording: WAV, FLAC, OGG, MP3, ...; or many: a folder, a pattern in quotes such as 'calls/*.wav', "
            "or a CSV file with a column 'path'.",
        ),
    ],
    prompts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROMPT...",
            help="What to listen for, such as 'a dog barking'; none where the CSV file has a column 'prompt'.",
        ),
    ] = None,
    model: ModelOption = "tiny",
    model_option: ModelOptions = None,
    explainer: Annotated[
        str | None,
        typer.Option("--explainer", metavar="X", help="Default: the first that fits. See zsxai list explainers."),
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option("--against", metavar="P", help="Explain the contrast with P; may be repeated.")
    ] = None,
    among: Annotated[
        list[str] | None,
        typer.Option("--among", metavar="P", help="Explain the probability among the P; may be repeated."),
    ] = None,
    template: TemplateOption = None,
    domain: Annotated[str, typer.Option("--domain", metavar="D", help="Where the mask lies: stft or mel.")] = "stft",
    scale: Annotated[str, typer.Option("--scale", metavar="S", help="How the mask acts: log, gain or log1p.")] = "log",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="An option of the explainer; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of explainers that draw.")] = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    batch_size: BatchOption = None,
    verdict: Annotated[
        str,
        typer.Option("--verdict", metavar="V", help="Judge the map: yes, full (more controls) or no (quicker)."),
    ] = "yes",
    all_windows: Annotated[
        bool, typer.Option("--all-windows", help="In a long recording, show windows too that do not hear the prompt.")
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", metavar="FILE", help="Reference figures of the model, from zsxai reference."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Write the picture, the page and the sounds here; of many recordings or prompts a folder each, a "
            "table and a page of all. What is done is not done again by the next run.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace DIR if it holds explanations already.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Of one long recording: go on with work that was interrupted.")
    ] = False,
    sounds: Annotated[
        str, typer.Option("--sounds", metavar="S", help="How sounds are written: wav, flac or none.")
    ] = "wav",
    pooling: Annotated[
        str | None,
        typer.Option("--pooling", metavar="P", help="Score of several windows: the mean of their cosines, or the max."),
    ] = None,
    light: Annotated[
        bool, typer.Option("--light", help="Of many: write the table and the page of all only, no folder each.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Of many: processes that share the work.")
    ] = 1,
    engine: Annotated[str, typer.Option("--engine", metavar="E", help="Of many: local, or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option("--address", metavar="A", help="Of a Ray cluster; a local one is started without it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain which sounds in AUDIO make its score for each PROMPT."""
    verdicts: dict[str, bool | str] = {"yes": True, "full": "full", "no": False}
    if verdict not in verdicts:
        raise InputError(f"--verdict is {', '.join(verdicts)}, not {verdict!r}")
    from zsxai.data.recordings import is_many

    shared: dict[str, Any] = {
        "explainer": explainer,
        "options": parse_options(option or []),
        "against": against or (),
        "among": among or (),
        "template": one_or_more(template),
        "domain": domain,
        "scale": scale,
        "seed": seed,
        "device": device,
        "dtype": dtype,
        "batch_size": batch_size,
        "verdict": verdicts[verdict],
        "dark_windows": not all_windows,
        "reference": reference,
        "pooling": pooling,
        "progress": False if as_json else None,
    }
    prompts = prompts or []
    if is_many(audio) or len(prompts) > 1:
        from zsxai.cli.many import explain_all

        asked = {"model": model, "model_options": parse_options(model_option or []), **shared}
        spread = {"light": light, "jobs": jobs, "engine": engine, "address": address}
        explain_all(audio, prompts, out=out, overwrite=overwrite, as_json=as_json, **asked, **spread)
        return
    if not prompts:
        raise InputError("say what to listen for: a PROMPT, such as 'a dog barking'")
    if out is not None:
        check_out(out, overwrite)
        from zsxai.saved import check_place

        check_place(out, overwrite=overwrite)
        shared |= {"out": out, "overwrite": overwrite, "resume": resume, "sounds": sounds}
    elif resume:
        raise InputError("--resume goes on with the work on a folder: give its --out DIR")
    from zsxai import api

    with interruptible("nothing was written"):
        explanation = api.explain(audio, prompts[0], model=name_or_model(model, model_option, device, dtype), **shared)
    if as_json:
        print_json({**explanation.record(), "folder": None if out is None else printable(out)})
        return
    made = explanation.provenance
    say(explanation.describe())
    say(
        f"  model {made.model}, explainer {made.explainer}, calibration {made.calibration}, "
        f"mask on {explanation.masking.domain} ({explanation.masking.scale}), seed {made.seed}"
    )
    for warning in made.warnings:
        say(f"  note: {warning}")
    if out is None:
        say("--out DIR writes the picture, the page and the sounds to look at and listen to.")
    else:
        say(f"{out / 'index.html'} shows it and plays it.")


def classify(
    audio: AudioArgument,
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...", help="Labels; their probabilities add up to 1.")],
    model: ModelOption = "tiny",
    model_option: ModelOptions = None,
    template: TemplateOption = None,
    top_k: Annotated[int | None, typer.Option("--top-k", metavar="K", help="Print the best K only.")] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score AUDIO against every PROMPT, best first."""
    from zsxai import api

    loaded = name_or_model(model, model_option, device, dtype)
    around = one_or_more(template)
    found = api.classify(audio, prompts, model=loaded, template=around, top_k=top_k, device=device, dtype=dtype)
    if as_json:
        asked = {"audio": printable(audio), "model": model, "template": around, "prompts": prompts}
        print_json({**asked, "results": [row._asdict() for row in found], "notes": found.notes})
        return
    labels = [printable(row.label) for row in found]
    width = max(map(len, labels))
    say(f"{'':{width}}  probability  cosine")
    for label, row in zip(labels, found, strict=True):
        say(f"{label:{width}}  {row.probability:11.3f}  {row.similarity:+6.3f}")
    for note in found.notes:
        say(f"  note: {printable(note)}")


def list_(
    kind: Annotated[str, typer.Argument(metavar="models|explainers|metrics|datasets|tasks", help="What to list.")],
    as_json: JsonOption = False,
) -> None:
    """List what is installed, in the order to try: what each is, needs and costs."""
    from zsxai import registry

    kinds: dict[str, registry.Registry[Any]] = {
        "models": registry.MODELS,
        "explainers": registry.EXPLAINERS,
        "metrics": registry.METRICS,
        "datasets": registry.DATASETS,
        "tasks": registry.TASKS,
    }
    if kind not in kinds:
        raise InputError(f"zsxai list takes models, explainers, metrics, datasets or tasks, not {kind!r}")
    if as_json:
        print_json({kind: {name: kinds[kind].origin(name) for name in kinds[kind].names()}})
        return
    from zsxai.cli.listing import write_list

    typer.echo(write_list(kinds[kind]))


def doctor(as_json: JsonOption = False) -> None:
    """Check the installation: dependencies, extras, plugins, the bundled model, devices."""
    from zsxai.doctor import examine

    report = examine()
    if as_json:
        print_json(report.as_dict())
    else:
        from rich.console import Console
        from rich.markup import escape

        console, section = Console(soft_wrap=True, highlight=False), ""
        colours = {"ok": "green", "note": "yellow", "failed": "bold red"}
        for finding in report.findings:
            if finding.section != section:
                section = finding.section
                console.print(f"[bold]{section}[/bold]")
            mark = f"[{colours[finding.state]}]{finding.state:6}[/]"
            console.print(f"  {mark} {escape(finding.name)}: {escape(finding.detail)}")
        console.print("All is well." if report.ok else f"[bold red]{report.failures} broken.[/]")
    if not report.ok:
        raise typer.Exit(ExitCode.FAILED)


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the pages go.")] = Path("demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DIR if a demo wrote it.")] = False,
) -> None:
    """Explain a scene of several sounds with the bundled model and write pages to look at and listen to."""
    check_out(out, overwrite)
    from zsxai.demo import run_demo

    page = run_demo(out, overwrite=overwrite)
    say(f"{page} shows it and plays it.")


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that zsxai explain or concepts wrote.")],
    model_option: ModelOptions = None,
    as_json: JsonOption = False,
) -> None:
    """Check a saved explanation against its own arrays and score it again with its model."""
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.concepts.saved import RECORD
    from zsxai.explanation import Explanation

    kind: type[Explanation | ConceptExplanation] = ConceptExplanation if (folder / RECORD).exists() else Explanation
    explanation = kind.load(folder)
    made = explanation.provenance
    report = explanation.verify(name_or_model(made.model, model_option, dtype=getattr(made, "dtype", None)))
    if as_json:
        print_json({"ok": report.ok, **report.model_dump(mode="json")})
    else:
        say(str(report))
    if not report.ok:
        raise typer.Exit(ExitCode.FAILED)


def check(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A model ('tiny', 'hf:<folder>', ...) or an explainer, as zsxai list has."),
    ],
    model: Annotated[
        str | None, typer.Option("--model", metavar="M", help="The model before which an explainer is checked: tiny.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="K", help="model or explainer, where NAME is both.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="An option of NAME; may be repeated."),
    ] = None,
    model_option: ModelOptions = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option("--prompt", metavar="P", help="Three, where a model takes only some."),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a model or an explainer keeps to the contract; ends with 1 where a check fails."""
    kind = _kind_of(name, kind)
    if kind == "model" and model is not None:
        raise InputError(f"{name!r} is a model: --model goes with an explainer")
    if kind == "model" and model_option:
        raise InputError(f"{name!r} is a model: its options are --option, --model-option goes with an explainer")
    from zsxai.plugins import load_explainer
    from zsxai.testing import check_explainer, check_model

    shared: dict[str, Any] = {"progress": False if as_json else None, **({"prompts": prompt} if prompt else {})}
    if kind == "model":
        report = check_model(load_with_options(name, option, device, dtype), **shared)
    else:
        explainer = load_explainer(name, **parse_options(option or []))
        report = check_explainer(explainer, load_with_options(model or "tiny", model_option, device, dtype), **shared)
    if as_json:
        print_json({"name": name, "kind": kind, "ok": report.ok, **report.model_dump(mode="json")})
    else:
        _print_report(f"{kind} {name}", report)
    if not report.ok:
        raise typer.Exit(ExitCode.FAILED)


def _kind_of(name: str, kind: str | None) -> str:
    from zsxai import registry

    if kind not in (None, "model", "explainer"):
        raise InputError(f"--kind is model or explainer, not {kind!r}")
    kinds = {"model": registry.MODELS.names(), "explainer": registry.EXPLAINERS.names()}
    plain = name.partition(":")[0]
    found = [k for k, names in kinds.items() if plain in names and kind in (None, k)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{name!r} is a model and an explainer: say --kind model or --kind explainer")
    names = [n for k, known in kinds.items() if kind in (None, k) for n in known]
    raise InputError(unknown(kind or "model or explainer", plain, names))


def _print_report(title: str, report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "failed": "bold red", "skipped": "yellow"}
    table = Table("check", "state", "what was found", title=title, title_justify="left", box=None, pad_edge=False)
    for made in report.checks:
        table.add_row(Text(made.name), Text(made.state, style=colours[made.state]), Text(made.detail, overflow="fold"))
    console = Console(highlight=False)
    console.print(table)
    counts = {state: sum(c.state == state for c in report.checks) for state in colours}
    console.print(", ".join(f"{count} {state}" for state, count in counts.items() if count))


def name_or_model(name: str, pairs: list[str] | None, device: str = "auto", dtype: str | None = None) -> object:
    """The model where it has options, or just its name."""
    return load_with_options(name, pairs, device, dtype) if pairs else name


def load_with_options(
    name: str, pairs: list[str] | None, device: str = "auto", dtype: str | None = None
) -> ZeroShotModel:
    """A model with its options."""
    options = parse_options(pairs or [])
    for own in ("device", "dtype"):
        if own in options:
            raise InputError(f"a {own} is chosen by --{own}")
    from zsxai.plugins import load_model

    return load_model(name, device=device, dtype=dtype, **options)


def one_or_more(values: list[str] | None) -> str | list[str] | None:
    """A value given once as itself, so that names are looked up; several as a list."""
    return values[0] if values and len(values) == 1 else values or None


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` pairs; a value that is JSON (a number, true, a list) is taken as such, others as text.

    Raises:
        InputError: If a pair has no ``=`` or a key comes twice.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise InputError(f"an option is KEY=VALUE, such as n_steps=32, not {pair!r}")
        if key in options:
            raise InputError(f"the option {key} is given twice")
        try:
            options[key.strip()] = json.loads(value)
        except ValueError:
            options[key.strip()] = value
    return options


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse before any work what saving would refuse after it.

    Raises:
        InputError: If the folder exists and may not be replaced.
    """
    if not overwrite and os.path.lexists(out):
        raise InputError(f"{out} exists already: choose another --out, or say --overwrite")


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object."""
    try:
        say(json.dumps(data, allow_nan=False))  # in ASCII, which every stream can write
    except ValueError as error:
        raise ZsxaiError(f"a figure is not finite, which JSON cannot say: {error}") from error
