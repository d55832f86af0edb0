"""Trained decoders on disk and on the hub: safetensors and a card."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from zsxai.errors import InputError
from zsxai.files import whole_folder
from zsxai.hub import hub_package, snapshot
from zsxai.lmac_zs.card import CARD, DecoderCard, describe, read_card, read_file
from zsxai.lmac_zs.decoder import Decoder
from zsxai.model import SpectralModel

WEIGHTS, README = "decoder.safetensors", "README.md"
FILES = (CARD, WEIGHTS, README)
"""What a saved decoder holds; the first marks it as one."""


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
        folder = find_folder(name)
        card = read_card(folder)
        content = read_file(folder / WEIGHTS)
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != card.weights_sha256:
            raise InputError(
                f"{folder / WEIGHTS} is corrupt (sha256 {sha256[:12]}..., not {card.weights_sha256[:12]}...)"
            )
        with torch.random.fork_rng(devices=[]):
            decoder = Decoder(card.decoder)
        try:
            decoder.load_state_dict(load(content), strict=True)
        except (SafetensorError, RuntimeError) as error:
            raise InputError(f"{folder / WEIGHTS} does not fit its card: {' '.join(str(error).split())}") from error
        return cls(decoder.requires_grad_(False).eval().to(device), card)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the folder, whole or not at all; what float16 holds exactly is stored as such.

        Args:
            folder: Where.
            overwrite: Replace a folder that a decoder was saved to before.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        content = save({k: _packed(v.detach().cpu()) for k, v in self.decoder.state_dict().items()})
        card = self.card.model_copy(update={"weights_sha256": hashlib.sha256(content).hexdigest()})
        with whole_folder(Path(folder), FILES, overwrite=overwrite) as draft:
            (draft / WEIGHTS).write_bytes(content)
            (draft / CARD).write_text(f"{card.model_dump_json(indent=2)}\n", encoding="utf-8")
            (draft / README).write_text(describe(card), encoding="utf-8")
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
            commit = api.upload_folder(repo_id=repository, folder_path=str(written), commit_message="LMAC-ZS decoder")
        return str(commit)

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


@torch.no_grad()
def round_weights(decoder: Decoder) -> None:
    """Round matrices and kernels to float16, in place: nothing is lost that matters, and they take half the space."""
    for weights in decoder.parameters():
        if weights.ndim >= 2:
            weights.copy_(weights.half())


def _packed(values: Tensor) -> Tensor:
    half = values.half()
    return (half if torch.equal(half.to(values.dtype), values) else values).contiguous()


def find_folder(name: str | Path) -> Path:
    """Find the folder of a decoder: as named, or downloaded from the hub where the name is a hub id.

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
