"""The classes of a data set as prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.benchmarks.tasks.settings import Prompting
from zsxai.conditions import evaluating
from zsxai.errors import InputError
from zsxai.metrics import functional
from zsxai.model import ZeroShotModel
from zsxai.prompt import embed_prompts
from zsxai.target import BoundTarget, Probability, Similarity


def logit_scale_of(model: ZeroShotModel, prompting: Prompting, name: str = "") -> float:
    """What cosines are multiplied by before the softmax.

    Args:
        model: The model.
        prompting: Says which softmax.
        name: Name of the model in the error; the one on its card where empty.

    Raises:
        InputError: If the model gives no logit scale where its own is asked for.
    """
    if prompting.softmax == "unscaled":
        return 1.0
    if model.logit_scale is None:
        name = name or model.card.name
        raise InputError(f"{name} gives no logit scale, so it gives no probabilities: say softmax = 'unscaled'")
    return model.logit_scale or 1.0


class Classes:
    """The classes of a data set as one model knows them: their prompts, embedded once.

    Args:
        model: The model.
        labels: Classes.
        prompting: Template, softmax, target.

    Raises:
        InputError: See :func:`logit_scale_of`.
    """

    def __init__(self, model: ZeroShotModel, labels: Sequence[str], prompting: Prompting) -> None:
        self.model = model
        self.labels = list(labels)
        self.prompting = prompting
        self.logit_scale = logit_scale_of(model, prompting)
        with evaluating(model), torch.no_grad():
            self.encoding = embed_prompts(model, self.labels, prompting.template)

    @property
    def text(self) -> Tensor:
        """``(C, D)`` embeddings of the classes' prompts."""
        return self.encoding.embedding

    def probabilities(self, cosines: NDArray[Any]) -> NDArray[Any]:
        """``(..., C)`` cosines to probabilities."""
        return functional.probabilities(cosines, self.logit_scale)

    def target(self, label: str) -> BoundTarget:
        """What explainers are asked for a class."""
        template = self.prompting.template
        own = self.labels.index(label)
        if self.prompting.target == "similarity":
            return BoundTarget(Similarity(prompt=label), self.encoding.rows([own]), self.model.logit_scale, template)
        order = [own, *(i for i in range(len(self.labels)) if i != own)]
        among = tuple(self.labels[i] for i in order)
        return BoundTarget(
            Probability(prompt=label, among=among), self.encoding.rows(order), self.logit_scale, template
        )
