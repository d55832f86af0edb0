"""What one step of a training hears and reads."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Draw:
    """The recordings and captions of one step; captions are numbers of a corpus.

    Attributes:
        sounds: ``(B, T)`` filled windows, at their level in :attr:`waveforms`.
        others: ``(B, T)`` what each is mixed with; 0 where it is not.
        own: ``(B,)`` caption of each.
        partner: ``(B,)`` caption of the clip that it was mixed with, or would have been.
        mixed: ``(B,)`` bool.
        foreign: ``(B,)`` caption of none of its sounds.
        bank: ``(K,)`` captions to distinguish: those above, and others drawn besides.
    """

    sounds: Tensor
    others: Tensor
    own: Tensor
    partner: Tensor
    mixed: Tensor
    foreign: Tensor
    bank: Tensor

    @property
    def waveforms(self) -> Tensor:
        """``(B, T)`` the recordings, mixtures among them."""
        return self.sounds + self.others
