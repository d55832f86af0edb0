"""What an explanation costs on every backend at full size: ``python -m zsxai.benchmarks.measure.backends``.

Random weights of the published sizes, a clip of 10 s (cut into the windows that the model hears), CPU time on one
thread. The floor is one bare forward and backward, from the waveform of every window to its score and back. Each cost
and its floor are measured in interleaved pairs of one run; a ratio is the median over the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
import typer

import zsxai
from zsxai.benchmarks.measure.checkpoints import BACKENDS, Checkpoint, random_checkpoint
from zsxai.benchmarks.measure.costs import PROMPT, Row, load_spectral, noise, show_rows
from zsxai.benchmarks.measure.frame import AsJson, Full, Only, Repeats, Seconds, app, measure_each, one_thread
from zsxai.benchmarks.measure.timing import compare
from zsxai.recording import Recording
from zsxai.target import Similarity
from zsxai.versions import versions


@one_thread()
def backends(
    repeats: Repeats = 9,
    seconds: Seconds = 10.0,
    explainer: Annotated[list[str] | None, typer.Option(help="Default: gradcam and saliency.")] = None,
    only: Only = None,
    full: Full = True,
    as_json: AsJson = False,
) -> None:
    """Measure explanations on every backend against one bare forward and backward."""

    def measure_backend(name: str) -> list[Row]:
        with random_checkpoint(name, full) as checkpoint:
            return list(measure(name, checkpoint, seconds, explainer or ["gradcam", "saliency"], repeats))

    cases = {name: partial(measure_backend, name) for name in BACKENDS}
    rows = measure_each(cases, only, lambda rows: ", ".join(f"{row.pairs.ratio:.2f}" for row in rows))
    context = {"clip": f"{seconds:g} s", "threads": "1", **versions()}
    show_rows([row for of_one in rows.values() for row in of_one], context, as_json)


def measure(name: str, checkpoint: Checkpoint, seconds: float, explainers: list[str], repeats: int) -> Iterator[Row]:
    """The rows of one backend: the explainer alone, and the whole of ``zsxai.explain``."""
    model = load_spectral(zsxai.load_model(checkpoint.name, **checkpoint.options))
    clip = noise(model.sample_rate, seconds)
    target = Similarity(prompt=PROMPT).bind(model)
    windows = [window.waveform for window in Recording(model, clip).clips]
    text = model.embed_text([PROMPT])[0]

    def floor() -> None:
        for window in windows:
            heard = window.clone().requires_grad_()
            torch.autograd.grad(model.embed_audio(heard[None])[0] @ text, heard)

    against = f"forward and backward, {len(windows)} x {len(windows[0]) / model.sample_rate:g} s"
    for explainer in explainers:
        loaded = zsxai.load_explainer(explainer)

        def relevance(loaded: zsxai.Explainer = loaded) -> None:
            for window in Recording(model, clip).clips:
                loaded.relevance(window, [target])

        explain = partial(zsxai.explain, clip, PROMPT, sample_rate=model.sample_rate, model=model, explainer=loaded)
        for case, call in (("relevance", relevance), ("explain", explain)):
            yield Row(f"{name}, {case}:{explainer}", against, None, "ms", compare(call, floor, repeats))


if __name__ == "__main__":
    app(backends)()
