"""The one figure that the suite is about, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.formatting import NOTHING, choose_digits, format_interval
from zsxai.benchmarks.analyse.reading import find_reading

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result

_VARYING = ("data", "contamination", "model", "domain", "scale", "seed", "calibration")


def write_headline(result: Result) -> list[str]:
    """Write the headline of a run: a line per setting and explainer, with mean, 95 % interval, rank and counts.

    ``left out`` counts the items without a value: those that could not be read, those on which the explainer failed,
    and those on which the figure is not defined.
    """
    chosen = result.suite.headline
    known = find_reading(chosen.task, chosen.metric)
    title = f"Headline: {known.symbol}{known.arrow}, mean and 95 % interval over recordings"
    title += f", stratum {chosen.stratum}" if chosen.stratum else ""
    found = result.headline().reset_index() if result.has_headline() else None
    if found is None or not len(found):
        return [f"{title}: nothing was measured of it."]
    varying = [name for name in _VARYING if found[name].nunique() > 1]
    if "calibration" in varying and not found.duplicated([*_VARYING[:-1], "explainer"]).any():
        varying.remove("calibration")  # every explainer has its own
    ranked = "rank" in found
    rows = [["explainer", *varying, "mean [95 %]", *(["rank"] if ranked else []), "n", "left out"]]
    digits = choose_digits(chosen.task, chosen.metric)
    for line in found.to_dict("records"):
        interval = Interval(*(line[name] for name in Interval._fields))
        name = f"{line['explainer']} (control)" if result.is_control(line["explainer"]) else line["explainer"]
        cells = [name, *(str(line[name]) for name in varying), format_interval(interval._replace(n_invalid=0), digits)]
        if ranked:
            cells.append(f"{line['rank']:g}" if np.isfinite(line["rank"]) else NOTHING)
        rows.append([*cells, str(interval.n), str(interval.n_invalid)])
    return [title, *_align(rows, texts=1 + len(varying))]


def _align(rows: list[list[Any]], texts: int) -> list[str]:
    """Columns of equal width: texts to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if at < texts else c.rjust(w) for at, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines
