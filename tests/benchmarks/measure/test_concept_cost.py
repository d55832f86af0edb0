"""The command that times explanations in words asks for what its rows say."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from zsxai.benchmarks.measure import concept_cost as module
from zsxai.benchmarks.measure.frame import app


def test_processes_are_what_a_user_types_each_page_in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def cost(command: Sequence[str]) -> float:
        asked.append(command[3:])
        return (3.0 if "concepts" in command else 1.0) + (1.0 if "--out" in command else 0.0)

    monkeypatch.setattr(module, "child_cpu_seconds", cost)
    done = CliRunner().invoke(app(module.concept_cost), ["--only", "process", "--repeats", "3", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [(row["case"], row["ratio"]) for row in rows] == [
        ("process:concepts", 3.0),
        ("process:concepts --out", 4.0),
        ("process:concepts --out, pages", 2.0),
    ]
    assert {tuple(words[2:3]) for words in asked if words[0] == "explain"} == {("a dog barking",)}
    pages = [words[-1] for words in asked if "--out" in words]
    assert len(pages) == len(set(pages)) == 9
