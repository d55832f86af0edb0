"""Does an audit find cues that were planted? ``python -m zsxai.benchmarks.measure.audit --data esc50=DIR``.

A few classes of ESC-50, drawn by a seed. In the recordings of one a steady 9 kHz tone is planted, 20 dB under the sound
while it sounds; in those of another a click of 10 ms, 30 ms after the start, twice as high as the clip's own peak. A
classifier learns from the recordings (a linear one on log-mel spectrograms, or ``prototypes``), then it is audited on
them; and once more without planting. What is found and what is named wrongly is counted over seeds.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import soundfile
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

import zsxai
from zsxai.audio import Sound
from zsxai.auditing.audit import Audit, Cue
from zsxai.benchmarks.measure.frame import AsJson, Table, app, one_thread, read_data, show
from zsxai.data import LabelledClip, load_dataset
from zsxai.errors import InputError
from zsxai.level import FRAME_SECONDS, active_power
from zsxai.model import AudioSpec, Encoding, Features, ModelCard, SpectralModel, TextEncoding
from zsxai.spectral import FrontEnd, FrontEndSpec

HERTZ, UNDER_DB = 9000.0, 20.0
AT, SECONDS, HIGH = 0.03, 0.01, 2.0
"""When the click comes, how long it is, and its peak over the clip's."""


class Planted(NamedTuple):
    """A data set of some classes, with the labels of the two that hold a cue; empty where none does."""

    clips: list[LabelledClip]
    labels: list[str]
    tone: str
    click: str


class LogMelClassifier(SpectralModel):
    """Ridge regression on log-mel spectrograms of five seconds: the simplest classifier that learns any fixed cue.

    The embedding is the centred spectrogram, a prompt the weights of its class.

    Args:
        waveforms: ``(T,)`` each, at 32,000 samples per second.
        classes: Of each.
        ridge: Penalty, over the mean energy of a spectrogram.
    """

    parts = (64, 50)

    def __init__(self, waveforms: Sequence[Tensor], classes: Sequence[str], ridge: float = 1.0) -> None:
        spec = FrontEndSpec(sample_rate=32000, n_fft=1024, hop=640, n_mels=64, f_min=50, f_max=14000, floor=1e-6)
        self.front_end = FrontEnd(spec)
        self.audio_spec = AudioSpec(sample_rate=32000, window=5.0, fill="zero")
        self.card = ModelCard(name="log-mel classifier", knows=tuple(sorted(set(classes))))
        self.logit_scale, self.taps = 10.0, {}
        with torch.no_grad():
            seen = torch.cat([self._describe(self.features(w[None])) for w in waveforms]).double()
        wanted = torch.tensor([[float(c == name) for name in self.card.knows] for c in classes]).double()
        self._mean = seen.mean(dim=0)
        seen, wanted = seen - self._mean, wanted - wanted.mean(dim=0)
        products = seen @ seen.T
        damped = products + ridge * products.diagonal().mean() * torch.eye(len(products), dtype=torch.float64)
        weights = (seen.T @ torch.linalg.solve(damped, wanted)).T
        self._text, self._mean = nn.functional.normalize(weights, dim=1).float(), self._mean.float()

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See :meth:`SpectralModel.model_input`."""
        return log_mel, {}

    def _describe(self, features: Features) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(features.input[:, None], self.parts).flatten(1)

    def encode(self, features: Features) -> Encoding:
        """See :meth:`SpectralModel.encode`."""
        return Encoding(nn.functional.normalize(self._describe(features) - self._mean, dim=1), ())

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        """See :meth:`SpectralModel.encode_text`."""
        known = self.card.knows
        if strange := [prompt for prompt in prompts if prompt not in known]:
            raise InputError(f"the classifier knows {', '.join(known)}, not {strange[0]!r}")
        return TextEncoding(self._text[[known.index(prompt) for prompt in prompts]])


def plant_tone(waveform: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """Add the tone."""
    power = active_power(waveform.astype(np.float64), round(FRAME_SECONDS * rate))
    phase = 2 * np.pi * HERTZ * np.arange(len(waveform)) / rate + rng.uniform(0, 2 * np.pi)
    return _float(waveform + np.sqrt(2 * power * 10 ** (-UNDER_DB / 10)) * np.sin(phase))


def plant_click(waveform: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """Add the click."""
    burst = rng.standard_normal(round(SECONDS * rate)) * np.hanning(round(SECONDS * rate)) ** 0.25
    found = waveform.astype(np.float64)
    start = round(AT * rate)
    found[start : start + len(burst)] += burst * HIGH * np.abs(waveform).max() / np.abs(burst).max()
    return _float(found)


def _float(waveform: NDArray[Any]) -> NDArray[Any]:
    return (waveform / max(1.0, float(np.abs(waveform).max()))).astype(np.float32)


def make_planted(clips: Sequence[LabelledClip], classes: int, seed: int, *, plant: bool) -> Planted:
    """Draw classes, and the two that get a cue."""
    rng = np.random.default_rng(seed)
    every = sorted({clip.label for clip in clips})
    drawn = [every[i] for i in rng.choice(len(every), min(classes, len(every)), replace=False)]
    tone, click = drawn[:2] if plant else ("", "")
    kept = [clip for clip in clips if clip.label in drawn]
    planted = [
        replace(clip, path=None, audio=partial(_sound, clip, plant_tone if clip.label == tone else plant_click, seed))
        if clip.label in (tone, click)
        else clip
        for clip in kept
    ]
    return Planted(planted, sorted(drawn), tone, click)


def _sound(clip: LabelledClip, change: Any, seed: int) -> dict[str, Any]:
    sound: Sound = clip.read()
    rng = np.random.default_rng([seed, *clip.name.encode()])
    return {"array": change(sound.waveform, sound.sample_rate, rng), "sampling_rate": sound.sample_rate}


def judge(found: Audit, planted: Planted) -> dict[str, Any]:
    """What was found of what was planted, and what was named besides."""
    rows: dict[str, Any] = {"seed": found.seed, "classes": len(found.classes)}
    rows["clips"] = sum(one.clips for one in found.classes)
    wrong = []
    for cue in found.cues:
        name = _planted_as(cue, planted)
        if name is None:
            wrong.append(cue)
            continue
        rows[f"{name} class"] = cue.label
        rows.setdefault(f"{name} found", []).append({"said": str(cue), "drives": cue.drives})
    rows["wrong"] = [str(cue) for cue in wrong]
    rows["wrong, of the model"] = sum(cue.of_model for cue in wrong)
    return rows


def _planted_as(cue: Cue, planted: Planted) -> str | None:
    place = cue.place
    if cue.label == planted.tone and place.low <= HERTZ <= place.high:
        return "tone"
    near = place.kind == "start" or (place.kind == "click" and place.start < AT + SECONDS and place.stop > AT)
    return "click" if cue.label == planted.click and near else None


@one_thread()
def measure_audit(
    data: Annotated[str, typer.Option("--data", metavar="READER=DIR", help="Labelled recordings.")],
    folds: Annotated[str, typer.Option("--folds", help="Folds, such as 1,2,3.")] = "1,2,3",
    classifier: Annotated[
        str, typer.Option("--classifier", help="log-mel or prototypes, which learn from the recordings; or any model.")
    ] = "log-mel",
    explainer: Annotated[str, typer.Option("--explainer", help="Its explainer.")] = "integrated-gradients",
    option: Annotated[list[str] | None, typer.Option("--option", help="KEY=VALUE of the explainer.")] = None,
    classes: Annotated[int, typer.Option("--classes", min=3, help="How many are drawn.")] = 10,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many draws.")] = 3,
    plant: Annotated[bool, typer.Option("--plant/--honest", help="Plant the cues, or not.")] = True,
    as_json: AsJson = False,
) -> None:
    """Plant cues, audit, and count what is found and what is named wrongly."""
    from zsxai.cli.commands import parse_options

    reader, root, options = read_data(data, folds)
    clips = load_dataset(reader, root, **options).clips
    found = []
    for seed in range(seeds):
        planted = make_planted(clips, classes, seed, plant=plant)
        with tempfile.TemporaryDirectory() as place:
            made = zsxai.audit(
                Recordings(planted.clips, planted.labels),
                model=_classifier(classifier, planted.clips, Path(place)),
                explainer=explainer,
                options=parse_options(option or []),
                seed=seed,
            )
        found.append(judge(made, planted))
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"seed {seed}:\n{made}")
    context = {"data": data, "folds": folds, "classifier": classifier, "explainer": explainer, "planted": plant}
    context |= {"option": " ".join(option or [])}
    show(_table(found, context), {**context, "seeds": found}, as_json)


def _table(found: list[dict[str, Any]], context: dict[str, Any]) -> Table:
    heads = ("seed", "clips", "tone in", "tone", "click in", "click", "named besides", "of the model")
    rows = []
    for row in found:
        of = [(row.get(f"{name} class", "-"), _said(row.get(f"{name} found"))) for name in ("tone", "click")]
        rows.append(
            (
                *(str(row[key]) for key in ("seed", "clips")),
                *of[0],
                *of[1],
                str(len(row["wrong"])),
                str(row["wrong, of the model"]),
            )
        )
    return Table(heads, rows, {**context, "first besides": json.dumps([w for r in found for w in r["wrong"]][:3])})


def _said(cues: list[dict[str, Any]] | None) -> str:
    if not cues:
        return "not found"
    return "found, the score rests on it" if any(cue["drives"] for cue in cues) else "found, the score does not"


class Recordings(NamedTuple):
    """A data set."""

    clips: list[LabelledClip]
    labels: list[str]


def _classifier(name: str, clips: Sequence[LabelledClip], place: Path) -> object:
    if name == "log-mel":
        return LogMelClassifier([torch.from_numpy(w) for w in _waveforms(clips)], [clip.label for clip in clips])
    if name != "prototypes":
        return zsxai.load_model(name)
    for number, (clip, waveform) in enumerate(zip(clips, _waveforms(clips), strict=True)):
        folder = place / clip.label.replace(" ", "_")
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"{number}.wav", waveform, 32000, subtype="FLOAT")
    return zsxai.load_model(f"prototypes:{place}")


def _waveforms(clips: Sequence[LabelledClip]) -> Iterator[NDArray[Any]]:
    return (clip.read().at(32000) for clip in clips)


if __name__ == "__main__":
    app(measure_audit)()
