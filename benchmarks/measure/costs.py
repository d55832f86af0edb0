"""Costs and their floors: the rows of :mod:`zsxai.benchmarks.measure.speed`, and how any such rows are shown."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

import zsxai
from zsxai.benchmarks.measure.floors import FLOORS, Bare, explain_floor
from zsxai.benchmarks.measure.frame import Table, measure_each, show
from zsxai.benchmarks.measure.timing import (
    Pairs,
    child_cpu_seconds,
    compare,
    cpu_seconds,
    in_new_process,
    interleave,
    peak_bytes,
)
from zsxai.clip import BATCH_SIZE, Clip
from zsxai.errors import InputError
from zsxai.lmac_zs.bank import SOUNDS
from zsxai.model import SpectralModel
from zsxai.recording import Recording
from zsxai.target import Similarity
from zsxai.versions import versions

PROMPT = "a dog barking"
PROMPTS = (PROMPT, *SOUNDS[1:10])
EXPLAINED = ("gradcam", "saliency")
"""Explainers that ``explain:`` is measured with."""
_PER_UNIT = {"ms": 1e-3, "MB": 1e6}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        case: What was measured.
        floor: What it is compared with.
        limit: Ratio it should stay within, or None where none is set.
        unit: Unit of the costs, ``ms`` or ``MB``.
        pairs: The measurements, in seconds or bytes.
    """

    case: str
    floor: str
    limit: float | None
    unit: str
    pairs: Pairs

    @property
    def verdict(self) -> str:
        """Whether the limit holds, as far as the interval shows."""
        if self.limit is None:
            return ""
        low, high = self.pairs.interval
        return "met" if high <= self.limit else "over" if low > self.limit else "undecided"

    @property
    def costs(self) -> tuple[float, float]:
        """Median cost and median cost of the floor, in the row's unit."""
        ours, floor = np.median(self.pairs.ours), np.median(self.pairs.floor)
        return float(ours) / _PER_UNIT[self.unit], float(floor) / _PER_UNIT[self.unit]

    def record(self) -> dict[str, object]:
        """Ready for JSON."""
        cost, floor_cost = self.costs
        low, high = self.pairs.interval
        return {
            "case": self.case,
            "floor": self.floor,
            "limit": self.limit,
            "unit": self.unit,
            "cost": cost,
            "floor_cost": floor_cost,
            "ratio": self.pairs.ratio,
            "low": low,
            "high": high,
            "n": len(self.pairs.ours),
            "verdict": self.verdict,
        }

    def cells(self) -> list[str]:
        """Ready for a table."""
        cost, floor = (f"{value:.1f} {self.unit}" for value in self.costs)
        ratio, interval = f"{self.pairs.ratio:.2f}", "{:.2f} to {:.2f}".format(*self.pairs.interval)
        limit = "" if self.limit is None else f"{self.limit:.2f}"
        return [self.case, self.floor, cost, floor, ratio, interval, str(len(self.pairs.ours)), limit, self.verdict]


class Bench:
    """The rows of the table, each measured when its turn comes.

    Args:
        name: Name of the model.
        seconds: Length of the clip; cut to the model's window.
        repeats: Pairs per row; a fifth of them, three at least, where a pair is two whole processes.

    Raises:
        InputError: If the model gives no gradients.
    """

    def __init__(self, name: str, seconds: float, repeats: int) -> None:
        self.name = name
        self.model = load_spectral(name)
        self.waveform = noise(self.model.sample_rate, min(seconds, self.model.audio_spec.window or seconds))
        self.bare = Bare(self.model, torch.from_numpy(self.waveform), PROMPT)
        self.repeats = repeats

    @property
    def context(self) -> dict[str, str]:
        """What else decides the figures."""
        card = self.model.card
        return {
            "model": f"{card.name} ({(card.weights_sha256 or 'no hash')[:12]})",
            "clip": f"{len(self.waveform) / self.model.sample_rate:g} s",
            "threads": "1",
            "batch": str(BATCH_SIZE),
            "python": sys.version.split()[0],
            **versions(),
        }

    def cases(self) -> dict[str, Callable[[], Row]]:
        """Every case by name."""
        # A card says in words what an explainer costs: one from elsewhere has no floor here.
        floored = [name for name in zsxai.list_explainers() if name in FLOORS]
        return {
            **{f"relevance:{name}": partial(self._relevance, name) for name in floored},
            "one-forward:gradcam": self._one_forward,
            "ten-prompts:gradcam": partial(self._ten_prompts_of, "gradcam", 2.0),
            **{f"explain:{name}": partial(self._explain, name) for name in EXPLAINED},
            "memory:batch 8": partial(self._memory, "memory:batch 8", 8, 1.10),
            "memory:one batch": partial(self._memory, "memory:one batch", 200, None),
            "process:explain": partial(self._process, "process:explain", ()),
            "process:explain --out": partial(self._process, "process:explain --out", ("--overwrite", "--out")),
        }

    def show(self, only: Sequence[str] | None, as_json: bool) -> None:
        """Measure the cases, or only some, and print them."""
        rows = measure_each(self.cases(), only, lambda row: f"{row.pairs.ratio:.2f}")
        show_rows(rows.values(), self.context, as_json)

    def _relevance(self, name: str) -> Row:
        floor = partial(FLOORS[name], self.bare, zsxai.load_explainer(name))
        pairs = compare(self._on_fresh_clips(name), floor, self.repeats)
        return Row(f"relevance:{name}", "its forwards and backwards", 1.10, "ms", pairs)

    def _one_forward(self) -> Row:
        pairs = compare(self._on_fresh_clips("gradcam"), self.bare.forward, self.repeats)
        return Row("one-forward:gradcam", "one bare forward", 1.25, "ms", pairs)

    def _ten_prompts_of(self, name: str, limit: float) -> Row:
        pairs = compare(self._on_fresh_clips(name, PROMPTS), self._on_fresh_clips(name), self.repeats)
        return Row(f"ten-prompts:{name}", "one prompt", limit, "ms", pairs)

    def _on_fresh_clips(self, name: str, prompts: Sequence[str] = (PROMPT,)) -> Callable[[], object]:
        """The explainer, on a clip for which nothing has been computed yet."""
        explainer = zsxai.load_explainer(name)
        targets = [Similarity(prompt=prompt).bind(self.model) for prompt in prompts]
        whole = Recording(self.model, self.waveform)
        return lambda: explainer.relevance(Clip(self.model, whole.waveform, whole.masking, whole.stft), targets)

    def _explain(self, name: str) -> Row:
        explain = partial(zsxai.explain, sample_rate=self.model.sample_rate, model=self.model, explainer=name)
        floor = partial(explain_floor, self.bare, zsxai.load_explainer(name))
        pairs = compare(partial(explain, self.waveform, PROMPT), floor, self.repeats)
        return Row(f"explain:{name}", "its forwards and backwards", None, "ms", pairs)

    def _memory(self, case: str, batch: int, limit: float | None) -> Row:
        many, few = (partial(in_new_process, _peak, self.name, self.waveform, batch, steps) for steps in (200, 50))
        return Row(case, "50 steps, not 200", limit, "MB", interleave(many, few, 3))

    def _process(self, case: str, options: tuple[str, ...]) -> Row:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "clip.wav"
            soundfile.write(file, self.waveform, self.model.sample_rate)
            out = [str(Path(folder) / "out")] if options else []
            ours = [sys.executable, "-m", "zsxai", "explain", str(file), PROMPT, "--model", self.name]
            bare = [sys.executable, "-c", "import torch, numpy"]
            pairs = interleave(
                lambda: child_cpu_seconds([*ours, *options, *out]),
                lambda: child_cpu_seconds(bare) + cpu_seconds(self.bare.forward),
                max(3, self.repeats // 5),
            )
        return Row(case, "import torch, numpy; one forward", 2.0, "ms", pairs)


def _peak(name: str, waveform: NDArray[Any], batch: int, steps: int) -> int:
    """Peak memory of integrated gradients; runs in a process of its own."""
    model = load_spectral(name)
    explainer = zsxai.load_explainer("integrated-gradients", n_steps=steps)
    clip = Recording(model, waveform, batch_size=batch).clips[0]
    target = Similarity(prompt=PROMPT).bind(model)
    return peak_bytes(lambda: explainer.relevance(clip, [target]))


def show_rows(rows: Iterable[Row], context: Mapping[str, str], as_json: bool) -> None:
    """Print rows, and what else decides their figures."""
    heads = ("case", "against", "cost", "floor", "ratio", "95 %", "n", "limit", "")
    rows = list(rows)
    table = Table(heads, [row.cells() for row in rows], context)
    show(table, {"context": context, "rows": [row.record() for row in rows]}, as_json)


def load_spectral(name: object) -> SpectralModel:
    """Load a model that gives gradients, by its name or as it is, and freeze it.

    Raises:
        InputError: If it gives none.
    """
    model = zsxai.load_model(name)
    if not isinstance(model, SpectralModel):
        raise InputError(f"{name} is a black box: its floors cannot be written in plain torch")
    for module in model.modules():
        module.requires_grad_(False).eval()
    return model


def noise(sample_rate: int, seconds: float) -> NDArray[Any]:
    """Bursts of noise, ``(T,)`` float32; how they sound does not matter to the cost."""
    count = round(sample_rate * seconds)
    bursts = np.sin(np.arange(count) * (2 * np.pi / sample_rate)) ** 4
    waveform: NDArray[Any] = 0.2 * bursts * np.random.default_rng(0).standard_normal(count)
    return waveform.astype(np.float32)
