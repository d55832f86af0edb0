"""Tables and rows as files: CSV, Parquet, LaTeX, Markdown. Each says what it stands on.

``table.*`` has a line per setting, kind of mask, explainer, calibration and variant (``own``: its own masks;
LaTeX and Markdown leave out controls made from them); columns are those of
:data:`~zsxai.benchmarks.analyse.frame.INDEX`, ``variant`` and, per figure, ``<figure>:mean``, ``:low``, ``:high``
(95 %), ``:n`` (rows given) and ``:n_invalid`` (rows without a value, failures among them). ``comparisons.csv`` has the
columns of :data:`~zsxai.benchmarks.analyse.tables.COMPARED` and ``p_holm``. ``rows.parquet`` has the columns of
:func:`~zsxai.benchmarks.analyse.frame.build_frame`. ``about.json`` says data, n, seeds, versions, calibrations, kinds
of masks and the interval, for all of them; Parquet files hold it in their metadata, LaTeX and Markdown in captions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.analyse.facts import collect_facts
from zsxai.benchmarks.analyse.markup import to_latex, to_markdown
from zsxai.errors import InputError
from zsxai.extras import need
from zsxai.files import whole_file, write_text
from zsxai.versions import commit

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

FORMATS = ("csv", "parquet", "tex", "md")
_DIGITS = "%.10g"


def export(result: Result, folder: str | Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write all tables of a run.

    Args:
        result: The run.
        folder: Made where there is none; files of the same names are replaced.
        formats: Formats of the table.

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
    about = write_text(out / "about.json", describe(result))
    files = [f"table.{name}" for name in formats]
    files += ["comparisons.csv"] if "csv" in formats else []
    files += ["rows.parquet"] if "parquet" in formats else []
    return [about, *(write(result, out / name, name.partition(".")[0]) for name in files)]


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
        return write_text(path, (to_latex if kind == "tex" else to_markdown)(result, result.whole_table))
    make = {"table": lambda: _flatten(result.whole_table), "rows": lambda: _list_rows(result)}
    frame = make.get(what, result.comparisons)()
    with whole_file(path) as draft:
        if kind == "csv":
            # Rows are read back bit for bit; means stop short of the last bits, in which machines differ.
            digits = None if what == "rows" else _DIGITS
            _encode_lists(frame).to_csv(draft, index=False, float_format=digits, lineterminator="\n")
        else:
            _write_parquet(frame, draft, result)
    return path


def describe(result: Result) -> str:
    """Say as JSON what every table of a run says of itself."""
    return _to_json(collect_facts(result), indent=2) + "\n"


def write_log_line(result: Result) -> str:
    """Write a reading of a run for a log: date, commit, facts, and the headline with its intervals; one line."""
    found = result.headline().reset_index()
    settings = [{k: getattr(v, "item", lambda v=v: v)() for k, v in line.items()} for line in found.to_dict("records")]
    line = {"date": date.today().isoformat(), "commit": commit(), **collect_facts(result), "figures": settings}
    return _to_json(line) + "\n"


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(_replace_infinite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _replace_infinite(value: Any) -> Any:
    """Put None for what is not finite, for which JSON has no word."""
    if isinstance(value, dict):
        return {name: _replace_infinite(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_infinite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _list_rows(result: Result) -> DataFrame:
    rows = result.rows().drop(columns="measured")
    rows["sources"] = rows["sources"].map(list)
    return rows


def _encode_lists(frame: DataFrame) -> DataFrame:
    """Write lists as JSON, for a file that knows text only; null where a number of a curve is not finite."""
    for name in frame.select_dtypes("object").columns:
        if frame[name].map(lambda v: isinstance(v, list)).any():
            frame = frame.assign(**{name: frame[name].map(lambda v: _to_json(v) if isinstance(v, list) else v)})
    return frame


def _flatten(table: DataFrame) -> DataFrame:
    """Give a table plain columns, ``<figure>:<value>``."""
    return table.copy().set_axis([":".join(c) for c in table.columns], axis=1).reset_index()


def _write_parquet(frame: DataFrame, path: Path, result: Result) -> None:
    need("bench", "pyarrow")
    import pyarrow
    from pyarrow import parquet

    made = pyarrow.Table.from_pandas(frame, preserve_index=False)
    facts = _to_json(collect_facts(result)).encode()
    parquet.write_table(made.replace_schema_metadata({**(made.schema.metadata or {}), b"zsxai": facts}), path)
