"""What an explanation in words costs beside that of one prompt: ``python -m zsxai.benchmarks.measure.concept_cost``.

CPU time on one thread of a synthetic clip, in interleaved pairs; a ratio is the median over the pairs, with a bootstrap
interval. Both sides leave everything at its default.

* ``process:concepts``: the command ``zsxai concepts CLIP``, a whole process, against ``zsxai explain CLIP PROMPT``;
* ``process:concepts --out``: with its page, for which ten concepts are listened to, against the same;
* ``process:concepts --out, pages``: the same against ``zsxai explain CLIP PROMPT --out``;
* ``warm:explain_concepts``: in one process, model and dictionary there already, against ``zsxai.explain``;
* ``warm:explain_concepts(listen=True)``: five concepts listened to besides.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import soundfile

import zsxai
from zsxai.benchmarks.measure.costs import PROMPT, Row, noise, show_rows
from zsxai.benchmarks.measure.frame import AsJson, ModelName, Only, Repeats, Seconds, app, measure_each, one_thread
from zsxai.benchmarks.measure.timing import Pairs, child_cpu_seconds, compare, interleave
from zsxai.versions import versions

COMMANDS = (("explain", (PROMPT,)), ("concepts", ()))
FLOORS = {
    "process:concepts": "process: explain",
    "process:concepts --out": "process: explain",
    "process:concepts --out, pages": "process: explain --out",
    "warm:explain_concepts": "explain",
    "warm:explain_concepts(listen=True)": "explain",
}


@one_thread()
def concept_cost(
    model: ModelName = "tiny", repeats: Repeats = 15, seconds: Seconds = 5.0, only: Only = None, as_json: AsJson = False
) -> None:
    """Measure explanations in words against the explanation of one prompt."""
    loaded = zsxai.load_model(model)
    waveform = noise(loaded.sample_rate, seconds)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip.wav"
        soundfile.write(file, waveform, loaded.sample_rate)
        explain, concepts = ([name, str(file), *rest, "--model", model] for name, rest in COMMANDS)
        paged = partial(_into_new_folder, Path(folder), count())
        given: dict[str, Any] = {"sample_rate": loaded.sample_rate, "model": model, "progress": False}
        one = partial(zsxai.explain, waveform, PROMPT, **given)
        words = partial(zsxai.explain_concepts, waveform, **given)
        measured = measure_each(
            {
                "process:concepts": partial(_processes, _run(concepts), _run(explain), repeats),
                "process:concepts --out": partial(_processes, paged(concepts), _run(explain), repeats),
                "process:concepts --out, pages": partial(_processes, paged(concepts), paged(explain), repeats),
                "warm:explain_concepts": partial(compare, words, one, repeats),
                "warm:explain_concepts(listen=True)": partial(compare, partial(words, listen=True), one, repeats),
            },
            only,
            lambda pairs: f"{pairs.ratio:.2f}",
        )
    rows = [Row(case, FLOORS[case], None, "ms", pairs) for case, pairs in measured.items()]
    show_rows(rows, {"model": model, "clip": f"{seconds:g} s of noise", **versions()}, as_json)


def _processes(ours: Callable[[], float], floor: Callable[[], float], repeats: int) -> Pairs:
    return interleave(ours, floor, max(3, repeats // 5))


def _run(words: Sequence[str]) -> Callable[[], float]:
    return lambda: child_cpu_seconds([sys.executable, "-m", "zsxai", *words])


def _into_new_folder(place: Path, numbers: Iterator[int], words: Sequence[str]) -> Callable[[], float]:
    return lambda: _run([*words, "--out", str(place / f"page{next(numbers)}")])()


if __name__ == "__main__":
    app(concept_cost)()
