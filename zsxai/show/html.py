"""HTML by construction: every string is escaped unless it was built here."""

from __future__ import annotations

import json
from base64 import b64encode

from markupsafe import Markup, escape

__all__ = ["Html", "as_json", "data_uri", "document", "escape", "join", "per_cent", "signed", "tag", "untrusted"]

_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta"})


Html = Markup
"""Text that is markup already."""


def join(*parts: object, by: str = "") -> Html:
    """Parts as one markup, strings among them escaped."""
    return Html(by.join(escape(p) for p in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element.

    Args:
        name: Tag name.
        *children: Markup, or text to escape.
        **attributes: A trailing underscore is dropped (``class_``), others become hyphens; None and False are left
            out, True gives a bare attribute.
    """
    written = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        written.append(f" {attribute}" if value is True else f' {attribute}="{escape(value)}"')
    opened = f"<{name}{''.join(written)}>"
    return Html(opened if name in _VOID else f"{opened}{join(*children)}</{name}>")


def untrusted(text: object) -> Html:
    """Text from a caller or a file, kept from turning the direction of the text around it."""
    return tag("bdi", text)


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address that needs no request."""
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


def as_json(value: object) -> str:
    """Readable JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def document(title: str, body: Html, *, style: str = "", script: str = "") -> str:
    """A whole page around markup, as :func:`zsxai.show.templates.render_page` makes it."""
    from zsxai.show.templates import render_page

    return render_page("base.html", title, style=style, script=script, body=body)


def signed(value: float) -> str:
    """A score with a true minus sign."""
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def per_cent(value: float) -> str:
    """A part of a whole; what is little is not written as nothing."""
    return "<1%" if 0 < value < 0.005 else f"{value:.0%}"
