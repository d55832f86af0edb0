"""The page of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsxai.benchmarks.analyse.facts import collect_facts, list_options
from zsxai.benchmarks.report import rest
from zsxai.benchmarks.report.examples import make_examples
from zsxai.benchmarks.report.headline import make_headline
from zsxai.benchmarks.report.tasks import make_tasks
from zsxai.show import templates

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result

HERE = "zsxai.benchmarks.report"


def render_page(result: Result, *, audio: bool = True, command: str = "") -> str:
    """Render the whole page as text; it loads nothing and asks no server.

    Args:
        result: A run, finished or not.
        audio: Put players of the examples into the page.
        command: The command that makes the page.
    """
    return templates.render_page(
        "report.html",
        f"{result.suite.name}: benchmark report",
        HERE,
        style=templates.read("sort.css") + templates.read("report.css", HERE),
        script=templates.read("sort.js") + templates.read("report.js", HERE),
        suite=result.suite.name,
        description=result.suite.description,
        facts=_list_facts(result),
        commands=[line for line in (result.settings.get("command"), command) if line],
        headline=make_headline(result),
        warnings=rest.list_warnings(result),
        tasks=make_tasks(result),
        comparisons=rest.make_comparisons(result),
        examples=make_examples(result, audio=audio),
        failures=rest.make_failures(result),
        cost=rest.make_cost(result),
        configuration=rest.make_configuration(result),
    )


def _list_facts(result: Result) -> list[str]:
    found = collect_facts(result)
    clips = max((s["items"] for s in found["settings"]), default=0)
    recordings = max((s["recordings"] for s in found["settings"]), default=0)
    listed = [
        ", ".join(text for key, spec in found["data"].items() for text in (key, *list_options(spec))),
        f"up to {clips} items from {recordings} recordings",
        f"models: {', '.join(dict.fromkeys(m.get('pool', m['label']) for m in found['models'])) or 'none'}",
        f"seeds: {', '.join(map(str, found['seeds']))}",
        f"zsxai {', '.join(dict.fromkeys(v.get('zsxai', '?') for v in found['versions'])) or '?'}",
    ]
    return [fact for fact in listed if fact]
