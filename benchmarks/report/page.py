"""The page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsxai.benchmarks.analyse.facts import facts
from zsxai.benchmarks.report import headline, rest, tasks
from zsxai.benchmarks.report.examples import section as examples
from zsxai.show.html import Html, document, join, tag, untrusted
from zsxai.show.parts import shades

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result


def page(result: Result, *, audio: bool = True) -> str:
    """The whole page as text; it loads nothing and asks no server.

    Args:
        result: A run, finished or not.
        audio: Put players of the examples into the page.
    """
    here = Path(__file__).parent
    style, script = ((here / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    measured = tasks.sections(result)
    sections = (
        _head(result),
        rest.warnings(result),
        headline.section(result),
        *measured,
        rest.comparisons(result),
        examples(result, audio=audio),
        rest.failures(result),
        rest.cost(result),
        rest.configuration(result),
        _footer(),
    )
    body = join(shades(), tag("main", *sections))
    return document(f"{result.suite.name}: benchmark report", body, style=style, script=script)


def _head(result: Result) -> Html:
    found = facts(result)
    clips = max((s["items"] for s in found["settings"]), default=0)
    recordings = max((s["recordings"] for s in found["settings"]), default=0)
    data = ", ".join(
        f"{key}" + "".join(f", {k} {v}" for k, v in spec["options"].items()) for key, spec in found["data"].items()
    )
    listed = [
        data,
        f"up to {clips} items from {recordings} recordings",
        f"models: {', '.join(m['label'] for m in found['models']) or 'none'}",
        f"seeds: {', '.join(map(str, found['seeds']))}",
        f"zsxai {', '.join(dict.fromkeys(v.get('zsxai', '?') for v in found['versions'])) or '?'}",
    ]
    names = [("headline", "Headline")]
    names += [(f"task-{t}", tasks.title_of(t)) for t in dict.fromkeys(s.task for s in result.samples)]
    names += [(n, n.capitalize()) for n in ("comparisons", "examples", "failures", "cost", "configuration")]
    return tag(
        "header",
        tag("p", "Benchmark report", class_="eyebrow"),
        tag("h1", untrusted(result.suite.name)),
        tag("ul", *(tag("li", untrusted(f)) for f in listed if f), class_="facts"),
        tag("p", untrusted(result.suite.description), class_="lead") if result.suite.description else "",
        tag("nav", tag("ul", *(tag("li", tag("a", n, href=f"#{at}")) for at, n in names), class_="contents")),
    )


def _footer() -> Html:
    return tag("footer", "Written by zsxai bench report. One file: it loads nothing and asks no server.")
