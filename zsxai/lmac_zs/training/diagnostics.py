"""Whether a decoder in training still explains anything: what to watch for collapse."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.clip import BATCH_SIZE
from zsxai.lmac_zs.cells import Cells, Sounds
from zsxai.lmac_zs.decoder import Decoder
from zsxai.lmac_zs.gradient import evidence
from zsxai.lmac_zs.training.corpus import Corpus, Draw
from zsxai.lmac_zs.training.objectives import log_probability
from zsxai.metrics.localisation import ideal_binary_mask, roc_auc
from zsxai.model import FeatureMap, SpectralModel

_KEY = 2**31
"""Stands in the key of the validation's draw where that of a step has its number."""


@dataclass(frozen=True)
class Diagnostics:
    """Figures on held-out recordings; probabilities are softmaxed over a bank of captions.

    Attributes:
        p: Of the recordings' own captions, as they are.
        p_in: Masked in.
        p_out: Masked out.
        p_out_constant: Under one minus a constant mask of the same mean: where ``p_out`` is no lower, the mask only
            turns the volume down.
        right: Mask mean for right captions.
        wrong: For wrong ones; equal to ``right``, the decoder does not read its prompt.
        pointing: Weighted AUC on mixtures of two, on the masks' grid; .5 is what a blind mask scores.
    """

    p: float
    p_in: float
    p_out: float
    p_out_constant: float
    right: float
    wrong: float
    pointing: float

    @property
    def faithfulness(self) -> float:
        """FF: what removing the mask costs."""
        return self.p - self.p_out

    @property
    def collapsed(self) -> str | None:
        """What is wrong, in a few words; None where nothing is."""
        if self.right < 0.01:
            return "the masks are empty"
        if self.right > 0.99:
            return "the masks are open everywhere"
        if self.p_out >= self.p_out_constant - 0.02:
            return "removing the mask costs no more than turning the volume down"
        return None

    def record(self) -> dict[str, float]:
        """By name, for logs."""
        return {**asdict(self), "faithfulness": self.faithfulness}


class Validation:
    """A fixed set of held-out recordings: half by themselves, half mixed.

    Args:
        corpus: Held-out clips.
        domain: Where masks lie.
        scale: How they act.
        samples: In a window.
        clips: How many.
        bank: Captions told apart.
        same_above: As of the training.
    """

    def __init__(
        self, corpus: Corpus, domain: Any, scale: Any, samples: int, clips: int, bank: int, same_above: float
    ) -> None:
        self.corpus = corpus
        self.domain = domain
        self.scale = scale
        self.same_above = same_above
        size = min(BATCH_SIZE, len(corpus.captions))
        rounds = max(1, round(clips / (2 * size)))
        self.alone = [corpus.draw((_KEY, i), size, samples, 0.0, bank, 0.0) for i in range(rounds)]
        self.mixed = [corpus.draw((_KEY, rounds + i), size, samples, 1.0, bank, 0.0) for i in range(rounds)]

    def __call__(self, model: SpectralModel, decoder: Decoder, cells: Cells) -> Diagnostics:
        """Measure."""
        with torch.no_grad():
            rows = [self._alone(model, decoder, cells, draw) for draw in self.alone]
            pointing = [value for draw in self.mixed for value in self._mixed(model, decoder, cells, draw)]
        pointed = np.array(pointing)
        figures = torch.cat(rows).double().mean(dim=0).tolist()
        names = ("p", "p_in", "p_out", "p_out_constant", "right", "wrong")
        aim = float(np.nanmean(pointed)) if np.isfinite(pointed).any() else float("nan")
        return Diagnostics(**dict(zip(names, figures, strict=True)), pointing=aim)

    def _alone(self, model: SpectralModel, decoder: Decoder, cells: Cells, draw: Draw) -> Tensor:
        corpus = self.corpus
        sounds = Sounds.of(model, draw.waveforms.to(model.device), self.domain, self.scale)
        asked = [corpus.embedding[caption] for caption in (draw.own, draw.foreign)]
        encoding, gradients = evidence(model, sounds.features, decoder.spec.maps[-1], asked)
        everyone = torch.arange(len(draw.own), device=model.device)
        maps = maps_of(encoding.feature_maps, decoder.spec.maps)
        levels = decoder.trunk(maps)
        masks, wrong = (
            cells.mask(decoder.head(levels, corpus.prompts(caption), gradient))
            for caption, gradient in zip((draw.own, draw.foreign), gradients, strict=True)
        )
        constant = masks.mean(dim=(1, 2), keepdim=True).expand_as(masks)
        own, bank = corpus.embedding[draw.own], corpus.embedding[draw.bank]
        same = corpus.same(draw.own, draw.bank, self.same_above)
        versions = [encoding.embedding]
        versions += [sounds.embed(m, everyone) for m in (masks, 1.0 - masks, 1.0 - constant)]
        p = [log_probability(v, own, bank, same, model.logit_scale or 1.0).exp() for v in versions]
        return torch.stack([*p, masks.mean(dim=(1, 2)), wrong.mean(dim=(1, 2))], dim=1)

    def _mixed(self, model: SpectralModel, decoder: Decoder, cells: Cells, draw: Draw) -> list[float]:
        whole, first, second = (
            Sounds.of(model, waves.to(model.device), self.domain, self.scale)
            for waves in (draw.waveforms, draw.sounds, draw.others)
        )
        captions = (draw.own, draw.partner)
        asked = [self.corpus.embedding[caption] for caption in captions]
        encoding, gradients = evidence(model, whole.features, decoder.spec.maps[-1], asked)
        levels = decoder.trunk(maps_of(encoding.feature_maps, decoder.spec.maps))
        found = []
        sides = ((first, second), (second, first))
        for caption, gradient, (own, other) in zip(captions, gradients, sides, strict=True):
            masks = cells.mask(decoder.head(levels, self.corpus.prompts(caption), gradient))
            parts = zip(masks, own.power, other.power, whole.power, strict=True)
            found += [_pointing(*(values.cpu().numpy() for values in part)) for part in parts]
        return found


def _pointing(mask: NDArray[Any], own: NDArray[Any], other: NDArray[Any], mixture: NDArray[Any]) -> float:
    loud = np.maximum(own, other) > 1e-6 * mixture.max()
    return roc_auc(mask[loud], ideal_binary_mask(own[loud], other[loud]), np.sqrt(mixture[loud]))


def maps_of(feature_maps: tuple[FeatureMap, ...], names: tuple[str, ...]) -> list[Tensor]:
    """The maps that a decoder reads, early to late."""
    by_name = {m.name: m.values for m in feature_maps}
    return [by_name[name] for name in names]
