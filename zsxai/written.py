"""Values as pages and sentences write them."""

from __future__ import annotations

import json
from base64 import b64encode


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address that needs no request."""
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


def as_json(value: object) -> str:
    """Readable JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def signed(value: float) -> str:
    """A score with a true minus sign."""
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def per_cent(value: float) -> str:
    """A part of a whole; what is little is not written as nothing."""
    return "<1%" if 0 < value < 0.005 else f"{value:.0%}"


def clock(seconds: float, decimals: int = 1) -> str:
    """A time in a recording: ``0:07.5``, ``2:07.5``, ``1:02:07.5``."""
    minutes, rest = divmod(round(seconds, decimals), 60)
    hours, minutes = divmod(int(minutes), 60)
    width = 3 + decimals if decimals else 2
    return f"{f'{hours}:{minutes:02d}' if hours else minutes}:{rest:0{width}.{decimals}f}"


def computed_on(device: str, dtype: str | None) -> str:
    """What a model computed on, and in what where that is not float32."""
    return device if dtype in (None, "float32") else f"{device} in {dtype}"
