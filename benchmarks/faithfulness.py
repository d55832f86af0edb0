"""Do explanations mean something? Every explainer against its foil, its rolled self and the blind controls.

    python -m zsxai.benchmarks.faithfulness --data DIR --fold 4

On every clip that the model hears correctly, each explainer is asked about the right prompt and about a foil
(another class, drawn by the clip's name). Its masks, the foil's and the rolled masks are scored by the probability
of the right class among all class prompts, one softmax, the model's own scale. An explainer that is blind to the
prompt equals its foil and wins 50 %. The second table joins two clips end to end and asks for each in turn.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

import zsxai
from zsxai.audio import read_audio
from zsxai.benchmarks.statistics import Interval, interval
from zsxai.calibration import to_mask
from zsxai.controls import roll
from zsxai.data.esc50 import ESC50, LabelledClip
from zsxai.errors import InputError
from zsxai.metrics import functional
from zsxai.model import ZeroShotModel, evaluating
from zsxai.progress import track
from zsxai.scoring import kept_energy
from zsxai.target import Similarity
from zsxai.versions import commit, versions
from zsxai.windows import Recording

EXPLAINERS = (
    "gradcam,gradcam++,smoothgrad,integrated-gradients,saliency,input-x-gradient,occlusion,"
    "constant,random,loudness,energy"
)
TEMPLATE = "the sound of {}"
BUDGET = 0.25
"""Part of the in-band cells that the matched comparison keeps: every explainer's best quarter."""


@dataclass(frozen=True)
class Settings:
    """Everything that changes a number besides the clip."""

    data: str
    model: str
    explainers: tuple[str, ...]
    calibrations: tuple[str, ...]
    domain: str
    scale: str
    template: str
    seed: int


@dataclass(frozen=True)
class Scored:
    """One mask of one explainer on one clip."""

    explainer: str
    calibration: str
    p: float
    p_in: float
    p_out: float
    fidelity: float
    mask_mean: float
    kept_energy: float


def class_prompts(labels: Sequence[str], template: str) -> list[str]:
    """One prompt a class."""
    return [template.format(label) for label in labels]


def drawn_by(name: str, candidates: Sequence[str]) -> str:
    """One of the candidates, by the hash of a name: the same on every machine and for every explainer."""
    return candidates[zlib.crc32(name.encode()) % len(candidates)]


def best_part(relevance: NDArray[Any], in_band: NDArray[Any], part: float) -> NDArray[Any]:
    """Mask of the highest ``part`` of the in-band cells; ties are broken at random, the same way for all maps."""
    mask = np.zeros(relevance.shape, dtype=np.float32)
    flat = relevance[in_band]
    ties = np.random.default_rng(0).random(flat.size)
    keep = np.lexsort((ties, -flat.ravel()))[: round(part * flat.size)]
    chosen = np.zeros(flat.size, dtype=np.float32)
    chosen[keep] = 1.0
    mask[in_band] = chosen.reshape(flat.shape)
    return mask


class Scorer:
    """A model, its class prompts and the settings, ready to score clips in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        torch.set_num_threads(1)
        self.settings = settings
        self.model: ZeroShotModel = zsxai.load_model(settings.model)
        self.labels = ESC50(settings.data).labels
        with torch.no_grad():
            self.text = self.model.embed_text(class_prompts(self.labels, settings.template))
        if self.model.logit_scale is None:
            raise InputError(f"{settings.model} gives no logit scale, so it gives no probabilities")
        self.logit_scale = self.model.logit_scale

    def recording(self, waveform: NDArray[Any]) -> Recording:
        """A recording under the settings."""
        s = self.settings
        # Names from the command line: Recording refuses unknown ones.
        return Recording(self.model, waveform, domain=s.domain, scale=s.scale, seed=s.seed)  # type: ignore[arg-type]

    def probabilities(self, embeddings: torch.Tensor) -> NDArray[Any]:
        """``(K, D)`` to ``(K, C)`` over the class prompts."""
        return functional.probabilities((embeddings @ self.text.T).numpy(), self.logit_scale)

    def relevance(self, recording: Recording, name: str, prompts: Sequence[str]) -> NDArray[Any]:
        """Relevance of prompts on a recording's grid, ``(P, F, N)``."""
        explainer = zsxai.load_explainer(name)
        targets = [Similarity(prompt=p).bind(self.model, self.settings.template) for p in prompts]
        return recording.stitch([clip.place(explainer.relevance(clip, targets)) for clip in recording.clips])

    def clip(self, item: LabelledClip) -> list[dict[str, Any]]:
        """Rows of one clip; none where the model hears it wrong."""
        recording = self.recording(read_audio(item.path).at(self.model.sample_rate))
        truth = self.labels.index(item.label)
        with evaluating(self.model), torch.no_grad():
            whole = self.probabilities(torch.stack([c.embedding for c in recording.clips]).mean(0, keepdim=True))[0]
        if int(whole.argmax()) != truth:
            return []
        foil = drawn_by(item.path.name, [label for label in self.labels if label != item.label])
        rows = []
        with evaluating(self.model):
            for name in self.settings.explainers:
                own, other = self.relevance(recording, name, [item.label, foil])
                for calibration, masks in self.masks(recording, name, own, other).items():
                    for variant, scored in self.score(recording, masks, whole, truth).items():
                        rows.append(
                            {
                                "clip": item.path.name,
                                "source": item.source,
                                "explainer": name,
                                "calibration": calibration,
                                "variant": variant,
                                **scored,
                            }
                        )
        return rows

    def masks(
        self, recording: Recording, name: str, own: NDArray[Any], foil: NDArray[Any]
    ) -> dict[str, dict[str, NDArray[Any]]]:
        """Masks by calibration and variant: own, foil and rolled; ``best quarter`` is the matched comparison."""
        in_band = recording.grid.in_band
        names = self.settings.calibrations or (zsxai.load_explainer(name).calibration,)
        made = {}
        for calibration in names:
            mask = to_mask(own, in_band, calibration)
            made[calibration] = {
                "own": mask,
                "foil": to_mask(foil, in_band, calibration),
                "rolled": roll(mask, recording.grid),
            }
        made["best quarter"] = {
            "own": best_part(own, in_band, BUDGET),
            "foil": best_part(foil, in_band, BUDGET),
            "rolled": best_part(roll(own, recording.grid), in_band, BUDGET),
        }
        return made

    def score(
        self, recording: Recording, masks: dict[str, NDArray[Any]], whole: NDArray[Any], truth: int
    ) -> dict[str, dict[str, float]]:
        """Scores of each mask: probability of the right class masked in and out."""
        stacked = torch.from_numpy(np.stack(list(masks.values())))
        count = len(stacked)
        with torch.no_grad():
            embeddings = torch.stack(
                [
                    clip.embed_masked(torch.cat([part, 1.0 - part]))
                    for clip, part in ((c, recording.cut(stacked, i)) for i, c in enumerate(recording.clips))
                ]
            ).mean(dim=0)
        p = self.probabilities(embeddings)
        energy = kept_energy(recording, stacked)
        means = functional.mask_mean(stacked, recording.grid.in_band)
        return {
            variant: {
                "p": float(whole[truth]),
                "p_in": float(p[k, truth]),
                "p_out": float(p[count + k, truth]),
                "fidelity": float(int(p[k].argmax()) == int(whole.argmax())),
                "mask_mean": float(means[k]),
                "kept_energy": float(energy[k]),
            }
            for k, variant in enumerate(masks)
        }

    def pair(self, items: tuple[LabelledClip, LabelledClip]) -> list[dict[str, Any]]:
        """Rows of two clips joined end to end, asked for each in turn."""
        half = int(2.5 * self.model.sample_rate)
        parts = [loudest(read_audio(item.path).at(self.model.sample_rate), half) for item in items]
        recording = self.recording(np.concatenate(parts))
        middle = half / self.model.sample_rate
        first = recording.grid.times < middle
        rows = []
        with evaluating(self.model):
            for name in self.settings.explainers:
                relevance = self.relevance(recording, name, [item.label for item in items])
                calibration = zsxai.load_explainer(name).calibration
                for k, item in enumerate(items):
                    mask = to_mask(relevance[k], recording.grid.in_band, calibration)
                    total = float(mask.sum())
                    right = float(mask[:, first if k == 0 else ~first].sum())
                    rows.append(
                        {
                            "clip": "+".join(i.path.name for i in items),
                            "source": items[0].source,
                            "explainer": name,
                            "prompt": item.label,
                            "share": right / total if total > 0 else float("nan"),
                        }
                    )
        return rows


def loudest(waveform: NDArray[Any], samples: int) -> NDArray[Any]:
    """The part of ``samples`` with the most energy; shorter clips are repeated."""
    if len(waveform) <= samples:
        return np.resize(waveform, samples)
    energy = np.concatenate([[0.0], np.cumsum(waveform.astype(np.float64) ** 2)])
    start = int(np.argmax(energy[samples:] - energy[:-samples]))
    return waveform[start : start + samples]


def heard_pairs(
    rows: Sequence[dict[str, Any]], clips: Sequence[LabelledClip], count: int, seed: int
) -> list[tuple[LabelledClip, LabelledClip]]:
    """Pairs of correctly heard clips of different classes and recordings, each clip in at most one pair."""
    heard = {row["clip"] for row in rows}
    pool = [clip for clip in clips if clip.path.name in heard]
    order = np.random.default_rng(seed).permutation(len(pool))
    left = [pool[i] for i in order]
    pairs: list[tuple[LabelledClip, LabelledClip]] = []
    while len(left) > 1 and len(pairs) < count:
        first = left.pop()
        match = next((c for c in left if c.label != first.label and c.source != first.source), None)
        if match is None:
            break
        left.remove(match)
        pairs.append((first, match))
    return pairs


_SCORER: Scorer | None = None


def _start(settings: Settings) -> None:
    global _SCORER
    _SCORER = Scorer(settings)


def _clip(item: LabelledClip) -> list[dict[str, Any]]:
    return _scorer().clip(item)


def _pair(items: tuple[LabelledClip, LabelledClip]) -> list[dict[str, Any]]:
    return _scorer().pair(items)


def _scorer() -> Scorer:
    if _SCORER is None:
        raise RuntimeError("the worker was not started")
    return _SCORER


def wins(rows: Sequence[dict[str, Any]], against: str, figure: str) -> tuple[list[float], list[str]]:
    """1 where the own mask beats another variant's, .5 where equal, 0 else; and the recordings.

    Args:
        rows: Of one explainer and calibration.
        against: ``foil`` or ``rolled``.
        figure: ``ff``, ``p_in``, or ``both``: 1 only where both are ahead.
    """
    by_clip: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_clip.setdefault(row["clip"], {})[row["variant"]] = row

    def ahead(variants: dict[str, dict[str, Any]]) -> dict[str, float]:
        own, other = variants["own"], variants[against]
        by_ff, by_p_in = np.sign(other["p_out"] - own["p_out"]), np.sign(own["p_in"] - other["p_in"])
        return {"ff": 0.5 + 0.5 * by_ff, "p_in": 0.5 + 0.5 * by_p_in, "both": float(by_ff > 0 and by_p_in > 0)}

    return [ahead(v)[figure] for v in by_clip.values()], [v["own"]["source"] for v in by_clip.values()]


def percent(found: Interval) -> str:
    """``83 [79, 87]``."""
    return f"{100 * found.mean:.0f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def figure(found: Interval, digits: int) -> str:
    """``.42 [.38, .46]``, with the count of invalid values where there are any."""
    text = f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"
    return text + (f" ({found.n_invalid} invalid)" if found.n_invalid else "")


def faithfulness_table(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """A line per explainer, calibration and variant."""
    table = Table(title=title)
    for head in (
        "explainer",
        "calibration",
        "mask",
        "own wins by FF, %",
        "by p(in), %",
        "by both, %",
        "AI",
        "AD",
        "AG",
        "FF",
    ):
        table.add_column(head)
    for head in ("p(in)", "Fid-In", "MM", "KE"):
        table.add_column(head)
    for key in dict.fromkeys((r["explainer"], r["calibration"]) for r in rows):
        same = [r for r in rows if (r["explainer"], r["calibration"]) == key]
        for variant in ("own", "foil", "rolled"):
            chosen = [r for r in same if r["variant"] == variant]
            sources = [r["source"] for r in chosen]
            p, p_in, p_out = (np.array([r[k] for r in chosen]) for k in ("p", "p_in", "p_out"))
            beaten = [""] * 3
            if variant != "own":
                beaten = [percent(interval(*wins(same, variant, f))) for f in ("ff", "p_in", "both")]
            table.add_row(
                *key,
                variant,
                *beaten,
                figure(interval(functional.average_increase(p, p_in), sources), 0),
                figure(interval(functional.average_drop(p, p_in), sources), 0),
                figure(interval(functional.average_gain(p, p_in), sources), 0),
                figure(interval(functional.faithfulness(p, p_out), sources), 2),
                figure(interval(p_in, sources), 2),
                figure(interval([r["fidelity"] for r in chosen], sources), 2),
                f"{np.mean([r['mask_mean'] for r in chosen]):.2f}",
                f"{np.mean([r['kept_energy'] for r in chosen]):.2f}",
            )
    return table


def pairs_table(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """A line per explainer: part of the mask in the right half, and how often it is more than half."""
    table = Table(title=title)
    for head in ("explainer", "share in the right half", "points right, %", "n", "n invalid"):
        table.add_column(head)
    for name in dict.fromkeys(r["explainer"] for r in rows):
        chosen = [r for r in rows if r["explainer"] == name]
        shares = np.array([r["share"] for r in chosen])
        groups = [r["clip"] for r in chosen]
        points = np.where(np.isnan(shares), np.nan, 0.5 + 0.5 * np.sign(shares - 0.5))
        found = interval(shares, groups)
        table.add_row(name, figure(found, 3), percent(interval(points, groups)), str(found.n), str(found.n_invalid))
    return table


app = typer.Typer(add_completion=False)


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="ESC-50, official layout or metadata.csv")],
    fold: Annotated[int, typer.Option(help="Fold to score")] = 4,
    model: Annotated[str, typer.Option(help="Model to explain")] = "tiny",
    explainers: Annotated[str, typer.Option(help="Names, comma-separated")] = EXPLAINERS,
    calibrations: Annotated[str, typer.Option(help="Override each explainer's own, comma-separated")] = "",
    domain: str = "stft",
    scale: str = "log",
    template: str = TEMPLATE,
    seed: int = 0,
    limit: Annotated[int | None, typer.Option(help="Score every k-th clip so that about this many remain")] = None,
    pairs: Annotated[int, typer.Option(help="Pairs joined end to end")] = 100,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write rows and tables here")] = None,
    log: Annotated[Path | None, typer.Option(help="Append date, commit and figures to this file")] = None,
) -> None:
    """Score explainers on the clips of one fold and print two tables."""
    console = Console(width=200)
    clips = list(ESC50(data, folds=[fold]))
    if limit is not None and limit < len(clips):
        clips = [clips[i] for i in np.linspace(0, len(clips) - 1, limit).round().astype(int)]
    names = tuple(explainers.split(","))
    wanted = tuple(c for c in calibrations.split(",") if c)
    settings = Settings(str(data), model, names, wanted, domain, scale, template, seed)
    card = zsxai.load_model(model).card
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_start, initargs=(settings,)) as workers:
        rows = collect(track(workers.map(_clip, clips), len(clips), "clips", None))
        joined = heard_pairs(rows, clips, pairs, seed)
        pair_rows = collect(track(workers.map(_pair, joined), len(joined), "pairs", None))
    heard = len({r["clip"] for r in rows})
    sources = len({r["source"] for r in rows})
    what = (
        f"ESC-50 fold {fold}, {heard} of {len(clips)} clips heard correctly, from {sources} recordings; "
        f"{model} ({str(card.weights_sha256)[:12]}), domain {domain}, scale {scale}, template {template!r}, "
        f"seed {seed}; 95 % intervals over recordings; zsxai {versions()['zsxai']}, torch {versions()['torch']}"
    )
    tables = [faithfulness_table(rows, what), pairs_table(pair_rows, f"two clips joined end to end; {what}")]
    for table in tables:
        console.print(table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        record = {"settings": asdict(settings) | {"data": "esc50"}, "what": what, "rows": rows, "pairs": pair_rows}
        (out / "rows.json").write_text(json.dumps(record), encoding="utf-8")
        with (out / "tables.md").open("w", encoding="utf-8") as file:
            printer = Console(file=file, width=250)
            for table in tables:
                heading, table.title, table.box = table.title, None, MARKDOWN
                file.write(f"\n{heading}\n")
                printer.print(table)
    if log is not None:
        line = {
            "date": date.today().isoformat(),
            "commit": commit(),
            "what": what,
            "figures": headline(rows, pair_rows),
        }
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def collect(parts: Iterator[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of all parts."""
    return [row for part in parts for row in part]


def headline(rows: Sequence[dict[str, Any]], pair_rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Wins over the foil by explainer and calibration, and shares in the right half."""
    found: dict[str, Any] = {}
    for key in dict.fromkeys((r["explainer"], r["calibration"]) for r in rows):
        same = [r for r in rows if (r["explainer"], r["calibration"]) == key]
        found["/".join(key)] = {f: interval(*wins(same, "foil", f))[:3] for f in ("ff", "p_in", "both")}
    for name in dict.fromkeys(r["explainer"] for r in pair_rows):
        chosen = [r for r in pair_rows if r["explainer"] == name]
        found[f"{name}/right half"] = interval([r["share"] for r in chosen], [r["clip"] for r in chosen])[:3]
    return found


if __name__ == "__main__":
    app()
