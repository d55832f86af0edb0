"""Tables and rows as files: CSV, Parquet, LaTeX, Markdown. Each says what it stands on.

``table.*`` has a line per setting, kind of mask, explainer, calibration and variant (``own``: its own masks;
LaTeX and Markdown leave out controls made from them); columns are those of :data:`~zsxai.benchmarks.analyse.frame.INDEX`,
``variant`` and, per figure, ``<figure>:mean``, ``:low``, ``:high`` (95 %), ``:n`` (rows given)
and ``:n_invalid`` (rows without a value, failures among them). ``comparisons.csv`` has the columns of
:data:`~zsxai.benchmarks.analyse.tables.COMPARED` and ``p_holm``. ``rows.parquet`` has the columns of
:func:`~zsxai.benchmarks.analyse.frame.frame`. ``about.json`` says data, n, seeds, versions, calibrations, kinds of masks and
the interval, for all of them; Parquet files hold it in their metadata, LaTeX and Markdown in their captions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.benchmarks.analyse.facts import caption, facts
from zsxai.benchmarks.analyse.frame import INDEX, pandas
from zsxai.benchmarks.analyse.reading import CONTROLS_OF_A_MASK, reading
from zsxai.benchmarks.analyse.statistics import Interval
from zsxai.errors import InputError, MissingExtraError
from zsxai.files import whole_file, write_text
from zsxai.versions import commit

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from zsxai.benchmarks.analyse.result import Result

FORMATS = ("csv", "parquet", "tex", "md")
_DIGITS = "%.10g"
NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"“": "``", "”": "''", "↑": r"$\uparrow$", "↓": r"$\downarrow$", NOTHING: "--", MINUS: "$-$"},
}


def export(result: Result, folder: str | Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write all tables of a run.

    Args:
        result: The run.
        folder: Made where there is none; files of the same names are replaced.
        formats: Of the table.

    Returns:
        The files written. Timings are not among them: everything else is the same for a resumed run.

    Raises:
        InputError: If a format is unknown.
        MissingExtraError: If Parquet is wanted and pyarrow is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"no format {name!r}: one of {', '.join(FORMATS)}")
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    facts_file = write_text(out / "about.json", about(result))
    files = [f"table.{name}" for name in formats]
    files += ["comparisons.csv"] if "csv" in formats else []
    files += ["rows.parquet"] if "parquet" in formats else []
    return [facts_file, *(write(result, out / name, name.partition(".")[0]) for name in files)]


def write(result: Result, path: Path, what: str = "table") -> Path:
    """Write one of the files of :func:`export`, in the format that its name ends in.

    Args:
        result: The run.
        path: Ends in one of :data:`FORMATS`.
        what: ``table``, ``rows`` or ``comparisons``; the latter two as CSV or Parquet.

    Raises:
        InputError: If there is no such format, or not of this, or the file cannot be written.
        MissingExtraError: If Parquet is wanted and pyarrow is not installed.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in (FORMATS if what == "table" else FORMATS[:2]):
        raise InputError(
            f"no format {kind!r} of the {what}: one of {', '.join(FORMATS)}, of all but the table csv or parquet"
        )
    if kind in {"tex", "md"}:
        return write_text(path, (latex if kind == "tex" else markdown)(result, full_table(result)))
    made = {
        "table": lambda: flat(full_table(result)),
        "rows": lambda: _plain_rows(result),
        "comparisons": result.comparisons,
    }
    with whole_file(path) as draft:
        if kind == "csv":
            # Rows are read back bit for bit; means stop short of the last bits, in which machines differ.
            digits = None if what == "rows" else _DIGITS
            _as_json(made[what]()).to_csv(draft, index=False, float_format=digits, lineterminator="\n")
        else:
            _parquet(made[what](), draft, result)
    return path


def about(result: Result) -> str:
    """What every table of a run says of itself, as JSON."""
    return _json(facts(result), indent=2) + "\n"


def log_line(result: Result) -> str:
    """A reading of a run for a log: date, commit, what it stands on, and the headline with its intervals; one line."""
    found = result.headline().reset_index()
    settings = [{k: getattr(v, "item", lambda v=v: v)() for k, v in line.items()} for line in found.to_dict("records")]
    line = {"date": date.today().isoformat(), "commit": commit(), **facts(result), "figures": settings}
    return _json(line) + "\n"


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """The value with None for what is not finite, for which JSON has no word."""
    if isinstance(value, dict):
        return {name: _finite(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain_rows(result: Result) -> DataFrame:
    rows = result.rows().drop(columns="measured")
    rows["sources"] = rows["sources"].map(list)
    return rows


def _as_json(frame: DataFrame) -> DataFrame:
    """Lists as JSON, for a file that knows text only; null where a number of a curve is not finite."""
    for name in frame.select_dtypes("object").columns:
        if frame[name].map(lambda v: isinstance(v, list)).any():
            frame = frame.assign(**{name: frame[name].map(lambda v: _json(v) if isinstance(v, list) else v)})
    return frame


def full_table(result: Result) -> DataFrame:
    """Tables of all variants under one another; ``variant`` is the last level of the index."""
    variants = list(dict.fromkeys(v for sample in result.samples for v in sample.rows["variant"].unique()))
    parts = [(v, result.table(variant=v)) for v in sorted(variants, key=lambda v: v != "own")]
    made: DataFrame = pandas().concat(
        [part for _, part in parts] or [result.table()], keys=[v for v, _ in parts] or ["own"], names=["variant"]
    )
    return made.reorder_levels([*INDEX, "variant"])


def flat(found: DataFrame) -> DataFrame:
    """A table with plain columns, ``<figure>:<value>``."""
    made = found.copy()
    made.columns = [":".join(c) for c in found.columns]
    return made.reset_index()


def _parquet(frame: DataFrame, path: Path, result: Result) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError('Parquet needs pyarrow: pip install "zsxai[bench]"') from error
    made = pyarrow.Table.from_pandas(frame, preserve_index=False)
    said = _json(facts(result)).encode()
    parquet.write_table(made.replace_schema_metadata({**(made.schema.metadata or {}), b"zsxai": said}), path)


def written(found: Interval, digits: int = 2) -> str:
    """``0.42 [0.38, 0.46]`` with the count of invalid values where there are any; a dash where nothing was measured."""
    if not found.n:
        return NOTHING
    if not np.isfinite(found.mean):
        return f"none ({found.n_invalid} of {found.n} invalid)"
    text = fixed(found.mean, digits)
    if np.isfinite(found.low):
        text += f" [{fixed(found.low, digits)}, {fixed(found.high, digits)}]"
    return text + (f" ({found.n_invalid} invalid)" if found.n_invalid else "")


def fixed(value: float, digits: int = 2) -> str:
    """A number with a true minus sign; what rounds to zero has none."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)


def digits_of(task: str, figure: str) -> int:
    """Decimals of a figure: two for shares and what has no range, one for per cents and decibels."""
    low, high = reading(task, figure).bounds
    return 2 if high <= 2 or (low >= 0 and high == float("inf")) else 1


def cell(line: Series[Any], figure: str) -> Interval:
    """One figure of one line of a table."""
    mean, low, high, n, n_invalid = (line[figure, name] for name in Interval._fields)
    return Interval(float(mean), float(low), float(high), int(n), int(n_invalid))


def blocks(found: DataFrame) -> list[tuple[dict[str, Any], list[str], DataFrame]]:
    """A table in parts of one setting, kind of mask and variant: what its lines share, its figures, the lines."""
    parts = []
    shared = [name for name in found.index.names if name not in {"explainer", "calibration"}]
    for at, lines in found.groupby(level=shared, sort=False):
        figures = list(dict.fromkeys(c[0] for c in lines.columns if lines[c[0], "n"].any()))
        parts.append((dict(zip(shared, at, strict=True)), figures, lines))
    return parts


def markdown(result: Result, found: DataFrame) -> str:
    """A table per setting and kind of mask, under one caption."""
    parts = [caption(result)]
    for at, figures, lines in blocks(_without_controls(found)):
        heads = ["explainer", "calibration", "n", *(_head(at["task"], f) for f in figures)]
        body = [_line(index, line, figures) for index, line in lines.iterrows()]
        rows = [heads, ["---"] * len(heads), *body]
        text = "\n".join("| " + " | ".join(_md(c) for c in row) + " |" for row in rows)
        parts.append(f"**{title(at)}**\n\n{text}")
    return "\n\n".join(parts) + "\n"


def latex(result: Result, found: DataFrame) -> str:
    """A plain ``tabular`` per setting and kind of mask, for booktabs."""
    parts = [f"% {line}" for line in caption(result).splitlines()]
    for at, figures, lines in blocks(_without_controls(found)):
        heads = ["explainer", "calibration", "n", *(_head(at["task"], f) for f in figures)]
        body = [_line(index, line, figures) for index, line in lines.iterrows()]
        rows = [" & ".join(_tex(c) for c in row) + r" \\" for row in [heads, *body]]
        text = [
            r"\begin{table}",
            rf"\caption{{{_tex(f'{title(at)}. {caption(result, at)}')}}}",
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


def _without_controls(found: DataFrame) -> DataFrame:
    variants = found.index.get_level_values("variant")
    return found[~variants.isin(CONTROLS_OF_A_MASK)]


def title(at: dict[str, Any]) -> str:
    """What the lines of a block share, in words."""
    return (
        f"{at['task']}: {at['data']}, {at['contamination']}, model {at['model']}, "
        f"domain {at['domain']}, scale {at['scale']}, seed {at['seed']}"
        + (f", {at['variant']}" if at.get("variant", "own") != "own" else "")
    )


def _head(task: str, figure: str) -> str:
    known = reading(task, figure)
    return known.symbol + known.arrow


def _line(index: Any, line: Series[Any], figures: Sequence[str]) -> list[str]:
    at = dict(zip(INDEX, index, strict=False))  # a variant may follow
    n = max((int(line[f, "n"]) for f in figures), default=0)
    found = (written(cell(line, f), digits_of(at["task"], f)) for f in figures)
    return [at["explainer"], at["calibration"], str(n), *found]


def _md(text: str) -> str:
    return "".join(f"\\{c}" if c in "|\\`*_<>[]" else c for c in " ".join(text.split()))


def _tex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in " ".join(text.split()))
