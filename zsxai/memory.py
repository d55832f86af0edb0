"""How many clips go through a model at a time, and what is done where memory does not hold them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from zsxai.checks import whole_number
from zsxai.clip import BATCH_SIZE, MOST_AT_ONCE
from zsxai.errors import InputError

T = TypeVar("T")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: of a GPU, of Apple's MPS or of the CPU; also one behind another."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    words = str(error) if isinstance(error, RuntimeError) else ""
    found = "out of memory" in words or "can't allocate memory" in words
    return found or (error.__cause__ is not None and is_out_of_memory(error.__cause__))


class BatchSize:
    """Clips per forward of a piece of work: halved once where memory runs out, and then for all that follows.

    Args:
        size: As asked for; :data:`~zsxai.clip.BATCH_SIZE` where None.

    Attributes:
        size: As it is now.
        note: What was done; empty where nothing was.

    Raises:
        InputError: If it is no such number.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = BATCH_SIZE if size is None else whole_number(size, "batch_size", 1, MOST_AT_ONCE)
        self.note = ""

    def run(self, compute: Callable[[int], T]) -> T:
        """Compute with so many clips per forward; where memory runs out, once more with half as many.

        Args:
            compute: Takes the number; what it did before memory ran out is done again.

        Raises:
            InputError: If memory does not hold half as many either.
        """
        try:
            return compute(self.size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._halve(error)
        # Only now, without the error, nothing holds the tensors of what failed.
        gc.collect()
        torch.cuda.empty_cache()  # does nothing where no GPU is in use
        return self.run(compute)

    def _halve(self, error: Exception) -> None:
        if self.note or self.size == 1:
            before = f", and before with {2 * self.size} or more" if self.note else ""
            advice = "give a smaller batch_size" if self.size > 1 else "use a smaller model, or device='cpu'"
            raise InputError(f"memory ran out with batch_size {self.size}{before}: {advice}") from error
        self.note = f"memory ran out with batch_size {self.size}: {self.size // 2} clips at a time were computed"
        self.size //= 2
