"""What verdicts say of single clips: ``python -m zsxai.benchmarks.measure.verdict_levels --data DIR``.

Every clip of ESC-50 that a twin of ``tiny`` has not heard is explained for the class it holds, for the absent class
most similar to it, and for an absent one drawn by its name. Levels are counted; shares have 95 % intervals by a
bootstrap over recordings.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

import zsxai
from zsxai.benchmarks.measure.frame import AsJson, app, one_thread
from zsxai.data.esc50 import ESC50
from zsxai.errors import InputError
from zsxai.progress import track
from zsxai.verdict.verdict import LEVELS

FOLDS: dict[str, tuple[int, ...]] = {"1": (), "2": (131943, 134049), "3": (131943, 134049)}
"""Folds, each with the recordings that another one has clips of too."""
KINDS = ("present, ranked first", "present, misheard", "absent, most similar", "absent, drawn")
"""Kinds of prompts that a clip is explained for."""


@one_thread()
def verdict_levels(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="A folder of ESC-50.")],
    clips: Annotated[int, typer.Option("--clips", help="How many of each fold.")] = 100,
    explainer: Annotated[str, typer.Option("--explainer", help="Whose maps.")] = "lmac-zs",
    verdict: Annotated[str, typer.Option("--verdict", help="default or full.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Count the levels of verdicts by kind of prompt."""
    if verdict not in ("default", "full"):
        raise InputError(f"--verdict is default or full, not {verdict!r}")
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, without in FOLDS.items():
        model = zsxai.load_model(f"tiny-twin:{name}")
        read = ESC50(data, folds=[int(name)], without=without)
        chosen = read.clips[:: max(1, len(read.clips) // clips)][:clips]
        for clip in track(chosen, len(chosen), f"fold {name}", None):
            sound = clip.read()
            ranked = [row.label for row in zsxai.classify(sound, read.labels, model=model)]
            absent = [label for label in ranked if label != clip.label]
            drawn = absent[1 + zlib.crc32(clip.name.encode()) % (len(absent) - 1)]
            kinds = (KINDS[0 if ranked[0] == clip.label else 1], *KINDS[2:])
            made = zsxai.explain(
                sound,
                [clip.label, absent[0], drawn],
                model=model,
                explainer=explainer,
                verdict=True if verdict == "default" else "full",
                progress=False,
            )
            for kind, e in zip(kinds, made, strict=True):
                found[kind].append((clip.source, "" if e.verdict is None else e.verdict.level))
    rows = {kind: {"n": len(found[kind]), **_shares(found[kind])} for kind in KINDS}
    rows["present, all"] = {"n": len(found[KINDS[0]] + found[KINDS[1]]), **_shares(found[KINDS[0]] + found[KINDS[1]])}
    said = {"explainer": explainer, "verdict": verdict, "clips a fold": clips, "levels": rows}
    Console(soft_wrap=True, highlight=False).print(json.dumps(said, indent=None if as_json else 2))


def _shares(given: list[tuple[str, str]]) -> dict[str, str]:
    """Share of each level, with its interval, of pairs of recording and level."""
    sources = sorted({source for source, _ in given})
    hits: dict[str, NDArray[Any]] = {level: np.zeros(len(sources)) for level in LEVELS}
    count = np.zeros(len(sources))
    for source, level in given:
        hits[level][sources.index(source)] += 1
        count[sources.index(source)] += 1
    draws = np.random.default_rng(0).integers(0, len(sources), (2000, len(sources)))
    said = {}
    for level, of_source in hits.items():
        low, high = np.percentile(of_source[draws].sum(axis=1) / count[draws].sum(axis=1), [2.5, 97.5])
        said[level] = f"{of_source.sum() / count.sum():.3f} [{low:.3f}, {high:.3f}]"
    return said


if __name__ == "__main__":
    app(verdict_levels)()
