"""Suites: what is refused, and that the shipped ones are what their names promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zsxai import InputError, benchmarks
from zsxai.benchmarks.run.suite import SUITES, load_suite

CONTROLS = ("constant", "random", "loudness", "energy")


def suite(**changes: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "data": {"esc50": {"reader": "esc50"}},
        "explainers": ["gradcam"],
        "tasks": [{"kind": "faithfulness", "data": ["esc50"]}],
        "headline": {"task": "faithfulness", "metric": "faithfulness"},
    } | changes


@pytest.mark.parametrize("name", SUITES)
def test_shipped_suites_load_under_their_names(name: str) -> None:
    loaded = load_suite(name)
    assert loaded.name == name
    assert loaded.description


def test_blind_controls_are_always_among_the_rows() -> None:
    loaded = load_suite(suite(explainers=["gradcam", {"name": "random", "options": {"bands": 4}, "label": "coarse"}]))
    assert [e.title for e in loaded.all_explainers] == ["gradcam", "coarse", "constant", "loudness", "energy"]
    ones = {"name": "constant", "options": {"value": 1.0}, "label": "all-ones"}
    assert [e.title for e in load_suite(suite(explainers=[ones])).all_explainers] == ["all-ones", *CONTROLS]
    narrow = suite(explainers=["gradcam", "saliency"])
    narrow["tasks"][0]["explainers"] = ["saliency"]
    loaded = load_suite(narrow)
    assert [e.title for e in loaded.explainers_of(loaded.tasks[0])] == ["saliency", *CONTROLS]


def test_a_suite_may_have_controls_of_its_own() -> None:
    loaded = load_suite(suite(controls=["energy", "loudness-x-similarity"]))
    assert [e.title for e in loaded.all_explainers] == ["gradcam", "energy", "loudness-x-similarity"]
    assert load_suite(suite()).controls == CONTROLS


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"explainer": ["gradcam"]}, "unknown option 'explainer'"),
        ({"explainers": ["gradcam", "gradcam"]}, "two explainers are called 'gradcam'"),
        ({"tasks": [{"kind": "faithfulnes", "data": ["esc50"]}]}, "faithfulnes"),
        ({"tasks": [{"kind": "faithfulness", "data": ["esc51"]}]}, "unknown data set 'esc51': the suite has esc50"),
        ({"tasks": [{"kind": "faithfulness", "data": ["esc50"], "budgets": [1.5]}]}, "less than 1"),
        (
            {"tasks": [{"kind": "faithfulness", "data": ["esc50"], "explainers": ["saliency"]}]},
            "unknown explainer 'saliency'",
        ),
        (
            {"tasks": [{"kind": "faithfulness", "data": ["esc50"], "contaminations": [{"kind": "speech"}]}]},
            "speech, and only speech, names its data",
        ),
        ({"headline": {"task": "prompts", "metric": "x"}}, "a task 'prompts' that the suite does not run"),
        ({"name": "My suite"}, "name"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [0, 0]}, "two seeds are called '0'"),
        ({"models": []}, "models"),
        ({"controls": []}, "controls"),
        ({"controls": ["energy", "energy"]}, "two controls are called 'energy'"),
        ({"explainers": [{"name": "gradcam", "label": "energy"}]}, "'energy' is a blind control's name"),
        ({"comparisons": {"metrics": ["faithfulness"], "against": "enrgy"}}, "unknown explainer 'enrgy'"),
        ({"headline": {"task": "faithfulness", "metric": "faithfulness", "stratum": "zzz"}}, "has no stratum 'zzz'"),
        ({"tasks": [{"kind": "faithfulness", "data": ["esc50"], "calibrations": ["zzz"]}]}, "'zzz' is no calibration"),
        ({"tasks": [{"kind": "faithfulness", "data": ["esc50"], "budgets": [0.5, 0.1]}]}, "budgets rise"),
        (
            {
                "tasks": [
                    {"kind": "faithfulness", "data": ["esc50"], "contaminations": [{"kind": "clean", "snr": "nan"}]}
                ]
            },
            "finite number",
        ),
        (
            {"tasks": [{"kind": "faithfulness", "data": ["esc50"], "budgets": b} for b in ([], [0.25])]},
            "'faithfulness' is asked twice for esc50, clean, stft, log",
        ),
    ],
)
def test_what_is_wrong_is_one_line(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        load_suite(suite(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("at", "value", "complaint"),
    [
        (("prompting", "template"), "the sound of {}", "template = 'the sound of {}' for 'this is the sound of {}'"),
        (("prompting", "softmax"), "model", "softmax"),
        (("prompting", "explained"), "label", "explained"),
        (("tasks", "scales"), ("log",), "on log for 'faithfulness' on log1p"),
        (("tasks", "contaminations"), ({"kind": "white-noise", "snr": 6.0},), "6 dB for 3"),
    ],
)
def test_a_paper_suite_keeps_the_papers_settings(at: tuple[str, str], value: Any, complaint: str) -> None:
    values = load_suite("paper-esc50").model_dump()
    (values[at[0]][0] if at[0] == "tasks" else values[at[0]])[at[1]] = value
    with pytest.raises(InputError, match=complaint):
        load_suite(values)
    assert load_suite(values | {"name": "not-the-paper"}).name == "not-the-paper"


def test_files_and_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no suite 'smok': one of smoke, "):
        load_suite("smok")
    file = tmp_path / "mine.toml"
    file.write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError, match="is no TOML"):
        load_suite(file)
    text = (Path(benchmarks.__file__).parent / "suites" / "smoke.toml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8-sig")
    assert load_suite(file) == load_suite("smoke"), "a byte order mark is no part of it"


def test_without_a_data_set_that_one_does_not_have() -> None:
    whole = load_suite("paper-esc50")
    less = whole.without("ljspeech")
    assert [c.kind for c in less.tasks[0].contaminations] == ["clean", "same-set", "white-noise"]
    assert list(less.data) == ["esc50"]
    assert less.name == whole.name, "what is left keeps the protocol"
    with pytest.raises(InputError, match="nothing of the suite 'paper-esc50' is left"):
        whole.without("esc50")
    with pytest.raises(InputError, match="has no data set 'fsd50k': it has esc50, ljspeech"):
        whole.without("fsd50k")
