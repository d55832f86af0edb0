"""The bundled CLAP: a :class:`~zsxai.model.SpectralModel` of two small towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from zsxai.adapters.tiny.audio import TAPS, AudioEncoder
from zsxai.adapters.tiny.spec import FRONT_END, SAMPLE_RATE, SECONDS, WINDOW
from zsxai.adapters.tiny.store import (
    AUDIO,
    TEXT,
    VOCABULARY,
    fill_module,
    manifest_of,
    read_bank,
    read_classes,
    read_verified,
)
from zsxai.adapters.tiny.text import LIMIT, TextTower, centred
from zsxai.adapters.tiny.tokenizer import WordPiece
from zsxai.errors import InputError
from zsxai.model import AudioSpec, Encoding, FeatureMap, Features, ModelCard, SpectralModel, TextEncoding
from zsxai.prompt import note_unknown
from zsxai.spectral import FrontEnd, Grid, map_grid

WEIGHTS = Path(__file__).parent / "weights"
"""Those that travel with the library."""
DECODERS = Path(__file__).parent / "decoders"
"""Decoders of LMAC-ZS for the weights that travel with the library; other weights have none."""
CENTRINGS = Path(__file__).parent / "centrings"
"""Means and shared axes of the recordings that the weights were trained on, for concept explanations."""
REFERENCE = Path(__file__).parent / "reference.json"
"""Reference figures, from the twins on the folds that they have not heard (``training/reference.py``)."""
AUDIO_SPEC = AudioSpec(sample_rate=SAMPLE_RATE, window=SECONDS, fill="zero")


class TinyClap(SpectralModel):
    """A CLAP small enough to travel with the library.

    Args:
        audio: The audio encoder.
        text: The text tower.
        centre: ``(D,)`` mean of the caption embeddings.
        tokenizer: Text to ids.
        card: Licence, sources, hash.
        device: Where the tensors go.
        decoders: Folder of decoders that come with the weights.
        centrings: Folder of centrings that come with the weights.
        reference: Reference figures that come with the weights.
    """

    templates: Mapping[str, tuple[str, ...]] = {"published": ("the sound of {}",)}

    def __init__(
        self,
        audio: AudioEncoder,
        text: TextTower,
        centre: Tensor,
        tokenizer: WordPiece,
        card: ModelCard,
        device: torch.device,
        decoders: Path = DECODERS,
        centrings: Path = CENTRINGS,
        reference: Path = REFERENCE,
    ) -> None:
        self.card = card
        self.decoders = (decoders,)
        self.centrings = tuple(sorted(centrings.glob("*.safetensors")))
        self.references = (reference,)
        self.audio_spec = AUDIO_SPEC
        self.device = device
        self.front_end = FrontEnd(FRONT_END, read_bank()).to(device).eval()
        # Laid out for fast convolutions on CPUs (docs/devices.md); the numbers are the same but for rounding.
        laid_out = audio.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.audio: AudioEncoder = laid_out.requires_grad_(False).eval()
        self.text = text.to(device).requires_grad_(False).eval()
        self.centre = centre.to(device)
        self.tokenizer = tokenizer
        self.logit_scale = float(audio.log_scale.exp())
        self.taps: Mapping[str, nn.Module] = dict(self.audio.taps.items())

    @classmethod
    def from_folder(cls, folder: Path, device: torch.device, *, twin: int | None = None) -> TinyClap:
        """Load a weights folder.

        Args:
            folder: Holds the weights.
            device: Where the model runs.
            twin: Number of the fold that these weights have not heard, of a twin: it has the text side of the bundled
                model, and decoders and centrings of its own.

        Raises:
            InputError: If a file is missing, corrupt or of another network.
        """
        files = read_verified(folder, None if twin is None else WEIGHTS)
        # Overwritten at once. (The meta device would draw no numbers, but it imports torch._dynamo: a second.)
        with torch.random.fork_rng(devices=[]):
            audio, text = AudioEncoder(), TextTower()
        fill_module(audio, files[AUDIO])
        centre = fill_module(text, files[TEXT], also=("centre",))["centre"]
        vocabulary = files[VOCABULARY].decode("utf-8").rstrip("\n").split("\n")
        pinned, notes = manifest_of(folder)
        folds = ", ".join(str(f) for f in notes.get("folds", ())) or "unknown"
        card = ModelCard(
            name="tiny" if twin is None else f"tiny-twin:{twin}",
            summary="A CLAP of 9.2 million parameters, trained by this project on about fifty everyday sounds.",
            licence="CC-BY-4.0 AND Apache-2.0",
            source="trained by zsxai; text tower distilled from sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)",
            weights_sha256=pinned,
            training_data=f"CC0 and CC-BY clips of ESC-50, folds {folds}, listed in clips.csv beside the weights",
            limits="Open wording for about fifty everyday sounds, not an open vocabulary of sounds.",
            knows=read_classes(folder if twin is None else WEIGHTS),
        )
        brought = (DECODERS, CENTRINGS, REFERENCE)
        if twin is not None:
            brought = (folder / "decoders", folder / "centrings", folder / REFERENCE.name)
        return cls(audio, text, centre, WordPiece(vocabulary, LIMIT), card, device, *brought)

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-mel as a picture of one channel, ``(B, 1, n_mels, N)`` decibels."""
        del mel
        return log_mel[:, None], {}

    def encode(self, features: Features) -> Encoding:
        """Run the audio encoder; the maps are the taps', early to late."""
        embedding, tapped = self.audio(features.input)
        maps = tuple(FeatureMap(name, m, _grid(name, m.shape[2], m.shape[3])) for name, m in tapped.items())
        return Encoding(embedding, maps)

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        """Run the text tower.

        Raises:
            InputError: If there is no prompt, or one has more tokens than the tower takes.
        """
        prompts = [prompts] if isinstance(prompts, str) else prompts
        if not prompts:
            raise InputError("no prompts: give at least one")
        ids, mask = (t.to(self.device) for t in self.tokenizer(prompts))
        embedding, tokens = self.text(ids, mask)
        return TextEncoding(centred(embedding, self.centre), tokens, mask)

    def prompt_notes(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """See :meth:`ZeroShotModel.prompt_notes`."""
        ids = {prompt: self.tokenizer.tokenize(prompt)[1:-1] for prompt in prompts}
        unknown = {prompt: row.count(self.tokenizer.unknown) for prompt, row in ids.items()}
        return tuple(note_unknown(p, count, len(ids[p]), self.card.name) for p, count in unknown.items() if count)


@lru_cache(maxsize=32)
def _grid(name: str, rows: int, columns: int) -> Grid:
    """Place of a map: every cell covers as many frames as bands, so the last column may reach past the end."""
    return map_grid(FRONT_END, WINDOW, rows, columns, frames=TAPS[name] * columns)
