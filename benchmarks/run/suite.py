"""A suite is data: what is measured, on what, how; read from TOML and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from zsxai.calibration import CALIBRATIONS
from zsxai.errors import InputError, first_problem
from zsxai.spectral import Domain, Scale

CONTROLS = ("constant", "random", "loudness", "energy")
"""Blind controls that are rows of every table, whether a suite names them or not."""

STRATA = {
    "faithfulness": ("correct",),
    "two-sounds": ("both-heard", "alone", "distinct"),
    "prompts": ("correct",),
    "randomisation": ("correct",),
}
"""Named subsets of the rows of each kind of task."""

SUITES = ("smoke", "faithfulness", "paper-esc50", "paper-us8k", "two-sounds", "sanity")


class Record(BaseModel):
    """Base of everything in a suite: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class DataSpec(Record):
    """A data set of a suite.

    Attributes:
        reader: Name in ``zsxai.datasets``.
        root: Folder; where None, the caller names it (``--data NAME=DIR``), or the reader needs none.
        options: What the reader takes besides, such as ``folds = [4]``.
    """

    reader: str
    root: str | None = None
    options: dict[str, Any] = {}


class Contamination(Record):
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

    @property
    def label(self) -> str:
        """Short name for tables."""
        if self.kind == "clean":
            return self.kind
        return f"{self.kind} ({self.data}), {self.snr:g} dB" if self.data else f"{self.kind}, {self.snr:g} dB"

    def key(self) -> dict[str, Any]:
        """What of it can change a number; the clips mixed in are known by their own hashes."""
        return {"kind": self.kind} if self.kind == "clean" else {"kind": self.kind, "snr": self.snr}


class Named(Record):
    """A plugin by name, with its options; a bare string in TOML is its name.

    Attributes:
        name: Registry name (of a model with its argument).
        options: What the plugin takes.
        label: How tables call it; the name where None.
    """

    name: str
    options: dict[str, Any] = {}
    label: str | None = None

    @property
    def title(self) -> str:
        """How tables call it."""
        return self.label or self.name


Plugin = Annotated[Named, BeforeValidator(_named)]


class Prompting(Record):
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


class Task(Record):
    """What all tasks share; each kind adds its own fields.

    Attributes:
        kind: Which task.
        data: Keys of the data sets.
        contaminations: What is mixed in.
        domains: Where masks lie.
        scales: How masks act.
        explainers: Labels of the suite's explainers that run; all where empty. Blind controls always run.
        calibrations: Calibrations tried in place of each explainer's own; its own where empty.
        metrics: Names in ``zsxai.metrics``; all of the task's where empty.
    """

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


class Faithfulness(Task):
    """Masks in, masks out, as heard; controls; budgets.

    Attributes:
        variants: Controls made from each explainer: ``foil`` (asked about another class) and ``rolled`` (its mask in
            the wrong place).
        budgets: Parts of the cells and of the energy at which rankings are compared; none where empty.
        heard: Whether the rendered explanation is encoded again.
    """

    kind: Literal["faithfulness"] = "faithfulness"
    variants: tuple[Literal["foil", "rolled"], ...] = ("foil", "rolled")
    budgets: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.05, 0.1, 0.25, 0.5, 0.75)
    heard: bool = True

    @field_validator("budgets")
    @classmethod
    def _rising(cls, budgets: tuple[float, ...]) -> tuple[float, ...]:
        if list(budgets) != sorted(set(budgets)):
            raise ValueError(f"budgets rise, and none comes twice: not {list(budgets)}")
        return budgets


class TwoSounds(Task):
    """Mixtures of two clips whose truth is known, asked for each in turn.

    Attributes:
        snrs: Decibels of the first over the second, over the active frames of both.
        matchings: Random perfect matchings of the clips, so that every clip comes as often as another. The same pairs
            for all seeds: those are of explainers.
        resolutions: Cells of which the oracle is measured besides, such as ``"125x16"``: parts of the time by parts of
            the band. Their rows stand with the control ``energy``, as variants ``oracle 125x16``.
    """

    kind: Literal["two-sounds"] = "two-sounds"
    snrs: Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)] = (0.0,)
    matchings: Annotated[int, Field(ge=1)] = 1
    resolutions: tuple[Annotated[str, Field(pattern=r"^[1-9][0-9]*x[1-9][0-9]*$")], ...] = ()

    @model_validator(mode="after")
    def _mixes_itself(self) -> Self:
        if any(c.kind != "clean" for c in self.contaminations):
            raise ValueError("two-sounds mixes its clips itself: leave contaminations out")
        if len({f"{snr:g}" for snr in self.snrs}) < len(self.snrs) or len({*self.resolutions}) < len(self.resolutions):
            raise ValueError("two-sounds is asked for an SNR or a resolution twice")
        return self


class Prompts(Task):
    """Right prompt, wrong prompts, paraphrases.

    Attributes:
        wrong: Other classes asked about, drawn by the clip's name; all of them where the data set has fewer.
        paraphrases: Templates around the explained class, in place of the suite's.
    """

    kind: Literal["prompts"] = "prompts"
    wrong: Annotated[int, Field(ge=1)] = 8
    paraphrases: tuple[str, ...] = ("{}", "a recording of {}", "this is a sound of {}", "i can hear {}")


class Randomisation(Task):
    """The same question to the model with weights drawn anew, from the last layers to the first.

    Attributes:
        levels: Steps of the cascade, each of about as many layers; a tower of fewer layers has as many as these.
        towers: Which side is randomised, the other one left as it is.
    """

    kind: Literal["randomisation"] = "randomisation"
    levels: Annotated[int, Field(ge=1)] = 4
    towers: tuple[Literal["audio", "text"], ...] = ("audio", "text")


AnyTask = Annotated[Faithfulness | TwoSounds | Prompts | Randomisation, Field(discriminator="kind")]


class Headline(Record):
    """The one figure that a suite is about, fixed beforehand.

    Attributes:
        task: Kind of task.
        metric: Name of a metric, ``foil-wins:<metric>`` or ``rolled-wins:<metric>``.
        stratum: Only rows of a stratum (``correct``, ``both-heard``).
    """

    task: str
    metric: str
    stratum: str | None = None


class Comparisons(Record):
    """The family of tests named beforehand, over which Holm's correction runs.

    Attributes:
        metrics: Metrics compared.
        against: Explainer that every other is compared with; all pairs where None.
    """

    metrics: tuple[str, ...] = ()
    against: str | None = None


class Suite(Record):
    """Everything that a run does.

    Attributes:
        name: Of the suite.
        description: One sentence.
        data: Data sets by key.
        models: Models.
        explainers: Explainers; the blind controls are added.
        prompting: What is asked.
        tasks: What is measured.
        headline: The figure it is about.
        comparisons: Tests named beforehand.
        seeds: Of explainers that draw; deterministic ones run for the first alone.
        batch: Clips in a work unit. Changing it may change last digits, so it belongs to the suite.
        threads: Torch threads per worker, for the same reason.
        draws: Bootstrap draws.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: str = ""
    data: dict[str, DataSpec]
    models: Annotated[tuple[Plugin, ...], Field(min_length=1)] = (Named(name="tiny"),)
    explainers: tuple[Plugin, ...]
    prompting: Prompting = Prompting()
    tasks: Annotated[tuple[AnyTask, ...], Field(min_length=1)]
    headline: Headline
    comparisons: Comparisons = Comparisons()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    batch: Annotated[int, Field(ge=1)] = 8
    threads: Annotated[int, Field(ge=1)] = 1
    draws: Annotated[int, Field(ge=100)] = 2000

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        labels = [e.title for e in self.explainers]
        _no_twins("explainer", labels)
        _no_twins("seed", [str(seed) for seed in self.seeds])
        for e in self.explainers:
            if e.title in CONTROLS and e.name != e.title:
                raise ValueError(f"{e.title!r} is a blind control's name: give {e.name!r} another label")
        _no_twins("model", [m.title for m in self.models])
        known = {*labels, *CONTROLS}
        for task in self.tasks:
            _all_known("data set", [*task.data, *(c.data for c in task.contaminations if c.data)], self.data)
            _all_known("explainer", task.explainers, known)
            for c in task.contaminations:
                if (c.kind == "speech") != (c.data is not None):
                    raise ValueError("speech, and only speech, names its data: {kind = 'speech', data = 'ljspeech'}")
        _nothing_twice(self.tasks)
        for task in self.tasks:
            if isinstance(task, Prompts) and self.prompting.template in task.paraphrases:
                raise ValueError(f"{self.prompting.template!r} is the template itself, no paraphrase of it")
        if self.comparisons.against is not None:
            _all_known("explainer", [self.comparisons.against], known)
        stratum, strata = self.headline.stratum, STRATA.get(self.headline.task, ())
        if stratum is not None and stratum not in strata:
            raise ValueError(f"the task {self.headline.task!r} has no stratum {stratum!r}: {', '.join(strata)}")
        if self.headline.task not in {t.kind for t in self.tasks}:
            raise ValueError(f"the headline is of a task {self.headline.task!r} that the suite does not run")
        if self.name.startswith("paper-"):
            self._keeps_the_protocol()
        return self

    def _keeps_the_protocol(self) -> None:
        """A name that says ``paper`` is a promise: LMAC-ZS's settings, literally (arXiv 2405.17615, section 4)."""
        paper = {"template": "this is the sound of {}", "explained": "predicted", "softmax": "unscaled"}
        found = self.prompting.model_dump(include=set(paper))
        departs = [f"{k} = {found[k]!r} for {v!r}" for k, v in paper.items() if found[k] != v]
        if self.prompting.target != "similarity":
            departs.append(f"target = {self.prompting.target!r} for 'similarity'")
        us8k = [spec for spec in self.data.values() if spec.reader == "urbansound8k"]
        if any(spec.options.get("labels") != "as-written" for spec in us8k):
            departs.append("labels without their underscores")
        for task in self.tasks:
            if task.kind != "faithfulness" or task.scales != ("log1p",):
                departs.append(f"the task {task.kind!r} on {', '.join(task.scales)} for 'faithfulness' on log1p")
            departs += [f"{c.snr:g} dB for 3" for c in task.contaminations if c.kind != "clean" and c.snr != 3.0]
        if departs:
            raise ValueError(f"{self.name!r} departs from the paper ({'; '.join(departs)}): give it another name")

    @property
    def all_explainers(self) -> tuple[Named, ...]:
        """The suite's explainers, and the blind controls that it does not name."""
        # A mask of ones is no stand-in for a mask of one half.
        named = {e.name for e in self.explainers if e.options.get("value", 0.5) == 0.5}
        named |= {e.title for e in self.explainers}
        return (*self.explainers, *(Named(name=c) for c in CONTROLS if c not in named))

    def without(self, key: str) -> Suite:
        """The suite less what needs a data set: contaminations with its clips, and tasks on them where others are left.

        Raises:
            InputError: If there is no such data set, or nothing is left without it.
        """
        if key not in self.data:
            raise InputError(f"the suite {self.name!r} has no data set {key!r}: it has {', '.join(self.data)}")
        values = self.model_dump()
        del values["data"][key]
        for task in values["tasks"]:
            task["data"] = [d for d in task["data"] if d != key]
            task["contaminations"] = [c for c in task["contaminations"] if c["data"] != key]
        values["tasks"] = [t for t in values["tasks"] if t["data"] and t["contaminations"]]
        if not values["tasks"]:
            raise InputError(f"nothing of the suite {self.name!r} is left without the data set {key!r}")
        return load_suite(values)

    def explainers_of(self, task: Task) -> tuple[Named, ...]:
        """Those that run in a task."""
        return tuple(
            e for e in self.all_explainers if not task.explainers or e.title in task.explainers or e.name in CONTROLS
        )


def _nothing_twice(tasks: Sequence[Task]) -> None:
    """Two tasks of one kind may not ask for the same rows: a table would hold them twice."""
    asked: set[tuple[str, ...]] = set()
    for task in tasks:
        labels = [mixed.label for mixed in task.contaminations]
        for at in product([task.kind], task.data, labels, task.domains, task.scales):
            if at in asked:
                raise ValueError(f"{task.kind!r} is asked twice for {', '.join(at[1:])}: a table would hold it twice")
            asked.add(at)


def _no_twins(kind: str, names: Sequence[str]) -> None:
    twins = {n for n in names if names.count(n) > 1}
    if twins:
        raise ValueError(f"two {kind}s are called {twins.pop()!r}: give one a label")


def _all_known(kind: str, names: Sequence[str], known: Mapping[str, object] | set[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}: the suite has {', '.join(sorted(known))}")


def load_suite(suite: str | Path | Mapping[str, Any] | Suite) -> Suite:
    """Read a suite.

    Args:
        suite: Name of a shipped one (:data:`SUITES`), a TOML file, a mapping, or a suite.

    Raises:
        InputError: If there is none, or something in it is wrong; one line.
    """
    if isinstance(suite, Suite):
        return suite
    if isinstance(suite, Mapping):
        return _checked(dict(suite), "the suite")
    path = Path(suite)
    if str(suite) in SUITES:
        text = resources.files("zsxai.benchmarks").joinpath("suites", f"{suite}.toml").read_text(encoding="utf-8")
    elif path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{suite} is no UTF-8, which TOML is: {error}") from error
    else:
        raise InputError(f"no suite {str(suite)!r}: one of {', '.join(SUITES)}, or a TOML file")
    try:
        return _checked(tomllib.loads(text), str(suite))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{suite} is no TOML: {error}") from error


def _checked(values: dict[str, Any], name: str) -> Suite:
    try:
        return Suite(**values)
    except ValidationError as error:
        raise InputError(f"{name}: {first_problem(error, Suite.model_fields)}") from error
