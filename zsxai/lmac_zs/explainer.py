"""The explainer ``lmac-zs``: the mask that a trained decoder gives for a clip and a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from zsxai.attribution import map_at
from zsxai.clip import Clip, Relevance, features_of, keep_encodings
from zsxai.errors import InputError
from zsxai.explainer import BatchExplainer, ExplainerCard
from zsxai.lmac_zs.card import CARD, DecoderCard, domains_of, domains_served, read_card
from zsxai.lmac_zs.checkpoint import TrainedDecoder, find_folder
from zsxai.lmac_zs.decoder import select_maps
from zsxai.lmac_zs.gradient import encode_with_evidence
from zsxai.model import SpectralModel, TextEncoding, ZeroShotModel
from zsxai.spectral import Domain, Grid
from zsxai.target import BoundTarget, Contrast

_PAIRS = 16
"""Number of pairs of a clip and a prompt decoded at once."""

Cards = dict[Domain, tuple[Path, DecoderCard]]
"""Folders and cards of decoders by their domain."""


class LMACZS(BatchExplainer):
    """Log-odds of the mask that a decoder gives for the prompt; of a contrast, see :func:`contrast_log_odds`.

    Attributes:
        decoder: Folder or hub id of a trained decoder, or of several, a folder each, of which the one for the model and
            the masks' domain is taken; where None, those that come with the model.
    """

    name: ClassVar[str] = "lmac-zs"
    argument: ClassVar[str | None] = "decoder"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Mask of a decoder trained to keep what the model needs.",
        needs_gradients=True,
        deterministic=True,
        forwards="1, shared by all targets; and the decoder",
        backwards="1 a target, from the last map that the decoder reads",
        differentiates_target=False,
        reference="Paissan et al., NeurIPS 2024, arXiv 2405.17615; objective: docs/lmac-zs.md",
    )
    calibration: str = "steep-sigmoid"
    decoder: str | None = None

    @classmethod
    def fits(cls, model: ZeroShotModel) -> bool:
        """See :meth:`zsxai.Explainer.fits`: whether a decoder for exactly these weights comes with the model."""
        return isinstance(model, SpectralModel) and bool(_cards_of(model))

    def weights(self, model: ZeroShotModel) -> dict[str, str]:
        """See :meth:`zsxai.Explainer.weights`."""
        cards = self._cards(model) if isinstance(model, SpectralModel) else {}
        return {f"decoder of {domain}": card.weights_sha256 for domain, (_, card) in sorted(cards.items())}

    def notes(self, clip: Clip) -> tuple[str, ...]:
        """See :meth:`zsxai.Explainer.notes`."""
        card, masking = self.load_decoder(clip).card, clip.masking
        notes = []
        if masking.domain not in domains_served(card.domain) or masking.scale != card.scale:
            notes.append(
                f"the decoder was trained for masks on {card.domain} ({card.scale}); these lie on {masking.domain} "
                f"({masking.scale})"
            )
        if self.calibration != card.calibration:
            notes.append(f"the decoder was trained for the calibration {card.calibration}, not {self.calibration}")
        return tuple(notes)

    def relevances(self, clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> list[Relevance]:
        """See :meth:`zsxai.Explainer.relevances`."""
        found, grid = self.decode(clips, targets)
        return [Relevance(values, grid, "window", copies="mean") for values in found]

    def decode(self, clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> tuple[Tensor, Grid]:
        """Log-odds ``(B, P, f, t)`` of the clips for the targets, and where their cells lie in the filled window."""
        trained = self.load_decoder(clips[0])
        names = trained.card.decoder.maps
        # A probability is decoded for its prompt alone, a contrast for the other prompts too.
        prompts = [t.encoding if isinstance(t.target, Contrast) else t.encoding.rows([0]) for t in targets]
        text = TextEncoding.join(prompts)
        groups = list(text.embedding[:, None])
        spec = trained.card.decoder
        encoding, gradients = encode_with_evidence(clips[0].spectral, features_of(clips), spec, groups)
        keep_encodings(clips, encoding)
        maps = encoding.feature_maps
        pairs = torch.cartesian_prod(torch.arange(len(clips)), torch.arange(len(text))).to(text.embedding.device)
        with torch.no_grad():
            levels = trained.decoder.trunk(select_maps(maps, names))
            gradient = torch.stack(gradients, dim=1)  # (B, n, f, t)
            parts = [
                trained.decoder.head([level[of] for level in levels], text.rows(about), gradient[of, about])
                for of, about in (part.T for part in torch.split(pairs, _PAIRS))
            ]
        log_odds = torch.cat(parts)
        log_odds = log_odds.reshape(len(clips), len(text), *log_odds.shape[1:])
        by_target = torch.split(log_odds, [len(p) for p in prompts], dim=1)
        values = torch.stack([contrast_log_odds(v[:, 0], v[:, 1:]) for v in by_target], dim=1)
        return values, map_at(maps, names[0]).grid

    def load_decoder(self, clip: Clip) -> TrainedDecoder:
        """Load the decoder for a clip's model and masks.

        Raises:
            InputError: If it was trained for another model, or none is named and none comes with the model.
        """
        model = clip.spectral
        cards = self._cards(model)
        if not cards:
            raise InputError(
                f"no decoder comes with {model.card.name}: train one with zsxai train lmac-zs and name it, "
                "explainer='lmac-zs:<folder or hub id>'"
            )
        folder, card = cards.get(clip.masking.domain) or next(iter(cards.values()))
        trained = _load(folder, str(model.device), card.weights_sha256)
        trained.check_model(model)
        return trained

    def _cards(self, model: SpectralModel) -> Cards:
        if self.decoder is None:
            return _cards_of(model)
        folder = find_folder(self.decoder)
        cards = _read_cards(folder, model) or _read_cards(folder)
        if not cards:
            read_card(folder)  # raises, and says what is missing
        return cards


def contrast_log_odds(own: Tensor, others: Tensor) -> Tensor:
    """Log-odds of a prompt against others: a cell is kept where they are above 0 and above every other prompt's.

    Args:
        own: ``(..., f, t)`` of the prompt.
        others: ``(..., K, f, t)`` of the other prompts; where K is 0, its own are returned.
    """
    return torch.minimum(own, own - others.amax(dim=-3)) if others.shape[-3] else own


@lru_cache(maxsize=4)
def _load(folder: Path, device: str, weights_sha256: str) -> TrainedDecoder:
    """Load a decoder and keep it; its hash is in the key, so that one trained anew is read anew."""
    del weights_sha256
    return TrainedDecoder.from_pretrained(folder, device=device)


def _read_cards(folder: Path, model: SpectralModel | None = None) -> Cards:
    """The decoder in a folder, or those in the folders in it; of a model, those that are for its weights."""
    places = [folder] if (folder / CARD).exists() else sorted(file.parent for file in folder.glob(f"*/{CARD}"))
    found = [(place, read_card(place)) for place in places]
    ours = {card.model_sha256 for _, card in found} if model is None else {model.card.weights_sha256}
    return {d: (place, card) for place, card in found if card.model_sha256 in ours for d in domains_of(card.domain)}


def _cards_of(model: SpectralModel) -> Cards:
    """Decoders that come with a model, those of other weights left out; of one domain, the first."""
    shipped = [_read_cards(folder, model) for folder in model.decoders]
    return {domain: at for cards in reversed(shipped) for domain, at in cards.items()}
