"""The torch devices of this machine."""

from __future__ import annotations

import torch

from zsxai.errors import InputError, first_line

Device = str | int | torch.device | None
"""What callers give: ``auto``, a name such as ``cuda`` or ``cuda:1``, a ``torch.device``, or the number of a GPU."""


def is_auto(device: object) -> bool:
    """Whether the choice of a device is left to :func:`find_device`: ``auto``, or None, which means the same."""
    return device is None or (isinstance(device, str) and device == "auto")


def find_device(device: object) -> str:
    """The name of a device that is there; ``auto`` and None are CUDA where there is a GPU, then Apple's MPS, then CPU.

    Args:
        device: As :data:`Device` says.

    Raises:
        InputError: If it is no device, is not there, or holds no numbers (``meta``).
    """
    if is_auto(device):
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        where = torch.device(device)  # type: ignore[call-overload]  # whatever the caller gave
        torch.zeros(1, device=where).cpu()  # torch knows devices by name that this machine has not got
    except Exception as error:  # each kind of device is missed by an exception of its own
        reason = first_line(error).split(". ")[0]
        raise InputError(f"no device {device!r} here ({reason}); there are: {', '.join(list_devices())}") from error
    return str(where)


def is_same_device(one: object, other: object) -> bool:
    """Whether two devices are one: ``cuda`` is ``cuda:0``, ``cpu:0`` is ``cpu``."""
    first, second = torch.device(one), torch.device(other)  # type: ignore[call-overload]  # names or devices
    return (first.type, first.index or 0) == (second.type, second.index or 0)


def list_devices() -> list[str]:
    """Devices of this machine in words, the CPU first."""
    gpus = (f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count()))
    devices = ["cpu", *gpus]
    return [*devices, "mps"] if torch.backends.mps.is_available() else devices


def device_name(device: Device) -> str:
    """What of a device can change a number, in words: its kind, and which GPU it is; never its index."""
    found = torch.device(find_device(None) if is_auto(device) else device)  # type: ignore[arg-type]
    return f"cuda {torch.cuda.get_device_name(found)}" if found.type == "cuda" else found.type
