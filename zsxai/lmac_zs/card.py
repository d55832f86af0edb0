"""The card of a trained decoder: what it was trained for, on what, and how well it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from zsxai.errors import InputError, first_problem
from zsxai.lmac_zs.decoder import DecoderSpec
from zsxai.spectral import DOMAINS, Domain, Scale

FORMAT = 1
CARD = "card.json"
TrainedDomain = Domain | Literal["both"]
"""Where the masks of a training lie; ``both``: on hertz and on mel in turn, one decoder for either."""


def domains_of(trained: TrainedDomain) -> tuple[Domain, ...]:
    """The domains that a training's masks lie in."""
    return DOMAINS if trained == "both" else (trained,)


def domains_served(trained: TrainedDomain) -> tuple[Domain, ...]:
    """The domains that a decoder is read on: one trained on mel points no worse on hertz (docs/results/lmac-zs.md)."""
    return (trained,) if trained == "stft" else DOMAINS


class DecoderCard(BaseModel):
    """What a decoder was trained for, on what, and how well it does.

    Attributes:
        format: Version of the folder.
        model: Name of the model that it explains.
        model_sha256: Hash of that model's weights.
        domain: Domain of the masks trained with, or ``both``.
        scale: Scale of the masks trained with.
        calibration: Turns its log-odds into masks.
        decoder: Sizes of the network.
        training: Configuration of the training.
        command: The command that trained it.
        data: Data sets by name: number of clips and recordings, hash of their names.
        figures: Diagnostics on held-out recordings at the end of the training.
        licence: Licence of the weights.
        versions: Versions of the libraries that trained it.
        commit: Commit of zsxai.
        weights_sha256: Hash of the file of weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    format: int = FORMAT
    model: str
    model_sha256: str
    domain: TrainedDomain
    scale: Scale
    calibration: str = "steep-sigmoid"
    decoder: DecoderSpec
    training: dict[str, Any]
    command: str = ""
    data: dict[str, dict[str, Any]] = {}
    figures: dict[str, float] = {}
    licence: str = "unknown"
    versions: dict[str, str] = {}
    commit: str = "none"
    weights_sha256: str = ""


def read_card(folder: Path) -> DecoderCard:
    """Read the card of a saved decoder.

    Raises:
        InputError: If it is missing, damaged or of another format.
    """
    try:
        data = json.loads(read_file(folder / CARD))
        if isinstance(data, dict) and data.get("format") != FORMAT:
            raise InputError(f"decoder format {data.get('format')!r} at {folder} is not {FORMAT}: upgrade zsxai")
        return DecoderCard.model_validate(data)
    except ValidationError as error:
        problem = first_problem(error, DecoderCard.model_fields)
        raise InputError(f"{folder / CARD} is no card of a decoder: {' '.join(problem.split())}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{folder / CARD} is no card of a decoder: {error}") from error


def read_file(file: Path) -> bytes:
    """Read a file of a saved decoder.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"no decoder at {file.parent}: {file.name} is missing") from error


def describe(card: DecoderCard) -> str:
    """The card in words, as the hub shows it."""
    figures = "".join(f"| {name} | {value:.3f} |\n" for name, value in card.figures.items())
    data = "".join(
        f"- {name}: {entry.get('clips')} clips of {entry.get('recordings')} recordings {entry.get('options') or ''}\n"
        for name, entry in card.data.items()
    )
    return (
        "---\nlibrary_name: zsxai\ntags: [audio, explainability, lmac-zs]\n---\n"
        f"# LMAC-ZS decoder for {card.model}\n\n"
        f"Explains `{card.model}` (weights `{card.model_sha256[:12]}`) and no other model. Masks on "
        f"{' and '.join(f'`{domain}`' for domain in domains_served(card.domain))}, "
        f"scale `{card.scale}`, calibration `{card.calibration}`. Licence: {card.licence}.\n\n"
        f'```python\nzsxai.explain(audio, prompt, model="{card.model}", explainer="lmac-zs:<folder or hub id>")\n'
        "```\n\n"
        f"Trained by\n\n```\n{card.command or 'zsxai.lmac_zs.training.trainer.Trainer'}\n```\n\non\n\n{data}\n"
        f"Diagnostics on held-out recordings at the end of the training (not a benchmark):\n\n"
        f"| figure | value |\n|---|---|\n{figures}"
    )
