"""bfloat16 where the processor computes in it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch


def fast() -> AbstractContextManager[Any]:
    """Compute networks in bfloat16 where the CPU has instructions for it; others imitate it ten times slower."""
    has = torch.cpu.get_capabilities()
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(has.get("avx512_bf16") or has.get("amx_bf16")))
