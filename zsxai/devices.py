"""The torch devices of this machine."""

from __future__ import annotations

import torch

from zsxai.errors import InputError, first_line


def find_device(device: object) -> str | None:
    """The name of a device that is there.

    Args:
        device: A name such as ``cuda`` or ``cuda:1``, a ``torch.device``, the number of a GPU, or None for none.

    Raises:
        InputError: If it is no device, is not there, or holds no numbers (``meta``).
    """
    if device is None:
        return None
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
