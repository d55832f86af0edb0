"""The command that times explanations on every backend."""

from __future__ import annotations

from functools import partial

import pytest

from zsxai.benchmarks.measure import backends as command
from zsxai.benchmarks.measure.checkpoints import BACKENDS
from zsxai.benchmarks.measure.timing import compare


@pytest.mark.legacy
@pytest.mark.parametrize(("backend", "windows"), [("laion, own classes", "1 x 6 s"), ("msclap-2022", "2 x 5 s")])
def test_rows_of_a_backend(
    backend: str, windows: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backend in BACKENDS
    monkeypatch.setattr(command, "compare", partial(compare, least=1e-9))
    command.backends(repeats=3, seconds=6.0, explainer=["gradcam"], only=[backend], full=False)
    out = capsys.readouterr().out
    for case in ("relevance:gradcam", "explain:gradcam"):
        assert f"{backend}, {case}" in out
    assert f"forward and backward, {windows}" in out
    assert "clip 6 s, threads 1" in out
