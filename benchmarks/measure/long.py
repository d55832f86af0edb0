"""What long recordings cost: ``python -m zsxai.benchmarks.measure.long --data DIR``.

Recordings of ESC-50 joined to one of a length, drawn with a seed, explained and saved by ``zsxai.explain(..., out=)``,
each in a process of its own:

* ``memory``: the most that the process holds, above what it holds once a recording of six seconds was explained there;
* ``seconds``: CPU time for each minute of sound, and as a ratio to that of the shortest length;
* ``page``: bytes of the folder's page, of all pages, and of the folder.

``--kill`` also kills the work on the shortest recording half-way (SIGKILL) and resumes it: which files of the folder
differ from those of the work that nobody stopped.
"""

from __future__ import annotations

import filecmp
import multiprocessing
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
import typer

import zsxai
from zsxai.benchmarks.measure.frame import AsJson, ModelName, Table, app, one_thread, show
from zsxai.benchmarks.measure.timing import in_new_process, peak_bytes
from zsxai.data.loading import load_dataset
from zsxai.scratch import unfinished
from zsxai.versions import versions

PROMPT = "a dog barking"
_RATE = 32_000
"""Of the joined recordings."""


@one_thread()
def long(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Recordings of ESC-50.")],
    model: ModelName = "tiny",
    minutes: Annotated[list[float] | None, typer.Option(help="Lengths.")] = None,
    explainer: Annotated[list[str] | None, typer.Option(help="Explainers.")] = None,
    kill: Annotated[bool, typer.Option(help="Kill and resume the work on the shortest.")] = True,
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Measure memory, time and pages of explanations over the length of a recording."""
    lengths = sorted(minutes or (2.0, 8.0, 60.0))
    rows: list[list[str]] = []
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = {length: _join(place / f"{length:g}.wav", data, length, seed) for length in lengths}
        for name in explainer or ("gradcam", "lmac-zs"):
            least = 0.0
            for length in lengths:
                out = place / "out"
                seconds, peak = in_new_process(_explain, files[length], out, model, name)
                each = seconds / length
                least = least or each
                page = (out / "index.html").stat().st_size
                pages = sum(path.stat().st_size for path in out.rglob("*.html"))
                whole = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
                shutil.rmtree(out)
                rows.append(
                    [
                        name,
                        f"{length:g}",
                        f"{peak / 2**20:.0f}",
                        f"{each:.2f}",
                        f"{each / least:.2f}",
                        f"{page / 2**20:.1f}",
                        f"{pages / 2**20:.1f}",
                        f"{whole / 2**20:,.0f}",
                    ]
                )
                record[f"{name}, {length:g} min"] = {
                    "mib": peak / 2**20,
                    "seconds a minute": each,
                    "ratio": each / least,
                    "page bytes": page,
                    "pages bytes": pages,
                    "folder bytes": whole,
                }
        if kill:
            record["killed"] = _kill(place, files[lengths[0]], model)
    head = ("explainer", "minutes", "peak MiB", "s a minute", "ratio", "page MiB", "pages MiB", "folder MiB")
    context = {"model": model, "data": "esc50, folds 1 to 3", "seed": seed, **versions()}
    if kill:
        context["killed half-way and resumed"] = record["killed"]
    show(Table(head, rows, context), {**record, **context}, as_json)


def _explain(file: Path, out: Path, model: str, explainer: str) -> tuple[float, int]:
    """CPU seconds, and bytes held at most beyond what a short recording takes first."""
    warm = 0.1 * np.random.default_rng(0).standard_normal(6 * _RATE)
    for again in range(2):
        zsxai.explain(
            warm, PROMPT, sample_rate=_RATE, model=model, explainer=explainer, out=out.with_name(f"warm{again}")
        )
    found: list[float] = []

    def explain() -> None:
        before = time.process_time()
        zsxai.explain(file, PROMPT, model=model, explainer=explainer, out=out, progress=False)
        found.append(time.process_time() - before)

    peak = peak_bytes(explain)
    for again in range(2):
        shutil.rmtree(out.with_name(f"warm{again}"))
    return found[0], peak


def _kill(place: Path, file: Path, model: str) -> str:
    """Kill the work half-way and resume it; what differs from work that was not killed."""
    _gradcam(file, place / "whole", model)
    work = unfinished(place / "killed")
    arguments = file, place / "killed", model
    process = multiprocessing.get_context("spawn").Process(target=_gradcam, args=arguments)
    process.start()
    while not list(work.glob("scores-*.safetensors")):
        if not process.is_alive():
            raise RuntimeError("the work was done before it could be killed: give a longer recording")
        time.sleep(0.05)
    process.kill()
    process.join()
    if (place / "killed").exists():
        return "a folder was there although the work was not done"
    _gradcam(*arguments, resume=True)
    names = sorted(path.relative_to(place / "whole") for path in (place / "whole").rglob("*") if path.is_file())
    other = [str(name) for name in names if not filecmp.cmp(place / "whole" / name, place / "killed" / name, False)]
    left = work.exists()
    return f"{len(names) - len(other)} of {len(names)} files the same bytes{f', not {other}' if other else ''}" + (
        ", work left behind" if left else ""
    )


def _gradcam(file: Path, out: Path, model: str, *, resume: bool = False) -> None:
    zsxai.explain(file, PROMPT, model=model, explainer="gradcam", progress=False, out=out, resume=resume)


def _join(path: Path, data: Path, minutes: float, seed: int) -> Path:
    """Recordings of folds 1 to 3 one behind the other, drawn with a seed, until they are long enough."""
    clips = load_dataset("esc50", data, folds=[1, 2, 3]).clips
    rng = np.random.default_rng(seed)
    left = round(60 * minutes * _RATE)
    with soundfile.SoundFile(path, "w", _RATE, 1, "PCM_16") as file:
        while left:
            part = clips[int(rng.integers(len(clips)))].read().at(_RATE)[:left]
            file.write(part)
            left -= len(part)
    return path


if __name__ == "__main__":
    app(long)()
