"""The tasks: what is asked of every explainer, and what is measured of its answers. A kind of task is a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsxai.errors import InputError
from zsxai.registry import TASKS

if TYPE_CHECKING:
    from zsxai.benchmarks.tasks.base import TaskRunner


def runner_of(kind: str) -> type[TaskRunner[Any, Any]]:
    """The class that carries out a kind of task, as a suite names it.

    Raises:
        InputError: If there is no such kind, or what is registered under it is no runner.
    """
    from zsxai.benchmarks.tasks.base import TaskRunner

    found = TASKS.get(kind)
    if not (isinstance(found, type) and issubclass(found, TaskRunner)):
        raise InputError(f"{kind!r} is no task: subclass zsxai.benchmarks.tasks.base.TaskRunner")
    return found
