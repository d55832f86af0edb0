"""Training checkpoints: whole or absent, tensors and plain numbers only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zsxai.files import whole_file


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write it whole or not at all, so that a killed run leaves the last checkpoint."""
    with whole_file(path) as draft, draft.open("wb") as stream:
        torch.save(state, stream)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing but tensors and plain containers is unpickled."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
