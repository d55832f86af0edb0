"""What an explanation costs on every backend at full size: ``python -m zsxai.benchmarks.measure.backends``.

Random weights of the published sizes, a clip of 10 s (cut into the windows that the model hears), CPU time on one
thread. The floor is one bare forward and backward, from the waveform of every window to its score and back. Each cost
and its floor are measured in interleaved pairs of one run; a ratio is the median over the pairs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zsxai.benchmarks.measure.speed import ONE_THREAD, table

if TYPE_CHECKING:
    from zsxai.benchmarks.measure.costs import Row
    from zsxai.benchmarks.measure.parity import Checkpoint


def backends(
    repeats: Annotated[int, typer.Option(min=3, help="Pairs per row.")] = 9,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of the clip.")] = 10.0,
    explainer: Annotated[list[str] | None, typer.Option(help="Default: gradcam and saliency.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only backends whose name contains this; repeatable.")] = None,
    full: Annotated[bool, typer.Option(help="The published sizes; small ones otherwise.")] = True,
) -> None:
    """Measure explanations on every backend against one bare forward and backward."""
    # Read by BLAS when it is imported.
    os.environ.update(ONE_THREAD)
    import torch
    from rich.console import Console

    from zsxai.benchmarks.measure.parity import BACKENDS
    from zsxai.versions import versions

    torch.set_num_threads(1)
    progress = Console(stderr=True)
    rows: list[Row] = []
    for name, save in BACKENDS.items():
        if only and not any(part in name for part in only):
            continue
        with progress.status(name), tempfile.TemporaryDirectory() as scratch:
            checkpoint = save(Path(scratch), "full" if full else "tiny")
            rows += measured(name, checkpoint, seconds, explainer or ["gradcam", "saliency"], repeats)
    wide = Console()
    wide.width = max(wide.width, 150)
    wide.print(table(rows, {"clip": f"{seconds:g} s", "threads": "1", **versions()}))


def measured(name: str, checkpoint: Checkpoint, seconds: float, explainers: list[str], repeats: int) -> Iterator[Row]:
    """The rows of one backend: the explainer alone, and the whole of ``zsxai.explain``."""
    import torch

    import zsxai
    from zsxai.benchmarks.measure.costs import PROMPT, Row, noise, spectral
    from zsxai.benchmarks.measure.timing import compare
    from zsxai.recording import Recording
    from zsxai.target import Similarity

    model = spectral(zsxai.load_model(checkpoint.name, **checkpoint.options))
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
    typer.run(backends)
