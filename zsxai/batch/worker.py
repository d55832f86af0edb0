"""What explains a handful of recordings in one process and writes them down."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from zsxai.batch.row import Row, make_row
from zsxai.data.recordings import Listed
from zsxai.errors import InputError, first_line
from zsxai.folders import name_prompts
from zsxai.versions import versions

if TYPE_CHECKING:
    from zsxai.api import ExplainOptions
    from zsxai.batch.store import Kept, RunFolder, Shown
    from zsxai.explainer import Explainer
    from zsxai.explanation import Explanation
    from zsxai.model import ZeroShotModel
    from zsxai.verdict.reference import Reference


class Asked(NamedTuple):
    """A recording to explain.

    Attributes:
        listed: The recording.
        folder: Its folder below the run's.
    """

    listed: Listed
    folder: str


Job = tuple[Asked, ...]


class Outcome(NamedTuple):
    """What came of a recording.

    Attributes:
        name: Name of the recording.
        rows: One for each prompt; none where it failed.
        reason: Why it failed; empty where it did not.
        died: Whether the worker died of it, or of another of the same job.
    """

    name: str
    rows: tuple[Row, ...] = ()
    reason: str = ""
    died: bool = False


def lose(job: Job, reason: str) -> list[Outcome]:
    """What comes of a job whose worker died."""
    return [Outcome(asked.listed.name, reason=reason, died=True) for asked in job]


@dataclass(frozen=True)
class Work:
    """What every worker is told.

    Attributes:
        model: Name, or an object where one process does all.
        model_options: Options of a model given by name.
        options: Those of :func:`zsxai.explain`.
        store: Where to write; None where rows are all that is wanted.
        light: Write rows and small pictures only.
    """

    model: object
    model_options: Mapping[str, Any]
    options: ExplainOptions
    store: RunFolder | None
    light: bool


class Worker:
    """Explains jobs.

    Args:
        work: What to do.
    """

    def __init__(self, work: Work) -> None:
        from zsxai.many import share
        from zsxai.plugins import load_model

        self.work = work
        options = work.options.copy()
        options["model"] = work.model
        if work.model_options:
            where: dict[str, Any] = {"device": options.pop("device", "auto"), "dtype": options.pop("dtype", None)}
            options["model"] = load_model(work.model, **where, **work.model_options)
        self._name = work.model
        # What the record calls the model: its name, where that alone says which it is.
        self._called = work.model if isinstance(work.model, str) and not work.model_options else None
        self._options = share(options)

    def check(self, prompts: Iterable[str]) -> None:
        """See that all prompts are prompts.

        Raises:
            InputError: If one is not.
        """
        from zsxai.target import as_target

        for prompt in sorted(prompts):
            as_target(prompt, self._options.get("against"), self._options.get("among"))

    def describe(self) -> dict[str, Any]:
        """All that can change a row, ready for JSON."""
        from zsxai.precision import dtype_name
        from zsxai.prompt import find_template

        options = self._options
        model, method = cast("ZeroShotModel", options["model"]), cast("Explainer", options["explainer"])
        reference = cast("Reference | None", options.get("reference"))
        plain = {"domain": "stft", "scale": "log", "seed": 0, "verdict": True, "dark_windows": True}
        return {
            "zsxai": versions()["zsxai"],
            "model": self._name if isinstance(self._name, str) else model.card.name,
            "model_options": {name: str(value) for name, value in self.work.model_options.items()},
            "weights": model.card.weights_sha256,
            "dtype": dtype_name(model),
            "explainer": method.name or type(method).__name__,
            "options": method.model_dump(mode="json"),
            "explainer_weights": method.weights(model),
            "template": find_template(options.get("template"), model),
            "reference": None if reference is None else reference.model_dump(mode="json"),
            **{name: options.get(name) or None for name in ("against", "among", "sample_rate", "pooling")},
            **{name: options.get(name, default) for name, default in plain.items()},
        }

    @property
    def computes_with(self) -> Mapping[str, str]:
        """Versions of the libraries."""
        return versions()

    def run(self, job: Job) -> list[Outcome]:
        """Explain the recordings of a job; what goes wrong with one is its outcome."""
        from zsxai.many import explain_each

        long = [asked for asked in job if self.work.store is not None and _is_long(asked.listed.path)]
        outcomes = [self._outcome(asked, partial(self._explain_long, asked)) for asked in long]
        short = [asked for asked in job if asked not in long]
        pairs = [(asked.listed.path, list(asked.listed.prompts)) for asked in short]
        for asked, found in zip(short, explain_each(pairs, self._options, self._called), strict=True):
            outcomes.append(self._outcome(asked, partial(self._write, asked, found)))
        return outcomes

    @staticmethod
    def _outcome(asked: Asked, make: Callable[[], tuple[Row, ...]]) -> Outcome:
        name = asked.listed.name
        try:
            return Outcome(name, make())
        except Exception as error:
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            return Outcome(name, reason=kind + first_line(error))

    def _write(self, asked: Asked, found: Sequence[Explanation] | Exception) -> tuple[Row, ...]:
        """Rows of explanations, which are saved."""
        if isinstance(found, Exception):
            raise found
        store = self.work.store
        if store is not None and not self.work.light:
            for e, folder in zip(found, self._folders(asked), strict=True):
                e.save(store.folder / folder, overwrite=True)
        return self._keep(asked, found)

    def _explain_long(self, asked: Asked) -> tuple[Row, ...]:
        """Rows of a long recording, which is worked on in its folder; what was interrupted goes on."""
        from zsxai.api import explain
        from zsxai.scratch import unfinished

        store = cast("RunFolder", self.work.store)
        out = store.place_of_work(asked.listed.name) if self.work.light else store.folder / asked.folder
        prompts = list(asked.listed.prompts)
        begin: Any = partial(
            explain,
            asked.listed.path,
            prompts if len(prompts) > 1 else prompts[0],
            **{**self._options, "model": self._called or self._options["model"]},
            progress=False,
            out=out,
            overwrite=True,
        )
        try:
            found = begin(resume=unfinished(out).is_dir())
        except InputError:  # what is left is of other work, as after an upgrade; or else the same is said again
            found = begin()
        rows = self._keep(asked, found if len(prompts) > 1 else [found])
        if self.work.light:
            shutil.rmtree(out)
        return rows

    def _folders(self, asked: Asked) -> list[str]:
        """Folders of the explanations of a recording, below the run's."""
        prompts = asked.listed.prompts
        return [f"{asked.folder}/{own}" for own in name_prompts(prompts)] if len(prompts) > 1 else [asked.folder]

    def _keep(self, asked: Asked, found: Sequence[Explanation]) -> tuple[Row, ...]:
        """Rows of explanations; from now on the recording is done."""
        name, store = asked.listed.name, self.work.store
        saved = store is not None and not self.work.light
        folders: list[str | None] = [*self._folders(asked)] if saved else [None] * len(found)
        rows = tuple(make_row(e, name, folder) for e, folder in zip(found, folders, strict=True))
        if store is not None:
            store.keep(_kept(asked, [_show(row, e) for row, e in zip(rows, found, strict=True)]))
        return rows


def _is_long(path: Path) -> bool:
    """Whether a recording is worked on in parts; what cannot be opened says so when it is explained."""
    from zsxai.audio import open_sound
    from zsxai.stretch import SECONDS

    try:
        with open_sound(path) as stream:
            return stream.seconds is None or stream.seconds > SECONDS
    except InputError:
        return False


def _show(row: Row, explanation: Explanation) -> Shown:
    from zsxai.batch.store import Shown
    from zsxai.show.rows import thumbnail

    return Shown(row=row, thumbnail=b64encode(thumbnail(explanation)).decode("ascii"))


def _kept(asked: Asked, shown: Sequence[Shown]) -> Kept:
    from zsxai.batch.store import Kept
    from zsxai.saved import hash_file

    path = asked.listed.path
    now = path.stat()
    return Kept(
        name=asked.listed.name,
        folder=asked.folder,
        size=now.st_size,
        changed=now.st_mtime_ns,
        sha256=hash_file(path),
        shown=tuple(shown),
    )
