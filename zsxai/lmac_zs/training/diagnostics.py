"""Diagnostics of a decoder in training: whether it still explains anything, or has collapsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.calibration import STEEPNESS
from zsxai.clip import BATCH_SIZE
from zsxai.lmac_zs.bank import log_probability
from zsxai.lmac_zs.card import domains_of
from zsxai.lmac_zs.cells import Cells, Sounds
from zsxai.lmac_zs.decoder import Decoder, select_maps
from zsxai.lmac_zs.gradient import encode_with_evidence
from zsxai.lmac_zs.training.config import TrainingConfig
from zsxai.lmac_zs.training.corpus import Corpus
from zsxai.lmac_zs.training.draw import Draw
from zsxai.metrics.localisation import ideal_binary_mask, roc_auc

PLAIN = dict.fromkeys(("mix", "level", "third", "noise", "nothing", "vary", "similar"), 0.0)
"""Recordings as they are, for the figures to mean the same whatever is trained on."""
_KEY = 2**31
"""Stands in the key of the validation's draw where that of a step has its number."""


@dataclass(frozen=True)
class Diagnostics:
    """Figures on held-out recordings; probabilities are softmaxed over a bank of captions.

    Attributes:
        p: Probability of the recordings' own captions, as they are.
        p_in: The same, masked in.
        p_out: The same, masked out.
        p_out_constant: Under one minus a constant mask of the same mean: where ``p_out`` is no lower, the mask only
            turns the volume down.
        right: Mask mean for right captions.
        wrong: For wrong ones; where it equals ``right``, the decoder does not read its prompt.
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
        """FF: the drop of the probability when the mask is removed."""
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
    """A fixed set of held-out recordings: half single, half mixed.

    Args:
        corpus: Held-out clips.
        config: Decides how many, and how they are masked: of two domains, in the first.
    """

    def __init__(self, corpus: Corpus, config: TrainingConfig) -> None:
        self.corpus = corpus
        self.config = config
        self.domain = domains_of(config.domain)[0]
        size = min(BATCH_SIZE, len(corpus.captions.by_group))
        rounds = max(1, round(config.validation_clips / (2 * size)))
        plain = config.model_copy(update={**PLAIN, "batch": size})
        mixed = plain.model_copy(update={"mix": 1.0})
        self.single = [corpus.draw((_KEY, i), plain) for i in range(rounds)]
        self.mixed = [corpus.draw((_KEY, rounds + i), mixed) for i in range(rounds)]

    def __call__(self, decoder: Decoder, cells: Cells) -> Diagnostics:
        """Measure."""
        with torch.no_grad():
            rows = [self._measure_single(decoder, cells, draw) for draw in self.single]
            pointing = np.array([value for draw in self.mixed for value in self._measure_mixed(decoder, cells, draw)])
        figures = torch.cat(rows).double().mean(dim=0).tolist()
        names = ("p", "p_in", "p_out", "p_out_constant", "right", "wrong")
        mean = float(np.nanmean(pointing)) if np.isfinite(pointing).any() else float("nan")
        return Diagnostics(**dict(zip(names, figures, strict=True)), pointing=mean)

    def _measure_single(self, decoder: Decoder, cells: Cells, draw: Draw) -> Tensor:
        """``(B, 6)``: the figures of each recording, in the order of :class:`Diagnostics`."""
        captions, scale = self.corpus.captions, self.corpus.model.logit_scale or 1.0
        sounds = self._sounds(draw.waveforms)
        everyone = torch.arange(len(draw.own), device=self.corpus.model.device)
        embedding, (masks, wrong) = self._masks(decoder, cells, sounds, (draw.own, draw.foreign))
        constant = masks.mean(dim=(1, 2), keepdim=True).expand_as(masks)
        own, bank = captions.embedding[draw.own], captions.embedding[draw.bank]
        same = captions.same(draw.own, draw.bank, self.config.same_above)
        versions = [embedding]
        versions += [sounds.embed(m, everyone) for m in (masks, 1.0 - masks, 1.0 - constant)]
        p = [log_probability(v, own, bank, same, scale).exp() for v in versions]
        return torch.stack([*p, masks.mean(dim=(1, 2)), wrong.mean(dim=(1, 2))], dim=1)

    def _measure_mixed(self, decoder: Decoder, cells: Cells, draw: Draw) -> list[float]:
        """How well the masks for both captions of each mixture point at their sounds."""
        whole, first, second = (self._sounds(waves) for waves in (draw.waveforms, draw.sounds, draw.others))
        _, both = self._masks(decoder, cells, whole, (draw.own, draw.partner))
        pointing = []
        for masks, own, other in zip(both, (first, second), (second, first), strict=True):
            parts = zip(masks, own.power, other.power, whole.power, strict=True)
            pointing += [_pointing(*(values.cpu().numpy() for values in part)) for part in parts]
        return pointing

    def _sounds(self, waveforms: Tensor) -> Sounds:
        model = self.corpus.model
        return Sounds.of(model, waveforms.to(model.device), self.domain, self.config.scale)

    def _masks(
        self, decoder: Decoder, cells: Cells, sounds: Sounds, asked: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Embedding of the sounds, and their masks for each of several groups of captions."""
        captions, names = self.corpus.captions, decoder.spec.maps
        groups = [captions.embedding[numbers] for numbers in asked]
        encoding, gradients = encode_with_evidence(self.corpus.model, sounds.features, decoder.spec, groups)
        levels = decoder.trunk(select_maps(encoding.feature_maps, names))
        masks = [
            cells.mask(decoder.head(levels, captions.encode(numbers), gradient), STEEPNESS[self.config.calibration])
            for numbers, gradient in zip(asked, gradients, strict=True)
        ]
        return encoding.embedding, masks


def _pointing(mask: NDArray[Any], own: NDArray[Any], other: NDArray[Any], mixture: NDArray[Any]) -> float:
    loud = np.maximum(own, other) > 1e-6 * mixture.max()
    return roc_auc(mask[loud], ideal_binary_mask(own[loud], other[loud]), np.sqrt(mixture[loud]))
