"""What is explained: a scalar per clip and prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator
from torch import Tensor

from zsxai.errors import InputError, first_problem
from zsxai.model import TextEncoding, ZeroShotModel
from zsxai.prompt import Template, check_prompt, check_prompts, embed_prompts, find_template
from zsxai.value import Value


class BoundTarget:
    """A target with its prompts embedded by one model: maps ``(B, D)`` embeddings to ``(B,)`` scalars.

    Args:
        target: What it was bound from.
        encoding: Its K prompts as the model reads them, the prompt itself first.
        logit_scale: The model's, for probabilities.
        template: Template the prompts went through.
    """

    def __init__(
        self, target: Target, encoding: TextEncoding, logit_scale: float | None, template: Template = None
    ) -> None:
        self.target = target
        self.encoding = encoding
        self.logit_scale = logit_scale
        self.template = template

    @property
    def text(self) -> Tensor:
        """``(K, D)`` unit rows, the prompt itself first."""
        return self.encoding.embedding

    def __call__(self, embedding: Tensor) -> Tensor:
        """Score embeddings, ``(B, D)`` to ``(B,)``, in ``target.unit``."""
        return self.value(self.cosines(embedding))

    def cosines(self, embedding: Tensor) -> Tensor:
        """Cosines with the prompts, ``(B, D)`` to ``(B, K)``."""
        return embedding @ self.text.T

    def value(self, cosines: Tensor) -> Tensor:
        """Score cosines, ``(B, K)`` to ``(B,)``, in ``target.unit``."""
        return self.target.value(cosines, self.logit_scale)

    def rounding(self, of_cosines: float) -> float:
        """How far a score may be off where cosines may be off by so much."""
        return of_cosines * self.target.steepness(self.logit_scale)

    def similarity(self, embedding: Tensor) -> Tensor:
        """Cosine with the prompt, ``(B, D)`` to ``(B,)``."""
        return embedding @ self.text[0]


class Target(Value, ABC):
    """A scalar that a recording and a prompt make.

    Attributes:
        prompt: What is listened for.
    """

    unit: ClassVar[str]

    prompt: str

    @property
    def others(self) -> tuple[str, ...]:
        """The other prompts it depends on."""
        return ()

    @abstractmethod
    def value(self, cosines: Tensor, logit_scale: float | None) -> Tensor:
        """From cosines ``(B, 1 + len(others))``, the prompt first, to ``(B,)``."""

    def bind(self, model: ZeroShotModel, template: object = None) -> BoundTarget:
        """Embed the prompts with a model.

        Args:
            model: The model.
            template: As :func:`zsxai.prompt.find_template` takes it.

        Raises:
            InputError: If a prompt is blank or the model cannot give this target.
        """
        applied = find_template(template, model)
        with torch.no_grad():
            encoding = embed_prompts(model, check_prompts((self.prompt, *self.others)), applied)
        return BoundTarget(self, encoding, model.logit_scale, applied)

    @abstractmethod
    def steepness(self, logit_scale: float | None) -> float:
        """How much the score can change where every cosine changes by 1: what rounding of cosines makes of it."""

    @field_validator("prompt")
    @classmethod
    def _prompt(cls, value: str) -> str:
        return check_prompt(value)


class Similarity(Target):
    """Cosine between recording and prompt, in [-1, 1]."""

    unit: ClassVar[str] = "cosine"
    kind: Literal["similarity"] = "similarity"

    def value(self, cosines: Tensor, logit_scale: float | None) -> Tensor:
        """See :meth:`Target.value`."""
        return cosines[:, 0]

    def steepness(self, logit_scale: float | None) -> float:
        """See :meth:`Target.steepness`."""
        return 1.0


class Contrast(Target):
    """Cosine with the prompt less the mean cosine with others, in [-2, 2].

    Attributes:
        against: The prompts it is distinguished from.
    """

    unit: ClassVar[str] = "cosine difference"
    kind: Literal["contrast"] = "contrast"
    against: tuple[str, ...] = Field(min_length=1)

    @property
    def others(self) -> tuple[str, ...]:
        """See :attr:`Target.others`."""
        return self.against

    def value(self, cosines: Tensor, logit_scale: float | None) -> Tensor:
        """See :meth:`Target.value`."""
        return cosines[:, 0] - cosines[:, 1:].mean(dim=1)

    def steepness(self, logit_scale: float | None) -> float:
        """See :meth:`Target.steepness`."""
        return 2.0

    @model_validator(mode="after")
    def _more_than_the_prompt(self) -> Self:
        if set(self.against) == {self.prompt}:
            raise InputError("against holds no prompt but the explained one: the contrast is always 0")
        return self


class Probability(Target):
    """``softmax(logit_scale * cosine)`` of the prompt among a label set, in [0, 1].

    Attributes:
        among: The label set; the prompt is added where it is not in it.
        logit_scale: Factor on the cosines; the model's own where None. 1 gives the paper's literal softmax.
    """

    unit: ClassVar[str] = "probability"
    kind: Literal["probability"] = "probability"
    among: tuple[str, ...] = Field(min_length=1)
    logit_scale: float | None = Field(default=None, gt=0, le=1e9)

    @model_validator(mode="after")
    def _more_than_the_prompt(self) -> Self:
        if not self.others:
            raise InputError("the label set holds no prompt but the explained one: its probability is always 1")
        return self

    @property
    def others(self) -> tuple[str, ...]:
        """See :attr:`Target.others`."""
        return tuple(p for p in dict.fromkeys(self.among) if p != self.prompt)

    def value(self, cosines: Tensor, logit_scale: float | None) -> Tensor:
        """See :meth:`Target.value`."""
        return torch.softmax(self._scale(logit_scale) * cosines, dim=1)[:, 0]

    def steepness(self, logit_scale: float | None) -> float:
        """See :meth:`Target.steepness`: a softmax is steepest where the prompt has one half."""
        return self._scale(logit_scale) / 2

    def _scale(self, logit_scale: float | None) -> float:
        scale = self.logit_scale if self.logit_scale is not None else logit_scale
        if scale is None:
            raise InputError("this model gives no logit scale: say Probability(..., logit_scale=...)")
        return scale


AnyTarget = Annotated[Similarity | Contrast | Probability, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Similarity | Contrast | Probability] = TypeAdapter(AnyTarget)


def parse_target(data: object) -> Target:
    """Read a target from its own ``model_dump``."""
    return _ADAPTER.validate_python(data)


def as_target(prompt: object, against: object = None, among: object = None) -> Target:
    """The target that a prompt means.

    Args:
        prompt: A string or a target.
        against: A list of other prompts; makes it a :class:`Contrast`.
        among: A label set; makes it a :class:`Probability`.

    Raises:
        InputError: If the prompt is no prompt, or both ``against`` and ``among`` are given.
    """
    contrasts = check_prompts(() if against is None else against, "against")
    labels = check_prompts(() if among is None else among, "among")
    if isinstance(prompt, Target):
        if contrasts or labels:
            raise InputError("give either a target object or against/among, not both")
        return prompt
    text = check_prompt(prompt)
    if contrasts and labels:
        raise InputError("give either against (a contrast) or among (a probability), not both")
    try:
        if contrasts:
            return Contrast(prompt=text, against=tuple(contrasts))
        if labels:
            return Probability(prompt=text, among=tuple(labels))
        return Similarity(prompt=text)
    except ValidationError as error:
        raise InputError(first_problem(error, ())) from error
