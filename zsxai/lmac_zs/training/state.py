"""Checkpoints of a training in progress: whole or absent, tensors and plain containers only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zsxai.errors import InputError
from zsxai.files import whole_file
from zsxai.weights import load_weights


def save_state(path: Path, decoder: nn.Module, optimiser: Any, step: int, identity: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all, so that a killed training leaves the last one.

    Args:
        path: The file.
        decoder: Its weights are kept.
        optimiser: Its moments are kept.
        step: Steps done.
        identity: What the training depends on; :func:`load_state` compares it.

    Raises:
        InputError: If it cannot be written.
    """
    state = {
        "decoder": decoder.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
        "identity": json.dumps(identity, sort_keys=True),
    }
    # Not by the draft's name, which torch would keep within: the same state is the same bytes.
    with whole_file(path) as draft, draft.open("wb") as stream:
        torch.save(state, stream)


def load_state(path: Path, decoder: nn.Module, optimiser: Any, identity: dict[str, Any]) -> int:
    """Fill a decoder and its optimiser from a checkpoint; returns the number of steps done.

    Raises:
        InputError: If the file is damaged, or of another training.
    """
    state = load_weights(path)
    try:
        kept = json.loads(state["identity"])
        differ = [name for name in identity if json.loads(json.dumps(identity[name])) != kept.get(name)]
        if differ:
            raise InputError(
                f"{path} is of a training with another {differ[0]}: go on with the same, or train into another folder"
            )
        decoder.load_state_dict(state["decoder"])
        optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])
    except InputError:
        raise
    # What is no checkpoint may be anything.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is no checkpoint of this training: {type(error).__name__}: {reason}") from error
