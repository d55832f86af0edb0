"""The one figure that the suite is about, for a terminal: a table a setting, the best first, and who is ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsxai.benchmarks.analyse.formatting import NOTHING, format_interval
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.standing import Line, Standing, find_standings, format_share, write_plainly
from zsxai.names import printable
from zsxai.written import align

if TYPE_CHECKING:
    from rich.console import RenderableType

    from zsxai.benchmarks.analyse.result import Result


@dataclass(frozen=True)
class Table:
    """A table of text: what it is of, heads, rows, who is ahead in it."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    answer: tuple[str, ...]


def tabulate_headline(result: Result) -> list[Table]:
    """Make a table per setting and kind of mask: a line per explainer, with mean, 95 % interval, place and counts.

    ``left out`` counts the items without a value: those that could not be read, those on which the explainer failed,
    and those on which the figure is not defined.
    """
    standings = find_standings(result)
    several = len(standings) > 1
    return [_tabulate(each, _write_title(result, each.block.short if several else "")) for each in standings]


def write_headline(result: Result) -> list[str]:
    """Write the headline of a run as aligned lines."""
    found = tabulate_headline(result)
    if not found:
        return [f"{_write_title(result)}: nothing was measured of it."]
    return [line for table in found for line in (table.title, *_align(table), *table.answer)]


def draw_headline(result: Result) -> Iterator[RenderableType]:
    """Draw the headline of a run for a terminal."""
    from rich.table import Table as Grid
    from rich.text import Text

    found = tabulate_headline(result)
    if not found:
        yield Text(f"{_write_title(result)}: nothing was measured of it.")
    for table in found:
        yield Text(table.title, style="bold")
        grid = Grid(box=None, pad_edge=False)
        for at, head in enumerate(table.heads):
            grid.add_column(head, justify="right" if at else "left", overflow="fold")
        for row in table.rows:
            # Controls are quiet, as on the page.
            grid.add_row(*map(Text, row), style="dim" if row[0].endswith(_CONTROL) else "")
        yield grid
        yield Text(" ".join(table.answer) + "\n")


_CONTROL = " (control)"


def _write_title(result: Result, setting: str = "") -> str:
    chosen = result.suite.headline
    known = find_reading(chosen.task, chosen.metric)
    title = f"Headline: {known.symbol}{known.arrow}, mean and 95 % interval over recordings"
    title += f", stratum {chosen.stratum}" if chosen.stratum else ""
    return printable(f"{title}: {setting}" if setting else title)


def _tabulate(standing: Standing, title: str) -> Table:
    places = ("place", "first in") if standing.ranked else ()
    rows = tuple(_write_line(standing, line) for line in standing.lines)
    answer = tuple(printable(write_plainly(sentence)) for sentence in standing.write())
    return Table(title, ("explainer", "mean [95 %]", *places, "n", "left out"), rows, answer)


def _write_line(standing: Standing, line: Line) -> tuple[str, ...]:
    name = printable(line.name) + (_CONTROL if line.is_control else "")
    found = line.figure
    mean = NOTHING if found is None else format_interval(found._replace(n_invalid=0), standing.digits)
    counts = ("0", "0") if found is None else (str(found.n), str(found.n_invalid))
    places = (line.place, format_share(line.first)) if standing.ranked else ()
    return (name, mean, *places, *counts)


def _align(table: Table) -> list[str]:
    """Columns of equal width: names to the left, the rest to the right."""
    return [f"  {line}" for line in align([table.heads, *table.rows], range(1, len(table.heads)))]
