"""HTML by construction: every string is escaped unless it was built here."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from string import Template

_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Anything as text; :class:`Html` as it is."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


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
    """A whole page: style and script inside, and a policy under which nothing else can load or run.

    Style and script are admitted by their hashes, so markup that slipped in could neither run nor call home.

    Args:
        title: Title of the window.
        body: The page.
        style: Further rules, after those that all pages share.
        script: Further script, after what all pages share.
    """
    here = Path(__file__).parent
    shared = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "page.html"))
    own_style, own_script, frame = shared
    style, script = own_style + style, own_script + script
    policy = (
        "default-src 'none'; img-src data:; media-src data:; "
        f"style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    return Template(frame).substitute(title=escape(title), policy=escape(policy), style=style, script=script, body=body)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
