"""What a decoder is trained for: the published objective, and one that does not collapse on small models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from zsxai.lmac_zs.bank import log_of_rest, log_probability
from zsxai.lmac_zs.cells import Sounds
from zsxai.lmac_zs.training.draw import Draw

Terms = dict[str, Tensor]
"""Weighted parts of a loss by name; their sum is minimised."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Which caption is asked about which recording.

    Attributes:
        of: ``(n,)`` recordings.
        caption: ``(n,)`` captions.
        matched: ``(n,)`` bool: whether the recording holds what the caption says.
        beside: ``(n,)`` caption of the other sound of a mixture; -1 where there is none.
        third: ``(n,)`` caption of a third sound, of which nothing is asked; -1 where there is none.
    """

    of: Tensor
    caption: Tensor
    matched: Tensor
    beside: Tensor
    third: Tensor


@dataclass(frozen=True, eq=False)
class Situation:
    """One step as an objective sees it.

    Attributes:
        sounds: The recordings.
        embedding: ``(B, D)`` of them as they are.
        pairs: Which caption is asked about which recording.
        masks: ``(n, R, N)`` the decoder's, for the pairs.
        evidence: ``(B, K)`` the decoder's mean evidence for the bank, at every map.
        text: ``(n, D)`` captions of the pairs.
        beside: ``(n, D)`` captions of the other sounds; anything where there is none.
        bank: ``(K, D)`` captions to distinguish.
        same: ``(n, K)`` bool: captions of the bank that mean what the pair's does.
        same_beside: ``(n, K)`` bool: those that mean what its other sounds do.
        scale: The model's factor on cosines.
        done: Part of the training that is done, in [0, 1).
    """

    sounds: Sounds
    embedding: Tensor
    pairs: Pairs
    masks: Tensor
    evidence: list[Tensor]
    text: Tensor
    beside: Tensor
    bank: Tensor
    same: Tensor
    same_beside: Tensor
    scale: float
    done: float


class Objective(BaseModel, ABC):
    """Base of the objectives; fields are their weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mixing: ClassVar[bool]

    @abstractmethod
    def pairs(self, draw: Draw) -> Pairs:
        """Which captions are asked about which recordings."""

    @abstractmethod
    def terms(self, at: Situation) -> Terms:
        """The parts of the loss."""


class Contrastive(Objective):
    """Kept, the sound must be recognised by its caption among others; removed, it must not.

    With ``p(x)`` the softmax over a bank of captions at the model's scale, M the mask, and m(M) its mean:

    * ``kept``: ``-log p(M x)`` on matched pairs;
    * ``removed``: ``-log(1 - p((1 - M) x))`` on matched pairs;
    * ``beside``: ``-log p_other((1 - M) x)`` on mixtures: what is left must mean the other sound;
    * ``size``: ``m(M)`` on matched pairs, ramped up over the first part of the training: masks start open;
    * ``foreign``: ``m(M)`` on mismatched pairs, ramped up alike;
    * ``evidence``: Kullback-Leibler divergence between the model's softmax over the bank and that of the decoder's own
      mean evidence, at every map: what its cells say must add up to what the model says;
    * ``rise``: ``max(0, s(M x) - s(x))`` on mismatched pairs, s the cosine: no mask may make up what is not there.

    Attributes:
        removed: Weight.
        beside: Weight.
        size: Weight.
        foreign: Weight.
        evidence: Weight.
        rise: Weight; 0 saves encoding mismatched pairs.
        warm_up: Part of the training over which ``size`` and ``foreign`` come in.
    """

    name: Literal["contrastive"] = "contrastive"
    mixing: ClassVar[bool] = True
    removed: float = Field(default=1.0, ge=0)
    beside: float = Field(default=0.5, ge=0)
    size: float = Field(default=0.8, ge=0)
    foreign: float = Field(default=0.5, ge=0)
    evidence: float = Field(default=1.0, ge=0)
    rise: float = Field(default=0.0, ge=0)
    warm_up: float = Field(default=0.2, ge=0, lt=1)

    def pairs(self, draw: Draw) -> Pairs:
        """Own caption, partner's caption, a foreign one, about every recording."""
        count = len(draw.own)
        none = torch.full((count,), -1)
        return Pairs(
            of=torch.arange(count).repeat(3),
            caption=torch.cat([draw.own, draw.partner, draw.foreign]),
            matched=torch.cat([draw.heard, draw.mixed, torch.zeros_like(draw.heard)]),
            beside=torch.cat([torch.where(draw.mixed, draw.partner, -1), torch.where(draw.mixed, draw.own, -1), none]),
            third=draw.third.repeat(3),
        )

    def terms(self, at: Situation) -> Terms:
        """See :meth:`Objective.terms`."""
        pairs, sounds = at.pairs, at.sounds
        right = pairs.matched.nonzero().flatten()
        wrong = (~pairs.matched).nonzero().flatten()
        inside = sounds.embed(at.masks[right], pairs.of[right])
        outside = sounds.embed(1.0 - at.masks[right], pairs.of[right])
        kept = log_probability(inside, at.text[right], at.bank, at.same[right], at.scale)
        left = log_probability(outside, at.text[right], at.bank, at.same[right], at.scale)
        ramp = min(1.0, at.done / self.warm_up) if self.warm_up else 1.0
        terms = {
            "kept": -kept.mean(),
            "removed": self.removed * -log_of_rest(left).mean(),
            "size": ramp * self.size * at.masks[right].mean(),
            "foreign": ramp * self.foreign * at.masks[wrong].mean(),
        }
        terms |= {"beside": kept.new_zeros(()), "rise": kept.new_zeros(())}
        mixed = (pairs.beside[right] >= 0).nonzero().flatten()
        if self.beside and len(mixed):
            rows = right[mixed]
            other = log_probability(outside[mixed], at.beside[rows], at.bank, at.same_beside[rows], at.scale)
            terms["beside"] = self.beside * -other.mean()
        if self.evidence:
            of_model = (at.scale * at.embedding @ at.bank.T).log_softmax(dim=1)
            divergences = [
                nn.functional.kl_div(e.log_softmax(dim=1), of_model, log_target=True, reduction="batchmean")
                for e in at.evidence
            ]
            terms["evidence"] = self.evidence * torch.stack(divergences).mean()
        if self.rise and len(wrong):
            masked = sounds.embed(at.masks[wrong], pairs.of[wrong])
            before = (at.embedding[pairs.of[wrong]] * at.text[wrong]).sum(dim=1)
            after = (masked * at.text[wrong]).sum(dim=1)
            terms["rise"] = self.rise * torch.relu(after - before).mean()
        return terms


class Paper(Objective):
    """The published objective (arXiv 2405.17615, eqs. 5 to 7), means in place of sums.

    * ``fidelity``: ``|C_ij - s(M_ij x_j)|`` over all pairs of the batch;
    * ``size``: ``m(M_ij)`` over all pairs;
    * ``diversity``: ``|t_i.t_j - a_ii.a_ji|``, a_ji the recording i masked for caption j: masks of one recording must
      differ as their captions do (Eq. 7).

    Its weights are not published. No term removes anything, and on a model that hardly notices volume the mask turns
    down instead of choosing (docs/lmac-zs.md); the diagnostics show it.

    Attributes:
        size: Weight, lambda 1.
        diversity: Weight, lambda 2.
    """

    name: Literal["paper"] = "paper"
    mixing: ClassVar[bool] = False
    size: float = Field(default=0.2, ge=0)
    diversity: float = Field(default=0.5, ge=0)

    def pairs(self, draw: Draw) -> Pairs:
        """Every caption about every recording."""
        count = len(draw.own)
        of, caption = torch.arange(count).repeat(count), torch.arange(count).repeat_interleave(count)
        none = torch.full((count * count,), -1)
        return Pairs(of, draw.own[caption], of == caption, none, none)

    def terms(self, at: Situation) -> Terms:
        """See :meth:`Objective.terms`."""
        pairs = at.pairs
        masked = at.sounds.embed(at.masks, pairs.of)
        before = (at.embedding[pairs.of] * at.text).sum(dim=1)
        after = (masked * at.text).sum(dim=1)
        terms = {"fidelity": (before - after).abs().mean(), "size": self.size * at.masks.mean()}
        count = len(at.embedding)
        if self.diversity and count > 1:
            # Pair (caption i, recording j) stands at i * count + j.
            by_pair = masked.view(count, count, -1)
            own = torch.diagonal(by_pair).T
            text = torch.diagonal(at.text.view(count, count, -1)).T
            difference = (text @ text.T - torch.einsum("id,jid->ij", own, by_pair)).abs()
            others = ~torch.eye(count, dtype=torch.bool, device=difference.device)
            terms["diversity"] = self.diversity * difference[others].mean()
        return terms


AnyObjective = Annotated[Contrastive | Paper, Field(discriminator="name")]
