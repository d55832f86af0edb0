"""Reference figures of a model: from which evidence on it hears a prompt, measured on labelled recordings."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from zsxai.errors import InputError, first_problem
from zsxai.files import as_path, write_text
from zsxai.model import ZeroShotModel
from zsxai.names import printable
from zsxai.value import Value
from zsxai.verdict.bank import Strongest, hash_bank
from zsxai.verdict.cache import data_folder

FIRST = 0.0075
"""Part of the prompts that are present and ranked first by the model which the threshold refuses."""
TAIL = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998)
"""Quantiles of the evidence for absent prompts that a reference keeps."""
MISTAKEN = 0.05
"""Part of the absent prompts that may be heard somewhere in a recording of many windows."""
USELESS = 0.75
"""Under this area under the ROC curve a model does not tell present prompts from absent ones."""


class Figures(Value):
    """How well the evidence tells present prompts from absent ones on the reference's own recordings.

    Attributes:
        auc: Area under the ROC curve, absent prompts at random.
        present_heard: Part of the present prompts that count as heard.
        first_heard: The same of those that the model ranks first of all labels.
        absent_refused: Part of the absent prompts that do not.
        similar_refused: The same of the three absent labels most similar to each clip.
    """

    auc: float
    present_heard: float
    first_heard: float
    absent_refused: float
    similar_refused: float


class Reference(Value):
    """Evidence is ``a * cosine + b * margin + c``, the threshold at 0; its logistic function is the presence.

    The margin is the cosine less that of the strongest sound of the bank (:mod:`zsxai.verdict.bank`) that is no
    near-synonym of the prompt.

    Attributes:
        model: Name of the model.
        weights_sha256: Hash of its weights.
        bank_sha256: Hash of the bank's words.
        data: What was listened to.
        clips: Number of clips.
        recordings: Number of recordings that they were cut from.
        labels: Number of labels.
        cosine: Factor a.
        margin: Factor b.
        constant: Term c.
        tail: Evidence that absent prompts exceed in 1 - q of all pairs, for q of :data:`TAIL`.
        figures: How good it is.
        command: What made it.
        versions: Versions of the libraries that computed.
    """

    format: Literal[1] = 1
    model: str
    weights_sha256: str | None
    bank_sha256: str
    data: str
    clips: int = Field(ge=1)
    recordings: int = Field(ge=1)
    labels: int = Field(ge=2)
    cosine: float
    margin: float
    constant: float
    tail: Annotated[tuple[float, ...], Field(min_length=len(TAIL), max_length=len(TAIL))]
    figures: Figures
    command: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _rises(self) -> Reference:
        if self.cosine + self.margin <= 0:
            raise ValueError("the evidence falls where the cosine rises: such figures judge nothing")
        return self

    def evidence(self, similarity: float, strongest: Strongest) -> float:
        """Evidence that a window holds the prompt; above 0 it counts as heard.

        Args:
            similarity: Cosine of window and prompt.
            strongest: What else the window resembles most.
        """
        return self.cosine * similarity + self.margin * (similarity - strongest.cosine) + self.constant

    def level(self, strongest: Strongest, bar: float = 0.0) -> float:
        """The cosine at which the evidence of a window is ``bar``."""
        return (bar + self.margin * strongest.cosine - self.constant) / (self.cosine + self.margin)

    def bar(self, windows: float) -> float:
        """Evidence that one of many windows needs, so that absent prompts pass in at most :data:`MISTAKEN` of files.

        Args:
            windows: Number of windows side by side.
        """
        beyond = np.log1p(-np.array(TAIL))  # log of the part that exceeds each quantile; the tail is about exponential
        alone = float(np.interp(0.0, self.tail, beyond))
        wanted = min(alone, math.log(MISTAKEN / max(windows, 1.0)))
        slope = (self.tail[-1] - self.tail[-4]) / (beyond[-1] - beyond[-4])
        if wanted < beyond[-1]:
            return float(self.tail[-1] + slope * (wanted - beyond[-1]))
        return max(0.0, float(np.interp(-wanted, -beyond, self.tail)))

    @property
    def is_useful(self) -> bool:
        """Whether the model tells present prompts from absent ones at all."""
        return self.figures.auc >= USELESS

    def save(self, path: str | Path) -> Path:
        """Write it as JSON; returns the path.

        Raises:
            InputError: If it cannot be written.
        """
        return write_text(as_path(path), json.dumps(self.model_dump(mode="json"), indent=1) + "\n")


def load_reference(path: str | Path) -> Reference:
    """Read what :meth:`Reference.save` wrote.

    Raises:
        InputError: If it is no such file.
    """
    file = as_path(path)
    try:
        return Reference.model_validate(json.loads(file.read_bytes()))
    except ValueError as error:
        reason = first_problem(error, ()) if isinstance(error, ValidationError) else f"it is no JSON: {error}"
        raise InputError(
            f"{printable(file)} holds no reference figures ({reason}): delete it, or make it anew with zsxai reference"
        ) from error
    except OSError as error:
        raise InputError(f"{printable(file)} cannot be read: {error.strerror or error}") from error


def reference_of(model: ZeroShotModel) -> Reference | None:
    """The reference figures of a model: those that the user had made, or those that it brings; None without any.

    Files of other weights or of another bank are passed over.
    """
    files: Sequence[Path] = [place_of(model), *model.references]
    found = (_read_once(file, file.stat().st_mtime_ns) for file in files if file.is_file())
    bank = hash_bank()
    return next((f for f in found if f.bank_sha256 == bank and model.card.is_of(f.model, f.weights_sha256)), None)


def check_reference(found: Reference, model: ZeroShotModel) -> Reference:
    """See that figures are those of a model.

    Raises:
        InputError: If they are of other weights, or were made with another bank.
    """
    if not model.card.is_of(found.model, found.weights_sha256):
        raise InputError(f"these reference figures are of {printable(found.model)}, not of {model.card.name}")
    if found.bank_sha256 != hash_bank():
        raise InputError("these reference figures were made with another bank: make them anew with zsxai reference")
    return found


def place_of(model: ZeroShotModel) -> Path:
    """Where ``zsxai reference`` keeps the figures of a model."""
    name = model.card.weights_sha256 or "".join(c if c.isalnum() else "-" for c in model.card.name)
    return data_folder() / "references" / f"{name}.json"


@lru_cache(maxsize=32)
def _read_once(file: Path, _changed: int) -> Reference:
    return load_reference(file)
