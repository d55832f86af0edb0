"""Who is ahead: the sentence follows from the numbers, whichever way is better."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.benchmarks.frames import result, row
from zsxai.benchmarks.analyse.headline import draw_headline, write_headline
from zsxai.benchmarks.analyse.reading import find_reading, list_metrics
from zsxai.benchmarks.analyse.standing import Standing, find_standings, write_plainly
from zsxai.benchmarks.run.suite import SUITES, load_suite
from zsxai.registry import METRICS

NOISE = np.random.default_rng(0).normal(0, 0.1, 40)
NOISE -= NOISE.mean()


def stand(metric: str = "faithfulness", **values: Sequence[float]) -> Standing:
    by_explainer = {n: [row(f"clip-{i}", {metric: float(v)}) for i, v in enumerate(each)] for n, each in values.items()}
    (found,) = find_standings(result(by_explainer, headline={"task": "faithfulness", "metric": metric}))
    return found


def say(standing: Standing) -> str:
    return " ".join(map(write_plainly, standing.write()))


def test_a_clear_lead_says_by_what_and_how_sure() -> None:
    said = say(stand(gradcam=0.6 + NOISE, occlusion=0.4 + NOISE[::-1], saliency=0.1 + NOISE, constant=[0.0] * 40))
    assert re.search(r"gradcam is ahead in FF, 0\.60 \[.*?\]: 0\.20 \[0\.1\d, 0\.2\d\] better than the runner-up", said)
    assert re.search(r"It is 0\.60 \[0\.\d+, 0\.\d+\] better than the best blind control, constant \(0\.00\)\.", said)
    assert "It comes first of all 4 in 100 % of 500 resamples of the 40 recordings; differences are paired" in said
    assert "narrow" not in said


def test_what_the_clips_do_not_tell_apart_is_said() -> None:
    standing = stand(gradcam=0.41 + NOISE, occlusion=0.4 + NOISE[::-1], saliency=0.4 - NOISE, energy=0.5 + NOISE)
    said = say(standing)
    assert "gradcam has the best FF" in said
    assert re.search(r"do not tell it apart from (occlusion|saliency) .* nor from (saliency|occlusion)\.", said)
    assert re.search(r"It is 0\.09 \[0\.09, 0\.09\] worse than a blind control, energy", said)
    assert [line.name for line in standing.lines][:2] == ["energy", "gradcam"]


def test_lower_can_be_better() -> None:
    said = say(stand("average-drop", gradcam=10 + NOISE, occlusion=30 + NOISE, random=50 + NOISE))
    assert "gradcam is ahead in AD, 10.0" in said
    assert "20.0 [20.0, 20.0] better than the runner-up, occlusion (30.0)" in said


def test_places_are_whole_and_ties_share_a_draw() -> None:
    standing = stand(gradcam=NOISE, occlusion=NOISE, constant=[-1.0] * 40, random=[-1.0] * 40)
    assert [line.place for line in standing.lines] == ["1=", "1=", "3=", "3="]
    assert [line.first for line in standing.lines] == [0.5, 0.5, 0.0, 0.0]
    assert "gradcam is no better than others in FF" in say(standing)


def test_few_recordings_are_said_and_one_says_nothing() -> None:
    assert "So few recordings make the intervals too narrow." in say(stand(gradcam=[0.5] * 3, constant=[0.1] * 3))
    assert "one recording only" in say(stand(gradcam=[0.5], occlusion=[0.4]))


def test_the_terminal_has_the_best_first_and_controls_marked() -> None:
    rows = {
        n: [row(f"clip-{i}", {"faithfulness": v}) for i in range(4)] for n, v in (("constant", 0.2), ("gradcam", 0.7))
    }
    made = result(rows, headline={"task": "faithfulness", "metric": "faithfulness"})
    console = Console(file=io.StringIO(), width=100, record=True)
    for part in draw_headline(made):
        console.print(part)
    for said in (write_headline(made), console.export_text().splitlines()):
        assert said[0].rstrip() == "Headline: FF ↑, mean and 95 % interval over recordings"
        assert [line.split()[:2] for line in said[2:4]] == [["gradcam", "0.70"], ["constant", "(control)"]]
        assert said[4].startswith("gradcam is the only explainer measured: FF, 0.70")


@pytest.mark.parametrize("task", sorted({t.kind for name in SUITES for t in load_suite(name).tasks}))
def test_every_metric_has_its_section_in_the_documentation(task: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "metrics.md"
    titles = [line.removeprefix("### ") for line in page.read_text(encoding="utf-8").splitlines() if line[:4] == "### "]
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    for name in list_metrics(task):
        assert METRICS.entry_point(name) is not None
        assert find_reading(task, name).section.removeprefix("docs/metrics.md#") in anchors
