"""What is asked about a clip: the class that the suite says is explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from zsxai.benchmarks.tasks.classes import Classes
from zsxai.benchmarks.tasks.sounds import Heard, pooled_cosines


@dataclass(frozen=True, eq=False)
class Question:
    """One item and the class explained on it.

    Attributes:
        heard: Its sound.
        cosines: ``(C,)`` with the classes.
        index: Index of the explained class among them.
        explained: The class.
        correct: Whether the model predicts the annotated class.
    """

    heard: Heard
    cosines: NDArray[Any]
    index: int
    explained: str
    correct: bool


def ask(classes: Classes, heard: Heard) -> Question:
    """The class that the model predicts on a clip, or its annotated one, as the suite's prompting says."""
    windows = [embedded[None] for embedded in heard.windows]
    cosines = pooled_cosines(classes.model, windows, classes.text)[0]
    predicted, label = int(cosines.argmax()), classes.labels.index(heard.item.label)
    index = predicted if classes.prompting.explained == "predicted" else label
    return Question(heard, cosines, index, classes.labels[index], predicted == label)
