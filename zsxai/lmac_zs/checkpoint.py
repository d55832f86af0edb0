"""Trained decoders on disk and on the hub: safetensors and a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from zsxai.errors import InputError, first_problem
from zsxai.files import whole_folder
from zsxai.hub import hub_package, snapshot
from zsxai.lmac_zs.decoder import Decoder, DecoderSpec
from zsxai.model import SpectralModel
from zsxai.spectral import Domain, Scale

FORMAT = 1
CARD, WEIGHTS, README = "card.json", "decoder.safetensors", "README.md"
FILES = (CARD, WEIGHTS, README)
"""What a saved decoder holds; the first marks it as one."""


class DecoderCard(BaseModel):
    """What a decoder was trained for, on what, and how well it does.

    Attributes:
        format: Version of the folder.
        model: Name of the model that it explains.
        model_sha256: Hash of that model's weights.
        domain: Of the masks trained with.
        scale: Of the masks trained with.
        calibration: From its log-odds to masks.
        decoder: Numbers of the network.
        training: Configuration.
        command: What trained it.
        data: Data sets by name: number of clips and recordings, hash of their names.
        figures: Diagnostics on held-out recordings at the end of the training.
        licence: Of the weights.
        versions: Of the libraries that trained it.
        commit: Of zsxai.
        weights_sha256: Hash of the weights' file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    format: int = FORMAT
    model: str
    model_sha256: str
    domain: Domain
    scale: Scale
    calibration: str = "sigmoid"
    decoder: DecoderSpec
    training: dict[str, Any]
    command: str = ""
    data: dict[str, dict[str, Any]] = {}
    figures: dict[str, float] = {}
    licence: str = "unknown"
    versions: dict[str, str] = {}
    commit: str = "none"
    weights_sha256: str = ""


@dataclass(frozen=True, eq=False)
class TrainedDecoder:
    """A decoder with its card.

    Attributes:
        decoder: Frozen, in eval mode.
        card: What it was trained for.
    """

    decoder: Decoder
    card: DecoderCard

    @classmethod
    def from_pretrained(cls, name: str | Path, *, device: torch.device | str = "cpu") -> TrainedDecoder:
        """Load a decoder.

        Args:
            name: A folder that :meth:`save` wrote, or a hub id (``owner/name``, ``owner/name@revision``), which is
                downloaded.
            device: Where it runs.

        Raises:
            InputError: If there is none, a file is missing, corrupt or of another format.
            MissingExtraError: If it is a hub id and huggingface_hub is not installed.
        """
        folder = folder_of(name)
        card = read_card(folder)
        content = _read(folder / WEIGHTS)
        found = hashlib.sha256(content).hexdigest()
        if found != card.weights_sha256:
            raise InputError(
                f"{folder / WEIGHTS} is corrupt (sha256 {found[:12]}..., not {card.weights_sha256[:12]}...)"
            )
        with torch.random.fork_rng(devices=[]):
            decoder = Decoder(card.decoder)
        try:
            decoder.load_state_dict(load(content), strict=True)
        except (SafetensorError, RuntimeError) as error:
            raise InputError(f"{folder / WEIGHTS} does not fit its card: {' '.join(str(error).split())}") from error
        return cls(decoder.requires_grad_(False).eval().to(device), card)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the folder, whole or not at all.

        Args:
            folder: Where.
            overwrite: Replace a folder that a decoder was saved to before.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        state = {k: v.detach().cpu().contiguous() for k, v in self.decoder.state_dict().items()}
        content = save(state)
        card = self.card.model_copy(update={"weights_sha256": hashlib.sha256(content).hexdigest()})
        with whole_folder(Path(folder), FILES, overwrite=overwrite) as draft:
            (draft / WEIGHTS).write_bytes(content)
            (draft / CARD).write_text(f"{card.model_dump_json(indent=2)}\n", encoding="utf-8")
            (draft / README).write_text(readme(card), encoding="utf-8")
        return Path(folder)

    def push_to_hub(self, repository: str, *, private: bool = False, token: str | None = None) -> str:
        """Upload the decoder to the Hugging Face hub, as the folder :meth:`save` writes.

        Args:
            repository: ``owner/name``; made where it does not exist.
            private: Make a private one.
            token: Access token; the one that ``hf auth login`` keeps where None.

        Returns:
            Address of the commit.

        Raises:
            MissingExtraError: If huggingface_hub is not installed.
        """
        from tempfile import TemporaryDirectory

        api = hub_package().HfApi(token=token)
        api.create_repo(repository, private=private, exist_ok=True)
        with TemporaryDirectory() as folder:
            written = self.save(Path(folder) / "decoder")
            done = api.upload_folder(repo_id=repository, folder_path=str(written), commit_message="LMAC-ZS decoder")
        return str(done)

    def check_model(self, model: SpectralModel) -> None:
        """Refuse a model that the decoder was not trained for.

        Raises:
            InputError: Naming both.
        """
        if model.card.weights_sha256 != self.card.model_sha256:
            raise InputError(
                f"this decoder was trained for {self.card.model} (weights {self.card.model_sha256[:12]}), not for "
                f"{model.card.name} (weights {str(model.card.weights_sha256)[:12]}): train one with zsxai train lmac-zs"
            )


def read_card(folder: Path) -> DecoderCard:
    """Read the card of a saved decoder.

    Raises:
        InputError: If it is missing, damaged or of another format.
    """
    try:
        data = json.loads(_read(folder / CARD))
        if isinstance(data, dict) and data.get("format") != FORMAT:
            raise InputError(f"decoder format {data.get('format')!r} at {folder} is not {FORMAT}: upgrade zsxai")
        return DecoderCard.model_validate(data)
    except ValidationError as error:
        said = first_problem(error, DecoderCard.model_fields)
        raise InputError(f"{folder / CARD} is no card of a decoder: {' '.join(said.split())}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{folder / CARD} is no card of a decoder: {error}") from error


def folder_of(name: str | Path) -> Path:
    """The folder of a decoder: as named, or downloaded from the hub where the name is a hub id.

    Raises:
        InputError: If there is none.
        MissingExtraError: If it is a hub id and huggingface_hub is not installed.
    """
    folder = Path(name).expanduser()
    if folder.exists():
        return folder
    repository = str(name).partition("@")[0]
    if repository.count("/") != 1 or repository.startswith((".", "~", "/")):
        raise InputError(
            f"no decoder at {folder}: give a folder that zsxai train lmac-zs wrote, or a hub id owner/name"
        )
    return snapshot(str(name), [*FILES, *(f"*/{file}" for file in FILES)])


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"no decoder at {file.parent}: {file.name} is missing") from error


def readme(card: DecoderCard) -> str:
    """The card in words, as the hub shows it."""
    figures = "".join(f"| {name} | {value:.3f} |\n" for name, value in card.figures.items())
    data = "".join(
        f"- {name}: {entry.get('clips')} clips of {entry.get('recordings')} recordings {entry.get('options') or ''}\n"
        for name, entry in card.data.items()
    )
    return (
        "---\nlibrary_name: zsxai\ntags: [audio, explainability, lmac-zs]\n---\n"
        f"# LMAC-ZS decoder for {card.model}\n\n"
        f"Explains `{card.model}` (weights `{card.model_sha256[:12]}`) and no other model. Masks on `{card.domain}`, "
        f"scale `{card.scale}`, calibration `{card.calibration}`. Licence: {card.licence}.\n\n"
        f'```python\nzsxai.explain(audio, prompt, model="{card.model}", explainer="lmac-zs:<folder or hub id>")\n'
        "```\n\n"
        f"Trained by\n\n```\n{card.command or 'zsxai.lmac_zs.training.trainer.Trainer'}\n```\n\non\n\n{data}\n"
        f"Diagnostics on held-out recordings at the end of the training (not a benchmark):\n\n"
        f"| figure | value |\n|---|---|\n{figures}"
    )


def without_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration less the places of one machine, for cards."""
    kept = dict(values)
    for name in ("data", "validation"):
        kept[name] = {key: {**spec, "root": None} for key, spec in dict(kept.get(name) or {}).items()}
    if kept.get("phrases"):
        kept["phrases"] = Path(str(kept["phrases"])).name
    return kept
