"""docs/metrics.md says of every metric what its record says."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import zsxai
from zsxai.metrics import MaskedScores
from zsxai.metrics.page import fill

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_records_say(page):
    assert fill(page) == page, "stale; run: python -m zsxai.metrics.page docs/metrics.md"


def test_the_page_has_every_metric_once_and_no_other(page):
    assert sorted(re.findall(r"^### `(.*)`:", page, flags=re.MULTILINE)) == zsxai.list_metrics()


def test_a_stale_page_is_written_anew_and_what_is_written_by_hand_stays(page, tmp_path, monkeypatch):
    stale = tmp_path / "metrics.md"
    stale.write_text(page.replace("| better | lower |\n", "| better | higher |\n"), encoding="utf-8")
    assert stale.read_text(encoding="utf-8") != page
    monkeypatch.setattr("sys.argv", ["page", str(stale)])
    with pytest.warns(RuntimeWarning, match="found in sys.modules"):
        runpy.run_module("zsxai.metrics.page", run_name="__main__")
    # The Frechet distance, outside the marks, has a direction as well.
    assert stale.read_text(encoding="utf-8").count("| better | higher |\n") == page.count("| better | higher |\n") + 1


def test_the_metric_on_the_page_works(page):
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "Metric(" in block)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102
    found = names["LOGIT_LOSS"](MaskedScores(p=np.array([0.5]), p_in=np.array([0.25])))
    np.testing.assert_allclose(found, np.log(2))
