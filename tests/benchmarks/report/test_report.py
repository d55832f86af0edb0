import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.benchmarks.frames import Shelf, cell, realistic, result, row, stored, suite
from zsxai.benchmarks.analyse.extremes import choose_extremes
from zsxai.benchmarks.analyse.result import Result
from zsxai.benchmarks.report import write_report
from zsxai.benchmarks.report.page import render_page
from zsxai.benchmarks.run.folder import write_record
from zsxai.benchmarks.run.plan import Library, PlannedCell, Settings, Unit
from zsxai.benchmarks.run.store import Store
from zsxai.benchmarks.run.worker import Measured
from zsxai.benchmarks.tasks.base import Failure

EVIL = '</details><script>alert(1)</script>" onload="x" \N{RIGHT-TO-LEFT OVERRIDE}$x_1$'


class Tags(HTMLParser):
    """All elements of a page, and whether they close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in {"br", "col", "hr", "img", "input", "link", "meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == name]


@pytest.fixture(scope="module")
def whole() -> Result:
    return realistic(8, draws=100)


@pytest.fixture(scope="module")
def text(whole: Result) -> str:
    return render_page(whole)


def test_page_is_whole_and_calls_nobody(text: str) -> None:
    tags = Tags(text)
    assert not tags.open
    (policy,) = [m["content"] or "" for m in tags.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for _, attributes in tags.found:
        assert not {"style", "onclick", "onload", "srcset"} & set(attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"https?://|url\(", re.sub(r"data:[^\"]*", "", text))
    assert len(text) < 10e6


def test_pictures_have_words(text: str) -> None:
    images = Tags(text).named("img")
    assert len(images) > 10
    assert all(len(image["alt"] or "") > 20 for image in images)


def test_the_answer_comes_first_with_difference_and_controls(text: str) -> None:
    words = Tags(text).words
    said = ("The headline: FF over foil", "resamples of the 6 recordings", "Before you trust the figures", "Strata")
    assert [words.index(s) for s in said] == sorted(words.index(s) for s in said)
    assert re.search(r"(has the best|is ahead in|no better than others in) FF over foil", words)
    assert re.search(r"best blind control, \w+ \(0\.50", words)
    assert re.search(r"It comes first of all \d+ in [<>]?\d+ % of 100 resamples", words)
    assert not re.search(r"95 %: [\d.]+ to", words), "places are whole numbers"
    assert "The suite fixed it before the run." in words
    assert "Holm's correction runs over all" in words


def test_what_is_wrong_with_a_run_is_said(text: str) -> None:
    words = Tags(text).words
    assert "1 of 60 cells are not measured yet" in words
    assert "Explainers raised on 6 items (occlusion)" in words
    assert "3 of 8 invalid" in words
    assert "RuntimeError: no <b>luck</b>" in words
    assert "could not be explained again for this page" in words
    assert "limited to 8 items" in words


def test_configuration_is_exact(text: str, whole: Result) -> None:
    words = Tags(text).words
    for wanted in ("zsxai 0.1.0, torch 2.4.0", "abcdef0123456789", "c0de", '"draws": 100', '"name": "made-up"'):
        assert wanted in words
    assert "CPU seconds per item" in words
    for sample in whole.samples:
        assert f'"recordings": {sample.resampling.recordings}' in words


def test_every_figure_says_how_it_is_read_and_gamed(text: str) -> None:
    words = Tags(text).words
    for wanted in ("gamed by", "FF over foil", "a mask of ones", "SSIM", "wAUC", "MM-sim"):
        assert wanted in words


def test_labels_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        row(EVIL + str(i), {"faithfulness": i / 9}, label=EVIL, prompt=EVIL, variant=v, strata={EVIL: True})
        for i in range(9)
        for v in ("own", "foil")
    ]
    made = Result(
        suite(
            [{"name": "gradcam", "label": EVIL}],
            description=EVIL,
            headline={"task": "faithfulness", "metric": "foil-wins:faithfulness"},
        ),
        {"roots": {}, "limit": None},
        [cell("k", EVIL, model=EVIL, contamination=EVIL)],
        Shelf([stored("k", rows, [Failure(EVIL, EVIL)], description={"versions": {"zsxai": EVIL}, "code": EVIL})]),
    )
    tags = Tags(render_page(made))
    assert not tags.open
    assert len(tags.named("script")) == 1
    assert all(not attributes.get("onload") for _, attributes in tags.found)
    assert "<script>alert(1)</script>" in tags.words


@pytest.mark.parametrize("task", ["absent", "faithfulness", "two-sounds", "prompts", "randomisation"])
def test_a_single_explainer_without_controls(task: str) -> None:
    metric = {
        "absent": "made-up",
        "faithfulness": "faithfulness",
        "two-sounds": "auc",
        "prompts": "prompt-contrast",
        "randomisation": "ssim",
    }[task]
    rows = [row(f"clip-{i}", {metric: i / 5}) for i in range(5)]
    made = Result(
        suite(["gradcam"], tasks=[{"kind": task, "data": ["esc50"]}], headline={"task": task, "metric": metric}),
        {"roots": {}, "limit": None},
        [cell("k", task=task)],
        Shelf([stored("k", rows)]),
    )
    words = Tags(render_page(made)).words
    assert re.search(r"gradcam is the only explainer measured: [^,]+, 0.40", words)
    assert "No control was measured beside it." in words
    assert "few recordings (the least: 5)" in words
    assert "The suite names no comparison beforehand" in words


def test_absent_sounds_stand_beside_the_masks_times_similarity() -> None:
    rows = [
        row(
            f"clip-{i}",
            {"made-up": float(i < 2), "absent-mask-mean": 0.1 * i * height, "present-mask-mean": 0.8 * height},
            prompt="rain",
            variant=variant,
            strata={"hardest": i % 2 == 0},
        )
        for i in range(5)
        for variant, height in (("own", 1.0), ("times-similarity", 0.5))
    ]
    task, headline = {"kind": "absent", "data": ["esc50"]}, {"task": "absent", "metric": "made-up"}
    made = Result(
        suite(["gradcam"], tasks=[task], headline=headline),
        {"roots": {}, "limit": None},
        [cell("k", task="absent")],
        Shelf([stored("k", rows)]),
    )
    words = " ".join(Tags(render_page(made)).words.split())
    for said in (
        "The headline: made up ↓",
        "the explanation makes up a sound that is not there",
        "gradcam is the only explainer measured: made up, 0.40",
        "times-similarity: its mask times how surely the model hears the prompt",
        "Absent over present: how large the mask for a sound that is not there is",
        "(MM absent / MM present, a ratio of means)",
    ):
        assert said in words
    found = made.ratio("absent-mask-mean", "present-mask-mean", variant="times-similarity").iloc[0]
    assert found["mean"] == pytest.approx(0.25)
    assert found["low"] < 0.25 < found["high"]


def test_runs_of_nothing_have_a_page() -> None:
    failed = result({}, {"gradcam": [Failure("clip-0", "RuntimeError: no")]})
    assert "Explainers raised on 1 item (gradcam)" in Tags(render_page(failed)).words
    empty = Result(suite(), {"roots": {}, "limit": None}, [cell("a")], Shelf([]))
    words = Tags(render_page(empty)).words
    assert "1 of 1 cells are not measured yet" in words
    assert "Nothing was measured of it." in words


def test_invalid_and_empty_strata_have_a_page() -> None:
    rows = [row(f"clip-{i}", {"faithfulness": float("nan")}, strata={"correct": False}) for i in range(4)]
    headline = {"task": "faithfulness", "metric": "faithfulness", "stratum": "correct"}
    words = Tags(render_page(result({"gradcam": rows, "constant": rows}, headline=headline))).words
    assert "4 of 4 invalid" in words
    assert "Nothing was measured of it." in words


def test_a_headline_in_context_only_has_no_ranks() -> None:
    rows = [row(f"clip-{i}", {"mask-mean": i / 5}) for i in range(5)]
    made = result({"gradcam": rows}, headline={"task": "faithfulness", "metric": "mask-mean"})
    words = Tags(render_page(made)).words
    assert "0.40 [" in words
    assert "place" not in words.split()


def test_examples_are_the_best_and_the_worst() -> None:
    own, foil = [0.9, 0.5, 0.4, 0.3, 0.6, float("nan")], [0.1, 0.5, 0.2, 0.7, 0.5, 0.0]
    rows = [row(f"clip-{i}", {"faithfulness": v}) for i, v in enumerate(own)]
    rows += [row(f"clip-{i}", {"faithfulness": v}, variant="foil") for i, v in enumerate(foil)]
    blind = [row(f"clip-{i}", {"faithfulness": 1.0}) for i in range(6)]
    chosen = choose_extremes(result({"gradcam": rows, "constant": blind}))
    assert chosen is not None
    assert chosen.explainer == "gradcam"
    assert chosen.best["item"].tolist() == ["clip-0", "clip-2"]
    assert chosen.worst["item"].tolist() == ["clip-3", "clip-1"]
    lower = choose_extremes(
        result(
            {"gradcam": [row(f"clip-{i}", {"average-drop": v}) for i, v in enumerate([5.0, 1.0, 9.0])]},
            headline={"task": "faithfulness", "metric": "average-drop"},
        )
    )
    assert lower is not None
    assert (lower.best["item"].tolist(), lower.worst["item"].tolist()) == (["clip-1"], ["clip-2"])


def test_report_of_a_folder_explains_its_examples_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = tmp_path / "sounds"
    for label in ("dog", "rain"):
        (data / label).mkdir(parents=True)
        for i in range(2):
            soundfile.write(data / label / f"{label}{i}.wav", 0.1 * rng.standard_normal(16000), 16000)
    chosen = suite(
        ["gradcam"],
        data={"folder": {"reader": "folder"}},
        tasks=[{"kind": "faithfulness", "data": ["folder"]}],
        headline={"task": "faithfulness", "metric": "faithfulness"},
    )
    settings = Settings(roots={"folder": str(data)})
    items = Library(chosen, settings).items(0, "folder", 0, 0)
    rows = [
        row(item.name, {"faithfulness": i / 4, "similarity": 7.0}, prompt=item.label, calibration="relu-max")
        for i, item in enumerate(items)
    ]
    about = {
        **vars(cell("key", data="folder")),
        "unit": Unit(0, "tiny", "folder", 0, 0, 0, 4),
        "description": {"items": []},
    }
    planned = PlannedCell(**about)
    write_record(tmp_path / "run", chosen, settings, [planned])
    with Store(tmp_path / "run", write=True) as store:
        store.put([(planned, Measured(rows, [], 1.0, {}))])
    path = write_report(tmp_path / "run")
    assert path.name == "report.html"
    tags = Tags(path.read_text(encoding="utf-8"))
    assert len(tags.named("audio")) == 4 * 3
    assert f"Best: {items[3].name}" in tags.words
    assert f"Worst: {items[0].name}" in tags.words
    assert "differs from the stored one (7.0000)" in tags.words
    quiet = Tags(write_report(tmp_path / "run", audio=False).read_text(encoding="utf-8"))
    assert not quiet.named("audio")
    assert f"Best: {items[3].name}" in quiet.words
    (data / "rain" / "rain0.wav").unlink()
    (data / "rain" / "rain1.wav").unlink()
    gone = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "could not be explained again" in Tags(gone).words
    assert str(tmp_path) not in gone
