"""The verdict on an explanation: one of four levels, the reasons in words, and the figures behind them."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from zsxai.value import Value

Level = Literal["heard and located", "heard, weakly located", "not heard by this model", "cannot say"]
LEVELS: tuple[Level, ...] = get_args(Level)


class Verdict(Value):
    """Whether to believe an explanation. It is about what the model hears, never about what is there.

    Attributes:
        level: One of :data:`LEVELS`.
        reasons: Sentences, each with its number; the first one decides.
        figures: What was measured, by name; what could not be is left out. ``similarity`` is the cosine, ``absence``
            the cosine under which this prompt counts as not heard, ``presence`` how likely the model hears it, in
            [0, 1].
    """

    level: Level
    reasons: tuple[str, ...] = Field(min_length=1)
    figures: dict[str, float] = Field(default_factory=dict)

    @property
    def believable(self) -> bool:
        """Whether the sound is heard and the map says where."""
        return self.level == LEVELS[0]

    def describe(self) -> str:
        """The level, and under it every reason."""
        return "\n".join([self.level.capitalize(), *(f"  {reason[0].upper()}{reason[1:]}." for reason in self.reasons)])

    def __str__(self) -> str:
        return f"{self.level}: {self.reasons[0]}"
