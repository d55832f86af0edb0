"""What the sections of the report are made of: tables of figures, plots in both themes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.export import NOTHING, digits_of, written
from zsxai.benchmarks.analyse.reading import reading
from zsxai.benchmarks.analyse.statistics import Interval
from zsxai.benchmarks.report.theme import png
from zsxai.show.html import Html, data_uri, escape, join, tag, untrusted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(draw: Callable[[], Figure | None], alt: str, caption: str) -> Html:
    """A figure, or nothing where there is nothing to draw."""
    figure = draw()
    if figure is None:
        return Html()
    image = tag("img", src=data_uri("image/png", png(figure)), alt=alt)
    return tag("figure", image, tag("figcaption", caption), class_="plot")


def figures(caption: object, heads: Sequence[object], rows: Sequence[Html], label: str, kind: str = "figures") -> Html:
    """A table that scrolls by itself where it is too wide, and sorts by its heads."""
    return tag(
        "div",
        tag(
            "table",
            tag("caption", tag("span", caption)),
            tag("thead", tag("tr", *(h if _is_head(h) else tag("th", h, scope="col") for h in heads))),
            tag("tbody", *rows),
            class_=kind,
            data_sortable=True,
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=label,
    )


def _is_head(value: object) -> bool:
    return isinstance(value, Html) and value.startswith("<th")


def line(name: object, *cells: Html, control: bool = False) -> Html:
    """A row of :func:`figures`; controls are quiet and say that they are one."""
    said = join(untrusted(name), " (control)" if control else "")
    return tag("tr", tag("th", said, scope="row"), *cells, class_="control" if control else None)


def figure_cell(found: Interval | None, digits: int = 2) -> Html:
    """Mean and interval; n and n_invalid as its title, and invalid values where there are any in plain sight."""
    if found is None or not found.n:
        return tag("td", NOTHING, data_value="", title="not measured")
    title = f"n {found.n}, invalid {found.n_invalid}"
    lost = tag("span", f"{found.n_invalid} of {found.n} invalid", class_="invalid") if found.n_invalid else ""
    if not np.isfinite(found.mean):
        return tag("td", "none", lost, data_value="", title=title)
    mean, _, rest = written(found._replace(n_invalid=0), digits).partition(" ")
    between = join(" ", tag("span", rest, class_="between")) if rest else ""
    return tag("td", mean, between, lost, data_value=repr(found.mean), title=title)


def number_cell(value: float, text: str) -> Html:
    """A number that sorts by its value."""
    return tag("td", text, data_value=repr(float(value)) if np.isfinite(value) else "")


def text_cell(value: object) -> Html:
    """Text from a run."""
    return tag("td", untrusted(value))


def head(task: str, figure: str) -> Html:
    """A column head with its meaning as title."""
    known = reading(task, figure)
    return tag("th", known.symbol + known.arrow, scope="col", title=known.meaning or None)


def block_table(block: Block, metrics: Sequence[str], caption: str) -> Html:
    """A line per explainer of a block and a column per figure, with n."""
    rows = []
    for name, group in block.rows().items():
        found = [block.interval(group, m) for m in metrics]
        n = max((i.n for i in found if i is not None), default=len(group))
        cells = [figure_cell(i, digits_of(block.task, m)) for i, m in zip(found, metrics, strict=True)]
        calibration = text_cell(group["calibration"].iloc[0])
        rows.append(line(name, calibration, number_cell(n, str(n)), *cells, control=block.is_control(name)))
    return figures(caption, ["explainer", "calibration", "n", *(head(block.task, m) for m in metrics)], rows, caption)


def say(*values: object) -> Html:
    """Plain words with values from a run among them: values are kept from acting as markup."""
    return join(*(v if isinstance(v, str) else escape(v) for v in values))


def p_value(value: float) -> str:
    """A p value as it is quoted."""
    if not np.isfinite(value):
        return NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def pairs(values: dict[str, Any]) -> list[tuple[str, object]]:
    """Names and values for a list of definitions."""
    return [(name, untrusted(value)) for name, value in values.items() if value not in (None, "", [], {})]
