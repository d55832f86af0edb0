"""The processes of a training: they share the batches of every update, and end up with the same weights."""

from __future__ import annotations

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, gather, reduce
from torch import Tensor, nn

from zsxai.errors import InputError


class Processes:
    """This process among those that ``torchrun`` or ``accelerate launch`` started; by itself where none did.

    Args:
        device: Where the model runs.
        batches: In every update, shared out evenly.

    Raises:
        InputError: If they cannot be.

    Attributes:
        first: Whether this one writes and reports.
        share: Numbers of this one's batches.
    """

    def __init__(self, device: torch.device, batches: int) -> None:
        state = PartialState(cpu=device.type == "cpu")
        self.device = device
        self.count: int = state.num_processes
        self.first: bool = state.is_main_process
        if batches % self.count:
            raise InputError(
                f"{self.count} processes cannot share the {batches} batches of an update: make accumulate a multiple, "
                f"such as --set accumulate={self.count}"
            )
        self.share = range(state.process_index, batches, self.count)

    def spread(self, module: nn.Module) -> None:
        """Give all processes the first one's weights; returns when all have come so far."""
        broadcast(list(module.state_dict().values()))

    def average(self, terms: dict[str, float]) -> dict[str, float]:
        """The means over the processes."""
        if self.count == 1:
            return terms
        values = torch.tensor(list(terms.values()), dtype=torch.float64, device=self.device)
        return dict(zip(terms, reduce(values, "mean").tolist(), strict=True))

    def average_gradients(self, module: nn.Module) -> None:
        """Give all processes the mean of their gradients, in one exchange."""
        if self.count == 1:
            return
        weights = list(module.parameters())
        # Not every objective trains every weight.
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in weights]
        mean: Tensor = reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        for p, gradient in zip(weights, torch.split(mean, [p.numel() for p in weights]), strict=True):
            p.grad = gradient.view_as(p)

    def greatest(self, number: int) -> int:
        """The greatest of the processes' numbers."""
        return number if self.count == 1 else int(gather(torch.tensor([number], device=self.device)).max())

    def wait(self) -> None:
        """Return when all have come so far."""
        PartialState().wait_for_everyone()
