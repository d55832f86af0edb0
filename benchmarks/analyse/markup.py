"""A table as Markdown and as LaTeX: one in print per setting, kind of mask and variant, under a caption."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.facts import write_caption
from zsxai.benchmarks.analyse.formatting import MINUS, NOTHING, choose_digits, format_interval
from zsxai.benchmarks.analyse.frame import INDEX
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.run.figures import CONTROLS_OF_A_MASK

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from zsxai.benchmarks.analyse.result import Result

_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"“": "``", "”": "''", "↑": r"$\uparrow$", "↓": r"$\downarrow$", NOTHING: "--", MINUS: "$-$"},
}


def to_markdown(result: Result, table: DataFrame) -> str:
    """Write a table per setting and kind of mask, under one caption."""
    parts = [write_caption(result)]
    for at, heads, body in _split(table):
        rows = [heads, ["---"] * len(heads), *body]
        text = "\n".join("| " + " | ".join(_escape_markdown(c) for c in row) + " |" for row in rows)
        parts.append(f"**{_describe(at)}**\n\n{text}")
    return "\n\n".join(parts) + "\n"


def to_latex(result: Result, table: DataFrame) -> str:
    """Write a plain ``tabular`` per setting and kind of mask, for booktabs."""
    parts = [f"% {line}" for line in write_caption(result).splitlines()]
    for at, heads, body in _split(table):
        rows = [" & ".join(_escape_latex(c) for c in row) + r" \\" for row in [heads, *body]]
        text = [
            r"\begin{table}",
            rf"\caption{{{_escape_latex(f'{_describe(at)}. {write_caption(result, at)}')}}}",
            rf"\begin{{tabular}}{{{'l' * 2}{'r' * (len(heads) - 2)}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        parts.append("\n".join(text))
    return "\n\n".join(parts) + "\n"


def get_interval(line: Series[Any], figure: str) -> Interval:
    """One figure of one line of a table."""
    mean, low, high, n, n_invalid = (line[figure, name] for name in Interval._fields)
    return Interval(float(mean), float(low), float(high), int(n), int(n_invalid))


def _split(table: DataFrame) -> Iterator[tuple[dict[str, Any], list[str], list[list[str]]]]:
    """Split a table by setting, kind of mask and variant: what the lines share, heads, lines; no controls of masks."""
    table = table[~table.index.get_level_values("variant").isin(CONTROLS_OF_A_MASK)]
    shared = [name for name in table.index.names if name not in {"explainer", "calibration"}]
    for values, lines in table.groupby(level=shared, sort=False):
        at = dict(zip(shared, values, strict=True))
        figures = list(dict.fromkeys(c[0] for c in lines.columns if lines[c[0], "n"].any()))
        readings = [find_reading(at["task"], figure) for figure in figures]
        heads = ["explainer", "calibration", "n", *(known.symbol + known.arrow for known in readings)]
        yield at, heads, [_write_line(index, line, figures) for index, line in lines.iterrows()]


def _describe(at: dict[str, Any]) -> str:
    """Say in words what the lines of a table in print share."""
    return (
        f"{at['task']}: {at['data']}, {at['contamination']}, model {at['model']}, "
        f"domain {at['domain']}, scale {at['scale']}, seed {at['seed']}"
        + (f", {at['variant']}" if at["variant"] != "own" else "")
    )


def _write_line(index: Any, line: Series[Any], figures: list[str]) -> list[str]:
    at = dict(zip(INDEX, index, strict=False))  # the variant follows
    n = max((int(line[f, "n"]) for f in figures), default=0)
    found = (format_interval(get_interval(line, f), choose_digits(at["task"], f)) for f in figures)
    return [at["explainer"], at["calibration"], str(n), *found]


def _escape_markdown(text: str) -> str:
    return "".join(f"\\{c}" if c in "|\\`*_<>[]" else c for c in " ".join(text.split()))


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in " ".join(text.split()))
