"""The picture of a timeline with matplotlib: a step for every window, a line for every prompt."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

from zsxai.show.plot import framed_axes, new_figure
from zsxai.timelines.measures import HEARD, Measure
from zsxai.written import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zsxai.timelines.timeline import Timeline


def plot_timeline(timeline: Timeline, ax: Axes | None = None, *, measure: Measure | None = None) -> Axes:
    """Draw a measure of every prompt over time.

    Args:
        timeline: What to draw.
        ax: Axes to draw on; where None, axes on a new figure, as :func:`zsxai.show.plot.plot_explanation` has it.
        measure: What :meth:`Timeline.values` takes.

    Returns:
        The axes; seconds and the measure.
    """
    from matplotlib.ticker import FuncFormatter

    t, chosen = timeline, timeline.measure(measure)
    axes = framed_axes(new_figure()) if ax is None else ax
    for prompt, values in zip(t.prompts, t.values(chosen).T, strict=True):
        axes.stairs(values, t.edges, baseline=None, linewidth=1.2, label=shorten(prompt, 30, placeholder=" …"))
    if chosen == "presence":
        axes.axhline(HEARD, color="grey", linewidth=1.0, linestyle="--")
    if chosen != "cosine":
        axes.set_ylim(0.0, 1.0)
    axes.set_xlim(0.0, t.seconds)
    if t.seconds >= 120:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, 0)))
    axes.set_xlabel("time" if t.seconds >= 120 else "time (s)")
    axes.set_ylabel(chosen)
    name = shorten(t.provenance.audio_name, 70, placeholder=" …") or t.provenance.audio_name[:70]
    axes.set_title(name, loc="left", parse_math=False)
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize="small", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return axes
