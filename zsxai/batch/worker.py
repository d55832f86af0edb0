"""What explains a handful of recordings in one process and writes them down."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from zsxai.batch.row import Row, make_row
from zsxai.data.recordings import Listed
from zsxai.errors import InputError, first_line
from zsxai.names import folder_names
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
        name: Of the recording.
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
            options["model"] = load_model(work.model, device=options.pop("device", None), **work.model_options)
        self._name = work.model
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
            "explainer": method.name or type(method).__name__,
            "options": method.model_dump(mode="json"),
            "explainer_weights": method.weights(model),
            "template": find_template(options.get("template"), model),
            "reference": None if reference is None else reference.model_dump(mode="json"),
            **{name: options.get(name) or None for name in ("against", "among", "sample_rate")},
            **{name: options.get(name, default) for name, default in plain.items()},
        }

    @property
    def computes_with(self) -> Mapping[str, str]:
        """Versions of the libraries."""
        return versions()

    def run(self, job: Job) -> list[Outcome]:
        """Explain the recordings of a job; what goes wrong with one is its outcome."""
        from zsxai.many import explain_each

        outcomes = []
        pairs = [(asked.listed.path, list(asked.listed.prompts)) for asked in job]
        for asked, found in zip(
            job, explain_each(pairs, self._options, None if self.work.model_options else self._name), strict=True
        ):
            name = asked.listed.name
            try:
                if isinstance(found, Exception):
                    raise found
                outcomes.append(Outcome(name, self._write(asked, found)))
            except Exception as error:
                kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
                outcomes.append(Outcome(name, reason=kind + first_line(error)))
        return outcomes

    def _write(self, asked: Asked, found: Sequence[Explanation]) -> tuple[Row, ...]:
        name, store, light = asked.listed.name, self.work.store, self.work.light
        if store is None:
            return tuple(make_row(e, name, None) for e in found)
        below = folder_names(e.prompt for e in found)
        folders = [f"{asked.folder}/{own}" for own in below] if len(found) > 1 else [asked.folder]
        if not light:
            for e, folder in zip(found, folders, strict=True):
                e.save(store.folder / folder, overwrite=True)
        rows = tuple(make_row(e, name, None if light else folder) for e, folder in zip(found, folders, strict=True))
        store.keep(_kept(asked, [_show(row, e) for row, e in zip(rows, found, strict=True)]))
        return rows


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
