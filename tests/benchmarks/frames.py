"""Stores of made-up runs whose answers are known, or that look like real ones."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from zsxai.benchmarks.analyse.bootstrap import DRAWS, Interval, Resampling
from zsxai.benchmarks.analyse.result import Result
from zsxai.benchmarks.run.plan import Cell
from zsxai.benchmarks.run.store import Stored
from zsxai.benchmarks.run.suite import Suite, load_suite
from zsxai.benchmarks.tasks.base import Failure, Row

VERSIONS = {"zsxai": "0.1.0", "torch": "2.4.0"}


class Shelf:
    """A store in memory."""

    def __init__(self, cells: Iterable[Stored]) -> None:
        self.cells = {cell.key: cell for cell in cells}

    def read(self, keys: Iterable[str]) -> list[Stored]:
        return [self.cells[key] for key in keys if key in self.cells]


def stored(
    key: str,
    rows: Sequence[Row] = (),
    failures: Sequence[Failure] = (),
    seconds: float = 1.0,
    description: Mapping[str, Any] = MappingProxyType({}),
) -> Stored:
    return Stored(key, description, tuple(rows), tuple(failures), seconds, {"harness": 9, "explainer": 3})


def row(item: str, figures: Mapping[str, Any], **changes: Any) -> Row:
    about = {
        "sources": (item,),
        "label": "dog",
        "prompt": "dog",
        "variant": "own",
        "calibration": "unit-max",
        "strata": {},
        **changes,
    }
    return Row(item=item, figures=figures, **about)


def suite(explainers: Sequence[str] = ("gradcam", "occlusion"), **changes: Any) -> Suite:
    values = {
        "name": "made-up",
        "data": {"esc50": {"reader": "esc50", "options": {"folds": [4]}}},
        "explainers": list(explainers),
        "tasks": [{"kind": "faithfulness", "data": ["esc50"]}],
        "headline": {"task": "faithfulness", "metric": "foil-wins:faithfulness"},
        "draws": 500,
        **changes,
    }
    return load_suite(values)


def cell(key: str, explainer: str = "gradcam", **changes: Any) -> Cell:
    about = {
        "task": "faithfulness",
        "model": "tiny",
        "data": "esc50",
        "contamination": "clean",
        "seed": 0,
        "domain": "stft",
        "scale": "log",
        **changes,
    }
    return Cell(key=key, explainer=explainer, **about)


def interval(values: ArrayLike, sources: Sequence[Any], classes: Sequence[str] | None = None, **draw: int) -> Interval:
    """The interval of one figure."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    return Resampling(sources, **{"draws": DRAWS, **draw}).intervals(column, classes=classes)[0]


def result(
    by_explainer: Mapping[str, Sequence[Row]],
    failures: Mapping[str, Sequence[Failure]] = MappingProxyType({}),
    **changes: Any,
) -> Result:
    """A run of one setting: rows by explainer."""
    names = list(dict.fromkeys([*by_explainer, *failures]))
    about = {
        "versions": VERSIONS,
        "code": "c0de",
        "model": {"name": "tiny", "weights": "abcdef0123456789"},
        "items": [{"name": r.item} for r in next(iter(by_explainer.values()), ())],
    }
    cells = [
        stored(name, tuple(by_explainer.get(name, ())), tuple(failures.get(name, ())), description=about)
        for name in names
    ]
    explainers = [n for n in names if n not in {"constant", "random", "loudness", "energy"}] or ["gradcam"]
    planned = [cell(name, name) for name in names]
    return Result(suite(explainers, **changes), {"roots": {}, "limit": None}, planned, Shelf(cells))


EXPLAINERS = (
    *("gradcam", "gradcam++", "smoothgrad", "integrated-gradients", "saliency", "input-x-gradient", "occlusion"),
    *("constant", "random", "loudness", "energy"),
)
GOOD = dict(zip(EXPLAINERS, (0.45, 0.5, 0.3, 0.35, 0.25, 0.33, 0.7, 0.0, 0.0, 0.12, 0.1), strict=True))
BUDGETS = np.array([0.05, 0.1, 0.25, 0.5, 0.75])


def realistic(clips: int = 120, draws: int = 500) -> Result:
    """All four tasks, clean and contaminated, both domains, with invalid values, failures and a missing cell."""
    rng = np.random.default_rng(0)
    made = suite(
        EXPLAINERS[:7],
        description="Made-up figures in the form of a real run.",
        tasks=[
            {
                "kind": "faithfulness",
                "data": ["esc50"],
                "contaminations": [{"kind": "clean"}, {"kind": "same-set"}],
                "domains": ["stft", "mel"],
            },
            {"kind": "two-sounds", "data": ["esc50"]},
            {"kind": "prompts", "data": ["esc50"]},
            {"kind": "randomisation", "data": ["esc50"]},
        ],
        headline={"task": "faithfulness", "metric": "foil-wins:faithfulness", "stratum": "correct"},
        comparisons={"metrics": ["faithfulness", "foil-wins:faithfulness", "weighted-auc"], "against": "constant"},
        seeds=[0, 1],
        draws=draws,
    )
    kinds = [("faithfulness", "clean", "stft"), ("faithfulness", "same-set, 3 dB", "mel")]
    kinds += [("two-sounds", "clean", "stft"), ("prompts", "clean", "stft"), ("randomisation", "clean", "stft")]
    makers = {"faithfulness": _faithfulness, "two-sounds": _two_sounds, "prompts": _prompts, "randomisation": _random}
    about = {
        "versions": VERSIONS,
        "code": "c0de",
        "model": {"name": "tiny", "weights": "abcdef0123456789", "logit_scale": 20.0, "options": {}},
    }
    planned, cells = [], []
    for task, contamination, domain in kinds:
        for name in EXPLAINERS:
            for seed in (0, 1) if name == "random" else (0,):
                key = f"{task}/{contamination}/{domain}/{name}/{seed}"
                planned.append(cell(key, name, task=task, contamination=contamination, domain=domain, seed=seed))
                rows = [r for i in range(clips) for r in makers[task](name, i, rng)]
                failures = []
                if name == "occlusion" and task == "faithfulness":
                    rows, failures = rows[9:], [Failure(f"clip-{i}", "RuntimeError: no <b>luck</b>") for i in range(3)]
                if key != "randomisation/clean/stft/energy/0":
                    cells.append(stored(key, rows, failures, seconds=clips * 0.3, description=about))
    return Result(made, {"roots": {}, "limit": clips, "device": None}, planned, Shelf(cells))


def _about(i: int) -> dict[str, Any]:
    return {"sources": (f"rec-{i * 3 // 4}",), "label": f"class-{i % 10}", "prompt": f"class-{i % 10}"}


def _faithfulness(name: str, i: int, rng: np.random.Generator) -> list[Row]:
    found = []
    p = float(np.clip(np.random.default_rng(i).normal(0.7, 0.2), 0.02, 0.98))
    for variant in ("own", "foil", "rolled"):
        lost = 0.0 if variant != "own" and name in {"constant", "random", "loudness", "energy"} else GOOD[name]
        blind = name in {"constant", "random", "loudness", "energy"} and variant == "foil"
        p_out = float(np.clip(p - (GOOD[name] if variant == "own" or blind else lost * 0.4), 0, 1))
        p_out = p_out if blind or name == "constant" else float(np.clip(p_out + rng.normal(0, 0.08), 0, 1))
        p_in = float(np.clip(p * (0.35 + GOOD[name]) + rng.normal(0, 0.1), 0, 1))
        size = 0.5 if name == "constant" else float(np.clip(rng.normal(0.1 + 0.5 * GOOD[name], 0.05), 0, 1))
        kept = p * BUDGETS ** (1.2 - GOOD[name])
        removed = p * (1 - BUDGETS ** (1.1 - GOOD[name]))
        found.append(
            row(
                f"clip-{i}",
                {
                    "p": p,
                    "p_in": p_in,
                    "p_out": p_out,
                    "similarity": float(rng.normal(0.4, 0.1)),
                    "snr_met": float("nan"),
                    "faithfulness": p - p_out,
                    "average-drop": 100 * max(p - p_in, 0) / p,
                    "average-increase": 100.0 * (p_in > p),
                    "average-gain": 100 * max(p_in - p, 0) / (1 - p),
                    "input-fidelity": float(p_in > 0.3),
                    "mask-mean": size,
                    "kept-energy": min(1.0, 2 * size),
                    "sparseness": float("nan") if name == "constant" else 0.6,
                    **({"heard-probability": p_in * 0.9} if variant == "own" else {}),
                    **(
                        {
                            "area:kept": kept.tolist(),
                            "area:removed": removed.tolist(),
                            "energy:kept": (kept * 0.9).tolist(),
                            "energy:removed": (removed * 0.9).tolist(),
                            "p_nothing": 0.02,
                        }
                        if variant != "rolled"
                        else {}
                    ),
                },
                **_about(i),
                variant=variant,
                strata={"correct": p > 0.5},
            )
        )
        if blind:
            own = dict(found[0].figures)
            found[-1] = row(f"clip-{i}", own, **_about(i), variant=variant, strata={"correct": p > 0.5})
    return found


def _two_sounds(name: str, i: int, rng: np.random.Generator) -> list[Row]:
    found = []
    blind = name in {"constant", "random", "loudness", "energy"}
    sources = (f"rec-{i}", f"rec-{(i * 7 + 1) % 97}")
    chance = 0.5 if name == "constant" else float(np.clip(rng.normal(0.5, 0.15), 0, 1))
    for k, prompt in enumerate((f"class-{i % 10}", f"class-{(i + 3) % 10}")):
        auc = (
            (chance if k == 0 else 1 - chance) if blind else float(np.clip(rng.normal(0.5 + GOOD[name] / 2, 0.1), 0, 1))
        )
        for variant, value in (("own", auc), ("oracle", 0.97 if name == "occlusion" else 0.88)):
            figures = {"weighted-auc": value, "auc": value * 0.98, "pointing": float(value > 0.6)}
            figures |= {"correlation": 2 * value - 1, "si-sdr-improvement": 20 * (value - 0.5)}
            found.append(
                row(
                    f"pair-{i}",
                    figures,
                    sources=sources,
                    label=prompt,
                    prompt=prompt,
                    variant=variant,
                    strata={"both-heard": i % 3 > 0},
                )
            )
    return found


def _prompts(name: str, i: int, rng: np.random.Generator) -> list[Row]:
    similar = np.concatenate([[0.5], rng.uniform(-0.1, 0.3, 8), rng.uniform(0.4, 0.5, 4)])
    slope = 0.0 if name in {"constant", "random", "loudness", "energy"} else GOOD[name]
    means = np.clip(0.25 + slope * similar + rng.normal(0, 0.02, 13) * (name != "constant"), 0, 1)
    figures = {
        "similarity": 0.5,
        "wrong": 8.0,
        "paraphrases": 4.0,
        "mask_means": means.tolist(),
        "similarities": similar.tolist(),
        "mask-mean-right": float(means[0]),
        "mask-mean-wrong": float(means[1:9].mean()),
        "similarity-correlation": 0.0 if name == "constant" else float(np.corrcoef(means, similar)[0, 1]),
        "prompt-contrast": slope + float(rng.normal(0, 0.05)) * (slope > 0),
    }
    return [row(f"clip-{i}", figures, **_about(i), strata={"correct": i % 4 > 0})]


def _random(name: str, i: int, rng: np.random.Generator) -> list[Row]:
    blind = name in {"constant", "random", "loudness", "energy"}
    found = []
    for tower in ("audio", "text"):
        for level in range(1, 5):
            alike = 1.0 if blind else float(np.clip(1 - 0.22 * level + rng.normal(0, 0.05), 0, 1))
            figures = {
                "ssim": alike,
                "rank-correlation": alike - 0.05,
                "energy-ratio": 1.0 if blind else 1 - 0.1 * level,
            }
            found.append(row(f"clip-{i}", figures, **_about(i), variant=f"{tower} {level}/4"))
    return found
