"""``tiny``: the CLAP that travels with the library, trained by this project. See ``docs/models/tiny.md``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsxai.errors import InputError

if TYPE_CHECKING:
    from zsxai.adapters.tiny.model import TinyClap

__all__ = ["load", "load_twin"]

TWINS = ("1", "2", "3")
"""Folds of ESC-50, each of them not heard by one twin."""


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
    import torch

    from zsxai.adapters.tiny.model import WEIGHTS, TinyClap

    return TinyClap.from_folder(Path(argument) if argument else WEIGHTS, torch.device(device or "cpu"))


def load_twin(argument: str | None = None, *, device: str | None = None) -> TinyClap:
    """Load a twin of the bundled model from a checkout: trained without one fold of ESC-50, on which it can be judged.

    Args:
        argument: The fold that it has not heard, ``"1"``, ``"2"`` or ``"3"``.
        device: Where the model runs; the CPU where it is None.

    Returns:
        The model, frozen and in eval mode.

    Raises:
        InputError: If there is no such twin, or its weights are not there.
    """
    import torch

    from zsxai.adapters.tiny.model import TinyClap

    if argument not in TWINS:
        raise InputError(f"the twins of tiny are {', '.join(f'tiny-twin:{name}' for name in TWINS)}")
    folder = Path(__file__).parent / "training" / "twins" / argument
    if not folder.is_dir():
        raise InputError(
            f"tiny-twin:{argument} has no weights here: the package holds none, and in a checkout "
            "python -m zsxai.adapters.tiny.training.twins makes them"
        )
    return TinyClap.from_folder(folder, torch.device(device or "cpu"), twin=int(argument))
