"""The explainer ``lmac-zs``: a trained decoder asked about a clip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from zsxai.clip import Clip, Relevance
from zsxai.errors import InputError
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.lmac_zs.checkpoint import CARD, DecoderCard, TrainedDecoder, folder_of, read_card
from zsxai.lmac_zs.gradient import evidence
from zsxai.lmac_zs.training.corpus import joined
from zsxai.lmac_zs.training.diagnostics import maps_of
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.spectral import Domain, Grid
from zsxai.target import BoundTarget, Contrast

_PROMPTS = 16
"""Prompts decoded at once."""


class LMACZS(Explainer):
    """Log-odds of the mask that a decoder gives for the prompt; of a contrast, see :func:`rather`.

    Attributes:
        decoder: Folder or hub id of a trained decoder, or of several, a folder each, of which the one for the masks'
            domain is taken; where None, those that come with the model.
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
    calibration: str = "sigmoid"
    decoder: str | None = None

    @classmethod
    def fits(cls, model: ZeroShotModel) -> bool:
        """See :meth:`zsxai.Explainer.fits`: whether a decoder for exactly these weights comes with the model."""
        return isinstance(model, SpectralModel) and bool(_shipped(model))

    def weights(self, model: ZeroShotModel) -> dict[str, str]:
        """See :meth:`zsxai.Explainer.weights`."""
        cards = self._cards(model) if isinstance(model, SpectralModel) else {}
        return {f"decoder of {domain}": card.weights_sha256 for domain, (_, card) in sorted(cards.items())}

    def notes(self, clip: Clip) -> tuple[str, ...]:
        """See :meth:`zsxai.Explainer.notes`."""
        card, masking = self.trained(clip).card, clip.masking
        if (card.domain, card.scale) == (masking.domain, masking.scale):
            return ()
        return (
            f"the decoder was trained for masks on {card.domain} ({card.scale}); these lie on {masking.domain} "
            f"({masking.scale})",
        )

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        values, grid = self.ask(clip, targets)
        return Relevance(values, grid, "window", copies="mean")

    def ask(self, clip: Clip, targets: Sequence[BoundTarget]) -> tuple[Tensor, Grid]:
        """Log-odds ``(P, f, t)`` for the targets, and where their cells lie in the filled window."""
        trained = self.trained(clip)
        names = trained.card.decoder.maps
        # A probability is of its prompt alone; a contrast asks about the others too.
        asked = [t.encoding if isinstance(t.target, Contrast) else t.encoding.rows([0]) for t in targets]
        text = joined(asked)
        encoding, gradients = evidence(clip.spectral, clip.features, names[-1], list(text.embedding[:, None]))
        with torch.no_grad():
            levels = trained.decoder.trunk(maps_of(encoding.feature_maps, names))
            gradient = torch.cat(gradients)
            parts = [slice(at, at + _PROMPTS) for at in range(0, len(text), _PROMPTS)]
            log_odds = torch.cat([trained.decoder.head(levels, text.rows(p), gradient[p]) for p in parts])
        of_target = torch.split(log_odds, [len(a) for a in asked])
        values = torch.stack([rather(v[0], v[1:]) for v in of_target])
        return values, next(m.grid for m in encoding.feature_maps if m.name == names[0])

    def trained(self, clip: Clip) -> TrainedDecoder:
        """The decoder for a clip's model and masks.

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
        trained = _loaded(folder, str(model.device), card.weights_sha256)
        trained.check_model(model)
        return trained

    def _cards(self, model: SpectralModel) -> Cards:
        if self.decoder is None:
            return _shipped(model)
        folder = folder_of(self.decoder)
        found = _found(folder)
        if not found:
            read_card(folder)  # which says what is missing
        return found


def rather(own: Tensor, others: Tensor) -> Tensor:
    """Log-odds of a prompt rather than others: a cell is kept where they are above 0 and above every other's.

    Args:
        own: ``(f, t)``.
        others: ``(K, f, t)``; with none, its own stay.
    """
    return torch.minimum(own, own - others.amax(dim=0)) if len(others) else own


Cards = dict[Domain, tuple[Path, DecoderCard]]
"""Folders and cards of decoders by their domain."""


@lru_cache(maxsize=4)
def _loaded(folder: Path, device: str, weights_sha256: str) -> TrainedDecoder:
    """A decoder, kept; the hash makes one that was trained anew another."""
    del weights_sha256
    return TrainedDecoder.from_pretrained(folder, device=device)


def _found(folder: Path) -> Cards:
    """The decoder in a folder, or those in the folders in it."""
    at = [folder] if (folder / CARD).exists() else sorted(file.parent for file in folder.glob(f"*/{CARD}"))
    return {card.domain: (place, card) for place, card in ((place, read_card(place)) for place in at)}


def _shipped(model: SpectralModel) -> Cards:
    """Decoders that come with a model, those of other weights left out."""
    found = [_found(folder) for folder in model.decoders]
    ours = model.card.weights_sha256
    return {d: at for cards in reversed(found) for d, at in cards.items() if at[1].model_sha256 == ours}
