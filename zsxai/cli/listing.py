"""What ``zsxai list`` says of each plugin: what it is, what it needs, what it costs."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from itertools import groupby
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from zsxai.doctor import problem
from zsxai.errors import InputError, first_line
from zsxai.registry import EXPLAINERS, METRICS, MODELS, Registry

LEARNED = "Learned: quick, where a decoder for the model exists"
GRADIENTS = "By gradients: for models that have them"
ANY = "For any model, a black box too"
CONTROLS = "Controls: they explain nothing; real explanations are compared with them"
BROKEN = "These do not load"
HEADINGS = ("", LEARNED, GRADIENTS, ANY, CONTROLS, BROKEN)
"""Parts of a list, in the order to try them."""

FIRST_MODELS = ("tiny", "hf")
FIRST = {
    "model": "Try first: tiny, which comes with zsxai; then a large one, such as hf:laion/clap-htsat-unfused, which is "
    "downloaded.",
    "explainer": "Try first: {}; zsxai explain takes the first of them that fits the model.",
}
"""What a list begins with."""


class Entry(NamedTuple):
    """A plugin in a list: the part in which it stands, its name, and a line about it."""

    heading: str
    name: str
    about: str


def write_list(plugins: Registry[Any]) -> str:
    """The list as text: what to try first, then a line for each plugin under the headings of its parts.

    Lines are wrapped on a terminal only.
    """
    entries = list_entries(plugins)
    width = max((len(entry.name) for entry in entries), default=0) + 2
    columns = max(shutil.get_terminal_size().columns, width + 40) if sys.stdout.isatty() else sys.maxsize
    hint = _say_first(plugins)
    parts = [textwrap.fill(hint, columns)] if hint else []
    for heading, group in groupby(entries, lambda entry: entry.heading):
        margin = "  " if heading else ""
        filled = (
            textwrap.fill(f"{margin}{entry.name:{width}}{entry.about}", columns, subsequent_indent=margin + " " * width)
            for entry in group
        )
        parts.append("\n".join([*([heading] if heading else []), *filled]))
    return "\n\n".join(parts)


def _say_first(plugins: Registry[Any]) -> str:
    if plugins is EXPLAINERS:
        from zsxai.plugins import PREFERRED_EXPLAINERS

        return FIRST["explainer"].format(", then ".join(PREFERRED_EXPLAINERS))
    return FIRST["model"] if plugins is MODELS else ""


def list_entries(plugins: Registry[Any]) -> list[Entry]:
    """Describe all plugins of a registry, in the order to try them.

    Explainers and metrics are loaded, for their cards. Models, data sets and tasks are not: their packages take
    seconds, or are absent. A plugin that fails says so in its own line.
    """
    entries = [_describe(plugins, name) for name in plugins.names()]
    if plugins is EXPLAINERS:
        from zsxai.plugins import PREFERRED_EXPLAINERS

        entries.sort(key=lambda e: e.name not in PREFERRED_EXPLAINERS)
    if plugins is MODELS:
        entries.sort(key=lambda e: FIRST_MODELS.index(e.name) if e.name in FIRST_MODELS else len(FIRST_MODELS))
    return sorted(entries, key=lambda e: HEADINGS.index(e.heading))


def _describe(plugins: Registry[Any], name: str) -> Entry:
    try:
        if plugins is EXPLAINERS:
            return _describe_explainer(name)
        if plugins is METRICS:
            metric = METRICS.get(name)
            better = "No value is better." if metric.better == "neither" else f"{metric.better.capitalize()} is better."
            return Entry("", name, f"{_sentence(metric.summary)} {better}")
        return Entry("", name, f"{_read_about(plugins, name)} {_what_is_missing(plugins.entry_point(name))}".strip())
    except InputError as error:
        return Entry(BROKEN, name, _sentence(str(error)))
    except Exception as error:  # whatever a plugin raises, the others are listed
        return Entry(BROKEN, name, f"{plugins.origin(name)}: {type(error).__name__}: {first_line(error)}")


def _describe_explainer(name: str) -> Entry:
    explainer = EXPLAINERS.get(name)
    card, argument = explainer.card, explainer.argument
    needs = [*(["gradients"] if card.needs_gradients else []), *([f"a {argument}"] if argument else [])]
    heading = CONTROLS if card.control else LEARNED if argument else GRADIENTS if card.needs_gradients else ANY
    costs = f"Forwards: {card.forwards}. Backwards: {card.backwards}."
    return Entry(heading, name, f"{_sentence(card.summary)} Needs {' and '.join(needs) or 'no gradients'}. {costs}")


def _read_about(plugins: Registry[Any], name: str) -> str:
    """First line of the documentation: that of a plugin's module, read and not imported, or of an object."""
    point = plugins.entry_point(name)
    if point is None:
        plugin = plugins.get(name)
        card = getattr(plugin, "card", None)
        text = getattr(card, "summary", "") or inspect.getdoc(plugin) or ""
    else:
        spec = find_spec(point.module)
        source = getattr(spec and spec.loader, "get_source", lambda _: None)(point.module)
        if spec is None:
            raise InputError(f"{plugins.origin(name)}: there is no module {point.module!r}")
        text = ast.get_docstring(ast.parse(source or "")) or ""
    return _sentence(text)


def _what_is_missing(point: EntryPoint | None) -> str:
    """What to install for a plugin whose extra is not there."""
    if point is None or point.dist is None or not any(map(problem, _brought_by(point))):
        return ""
    return f"Needs pip install '{point.dist.name}[{','.join(point.extras)}]'."


def _brought_by(point: EntryPoint) -> Iterator[Requirement]:
    for wanted in map(Requirement, (point.dist and point.dist.requires) or ()):
        marker = wanted.marker
        if marker and not marker.evaluate({"extra": ""}) and any(marker.evaluate({"extra": e}) for e in point.extras):
            yield wanted


def _sentence(text: str) -> str:
    """The first line of a text as a sentence, without the marks of reStructuredText."""
    line = re.sub(r"``([^`]*)``", r"\1", next(iter(text.strip().splitlines()), ""))
    return line if not line or line.endswith((".", "?", "!")) else f"{line}."
