"""Values as pages and sentences write them."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from collections.abc import Container, Iterable, Sequence


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address that needs no request."""
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


def as_json(value: object) -> str:
    """Readable JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def as_csv(lines: Iterable[Iterable[object]]) -> str:
    """Lines of a table as CSV: quoted as RFC 4180 has it, but for lines that end in a line feed; None is empty."""
    return "".join(map(_csv_line, lines))


def _csv_line(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)  # it quotes what its own end of line is made of, carriage returns among it
    return line.getvalue().removesuffix("\r\n") + "\n"


def align(lines: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Lines of a table with columns of equal width, for terminals.

    Args:
        lines: A text for every column, the heads first.
        right: Columns that stand right; the others stand left.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


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
