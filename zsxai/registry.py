"""One lazy, typed, collision-proof registry for every kind of plugin.

Built-in plugins come in as third parties' do, through entry points; nothing is imported until it is asked for.
"""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from zsxai.errors import InputError, MissingExtraError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of plugin.

    Args:
        kind: What is registered, in the singular ("model").
        group: Entry-point group ("zsxai.models").
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._registered: dict[str, T] = {}

    def register(self, name: str, plugin: T, *, overwrite: bool = False) -> None:
        """Register a plugin for this process.

        Args:
            name: Lower-case name without a colon (what follows a colon is the plugin's argument).
            plugin: What :meth:`get` will return.
            overwrite: Replace what this process registered before under the name.

        Raises:
            InputError: If the name is taken or malformed.
        """
        if not name or ":" in name or name != name.strip().lower():
            raise InputError(f"{name!r} is no {self.kind} name: use lower case, no colon, no blanks at its ends")
        if name in self._entry_points or (name in self._registered and not overwrite):
            raise InputError(f"the {self.kind} {name!r} is already registered by {self.origin(name)}")
        self._registered[name] = plugin

    def unregister(self, name: str) -> None:
        """Take back what :meth:`register` put in; unknown names are ignored."""
        self._registered.pop(name, None)

    def is_registered(self, name: str) -> bool:
        """Whether this process put the name in by :meth:`register`."""
        return name in self._registered

    def names(self) -> list[str]:
        """All names, sorted; imports nothing."""
        return sorted({*self._entry_points, *self._registered})

    def origin(self, name: str) -> str:
        """Where a plugin comes from: ``distribution (module:attribute)`` or ``this process``."""
        found = self._entry_points.get(name)
        return ", ".join(map(_origin, found)) if found else f"this process ({self._registered[name]!r})"

    def get(self, name: str) -> T:
        """Load a plugin.

        Raises:
            InputError: If the name is unknown (the nearest names are given) or two distributions claim it.
            MissingExtraError: If the plugin needs a package that is not installed.
        """
        point = self.entry_point(name)
        if point is None:
            return self._registered[name]
        try:
            plugin: T = point.load()
        except ModuleNotFoundError as error:
            raise self.missing(name, error) from error
        return plugin

    def entry_point(self, name: str) -> EntryPoint | None:
        """What :meth:`get` would load; None for what this process registered. Imports nothing.

        Raises:
            InputError: If the name is unknown (the nearest names are given) or two distributions claim it.
        """
        if name in self._registered:
            return None
        found = self._entry_points.get(name, [])
        if not found:
            said = unknown(self.kind, name, self.names())
            raise InputError(
                f"{said}{'' if said.endswith('?') else '.'} "
                "(A plugin added to an editable install shows up only after installing it again.)"
            )
        if len(found) > 1:
            raise InputError(
                f"two plugins claim the {self.kind} name {name!r}: {self.origin(name)}; uninstall one of them"
            )
        return found[0]

    def missing(self, name: str, error: ModuleNotFoundError) -> MissingExtraError:
        """The error for a plugin whose package is not installed, with the ``pip install`` that brings it."""
        found = self._entry_points.get(name)
        if not found:
            return MissingExtraError(f"{name!r} needs the package {error.name!r}: install it")
        point = found[0]
        extras = f"[{','.join(point.extras)}]" if point.extras else ""
        remedy = f"pip install '{_distribution(point)}{extras}'"
        return MissingExtraError(f"the {self.kind} {name!r} needs the package {error.name!r}: {remedy}")

    @cached_property
    def _entry_points(self) -> dict[str, list[EntryPoint]]:
        # Once per process: every installed distribution is read for it.
        found: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            same = found.setdefault(point.name, [])
            # An editable install can be listed twice on sys.path; only unlike values are a collision.
            if all((p.value, _distribution(p)) != (point.value, _distribution(point)) for p in same):
                same.append(point)
        return found


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _origin(point: EntryPoint) -> str:
    return f"{_distribution(point)} ({point.value})"


MODELS: Registry[Any] = Registry("model", "zsxai.models")
EXPLAINERS: Registry[Any] = Registry("explainer", "zsxai.explainers")
METRICS: Registry[Any] = Registry("metric", "zsxai.metrics")
DATASETS: Registry[Any] = Registry("dataset", "zsxai.datasets")
TASKS: Registry[Any] = Registry("task", "zsxai.tasks")


def list_models() -> list[str]:
    """Names of the models; one that takes an argument is written ``name:<argument>`` where it is loaded."""
    return MODELS.names()


def list_explainers() -> list[str]:
    """Names of the explainers."""
    return EXPLAINERS.names()


def list_metrics() -> list[str]:
    """Names of the metrics."""
    return METRICS.names()


def list_datasets() -> list[str]:
    """Names of the data sets."""
    return DATASETS.names()


def list_tasks() -> list[str]:
    """Names of the kinds of tasks that a suite can hold."""
    return TASKS.names()
