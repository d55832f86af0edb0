"""What the verdict adds to an explanation: ``python -m zsxai.benchmarks.measure.verdict_cost``.

CPU time on one thread of a synthetic clip, in interleaved pairs; a ratio is the median over the pairs, with a bootstrap
interval. The bank of everyday sounds is in the cache already, as it is from the second call on.

* ``warm:EXPLAINER``: ``zsxai.explain`` in one process against the same with ``verdict=False``;
* ``warm:EXPLAINER, full``: with ``verdict="full"``;
* ``process``: the command ``zsxai explain CLIP PROMPT`` as a whole process, against the same with ``--verdict no``;
* ``process: --out``: the same with its page.

Encodings are said besides: clips that go through the encoder in one call.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import soundfile

import zsxai
from zsxai.benchmarks.measure.costs import PROMPT, Row, noise, show_rows
from zsxai.benchmarks.measure.frame import AsJson, ModelName, Only, Repeats, Seconds, app, measure_each, one_thread
from zsxai.benchmarks.measure.timing import Pairs, child_cpu_seconds, compare, interleave
from zsxai.benchmarks.tasks.counting import Forwards, counted
from zsxai.versions import versions

EXPLAINERS = ("lmac-zs", "gradcam", "occlusion")


@one_thread()
def verdict_cost(
    model: ModelName = "tiny", repeats: Repeats = 15, seconds: Seconds = 5.0, only: Only = None, as_json: AsJson = False
) -> None:
    """Measure explanations with their verdict against explanations without."""
    loaded = zsxai.load_model(model)
    waveform = noise(loaded.sample_rate, seconds)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip.wav"
        soundfile.write(file, waveform, loaded.sample_rate)
        given: dict[str, Any] = {"sample_rate": loaded.sample_rate, "model": loaded, "progress": False}
        cases: dict[str, Callable[[], Pairs]] = {}
        for name in EXPLAINERS:
            plain = partial(zsxai.explain, waveform, PROMPT, explainer=name, verdict=False, **given)
            judged = partial(zsxai.explain, waveform, PROMPT, explainer=name, **given)
            full = partial(judged, verdict="full")
            cases[f"warm:{name}"] = partial(compare, judged, plain, repeats)
            cases[f"warm:{name}, full"] = partial(compare, full, plain, repeats)
        command = ["explain", str(file), PROMPT, "--model", model]
        numbers = count()

        def paged(*words: str) -> Callable[[], float]:
            return lambda: _run([*command, *words, "--out", str(Path(folder) / f"page{next(numbers)}")])()

        without = ("--verdict", "no")
        cases["process"] = partial(_processes, _run(command), _run([*command, *without]), repeats)
        cases["process: --out"] = partial(_processes, paged(), paged(*without), repeats)
        measured = measure_each(cases, only, lambda pairs: f"{pairs.ratio:.2f}")
        encodings = {name: _count(loaded, waveform, given, name) for name in EXPLAINERS}
    rows = [Row(case, "verdict=False", None, "ms", pairs) for case, pairs in measured.items()]
    said = {f"encodings {name}": f"{ours} against {plain}" for name, (ours, plain) in encodings.items()}
    show_rows(rows, {"model": model, "clip": f"{seconds:g} s of noise", **said, **versions()}, as_json)


def _count(model: Any, waveform: Any, given: dict[str, Any], explainer: str) -> tuple[int, int]:
    found = []
    for verdict in (True, False):
        forwards = Forwards()
        with counted(model, forwards):
            zsxai.explain(waveform, PROMPT, explainer=explainer, verdict=verdict, **given)
        found.append(forwards.rows.total())
    return found[0], found[1]


def _processes(ours: Callable[[], float], floor: Callable[[], float], repeats: int) -> Pairs:
    child = max(3, repeats // 3)
    ours()  # the bank is embedded once
    return interleave(ours, floor, child)


def _run(words: Sequence[str]) -> Callable[[], float]:
    return lambda: child_cpu_seconds([sys.executable, "-m", "zsxai", *words])


if __name__ == "__main__":
    app(verdict_cost)()
