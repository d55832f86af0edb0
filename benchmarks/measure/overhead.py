"""What the harness costs beside the bare forwards it needs: ``python -m zsxai.benchmarks.measure.overhead``.

A unit of clips with all explainers goes through the task ``faithfulness`` (masks in, out, heard; every metric); beside
it run the counted number of bare batched forwards, from waveform to embedding, and the explainers alone. Process CPU
time on one thread, in interleaved pairs; the ratio is the median over pairs with a bootstrap interval. The clips
encoded are counted, and must be ``1 + 3 E`` a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import typer

from zsxai.benchmarks.measure.frame import AsJson, ModelName, Repeats, Table, app, one_thread, read_data, show
from zsxai.benchmarks.measure.timing import compare
from zsxai.benchmarks.run.plan import Library, Settings
from zsxai.benchmarks.run.suite import load_suite
from zsxai.benchmarks.tasks.base import Item, Place, Row, Stage
from zsxai.benchmarks.tasks.counting import Forwards, counted
from zsxai.benchmarks.tasks.faithfulness import Faithfulness, FaithfulnessRunner
from zsxai.conditions import evaluating
from zsxai.recording import Recording
from zsxai.scoring import embed_sounds
from zsxai.versions import versions

EXPLAINERS = ("gradcam", "gradcam++", "smoothgrad", "integrated-gradients", "saliency", "input-x-gradient", "occlusion")


class Unit:
    """One unit of the task, measured whole or by its parts.

    Args:
        model: Name.
        data: ``READER=DIR``, or a reader that needs no folder.
        folds: Folds of the data.
        clips: Clips in the unit.
        explainers: Names; the four blind controls are added.
        domain: Domain of masks.
    """

    def __init__(
        self, model: str, data: str, folds: str | None, clips: int, explainers: Sequence[str], domain: str
    ) -> None:
        reader, root, options = read_data(data, folds)
        asked = Faithfulness(data=("clips",), domains=(domain,), variants=(), budgets=())
        suite = load_suite(
            {
                "name": "overhead",
                "data": {"clips": {"reader": reader, "options": options}},
                "models": [model],
                "explainers": list(explainers),
                "tasks": [asked],
                "headline": {"task": asked.kind, "metric": "mask-mean"},
                "batch": clips,
            }
        )
        library = Library(suite, Settings({} if root is None else {"clips": root}, limit=clips))
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


@one_thread()
def overhead(
    data: Annotated[str, typer.Option(metavar="READER=DIR", help="Such as esc50=DIR")] = "synthetic",
    folds: Annotated[str | None, typer.Option(help="Folds of the data, such as 3 or 1,2")] = None,
    model: ModelName = "tiny",
    explainers: Annotated[str, typer.Option(help="Names, comma-separated")] = ",".join(EXPLAINERS),
    domain: Annotated[str, typer.Option(help="Of masks: stft or mel")] = "stft",
    clips: Annotated[int, typer.Option(min=1, help="Clips in the unit")] = 8,
    repeats: Repeats = 9,
    as_json: AsJson = False,
) -> None:
    """Time the harness beside the bare forwards it needs."""
    unit = Unit(model, data, folds, clips, explainers.split(","), domain)
    with evaluating(unit.stage.model):
        counts = unit.count()
        needed = len(unit.items) * (1 + 3 * len(unit.places))
        pairs = compare(lambda: unit.measure(Forwards()), unit.bare, repeats)
    if counts["harness"] != needed:
        raise RuntimeError(f"{counts['harness']} clips were encoded where {needed} are needed")
    figures = {
        "clips": len(unit.items),
        "explainers": len(unit.places),
        "encoded": counts,
        "needed": needed,
        "ratio": pairs.ratio,
        "interval": pairs.interval,
        "repeats": repeats,
    }
    context = {
        "model": model,
        "domain": domain,
        "data": data.partition("=")[0] + (f" fold {folds}" if folds else ""),
    }
    rounded = {"ratio": f"{pairs.ratio:.3f}", "interval": "{:.3f} to {:.3f}".format(*pairs.interval)}
    rows = [(name, str(value)) for name, value in (figures | rounded).items()]
    table = Table(("harness / (bare forwards + explainers)", ""), rows, context | versions())
    show(table, {**figures, **context, "versions": versions()}, as_json)


if __name__ == "__main__":
    app(overhead)()
