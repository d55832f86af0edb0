"""Tables as text."""

from __future__ import annotations

import csv
import io

from zsxai.written import align, as_csv


def test_csv_is_read_as_it_was_written() -> None:
    lines = [["name", "figure"], ['a "b", c', ""], ["two\nlines", "1.5"], ["carriage\rreturn", "\N{SNOWMAN}"]]
    text = as_csv([*lines[:1], [lines[1][0], None], ["two\nlines", 1.5], lines[3]])
    assert list(csv.reader(io.StringIO(text, newline=""))) == lines
    assert text.startswith("name,figure\n"), "lines end in a line feed alone"


def test_columns_are_as_wide_as_their_widest() -> None:
    assert align([["", "score"], ["rain", "-1"], ["a dog", "0.25"]], right=[1]) == [
        "       score",
        "rain      -1",
        "a dog   0.25",
    ]
    assert align([["a", "b"], ["long", ""]]) == ["a     b", "long"], "nothing trails"
