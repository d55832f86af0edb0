"""Whether all that a suite names is there: in the suite when it is read, among the plugins before it is run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import product
from typing import TYPE_CHECKING

from zsxai.benchmarks.run.figures import CONTROLS_OF_A_MASK, split_figure
from zsxai.benchmarks.run.paper import check_vocabularies, departures
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.settings import Task
from zsxai.errors import InputError
from zsxai.plugins import load_explainer

if TYPE_CHECKING:
    from zsxai.benchmarks.run.suite import Suite


def check_suite(suite: Suite) -> None:
    """Check what can be seen in the suite itself.

    Raises:
        ValueError: One line, which becomes the suite's error.
    """
    labels = [e.title for e in suite.explainers]
    known = {*labels, *suite.controls}
    if "explainers" not in suite.model_fields_set and not all(task.configurations for task in suite.tasks):
        raise ValueError("explainers is missing: list those that the tasks are to ask")
    _check_unique("explainer", labels)
    _check_unique("control", suite.controls)
    _check_unique("seed", [str(seed) for seed in suite.seeds])
    _check_unique("model", [model.title for model in suite.models])
    _check_unique("model", [row for row, _ in dict.fromkeys((model.row, model.pool) for model in suite.models)])
    for model in suite.models:
        _check_known("data set", tuple(model.data), suite.data)
    for e in suite.explainers:
        if e.title in suite.controls and e.name != e.title:
            raise ValueError(f"{e.title!r} is a blind control's name: give {e.name!r} another label")
    for task in suite.tasks:
        _check_known("data set", [*task.data, *(c.data for c in task.contaminations if c.data)], suite.data)
        _check_known("explainer", task.explainers, known)
        task.check(suite.prompting)
    _check_nothing_twice(suite.tasks)
    own = {label for task in suite.tasks for label in task.configurations}
    _check_known("explainer", [suite.comparisons.against] if suite.comparisons.against else [], known | own)
    kind, stratum = suite.headline.task, suite.headline.stratum
    if kind not in {task.kind for task in suite.tasks}:
        raise ValueError(f"the headline is of a task {kind!r} that the suite does not run")
    strata = runner_of(kind).card.strata
    if stratum is not None and stratum not in strata:
        raise ValueError(f"the task {kind!r} has no stratum {stratum!r}: {', '.join(strata) or 'none'}")
    if suite.name.startswith("paper-") and (found := departures(suite)):
        raise ValueError(f"{suite.name!r} departs from the paper ({'; '.join(found)}): give it another name")


def check_plugins(suite: Suite) -> None:
    """Check what depends on the plugins: it would show only when all is measured.

    Raises:
        InputError: If words are not what the suite's name promises, an explainer is unknown or a control is none, or
            the headline or the comparisons name what the suite does not measure.
    """
    check_vocabularies(suite)
    for named in suite.all_explainers:
        load_explainer(named.name, **named.options)
    for name in suite.controls:
        if not load_explainer(name).card.control:
            raise InputError(f"the suite {suite.name!r} has {name!r} among its controls, whose card says it is none")
    measured = [(task.kind, set(runner_of(task.kind).chosen_metrics(task))) for task in suite.tasks]
    everything = {name for _, names in measured for name in names}
    of_headline = {name for kind, names in measured if kind == suite.headline.task for name in names}
    wanted = [("headline", suite.headline.metric, of_headline)]
    wanted += [("comparisons", name, everything) for name in suite.comparisons.metrics]
    for where, name, known in wanted:
        control, metric = split_figure(name)
        if metric not in known or control not in ("", *CONTROLS_OF_A_MASK):
            raise InputError(f"the {where} of the suite {suite.name!r} name {name!r}, which it does not measure")


def _check_nothing_twice(tasks: Sequence[Task]) -> None:
    """Two tasks of one kind may not ask for the same rows: a table would hold them twice."""
    asked: set[tuple[str, ...]] = set()
    for task in tasks:
        labels = [mixed.label for mixed in task.contaminations]
        for at in product([task.kind], task.data, labels, task.domains, task.scales):
            if at in asked:
                raise ValueError(f"{task.kind!r} is asked twice for {', '.join(at[1:])}: a table would hold it twice")
            asked.add(at)


def _check_unique(kind: str, names: Sequence[str]) -> None:
    twins = [name for name in names if names.count(name) > 1]
    if twins:
        raise ValueError(f"two {kind}s are called {twins[0]!r}: give one a label")


def _check_known(kind: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}: the suite has {', '.join(sorted(known))}")
