"""What :func:`zsxai.compare` gives: a frozen value that is printed, shown and saved."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from statistics import fmean, pstdev
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from zsxai.comparison.agreement import Agreement
from zsxai.explanation import Explanation, Name
from zsxai.names import printable
from zsxai.value import Value
from zsxai.verdict.verdict import Level

FORMAT = 1
"""Version of the saved record."""

FIGURES = ("score", "score_in", "score_out", "score_heard", "similarity", "mask_mean", "kept_energy", "unit")
"""What a cell says of its explanation."""

Text = Annotated[str, BeforeValidator(lambda text: printable(text) if isinstance(text, str) else text)]


class Cost(Value):
    """What an explainer took for all prompts of a comparison together: they share the audio side.

    Attributes:
        seconds: CPU time of the process.
        clips: Clips that the model encoded, those of the scores included.
        prompts: Prompts that shared it.
    """

    seconds: float
    clips: int
    prompts: int


class Cell(Value):
    """A prompt, an explainer and a model: an explanation, or why there is none.

    Attributes:
        prompt: What was listened for.
        explainer: Name.
        model: Name.
        label: What tells it from the other cells of its prompt: the explainer, with the model where there are several.
        control: Whether the explainer is a control.
        cost: What the explainer cost on the model, for all prompts; None where it failed.
        error: Why there is no explanation; empty where there is one.
        explanation: The explanation; not part of the record, which has its figures.
    """

    prompt: str
    explainer: Name
    model: Name
    label: Name
    control: bool
    cost: Cost | None = None
    error: Text = ""
    explanation: Explanation | None = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if bool(self.error) == (self.explanation is not None):
            raise ValueError("a cell has an explanation, or an error that says why not")
        return self

    @property
    def verdict(self) -> Level | None:
        """Level of the explanation's verdict; None where there is none."""
        found = self.explanation and self.explanation.verdict
        return found.level if found else None

    def figures(self) -> dict[str, Any]:
        """The explanation's figures, ready for JSON; empty where there is none."""
        e = self.explanation
        if e is None:
            return {}
        verdict = None if e.verdict is None else e.verdict.model_dump(mode="json")
        return {**{name: getattr(e, name) for name in FIGURES}, "verdict": verdict}


class Wording(Value):
    """Another wording of a prompt, beside the prompt's own explanation.

    Attributes:
        text: The wording.
        score: Its score.
        difference: Its score less the prompt's.
        similarity: Its cosine.
        verdict: Level of its verdict; None where there is none.
        correlation: Spearman's rank correlation of its relevance with the prompt's; None where a map is flat.
    """

    text: str
    score: float
    difference: float
    similarity: float
    verdict: Level | None
    correlation: float | None


class Wordings(Value):
    """How far one explanation moves with the wording of its prompt.

    Attributes:
        prompt: The prompt.
        explainer: Name.
        model: Name.
        unit: Unit of the scores.
        score: The prompt's own.
        verdict: Level of the prompt's own verdict; None where there is none.
        items: The wordings, in the order given.
    """

    prompt: str
    explainer: Name
    model: Name
    unit: str
    score: float
    verdict: Level | None
    items: tuple[Wording, ...] = Field(min_length=1)

    @property
    def low(self) -> float:
        """The lowest score, the prompt's own among them."""
        return min(self.score, *(w.score for w in self.items))

    @property
    def high(self) -> float:
        """The highest score, the prompt's own among them."""
        return max(self.score, *(w.score for w in self.items))

    @property
    def deviation(self) -> float:
        """Standard deviation of the scores, the prompt's own among them."""
        return pstdev([self.score, *(w.score for w in self.items)])

    @property
    def same_verdict(self) -> float | None:
        """Part of the wordings with the prompt's own verdict; None where there are no verdicts."""
        return None if self.verdict is None else fmean(w.verdict == self.verdict for w in self.items)

    @property
    def correlation(self) -> float | None:
        """Mean correlation with the prompt's own map; None where there is none."""
        found = [w.correlation for w in self.items if w.correlation is not None]
        return fmean(found) if found else None

    def describe(self) -> str:
        """A sentence: how far score, verdict and map move."""
        count = len(self.items)
        said = [
            f"score {self.score:.3f}, from {self.low:.3f} to {self.high:.3f} over {count} "
            f"{'wording' if count == 1 else 'wordings'} (standard deviation {self.deviation:.3f})"
        ]
        if self.same_verdict is not None:
            said.append(f"{self.same_verdict:.0%} of them have the same verdict")
        if self.correlation is not None:
            said.append(f"their maps correlate with its own by {self.correlation:.2f} in the mean")
        return "; ".join(said)

    def record(self) -> dict[str, Any]:
        """The fields and the summary, ready for JSON."""
        names = ("low", "high", "deviation", "same_verdict", "correlation")
        return {**self.model_dump(mode="json"), **{name: getattr(self, name) for name in names}}


class Best(Value):
    """A label among the best of a label set.

    Attributes:
        label: The label.
        score: Probability among the set.
        similarity: Cosine.
    """

    label: str
    score: float
    similarity: float


class Comparison(Value):
    """Explanations of one recording side by side: prompts x explainers x models.

    Attributes:
        audio_name: File name, or ``array``.
        seconds: Length of the recording.
        prompts: In the order given; the best labels of a set come last.
        explainers: In the order given; controls come last.
        models: In the order given.
        cells: One per prompt, explainer and model: by prompt, then by model, then by explainer.
        agreements: Every pair of explanations of a prompt.
        wordings: How far prompts move with wording; empty where it was not asked for.
        best: The best labels of the label set, where one was given.
        labels: How many labels the set had.
        versions: Versions of the libraries that compute.
    """

    audio_name: Name
    seconds: float
    prompts: tuple[str, ...]
    explainers: tuple[Name, ...]
    models: tuple[Name, ...]
    cells: tuple[Cell, ...] = Field(min_length=1)
    agreements: tuple[Agreement, ...]
    wordings: tuple[Wordings, ...] = ()
    best: tuple[Best, ...] = ()
    labels: int = 0
    versions: dict[str, str]

    @property
    def ok(self) -> bool:
        """Whether every cell has an explanation."""
        return not any(cell.error for cell in self.cells)

    def of(self, prompt: str) -> tuple[Cell, ...]:
        """The cells of a prompt."""
        return tuple(cell for cell in self.cells if cell.prompt == prompt)

    def first(self, prompt: str) -> Cell | None:
        """The first cell of a prompt with an explanation, with which the others are compared; None where all failed."""
        return next((cell for cell in self.of(prompt) if not cell.error), None)

    @cached_property
    def _pairs(self) -> dict[tuple[str, str, str], Agreement]:
        found = {(a.prompt, a.first, a.second): a for a in self.agreements}
        return found | {(p, second, first): a for (p, first, second), a in found.items()}

    def agreement(self, first: Cell, second: Cell) -> Agreement | None:
        """How far two cells of a prompt agree, in either order; None for one and the same, and where either failed."""
        return self._pairs.get((first.prompt, first.label, second.label)) if first.prompt == second.prompt else None

    def most_apart(self, prompt: str) -> Agreement | None:
        """The pair of a prompt whose maps correlate least, controls left out; None where there is none to compare."""
        labels = {cell.label for cell in self.of(prompt) if not cell.control}
        pairs = [a for a in self.agreements if a.prompt == prompt and {a.first, a.second} <= labels]
        return min(pairs, key=lambda a: 1.0 if a.correlation is None else a.correlation, default=None)

    @staticmethod
    def folder(number: int) -> str:
        """Folder of a cell where it is saved, numbered from 1: prompts and names may hold what no file name may."""
        return f"cells/{number}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """A flat row for every cell, as ``table.csv`` has it; None where there is no figure."""
        for number, cell in enumerate(self.cells, 1):
            first = self.first(cell.prompt)
            pair = first and self.agreement(first, cell)
            figures = cell.figures()
            yield {
                "prompt": cell.prompt,
                "explainer": cell.explainer,
                "model": cell.model,
                "control": cell.control,
                "verdict": cell.verdict,
                **{name: figures.get(name) for name in FIGURES},
                "compared_with": pair and first and first.label,
                "correlation": pair and pair.correlation,
                "overlap": pair and pair.overlap,
                "cpu_seconds": cell.cost and cell.cost.seconds,
                "clips": cell.cost and cell.cost.clips,
                "error": cell.error,
                "folder": "" if cell.error else self.folder(number),
            }

    def record(self) -> dict[str, Any]:
        """Everything but the explanations themselves, ready for JSON."""
        cells = [{**cell.model_dump(mode="json"), **cell.figures()} for cell in self.cells]
        said = {"cells": cells, "wordings": [w.record() for w in self.wordings]}
        return {"format": FORMAT, **self.model_dump(mode="json"), **said}

    def describe(self) -> str:
        """The table as plain text, and what else was found in sentences."""
        from zsxai.comparison.table import write_text

        return write_text(self)

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        return (
            f"Comparison({self.audio_name!r}, {len(self.prompts)} prompts x {len(self.explainers)} explainers x "
            f"{len(self.models)} models)"
        )

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder: the page, the record, a table, and a folder as ``Explanation.save`` writes it for every cell.

        Args:
            folder: Written beside itself and renamed, so that it is whole or absent.
            overwrite: Replace a folder that a comparison was saved to before.

        Returns:
            The folder.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        from zsxai.comparison.saved import write_folder

        return write_folder(self, folder, overwrite=overwrite)
