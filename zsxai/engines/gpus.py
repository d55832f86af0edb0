"""The GPUs of this machine, dealt out to workers.

Each worker sees its own GPU alone, as a worker of a Ray cluster does. To all of them it is ``cuda``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"


def gpus_for(device: str | None) -> list[str]:
    """The GPUs that workers on a device are dealt, as the environment names them; none where there is one or no choice.

    Args:
        device: Torch device; ``cuda`` leaves the choice open.
    """
    if device != "cuda":
        return []
    import torch

    named = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    count = torch.cuda.device_count()
    found = named[:count] or [str(index) for index in range(count)]
    return found if len(found) > 1 else []


def deal(gpus: Sequence[str], taken: Iterable[str]) -> str:
    """The next worker's GPU: the first of those that the fewest workers have."""
    workers = Counter(taken)
    return min(gpus, key=lambda gpu: workers[gpu])
