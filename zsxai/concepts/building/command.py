"""``zsxai vocabulary``: make a vocabulary. Imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zsxai.cli.commands import DeviceOption

if TYPE_CHECKING:
    from collections import Counter

app = typer.Typer(
    name="vocabulary",
    help="Make the vocabulary of concept explanations.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Tags = Annotated[
    list[Path],
    typer.Argument(
        metavar="TAGS...",
        help="FSD50K's *_clips_info_FSD50K.json, CSV files with a tag and a count, or one plain list, a tag a line.",
    ),
]


def _json_file(out: Path) -> Path:
    """Refused before any work: a vocabulary with its card is a .json file."""
    from zsxai.errors import InputError

    if out.suffix.lower() != ".json":
        raise InputError(f"--out {out}: a vocabulary with its card is a .json file")
    return out


Out = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", callback=_json_file, help="Where card and words go, such as mine.json."),
]
Size = Annotated[int, typer.Option("--size", metavar="N", help="Words of the vocabulary.")]
Candidates = Annotated[int, typer.Option("--candidates", metavar="N", help="The most frequent tags to make it of.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its name; that of FILE if not given.")]
Source = Annotated[str | None, typer.Option("--source", metavar="TEXT", help="For the card: where the tags come from.")]
Licence = Annotated[str, typer.Option("--licence", metavar="SPDX", help="For the card: the licence of the list.")]
Spelling = Annotated[
    bool, typer.Option("--spelling/--no-spelling", help="Whether to drop words that an English list does not have.")
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="WORD", help="Leave tags with this word out, in all its forms; may be repeated."),
]


@app.callback()
def top() -> None:
    """Make the vocabulary of concept explanations."""


@app.command("baseline")
def baseline(
    tags: Tags,
    out: Out,
    size: Size = 2000,
    spelling: Spelling = True,
    without: Without = None,
    name: Name = None,
    source: Source = None,
    licence: Licence = "unknown",
) -> None:
    """The most frequent tags."""
    from zsxai.concepts.building import constructions

    words = constructions.baseline(_clean(tags, spelling, without), size)
    _save(out, words, tags, f"baseline --size {size}{_flags(spelling, without)}", name, source, licence)


@app.command("pruned")
def pruned(
    tags: Tags,
    out: Out,
    size: Size = 2000,
    candidates: Candidates = 10_000,
    synonyms: Annotated[
        Path | None,
        typer.Option("--synonyms", metavar="FILE", help="Tags to merge too: a line each, with commas between."),
    ] = None,
    spelling: Spelling = True,
    without: Without = None,
    name: Name = None,
    source: Source = None,
    licence: Licence = "unknown",
) -> None:
    """The most frequent tags after those of one root are merged into the most frequent form, counts added."""
    from zsxai.concepts.building import constructions
    from zsxai.concepts.building.tags import read_groups

    groups = [] if synonyms is None else read_groups(synonyms)
    words = constructions.pruned(_clean(tags, spelling, without), size, candidates=candidates, synonyms=groups)
    merged = f" --synonyms {synonyms.name}" if synonyms else ""
    made = f"pruned --size {size} --candidates {candidates}{merged}{_flags(spelling, without)}"
    _save(out, words, [*tags, *([synonyms] if synonyms else [])], made, name, source, licence)


@app.command("clustered")
def clustered(
    tags: Tags,
    out: Out,
    size: Size = 2000,
    candidates: Candidates = 10_000,
    model: Annotated[
        str, typer.Option("--model", metavar="M", help="Its text tower embeds the tags: 'tiny', 'hf:<id>', ...")
    ] = "tiny",
    model_option: Annotated[
        list[str] | None, typer.Option("--model-option", metavar="KEY=VALUE", help="An option of the model.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the clusters.")] = 0,
    device: DeviceOption = "auto",
    spelling: Spelling = True,
    without: Without = None,
    name: Name = None,
    source: Source = None,
    licence: Licence = "unknown",
) -> None:
    """The tag nearest to each centroid of k-means over a model's text embeddings."""
    from zsxai.cli.commands import parse_options
    from zsxai.concepts.building import constructions
    from zsxai.plugins import load_model

    counts = _clean(tags, spelling, without)
    loaded = load_model(model, device=device, **parse_options(model_option or []))
    words = constructions.clustered(counts, loaded, size, candidates=candidates, seed=seed)
    weights = f" (weights sha256 {loaded.card.weights_sha256})" if loaded.card.weights_sha256 else ""
    made = (
        f"clustered --size {size} --candidates {candidates} --model {loaded.card.name}{weights} --seed {seed}"
        f"{_flags(spelling, without)}"
    )
    _save(out, words, tags, made, name, source, licence)


@app.command("ontology")
def ontology(
    names: Annotated[
        Path, typer.Argument(metavar="FILE", help="AudioSet's ontology.json, or a CSV file of name and abstract.")
    ],
    out: Out,
    name: Name = None,
    source: Source = "AudioSet ontology",
    licence: Licence = "CC-BY-SA-4.0",
) -> None:
    """The names of an ontology that are not abstract, split at commas, in lower case."""
    from zsxai.concepts.building.ontology import read_names

    _save(out, read_names(names), [names], "ontology", name, source, licence)


def _clean(tags: Sequence[Path], spelling: bool, without: Sequence[str] | None) -> Counter[str]:
    from zsxai.concepts.building.constructions import clean
    from zsxai.concepts.building.tags import read_tags

    return clean(read_tags(tags), spelling=spelling, without=without or ())


def _flags(spelling: bool, without: Sequence[str] | None) -> str:
    return ("" if spelling else " --no-spelling") + "".join(f" --without {word}" for word in without or ())


def _save(
    out: Path,
    words: Sequence[str],
    files: Sequence[Path],
    made: str,
    name: str | None,
    source: str | None,
    licence: str,
) -> None:
    from zsxai.concepts.building.tags import hash_files
    from zsxai.concepts.vocabulary import make_vocabulary

    made_from = f"zsxai vocabulary {made}, from {hash_files(files)}"
    names = source or ", ".join(file.name for file in files)
    vocabulary = make_vocabulary(
        name=name or out.stem, words=tuple(words), source=names, licence=licence, construction=made_from
    )
    vocabulary.save(out)
    typer.echo(f"{out}: {len(vocabulary)} words, sha256 {vocabulary.sha256}")
