"""A kind of task is a plugin: what it needs is in its own file, and one of somebody else's is measured like ours."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zsxai
from tests.conftest import Distribute
from tests.toys import ConvToy
from zsxai import InputError
from zsxai.benchmarks import load_suite, run_suite
from zsxai.benchmarks.report import write_report
from zsxai.benchmarks.run.runner import check_engine
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import TaskRunner
from zsxai.registry import METRICS, MODELS, TASKS

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "tutorials" / "benchmark-your-explainer.md"
BLOCK = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OURS = {"absent", "faithfulness", "located", "presence", "prompts", "randomisation", "scenes", "two-sounds"}


def block(start: str) -> str:
    """The code block of the page that starts so."""
    (found,) = [code for code in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if code.startswith(start)]
    return str(found)


@pytest.fixture
def toy() -> Iterator[None]:
    zsxai.register_model("task-toy", ConvToy())
    yield
    MODELS.unregister("task-toy")


def suite(**changes: Any) -> dict[str, Any]:
    synthetic = {"reader": "synthetic", "options": {"clips_per_class": 1, "seconds": 1.0}}
    values = tomllib.loads(block("# silence.toml"))
    task = {**values["tasks"][0], "data": ["synthetic"], "seconds": 0.5}
    return {**values, "data": {"synthetic": synthetic}, "models": ["task-toy"], "tasks": [task], **changes}


# --- ours -----------------------------------------------------------------------------------------------------------


def test_the_tasks_are_found_by_name() -> None:
    assert set(zsxai.list_tasks()) >= OURS
    for name in OURS:
        runner = runner_of(name)
        assert runner.task_type.model_fields["kind"].default == name
        assert runner.known_metrics()
        assert runner.card.title
        assert runner.card.plots


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Strings of a file that are no docstrings, nor the names of the suites."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spared = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SUITES":
            spared |= set(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in spared:
            yield node.lineno, node.value
        elif isinstance(node, ast.ImportFrom) and node.module and path.parent.name != "measure":
            yield node.lineno, node.module.rpartition(".")[2].replace("_", "-")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda path: path.stem)
def test_no_other_file_spells_the_name_of_a_task(path: Path) -> None:
    own = {runner_of(name).__module__.rpartition(".")[2] for name in OURS}
    if path.parent.name == "tasks" and path.stem in own:
        return
    spelled = re.compile(rf"(?:^|')(?:{'|'.join(sorted(OURS))})(?:$|')")
    assert not [(line, text) for line, text in literals(path) if spelled.search(text)]


def test_tasks_import_nothing_of_the_rooms_above_them() -> None:
    for path in (ROOT / "benchmarks" / "tasks").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        above = re.compile(r"zsxai\.benchmarks(?!\.tasks)|matplotlib|pandas|scipy")
        assert not [module for module in modules if above.match(module)], path.name


# --- somebody else's ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("toy")
def test_the_task_of_the_page_runs_from_a_distribution_of_its_own(distribute: Distribute, tmp_path: Path) -> None:
    points = {"zsxai.tasks": {"silence": "silence:SilenceRunner"}}
    points["zsxai.metrics"] = {"mask-on-silence": "silence:MASK_ON_SILENCE"}
    distribute("silence-task", points, silence=block("# one_band/silence.py"))
    assert "silence" in zsxai.list_tasks()
    on_page = block('# pyproject.toml\n[project.entry-points."zsxai.tasks"]').replace("one_band.", "")
    assert tomllib.loads(on_page) == {"project": {"entry-points": points}}
    folder = tmp_path / "run"
    result = run_suite(suite(explainers=["saliency"]), folder, limit=3, workers=1, progress=False)
    assert not len(result.failures)
    table = result.table("silence")["mask-on-silence"]
    assert (table["n"] == 3).all()
    of = {explainer: mean for (*_, explainer, _), mean in table["mean"].items()}
    assert of["constant"] == pytest.approx(1 / 3, abs=0.02), "a third of the sound is padding"
    assert of["loudness"] < 0.1 < of["random"]
    assert list(result.headline()["rank"].dropna())
    assert len(type(result).load(folder).table("silence"))
    page = write_report(folder).read_text(encoding="utf-8")
    assert '<h2 id="task-silence">Silence</h2>' in page
    assert "Share of the mask that lies where nothing sounds." in page
    assert "could not be explained again" not in page
    assert "Plot, " not in page, "it declares no figure, so only the headline's is drawn"
    assert result.plot("intervals").axes
    with pytest.raises(InputError, match="no plot 'budgets': one of intervals"):
        result.plot("budgets")


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The page's file, imported but not installed."""
    (tmp_path / "silence_here.py").write_text(block("# one_band/silence.py"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("silence_here")
    TASKS.register("silence", module.SilenceRunner)
    METRICS.register("mask-on-silence", module.MASK_ON_SILENCE)
    yield module
    monkeypatch.delitem(sys.modules, "silence_here")
    TASKS.unregister("silence")
    METRICS.unregister("mask-on-silence")


def test_a_registered_task_is_of_this_process_and_brings_its_settings(registered: ModuleType) -> None:
    loaded = load_suite(suite())
    assert type(loaded.tasks[0]) is registered.Silence
    assert loaded.tasks[0].seconds == 0.5  # type: ignore[attr-defined]
    assert load_suite(loaded.model_dump(mode="json")) == loaded
    only_here = load_suite(suite(models=["tiny"]))
    with pytest.raises(InputError, match="the task 'silence' is registered in this process only"):
        check_engine(only_here, "local", 2, None)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("task", "complaint"),
    [
        ({"kind": "silence", "seconds": -1.0}, "task 'silence': seconds: Input should be greater than 0"),
        (
            {"kind": "silence", "second": 1.0},
            "task 'silence': unknown option 'second'; it takes kind, data, .*, seconds",
        ),
        ({"kind": "silense"}, "unknown task 'silense': did you mean 'silence'"),
        ({"kind": 3}, "names its kind: see zsxai list tasks"),
        ({}, "names its kind: see zsxai list tasks"),
    ],
)
def test_what_is_wrong_with_a_task_is_one_line(task: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        load_suite(suite(tasks=[{"data": ["synthetic"], **task}]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("plugin", [object(), dict, TaskRunner[Any, Any]])
def test_what_is_no_task_is_refused(plugin: object) -> None:
    TASKS.register("silence", plugin)
    try:
        with pytest.raises(InputError, match="'silence' is no task: subclass"):
            runner_of("silence")
    finally:
        TASKS.unregister("silence")
