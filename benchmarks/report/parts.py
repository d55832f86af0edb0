"""What the sections of the report are made of: tables of figures, plots in both themes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.bootstrap import Interval, has_mean
from zsxai.benchmarks.analyse.formatting import NOTHING, choose_digits, format_interval
from zsxai.benchmarks.analyse.plots.theme import encode_png
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.show.html import Html, data_uri, join, tag, untrusted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def render_plot(draw: Callable[[], Figure | None], alt: str, caption: str) -> Html:
    """Render a plot, or nothing where there is nothing to draw."""
    figure = draw()
    if figure is None:
        return Html()
    image = tag("img", src=data_uri("image/png", encode_png(figure)), alt=alt)
    return tag("figure", image, tag("figcaption", caption), class_="plot")


def render_table(
    caption: object, heads: Sequence[object], rows: Sequence[Html], label: str, kind: str = "figures"
) -> Html:
    """Render a table that scrolls by itself where it is too wide, and sorts by its heads."""
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


def render_row(name: object, *cells: Html, control: bool = False) -> Html:
    """Render a row of :func:`render_table`; controls are quiet and say that they are one."""
    label = join(untrusted(name), " (control)" if control else "")
    return tag("tr", tag("th", label, scope="row"), *cells, class_="control" if control else None)


def render_interval(found: Interval | None, digits: int = 2) -> Html:
    """Render mean and interval as a cell; n and n_invalid as its title, invalid values in plain sight."""
    if found is None or not found.n:
        return tag("td", NOTHING, data_value="", title="not measured")
    title = f"n {found.n}, invalid {found.n_invalid}"
    lost = tag("span", f"{found.n_invalid} of {found.n} invalid", class_="invalid") if found.n_invalid else ""
    if not has_mean(found):
        return tag("td", "none", lost, data_value="", title=title)
    mean, _, rest = format_interval(found._replace(n_invalid=0), digits).partition(" ")
    between = join(" ", tag("span", rest, class_="between")) if rest else ""
    return tag("td", mean, between, lost, data_value=repr(found.mean), title=title)


def render_number(value: float, text: str) -> Html:
    """Render a number as a cell that sorts by its value."""
    return tag("td", text, data_value=repr(float(value)) if np.isfinite(value) else "")


def render_text(value: object) -> Html:
    """Render text from a run as a cell."""
    return tag("td", untrusted(value))


def render_head(task: str, figure: str) -> Html:
    """Render the head of a figure's column, with its meaning as title."""
    known = find_reading(task, figure)
    return tag("th", known.symbol + known.arrow, scope="col", title=known.meaning or None)


def render_block(block: Block, metrics: Sequence[str], caption: str) -> Html:
    """Render a row per explainer of a block and a column per figure, with n."""
    rows = []
    for name, group in block.rows().items():
        found = [block.interval(group, m) for m in metrics]
        n = max((i.n for i in found if i is not None), default=len(group))
        cells = [render_interval(i, choose_digits(block.task, m)) for i, m in zip(found, metrics, strict=True)]
        calibration = render_text(group["calibration"].iloc[0])
        rows.append(render_row(name, calibration, render_number(n, str(n)), *cells, control=block.is_control(name)))
    return render_table(
        caption, ["explainer", "calibration", "n", *(render_head(block.task, m) for m in metrics)], rows, caption
    )


def format_p(value: float) -> str:
    """Write a p value as it is quoted."""
    if not np.isfinite(value):
        return NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def list_definitions(values: dict[str, Any]) -> list[tuple[str, object]]:
    """List names and values for a list of definitions, empty ones left out."""
    return [(name, untrusted(value)) for name, value in values.items() if value not in (None, "", [], {})]
