"""Fixtures for all tests, and the guard that the mapped folders are imported under their own names."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.pages import chromium as chromium
from zsxai.cli.app import COMMANDS
from zsxai.registry import DATASETS, EXPLAINERS, METRICS, MODELS, TASKS

ROOT = Path(__file__).resolve().parent.parent
MAPPED = ("adapters", "baselines", "benchmarks")
"""Folders that are installed as ``zsxai.<folder>`` and must never be imported as ``<folder>``."""


def pytest_configure(config: pytest.Config) -> None:
    # Processes that a test starts find it too; what is embedded once is kept for the next run.
    os.environ.setdefault("ZSXAI_CACHE", str(ROOT / "build" / "cache"))
    # ``python -m pytest`` puts the folder it starts in on the path; ``import adapters`` would then find the tree's own,
    # and a test could pass here on an import that no installation has.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    for name in MAPPED:
        found = PathFinder.find_spec(name)
        if found is not None and str(ROOT) in str(found.submodule_search_locations):
            raise pytest.UsageError(
                f"{name!r} can be imported by its bare name: take {ROOT} off the path (PYTHONPATH?)"
            )


@pytest.fixture(autouse=True, scope="module")
def no_bare_names() -> object:
    """Fails the module whose tests imported a mapped folder under its bare name."""
    yield
    bare = [name for name in MAPPED if str(ROOT / name) in str(getattr(sys.modules.get(name), "__path__", ""))]
    assert not bare, f"imported by bare name: {bare}; say zsxai.{bare[0]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes real recordings carries the marker ``esc50``; what is slow comes first, so that no worker waits.

    What carries the marker ``legacy`` runs where laion-clap and msclap are installed, which is beside an old numpy.
    """
    absent = [name for name in ("laion_clap", "msclap") if find_spec(name) is None]
    for item in items:
        if absent and "legacy" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs the packages laion-clap and msclap: make legacy"))
        if "esc50" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.esc50)
    items.sort(key=lambda item: "slow" not in item.keywords)


@pytest.fixture(scope="session")
def esc50() -> Path:
    """The folder of real recordings; skips where there is none."""
    named = os.environ.get("ZSXAI_ESC50", "")
    if not named:
        pytest.skip("real recordings: set ZSXAI_ESC50 to a folder with ESC-50")
    folder = Path(named).resolve()
    if not folder.is_dir():
        pytest.skip(f"real recordings: ZSXAI_ESC50 names {folder}, which is no folder")
    return folder


Tone = Callable[..., np.ndarray]


@pytest.fixture(scope="session")
def tone() -> Tone:
    """``tone(sample_rate=16000, seconds=1.0, hertz=440.0)``: a sine at -6 dB, ``(T,)`` float32."""

    def make(sample_rate: int = 16000, seconds: float = 1.0, hertz: float = 440.0) -> np.ndarray:
        time = np.arange(round(sample_rate * seconds)) / sample_rate
        return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def noise() -> Tone:
    """``noise(sample_rate=16000, seconds=1.0, seed=0)``: white noise at -20 dB, ``(T,)`` float32."""

    def make(sample_rate: int = 16000, seconds: float = 1.0, seed: int = 0) -> np.ndarray:
        drawn = np.random.default_rng(seed).standard_normal(round(sample_rate * seconds))
        return (0.1 * drawn).astype(np.float32)

    return make


@pytest.fixture
def wav(tmp_path: Path, tone: Tone, noise: Tone) -> Path:
    """A WAV of two seconds: a tone in its first half, noise under the whole."""
    samples = noise(seconds=2.0)
    samples[:16000] += tone()
    path = tmp_path / "sound.wav"
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    return path


Distribute = Callable[..., Path]


@pytest.fixture
def distribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distribute]:
    """``distribute(name, {group: {plugin: "module:attribute"}}, module="source")`` installs a distribution."""

    def forget() -> None:  # a registry reads what is installed once per process
        for registry in (MODELS, EXPLAINERS, METRICS, DATASETS, TASKS, COMMANDS):
            vars(registry).pop("_entry_points", None)

    def install(name: str, points: dict[str, dict[str, str]], **sources: str) -> Path:
        site = tmp_path / name
        info = site / f"{site.name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {site.name}\nVersion: 1.0\n", encoding="utf-8")
        lines = [f"[{g}]\n" + "".join(f"{k} = {v}\n" for k, v in p.items()) for g, p in points.items()]
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        for module, source in sources.items():
            (site / f"{module}.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(site)
        for module in sources:
            monkeypatch.delitem(sys.modules, module, raising=False)
        forget()
        return site

    yield install
    monkeypatch.undo()
    forget()
