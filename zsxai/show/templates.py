"""Pages from Jinja2 templates: every value is escaped, and a policy admits what the page itself brings, by its hash."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = "zsxai.show"
SCRIPTS = ("players.js", "pictures.js", "tabs.js", "keys.js")
"""What all pages share, in the order in which one builds on another."""


@cache
def environment(package: str = HERE) -> Environment:
    """The templates in a package's folder ``templates``, which find those of this one too.

    Args:
        package: Name of the package.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    from zsxai.regions import LINE_DB
    from zsxai.show.raster import FADE_DB, RANGE_DB, gradients
    from zsxai.verdict.verdict import LEVELS
    from zsxai.written import data_uri, per_cent, signed

    loaders = [PackageLoader(name, "templates") for name in dict.fromkeys((package, HERE))]
    made = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(signed=signed, per_cent=per_cent)
    made.globals.update(data_uri=data_uri, gradients=gradients, minus="\N{MINUS SIGN}")
    made.globals.update(LINE_DB=LINE_DB, FADE_DB=FADE_DB, RANGE_DB=RANGE_DB)
    made.globals["verdict_kinds"] = dict(zip(LEVELS, ("good", "fair", "poor", "open"), strict=True))
    return made


def render(template: str, package: str = HERE, **values: object) -> Markup:
    """Fill a template that is a part of a page."""
    return Markup(environment(package).get_template(template).render(values))  # noqa: S704  escaped by the template


def render_page(
    template: str,
    title: str,
    package: str = HERE,
    *,
    style: str = "",
    script: str = "",
    beside: bool = False,
    **values: object,
) -> str:
    """Fill a template that extends ``base.html``: a whole page, under whose policy nothing else can load or run.

    Style and script are admitted by their hashes, so markup that slipped in could neither run nor call home.

    Args:
        template: Its name.
        title: Title of the window.
        package: Where it lies.
        style: Further rules, after those that all pages share.
        script: Further script, after what all pages share.
        beside: The page plays files that lie beside it.
        **values: What the template names.
    """
    style, script = read("page.css") + style, "".join(map(read, SCRIPTS)) + script
    media = "data: 'self'" if beside else "data:"
    policy = (
        f"default-src 'none'; img-src data:; media-src {media}; "
        f"style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    own = {"title": title, "policy": policy, "style": Markup(style), "script": Markup(script)}  # noqa: S704  our files
    return environment(package).get_template(template).render({**values, **own})


def read(name: str, package: str = HERE) -> str:
    """The text of a style or script beside the templates' folder."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
