"""docs/metrics.md says of every metric what its class says."""

import re
from pathlib import Path

import numpy as np
import pytest

import zsxai
from zsxai.metrics import MaskedScores, load_metric

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `([a-z0-9-]+)`: (.*?)(?=^##|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


def test_the_page_has_every_metric_once_and_no_other():
    assert sorted(re.findall(r"^### `(.*)`:", PAGE, flags=re.MULTILINE)) == zsxai.list_metrics()


@pytest.mark.parametrize("name", zsxai.list_metrics())
def test_a_section_says_what_the_class_says(name):
    metric, text = load_metric(name), SECTIONS[name]
    head, *lines = text.splitlines()
    assert head == metric.symbol
    doc = type(metric).__doc__ or ""
    assert " ".join(doc.split("\n\n")[0].split()) in lines
    table = dict(re.findall(r"^\| (\w[\w ]*) \| (.*) \|$", text, flags=re.MULTILINE))
    low, high = (f"{bound:.4g}" for bound in metric.bounds)
    assert table.pop("formula")
    assert table.pop("invalid")
    assert table == {
        "better": metric.better,
        "range": f"{low} to {high}",
        "reads": ", ".join(f"`{field}`" for field in metric.needs),
        "reference": metric.reference,
        "sensitive to": metric.sensitive_to,
        "gamed by": metric.gamed_by,
    }


def test_the_metric_on_the_page_works():
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "class " in block)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102
    found = names["LogitLoss"]()(MaskedScores(p=np.array([0.5]), p_in=np.array([0.25])))
    np.testing.assert_allclose(found, np.log(2))
