"""Where nobody watches, a line now and then says how far long work is."""

from __future__ import annotations

import pytest

from zsxai import progress


def test_lines_in_a_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 29.0, 40.0, 50.0, 4000.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    assert list(progress.track("abcd", 8, "cells", None, lines=True)) == list("abcd")
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", ["cells: 2 of 8, about 2 min left", "cells: 4 of 8, about 67 min left"])


@pytest.mark.parametrize("options", [{}, {"lines": False}])
def test_silence_where_lines_are_not_asked_for(
    options: dict[str, bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    assert list(progress.track("ab", 2, "cells", None, **options)) == ["a", "b"]
    assert list(progress.track("ab", 2, "cells", False, lines=True)) == ["a", "b"]
    assert capsys.readouterr() == ("", "")
