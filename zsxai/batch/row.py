"""A row of the table: one recording and one prompt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from zsxai.regions import say_place
from zsxai.value import Value
from zsxai.written import as_csv

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

MOST_REGIONS = 100
"""Regions that are counted at most."""


class Row(Value):
    """What the table says of a recording and a prompt.

    Attributes:
        file: Name of the recording, below what was named.
        seconds: Its length.
        prompt: What was listened for.
        unit: Unit of the scores.
        score: See :class:`~zsxai.Explanation`; the next four likewise.
        score_in: Masked in.
        score_out: Masked out.
        score_heard: The rendered explanation, encoded again.
        similarity: Cosine of recording and prompt.
        presence: How likely the model hears the prompt, in [0, 1]; None without a verdict, or without figures for one.
        verdict: Its level; None where it was not asked for.
        mask_mean: Mean of the mask over the cells the model hears.
        kept_energy: Part of the power that the explanation keeps.
        regions: Number of regions, 100 at most.
        start: Of the first region, the one that keeps most power: seconds; None where there is none.
        stop: Seconds.
        low: Hertz.
        high: Hertz.
        warnings: What a reader should know, with ``; `` between.
        folder: Folder of the saved explanation below the run's; None where none was saved.
    """

    file: str
    seconds: float
    prompt: str
    unit: str
    score: float
    score_in: float
    score_out: float
    score_heard: float
    similarity: float
    presence: float | None
    verdict: str | None
    mask_mean: float
    kept_energy: float
    regions: int
    start: float | None
    stop: float | None
    low: float | None
    high: float | None
    warnings: str
    folder: str | None

    @property
    def where(self) -> str:
        """The first region in words; empty where there is none."""
        if self.start is None or self.stop is None or self.low is None or self.high is None:
            return ""
        return say_place(self.start, self.stop, self.low, self.high)


def make_row(explanation: Explanation, file: str, folder: str | None) -> Row:
    """The row of an explanation."""
    e = explanation
    regions = e.regions(MOST_REGIONS)
    first = regions[0].model_dump(include={"start", "stop", "low", "high"}) if regions else {}
    return Row(
        file=file,
        seconds=e.seconds,
        prompt=e.prompt,
        unit=e.unit,
        **{name: getattr(e, name) for name in ("score", "score_in", "score_out", "score_heard", "similarity")},
        presence=None if e.verdict is None else e.verdict.figures.get("presence"),
        verdict=None if e.verdict is None else e.verdict.level,
        mask_mean=e.mask_mean,
        kept_energy=e.kept_energy,
        regions=len(regions),
        **{name: first.get(name) for name in ("start", "stop", "low", "high")},
        warnings="; ".join(e.provenance.warnings),
        folder=folder,
    )


def write_csv(rows: Iterable[Row]) -> str:
    """Rows as CSV with a header line; what is not known is empty."""
    return as_csv([Row.model_fields, *(row.model_dump().values() for row in rows)])
