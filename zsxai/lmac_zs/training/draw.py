"""What one step of a training hears and reads."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Draw:
    """The recordings and captions of one step; captions are numbers of a corpus.

    Attributes:
        sounds: ``(B, T)`` filled windows, at their level in :attr:`waveforms`.
        others: ``(B, T)`` what each is mixed with, background noise included; 0 where nothing is.
        own: ``(B,)`` caption of each.
        heard: ``(B,)`` bool: False where a recording is noise alone, and its caption wrong.
        partner: ``(B,)`` caption of the clip that it was mixed with, or would have been.
        mixed: ``(B,)`` bool.
        third: ``(B,)`` caption of a third sound in the mixture; -1 where there is none.
        foreign: ``(B,)`` caption of none of its sounds.
        bank: ``(K,)`` captions to distinguish: those above, and others drawn besides.
    """

    sounds: Tensor
    others: Tensor
    own: Tensor
    heard: Tensor
    partner: Tensor
    mixed: Tensor
    third: Tensor
    foreign: Tensor
    bank: Tensor

    @property
    def waveforms(self) -> Tensor:
        """``(B, T)`` the recordings, mixtures among them."""
        return self.sounds + self.others
