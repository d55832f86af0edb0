"""What the harness costs beside the bare forwards it needs: ``python -m zsxai.benchmarks.measure.overhead --data DIR``.

A unit of clips with all explainers goes through the task ``faithfulness`` (masks in, out, heard; every metric); beside
it run the counted number of bare batched forwards, from waveform to embedding, and the explainers alone. Process CPU
time on one thread, in interleaved pairs; the ratio is the median over pairs with a bootstrap interval. The clips
encoded are counted, and must be ``1 + 3 E`` a clip.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Annotated

import torch
import typer

from zsxai.benchmarks.measure.timing import compare
from zsxai.benchmarks.run.plan import Library, Settings
from zsxai.benchmarks.run.suite import load_suite
from zsxai.benchmarks.tasks.base import Item, Place, Row, Stage
from zsxai.benchmarks.tasks.counting import Forwards, counted
from zsxai.benchmarks.tasks.faithfulness import Faithfulness, FaithfulnessRunner
from zsxai.errors import InputError
from zsxai.model import evaluating
from zsxai.recording import Recording
from zsxai.scoring import embed_sounds
from zsxai.versions import versions

EXPLAINERS = ("gradcam", "gradcam++", "smoothgrad", "integrated-gradients", "saliency", "input-x-gradient", "occlusion")


class Unit:
    """One unit of the task, measured whole or by its parts.

    Args:
        model: Name.
        data: Folder of ESC-50; synthesised clips where None.
        fold: Fold of the clips.
        clips: Clips in the unit.
        explainers: Names; the four blind controls are added.
        domain: Of masks.
    """

    def __init__(
        self, model: str, data: str | None, fold: int, clips: int, explainers: Sequence[str], domain: str
    ) -> None:
        reader = {"reader": "synthetic"} if data is None else {"reader": "esc50", "options": {"folds": [fold]}}
        asked = Faithfulness(data=("clips",), domains=(domain,), variants=(), budgets=())
        suite = load_suite(
            {
                "name": "overhead",
                "data": {"clips": reader},
                "models": [model],
                "explainers": list(explainers),
                "tasks": [asked],
                "headline": {"task": asked.kind, "metric": "mask-mean"},
                "batch": clips,
            }
        )
        library = Library(suite, Settings({} if data is None else {"clips": data}, limit=clips))
        task = suite.tasks[0]
        loaded = library.model(suite.models[0].title)
        self.stage = Stage(
            suite.prompting, task, loaded, library.dataset("clips"), task.contaminations[0], 0, library.explainers(task)
        )
        self.runner = FaithfulnessRunner(self.stage)
        self.items: list[Item] = library.items(0, "clips", 0, 0)
        self.places = [Place(label, task.domains[0], task.scales[0]) for label in self.stage.explainers]
        self.waveforms = [item.clips[0].read().at(loaded.sample_rate) for item in self.items]

    def measure(self, forwards: Forwards) -> list[Row]:
        """Run the unit as the harness does, reading of the clips included."""
        prepared = self.runner.prepare(self.items)
        return [row for place in self.places for row in self.runner.measure(prepared, place, forwards)[0]]

    def count(self) -> dict[str, int]:
        """Clips encoded, by purpose."""
        forwards = Forwards()
        with counted(self.stage.model, forwards):
            self.measure(forwards)
        return dict(forwards.rows)

    def bare(self) -> None:
        """As many bare forwards as the harness needs, and the explainers alone."""
        sounds = [torch.from_numpy(waveform) for waveform in self.waveforms]
        embed_sounds(self.stage.model, sounds * (1 + 3 * len(self.places)))
        place = self.places[0]
        for waveform in self.waveforms:
            recording = Recording(self.stage.model, waveform, domain=place.domain, scale=place.scale)
            target = self.runner.classes.target(self.runner.classes.labels[0])
            for explainer in self.stage.explainers.values():
                recording.stitch(clip.place(explainer.relevance(clip, [target])) for clip in recording.clips)


def overhead(
    data: Annotated[str | None, typer.Option(help="Folder of ESC-50; synthesised clips where none is given")] = None,
    fold: Annotated[int, typer.Option(help="Fold of the clips")] = 3,
    model: Annotated[str, typer.Option(help="A model that gives gradients")] = "tiny",
    explainers: Annotated[str, typer.Option(help="Names, comma-separated")] = ",".join(EXPLAINERS),
    domain: Annotated[str, typer.Option(help="Of masks: stft or mel")] = "stft",
    clips: Annotated[int, typer.Option(min=1, help="Clips in the unit")] = 8,
    repeats: Annotated[int, typer.Option(min=3, help="Pairs")] = 9,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a line.")] = False,
) -> None:
    """Time the harness beside the bare forwards it needs."""
    torch.set_num_threads(1)
    unit = Unit(model, data, fold, clips, explainers.split(","), domain)
    with evaluating(unit.stage.model):
        counts = unit.count()
        needed = len(unit.items) * (1 + 3 * len(unit.places))
        pairs = compare(lambda: unit.measure(Forwards()), unit.bare, repeats)
    if counts["harness"] != needed:
        raise InputError(f"{counts['harness']} clips were encoded where {needed} are needed")
    low, high = pairs.interval
    found = {
        "clips": len(unit.items),
        "explainers": len(unit.places),
        "encoded": counts,
        "needed": needed,
        "ratio": pairs.ratio,
        "interval": [low, high],
        "repeats": repeats,
        "model": model,
        "domain": domain,
        "data": "synthetic" if data is None else f"ESC-50 fold {fold}",
        "versions": versions(),
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(
        f"{model}, masks on {domain}: {found['data']}, {found['clips']} clips, {found['explainers']} explainers; "
        f"{counts['harness']} clips encoded for the harness ({needed} needed), {counts['explainer']} by explainers; "
        f"harness / (bare forwards + explainers) = {pairs.ratio:.3f} [{low:.3f}, {high:.3f}], n = {repeats} pairs"
    )


if __name__ == "__main__":
    os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    typer.run(overhead)
