"""What was checked, one line each: the result of ``Explanation.verify`` and of ``zsxai.testing``."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, computed_field

from zsxai.errors import ZsxaiError
from zsxai.value import Value

State = Literal["ok", "failed", "skipped"]

_MARKS: dict[State, str] = {"ok": "ok", "failed": "FAILED", "skipped": "-"}


class CheckFailedError(ZsxaiError, AssertionError):
    """A report that holds a failed check; the message is the report."""


class Check(Value):
    """One thing that was checked.

    Attributes:
        name: Short and unique in its report.
        state: ``skipped`` where it does not apply or could not mean anything; the detail says why.
        detail: One line: what was measured, and where it failed what to do.
    """

    model_config = ConfigDict(extra="ignore")  # what is written holds `ok` too

    name: str
    state: State
    detail: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        """Whether it did not fail."""
        return self.state != "failed"


class Report(Value):
    """Checks in the order they were made; true where none failed."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(check.ok for check in self.checks)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        width = max((len(c.name) for c in self.checks), default=0) + 1
        return "\n".join(f"{_MARKS[c.state]:6} {c.name + ':':{width}} {c.detail}" for c in self.checks)

    def raise_if_failed(self) -> None:
        """Raise where a check failed.

        Raises:
            CheckFailedError: With the whole table.
        """
        if not self.ok:
            raise CheckFailedError(f"\n{self}")
