"""What is explained: a scalar per clip and prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator
from torch import Tensor

from zsxai.errors import InputError, first_problem
from zsxai.model import TextEncoding, ZeroShotModel, text_encoding
from zsxai.names import printable
from zsxai.value import Value


def check_prompt(prompt: object) -> str:
    """Refuse what is no prompt.

    Raises:
        InputError: If it is not a string or is blank.
    """
    if not isinstance(prompt, str):
        raise InputError(f"a prompt is a string, not {type(prompt).__name__}")
    if not prompt.strip():
        raise InputError("the prompt is empty: say what to listen for, such as 'a dog barking'")
    if any("\ud800" <= character <= "\udfff" for character in prompt):
        raise InputError(f"the prompt '{printable(prompt)}' is no text in this terminal's encoding: use UTF-8")
    return prompt


def fill_template(template: str | None, prompt: str) -> str:
    """Put a prompt into a template such as ``"the sound of {}"``; no template leaves it as it is.

    Raises:
        InputError: If the template has no ``{}``.
    """
    if template is None:
        return prompt
    if not isinstance(template, str) or template.count("{}") != 1:
        raise InputError(f"a template holds one {{}} for the prompt, such as 'the sound of {{}}', not {template!r}")
    return check_prompt(template.replace("{}", prompt))


class BoundTarget:
    """A target with its prompts embedded by one model: maps ``(B, D)`` embeddings to ``(B,)`` scalars.

    Args:
        target: What it was bound from.
        encoding: Its K prompts as the model reads them, the prompt itself first.
        logit_scale: The model's, for probabilities.
        template: Template the prompts went through.
    """

    def __init__(
        self, target: Target, encoding: TextEncoding, logit_scale: float | None, template: str | None = None
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

    def bind(self, model: ZeroShotModel, template: str | None = None) -> BoundTarget:
        """Embed the prompts with a model.

        Raises:
            InputError: If a prompt is blank or the model cannot give this target.
        """
        prompts = [fill_template(template, check_prompt(p)) for p in (self.prompt, *self.others)]
        with torch.no_grad():
            encoding = text_encoding(model, prompts)
        return BoundTarget(self, encoding, model.logit_scale, template)

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


class Probability(Target):
    """``softmax(logit_scale * cosine)`` of the prompt among a label set, in [0, 1].

    Attributes:
        among: The label set; the prompt is added where it is not in it.
        logit_scale: Factor on the cosines; the model's own where None. 1 gives the paper's literal softmax.
    """

    unit: ClassVar[str] = "probability"
    kind: Literal["probability"] = "probability"
    among: tuple[str, ...] = Field(min_length=1)
    logit_scale: float | None = Field(default=None, gt=0)

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
        scale = self.logit_scale if self.logit_scale is not None else logit_scale
        if scale is None:
            raise InputError("this model gives no logit scale: say Probability(..., logit_scale=...)")
        return torch.softmax(scale * cosines, dim=1)[:, 0]


AnyTarget = Annotated[Similarity | Contrast | Probability, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Similarity | Contrast | Probability] = TypeAdapter(AnyTarget)


def parse_target(data: object) -> Target:
    """Read a target from its own ``model_dump``."""
    return _ADAPTER.validate_python(data)


def as_target(prompt: object, against: Sequence[str] = (), among: Sequence[str] = ()) -> Target:
    """The target that a prompt means.

    Args:
        prompt: A string or a target.
        against: Other prompts; makes it a :class:`Contrast`.
        among: A label set; makes it a :class:`Probability`.

    Raises:
        InputError: If the prompt is no prompt, or both ``against`` and ``among`` are given.
    """
    for name, others in (("against", against), ("among", among)):
        if isinstance(others, str):
            raise InputError(f"{name} is a list of prompts, not one string: {name}=[{others!r}]")
        for other in others:
            check_prompt(other)
    if isinstance(prompt, Target):
        if against or among:
            raise InputError("give either a target object or against/among, not both")
        return prompt
    text = check_prompt(prompt)
    if against and among:
        raise InputError("give either against (a contrast) or among (a probability), not both")
    try:
        if against:
            return Contrast(prompt=text, against=tuple(against))
        if among:
            return Probability(prompt=text, among=tuple(among))
        return Similarity(prompt=text)
    except ValidationError as error:
        raise InputError(first_problem(error, ())) from error
