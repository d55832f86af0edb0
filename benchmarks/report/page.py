"""The page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsxai.benchmarks.analyse.facts import collect_facts, list_options
from zsxai.benchmarks.report import rest
from zsxai.benchmarks.report.examples import render_examples
from zsxai.benchmarks.report.headline import render_headline
from zsxai.benchmarks.report.tasks import get_title, render_tasks
from zsxai.show.html import Html, document, join, tag, untrusted
from zsxai.show.parts import shades

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result


def render_page(result: Result, *, audio: bool = True, command: str = "zsxai bench report") -> str:
    """Render the whole page as text; it loads nothing and asks no server.

    Args:
        result: A run, finished or not.
        audio: Put players of the examples into the page.
        command: The command that the page says it was made by.
    """
    folder = Path(__file__).parent
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    sections = (
        _render_header(result),
        rest.render_warnings(result),
        render_headline(result),
        *render_tasks(result),
        rest.render_comparisons(result),
        render_examples(result, audio=audio),
        rest.render_failures(result),
        rest.render_cost(result),
        rest.render_configuration(result, command),
        _render_footer(),
    )
    body = join(shades(), tag("main", *sections))
    return document(f"{result.suite.name}: benchmark report", body, style=style, script=script)


def _render_header(result: Result) -> Html:
    found = collect_facts(result)
    clips = max((s["items"] for s in found["settings"]), default=0)
    recordings = max((s["recordings"] for s in found["settings"]), default=0)
    data = ", ".join(text for key, spec in found["data"].items() for text in (key, *list_options(spec)))
    listed = [
        data,
        f"up to {clips} items from {recordings} recordings",
        f"models: {', '.join(dict.fromkeys(m.get('pool', m['label']) for m in found['models'])) or 'none'}",
        f"seeds: {', '.join(map(str, found['seeds']))}",
        f"zsxai {', '.join(dict.fromkeys(v.get('zsxai', '?') for v in found['versions'])) or '?'}",
    ]
    names = [("headline", "Headline")]
    names += [(f"task-{t}", get_title(t)) for t in dict.fromkeys(s.task for s in result.samples)]
    names += [(n, n.capitalize()) for n in ("comparisons", "examples", "failures", "cost", "configuration")]
    return tag(
        "header",
        tag("p", "Benchmark report", class_="eyebrow"),
        tag("h1", untrusted(result.suite.name)),
        tag("ul", *(tag("li", untrusted(f)) for f in listed if f), class_="facts"),
        tag("p", untrusted(result.suite.description), class_="lead") if result.suite.description else "",
        tag("nav", tag("ul", *(tag("li", tag("a", n, href=f"#{at}")) for at, n in names), class_="contents")),
    )


def _render_footer() -> Html:
    return tag("footer", "Written by zsxai bench report. One file: it loads nothing and asks no server.")
