"""What a timeline costs: ``python -m zsxai.benchmarks.measure.timeline``.

* ``time``: CPU time on one thread of ``zsxai.timeline`` on a WAV of noise, against a loop that embeds the same windows
  in batches of the same size and takes cosines, in interleaved pairs. A ratio is the median over the pairs, with a
  bootstrap interval. ``ours`` reads, resamples nothing (the WAV has the model's rate), hashes, draws the overview and
  asks for presence besides.
* ``memory``: most memory that a process of its own holds during a timeline of ``--minutes``, above what it held after
  one of a minute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
import torch
import typer

import zsxai
from zsxai.benchmarks.measure.frame import AsJson, ModelName, Repeats, Table, app, one_thread, show
from zsxai.benchmarks.measure.timing import compare, in_new_process, peak_bytes
from zsxai.clip import BATCH_SIZE
from zsxai.timelines.windows import cut_of, cut_windows
from zsxai.versions import versions

PROMPTS = ("a dog barking", "rain", "siren")
_SECONDS = 60


@one_thread()
def timeline(
    model: ModelName = "tiny",
    repeats: Repeats = 9,
    minutes: Annotated[list[float] | None, typer.Option(help="Lengths whose memory is measured.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure time per window and memory over length."""
    loaded = zsxai.load_model(model)
    rate = loaded.sample_rate
    rows: list[list[str]] = []
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short.wav"
        _write(short, rate, _SECONDS)
        wave = soundfile.read(short, dtype="float32")[0]
        spans = [(start, start + len(cut)) for start, cut in cut_windows([wave], cut_of(loaded))]
        text = loaded.embed_text(PROMPTS)

        def bare() -> None:
            with torch.no_grad():
                for first in range(0, len(spans), BATCH_SIZE):
                    batch = np.stack([wave[a:b] for a, b in spans[first : first + BATCH_SIZE]])
                    (loaded.embed_audio(torch.from_numpy(batch)) @ text.T).numpy()

        def ours() -> Any:
            return zsxai.timeline(short, PROMPTS, model=loaded, progress=False)

        pairs = compare(ours, bare, repeats)
        low, high = pairs.interval
        name = f"time of {len(spans)} windows ({_SECONDS} s)"
        rows.append([name, f"{pairs.ratio:.2f} x a bare loop [{low:.2f}, {high:.2f}]"])
        record["time"] = {"ratio": pairs.ratio, "interval": [low, high], "windows": len(spans)}
        for length in minutes or (2.0, 60.0):
            file = Path(folder) / "long.wav"
            _write(file, rate, 60 * length)
            windows, peak = in_new_process(_memory, file, short, model)
            name = f"memory of {length:g} min"
            rows.append([name, f"{peak / 2**20:.0f} MiB, {windows:,} windows"])
            record[name] = {"mib": peak / 2**20, "windows": windows}
    context = {"model": model, "number of prompts": len(PROMPTS), "batch": BATCH_SIZE, "pairs": repeats, **versions()}
    show(Table(("what", "measured"), rows, context), {**record, **context}, as_json)


def _memory(file: Path, short: Path, model: str) -> tuple[int, int]:
    """Windows of a file, and bytes held at most beyond what a short one takes first."""
    loaded = zsxai.load_model(model)
    zsxai.timeline(short, PROMPTS, model=loaded, progress=False)
    found: list[int] = []
    peak = peak_bytes(lambda: found.append(len(zsxai.timeline(file, PROMPTS, model=loaded, progress=False).starts)))
    return found[0], peak


def _write(file: Path, rate: int, seconds: float) -> None:
    """Noise that never repeats, written minute by minute."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(file, "w", rate, 1, "PCM_16") as opened:
        left = round(seconds * rate)
        while left:
            part = min(left, 60 * rate)
            opened.write(0.1 * rng.standard_normal(part, dtype=np.float32))
            left -= part


if __name__ == "__main__":
    app(timeline)()
