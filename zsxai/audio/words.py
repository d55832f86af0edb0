"""How what is wrong with a file is said."""

from __future__ import annotations

from zsxai.errors import first_line
from zsxai.names import printable


def thousandths(seconds: float) -> str:
    """Seconds to the millisecond."""
    return f"{seconds:,.3f}".rstrip("0").rstrip(".")


def reason(error: BaseException) -> str:
    """What a library or the system says of an error, in one line of bounded length."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or first_line(error)
    return shortened(str(text)).removeprefix("Error : ").rstrip(".")


def shortened(text: str) -> str:
    """A name or a line of bounded length, printable."""
    return printable(text if len(text) < 500 else f"{text[:50]}...{text[-50:]}")
