"""The protocols of two papers: a suite whose name begins with ``paper-`` keeps to one of them.

``paper-concepts`` is that of arXiv 2504.14076 (sections III and IV); the others are LMAC-ZS's evaluation (arXiv
2405.17615, section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.tasks.decomposing import Decomposing
from zsxai.concepts.vocabulary import VOCABULARIES, load_vocabulary
from zsxai.errors import InputError

if TYPE_CHECKING:
    from zsxai.benchmarks.run.suite import Suite

CONCEPTS = "paper-concepts"
PROMPTING = {"template": "this is the sound of {}", "explained": "predicted", "softmax": "unscaled"}
TEMPLATE = "This is a sound of {}."
SIZES = (2000, 3000, 5000)
"""Words of the paper's vocabularies."""
PENALTIES = (0.01, 0.5)
"""Ends of the paper's sweep of lambda."""
READERS: dict[str, dict[str, dict[str, Any]]] = {
    "concepts": {
        "esc50": {},
        "urbansound8k": {},
        "vocalsound": {"split": "test"},
        "tut2017": {"split": "evaluation"},
    },
    "concept-tagging": {"dcase2017-task4": {"split": "evaluation"}, "audioset": {"split": "eval"}},
    "concept-retrieval": {"clotho": {"split": "evaluation"}},
}
"""Readers and their options by kind of task."""


def departures(suite: Suite) -> list[str]:
    """Settings of a suite that are not the paper's, in words; none where all are."""
    if suite.name.startswith(CONCEPTS):
        return _concept_departures(suite)
    asked = suite.prompting.model_dump()
    found = [f"{name} = {asked[name]!r} for {value!r}" for name, value in PROMPTING.items() if asked[name] != value]
    if suite.prompting.target != "similarity":
        found.append(f"target = {suite.prompting.target!r} for 'similarity'")
    specs = [suite.data_of(key, model.title) for key in suite.data for model in suite.models]
    us8k = [spec for spec in specs if spec.reader == "urbansound8k"]
    if any(spec.options.get("labels") != "as-written" for spec in us8k):
        found.append("labels without their underscores")
    return found + [text for task in suite.tasks for text in task.departures()]


def _concept_departures(suite: Suite) -> list[str]:
    found = []
    if suite.prompting.template != TEMPLATE:
        found.append(f"template = {suite.prompting.template!r} for {TEMPLATE!r}")
    for task in suite.tasks:
        if task.kind not in READERS or not isinstance(task, Decomposing):
            found.append(f"the task {task.kind!r}, which the paper does not run")
            continue
        low, high = PENALTIES
        if task.counts or any(not low <= lam <= high for lam in task.penalties):
            found.append(f"{task.kind!r} by other than penalties from {low:g} to {high:g}")
        if own := [name for name in task.vocabularies if name in VOCABULARIES]:
            found.append(f"the vocabulary {own[0]!r} for one of FSD50K's tags")
        if getattr(task, "controls", ()) or set(task.centrings) - {"none", "mean"}:
            found.append(f"{task.kind!r} with controls, or a centring other than none or mean")
        if any(mixed.kind != "clean" for mixed in task.contaminations):
            found.append("clips that are mixed with others")
        if getattr(task, "threshold", None) is not None:
            found.append("a threshold for the nearest class")
        for spec in (suite.data_of(key, model.title) for key in task.data for model in suite.models):
            if READERS[task.kind].get(spec.reader) != spec.options:
                options = ", ".join(f"{name} = {value!r}" for name, value in spec.options.items())
                found.append(f"{task.kind!r} on {spec.reader}{f' ({options})' if options else ''}")
    return list(dict.fromkeys(found))


def check_vocabularies(suite: Suite) -> None:
    """Check that the words of a suite that carries the paper's name are the paper's, as far as their cards say.

    Raises:
        InputError: If a file is not there, or of other tags or another size.
    """
    if not suite.name.startswith(CONCEPTS):
        return
    for name in dict.fromkeys(
        name for task in suite.tasks if isinstance(task, Decomposing) for name in task.vocabularies
    ):
        try:
            words = load_vocabulary(name)
        except InputError as error:
            made = f"zsxai vocabulary baseline FSD50K.metadata/*_clips_info_FSD50K.json --out {name}"
            raise InputError(f"{error}; {suite.name} takes one of FSD50K's tags: {made}") from error
        if "fsd50k" not in words.source.lower() or len(words) not in SIZES:
            raise InputError(
                f"{name!r} has {len(words)} words of {words.source}, the paper 2000, 3000 or 5000 of FSD50K: make one "
                "with zsxai vocabulary, or give the suite another name"
            )
