"""What verdicts say of a model that hears nothing: ``python -m zsxai.benchmarks.measure.verdict_random --data DIR``.

Hugging Face's CLAP with random weights, small, explained on recordings of ESC-50 for the class that they hold and for
one that they do not. Nothing of such a map is to be believed, so a verdict is to be *cannot say* or *not heard*. Once
without reference figures, and once with figures made on the same kind of recordings, which say that the model is
useless.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import zsxai
from zsxai.benchmarks.measure.checkpoints import random_checkpoint
from zsxai.benchmarks.measure.frame import AsJson, app
from zsxai.data.clip import LabelledClip
from zsxai.data.esc50 import ESC50
from zsxai.verdict.measure import fit_reference, pair_up
from zsxai.verdict.reference import Reference
from zsxai.verdict.verdict import LEVELS


def verdict_random(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="A folder of ESC-50.")],
    fold: Annotated[int, typer.Option("--fold", help="Its recordings.")] = 1,
    clips: Annotated[int, typer.Option("--clips", help="How many.")] = 60,
    explainer: Annotated[str, typer.Option("--explainer", help="Whose maps.")] = "gradcam",
    as_json: AsJson = False,
) -> None:
    """Count the verdicts on a model of random weights."""
    found = ESC50(data, folds=[fold])
    step = max(1, len(found.clips) // clips)
    chosen = list(found.clips[::step][:clips])
    others = [clip.label for clip in chosen[1:] + chosen[:1]]
    with random_checkpoint("hf", full=False) as checkpoint:
        model = zsxai.load_model(checkpoint.name, **checkpoint.options)
        figures = fit_reference(pair_up(model, found.clips, found.labels), model, f"ESC-50, fold {fold}")
        counts: dict[str, dict[str, int]] = {}
        for name, reference in (("without reference figures", None), ("with reference figures", figures)):
            counts[name] = dict(_count(model, chosen, others, explainer, reference))
    rows = {"fold": fold, "clips": len(chosen), "explainer": explainer, "auc": figures.figures.auc, "verdicts": counts}
    Console(soft_wrap=True, highlight=False).print(json.dumps(rows, indent=None if as_json else 2))


def _count(
    model: object, clips: list[LabelledClip], others: list[str], explainer: str, reference: Reference | None
) -> Counter[str]:
    given = Counter[str](dict.fromkeys(LEVELS, 0))
    for clip, other in zip(clips, others, strict=True):
        asked = [clip.label, *([other] if other != clip.label else [])]
        sound = clip.read()
        made = zsxai.explain(sound, asked, model=model, explainer=explainer, reference=reference, progress=False)
        given.update(e.verdict.level for e in made if e.verdict is not None)
    return given


if __name__ == "__main__":
    app(verdict_random)()
