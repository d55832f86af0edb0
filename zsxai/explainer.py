"""What an explainer must give: one short method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator

from zsxai.calibration import CALIBRATIONS
from zsxai.clip import Clip, Relevance
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.target import BoundTarget

MOST_FORWARDS = 100_000
"""Forwards that an option may ask for on one clip: more is a slip of the keyboard, and days of work."""
Count = Annotated[int, Field(ge=1, le=MOST_FORWARDS)]
"""Type of an option that says how many forwards are made."""


class ExplainerCard(BaseModel):
    """What an explainer needs and costs.

    Attributes:
        summary: One sentence.
        control: True for what explains nothing by construction, and explanations are compared with.
        needs_gradients: False where it works on a black box.
        deterministic: True where the seed does not matter.
        differentiates_target: False where its gradients are of something else than the target, such as the cosines of
            its prompts.
        relevance_is_score: True where the relevance of a cell is a difference of scores, so that what is below their
            rounding is nothing.
        reads_masking: False where the raw relevance depends neither on the domain nor on the scale of masks: the
            harness then computes it once for all of them.
        forwards: Audio forwards per clip and target, in terms of its options.
        backwards: Backwards per clip and target, likewise.
        reference: Paper and equation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str
    control: bool = False
    needs_gradients: bool
    deterministic: bool
    differentiates_target: bool = True
    relevance_is_score: bool = False
    reads_masking: bool = True
    forwards: str
    backwards: str
    reference: str


class Explainer(BaseModel, ABC):
    """Base of all explainers; its fields are the explainer's options.

    A new explainer sets ``name`` and ``card`` and writes :meth:`attribute`. One that shares work between prompts
    overrides :meth:`relevance` instead; one that shares work between clips too is a :class:`BatchExplainer`.

    Attributes:
        name: In the registry.
        argument: Option that a name's argument sets, as in ``lmac-zs:<folder>``; None where it takes none.
        calibration: Named calibration from relevance to mask (``zsxai.calibration``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str] = ""
    argument: ClassVar[str | None] = None
    card: ClassVar[ExplainerCard]
    calibration: str = "relu-max"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # One that explains a clip in a way of its own explains many so: what it inherits would explain them otherwise.
        if {"attribute", "relevance"} & set(vars(cls)) and "relevances" not in vars(cls):
            cls.relevances = Explainer.relevances  # type: ignore[method-assign]

    @field_validator("calibration")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CALIBRATIONS:
            raise ValueError(f"unknown calibration {value!r}: one of {', '.join(CALIBRATIONS)}")
        return value

    @classmethod
    def fits(cls, model: ZeroShotModel) -> bool:
        """Whether the explainer can be the default for a model: here, whether the model gives what it needs."""
        return isinstance(model, SpectralModel) or not cls.card.needs_gradients

    def weights(self, model: ZeroShotModel) -> dict[str, str]:
        """Hashes of trained weights that the explainer brings for a model, by what they are; for provenance."""
        return {}

    def notes(self, clip: Clip) -> tuple[str, ...]:
        """What a reader should know before trusting the explanation of a clip, a line each."""
        return ()

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """Explain one target on one clip.

        Args:
            clip: At most one window of audio before its model.
            target: Maps ``(B, D)`` embeddings to ``(B,)`` scalars.

        Returns:
            Relevance with values ``(f, n)``.
        """
        raise NotImplementedError(f"{type(self).__name__} writes neither attribute() nor relevance()")

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """Explain several targets on one clip; the default loops over :meth:`attribute`.

        Returns:
            Relevance with values ``(P, f, n)``.
        """
        parts = [self.attribute(clip, target) for target in targets]
        return Relevance(torch.stack([p.values.detach() for p in parts]), parts[0].grid, parts[0].on)

    def relevances(self, clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> list[Relevance]:
        """Explain several targets on each of several clips; the default loops over :meth:`relevance`.

        Args:
            clips: Clips of one model, windows of one length.
            targets: The targets.

        Returns:
            For every clip what :meth:`relevance` gives, up to rounding.
        """
        return [self.relevance(clip, targets) for clip in clips]


class BatchExplainer(Explainer):
    """An explainer that shares work between clips, such as one forward for all: it writes :meth:`relevances`."""

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`Explainer.relevance`."""
        return self.relevances([clip], targets)[0]

    @abstractmethod
    def relevances(self, clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> list[Relevance]:
        """See :meth:`Explainer.relevances`."""
