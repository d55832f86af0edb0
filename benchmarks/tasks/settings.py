"""What a suite says of a task: the settings that all tasks share, what is mixed into clips, what is asked of them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from zsxai.calibration import CALIBRATIONS
from zsxai.spectral import Domain, Scale


class Frozen(BaseModel):
    """Base of everything in a suite: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Contamination(Frozen):
    """What is mixed into the clips.

    Attributes:
        kind: ``clean``; ``same-set`` adds another class's clip of the same fold; ``white-noise``; ``speech`` adds one
            of ``data``.
        snr: Decibels, over the energies of the whole clips.
        data: Key of the speech's data set.
    """

    kind: Literal["clean", "same-set", "white-noise", "speech"] = "clean"
    snr: Annotated[float, Field(allow_inf_nan=False)] = 3.0
    data: str | None = None

    @model_validator(mode="after")
    def _speech_has_data(self) -> Self:
        if (self.kind == "speech") != (self.data is not None):
            raise ValueError("speech, and only speech, names its data: {kind = 'speech', data = 'ljspeech'}")
        return self

    @property
    def label(self) -> str:
        """Short name for tables."""
        if self.kind == "clean":
            return self.kind
        return f"{self.kind} ({self.data}), {self.snr:g} dB" if self.data else f"{self.kind}, {self.snr:g} dB"

    def key(self) -> dict[str, Any]:
        """What of it can change a number; the clips mixed in are known by their own hashes."""
        return {"kind": self.kind} if self.kind == "clean" else {"kind": self.kind, "snr": self.snr}


class Prompting(Frozen):
    """What is asked of every clip.

    Attributes:
        template: Around every class.
        explained: ``predicted`` asks about the class that the model predicts on the unmasked clip, ``label`` about the
            annotated one.
        softmax: ``model`` multiplies cosines by the model's own logit scale, ``unscaled`` is the paper's literal one.
        target: What explainers differentiate: the cosine, or the probability among all classes.
    """

    template: str = "the sound of {}"
    explained: Literal["predicted", "label"] = "predicted"
    softmax: Literal["model", "unscaled"] = "model"
    target: Literal["similarity", "probability"] = "similarity"


class Task(Frozen):
    """The settings that all tasks share; each kind adds its own.

    Attributes:
        kind: Name in ``zsxai.tasks``.
        data: Keys of the data sets.
        contaminations: What is mixed in.
        domains: Where masks lie.
        scales: How masks act.
        explainers: Labels of the suite's explainers that run; all where empty. The suite's controls always run.
        calibrations: Calibrations tried in place of each explainer's own; its own where empty.
        metrics: Names in ``zsxai.metrics``; all that read the task's evidence where empty.
        lists: Settings that only say which :attr:`configurations` there are: one more leaves what the others measured.
    """

    lists: ClassVar[frozenset[str]] = frozenset()
    kind: str
    data: Annotated[tuple[str, ...], Field(min_length=1)]
    contaminations: Annotated[tuple[Contamination, ...], Field(min_length=1)] = (Contamination(),)
    domains: Annotated[tuple[Domain, ...], Field(min_length=1)] = ("stft",)
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)] = ("log",)
    explainers: tuple[str, ...] = ()
    calibrations: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    @field_validator("calibrations")
    @classmethod
    def _calibrations(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in CALIBRATIONS or names.count(name) > 1:
                raise ValueError(f"{name!r} is no calibration, or comes twice: {', '.join(CALIBRATIONS)}")
        return names

    @property
    def configurations(self) -> tuple[str, ...]:
        """What the task compares itself, by label, where it asks no explainers; empty where it asks the suite's."""
        return ()

    @property
    def blind(self) -> tuple[str, ...]:
        """Those of the configurations that are controls: tables mark them as such."""
        return ()

    def check(self, prompting: Prompting) -> None:
        """Check the settings against what the suite asks of every clip; nothing to check here.

        Raises:
            ValueError: If they do not fit.
        """

    def departures(self) -> list[str]:
        """How the settings depart from LMAC-ZS's evaluation, in words; none where they are the paper's."""
        return [f"the task {self.kind!r}, which the paper does not run"]
