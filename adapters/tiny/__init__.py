"""``tiny``: the CLAP that travels with the library, trained by this project. See ``docs/models/tiny.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zsxai.adapters.tiny.model import TinyClap

__all__ = ["load"]


def load(argument: str | None = None, *, device: str | None = None) -> TinyClap:
    """Load the bundled model.

    Args:
        argument: A folder of weights in the same format; the package's own where it is None.
        device: Where the model runs; the CPU where it is None.

    Returns:
        The model, frozen and in eval mode.

    Raises:
        InputError: If the weights are missing or not what their manifest says.
    """
    from pathlib import Path

    import torch

    from zsxai.adapters.tiny.model import TinyClap

    folder = Path(argument) if argument else Path(__file__).parent / "weights"
    return TinyClap.from_folder(folder, torch.device(device or "cpu"))
