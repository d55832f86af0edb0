"""An explanation to show: a rising tone in noise, with a mask that is known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import zsxai

RATE = 16000


def toys():
    path = Path(__file__).parents[1] / "toys.py"
    if "zsxai_show_toys" not in sys.modules:
        spec = importlib.util.spec_from_file_location("zsxai_show_toys", path)
        sys.modules["zsxai_show_toys"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["zsxai_show_toys"]


@pytest.fixture(scope="session")
def toy():
    return toys().ConvToy()


def tone(seconds: float) -> np.ndarray:
    times = np.arange(int(seconds * RATE)) / RATE
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(times))
    return (noise + 0.4 * np.sin(2 * np.pi * (500 + 300 * times) * times)).astype(np.float32)


@pytest.fixture(scope="session")
def make(toy):
    """``make(prompt=, seconds=, gain=, **fields)``: an explanation whose mask is a block between 400 and 1600 Hz."""

    def build(prompt: str = "a rising tone", seconds: float = 1.6, gain: float = 1.0, name=None, **fields):
        audio = {"array": gain * tone(seconds), "sampling_rate": RATE, "path": name}
        e = zsxai.explain(audio, prompt, model=toy, explainer="gradcam", verdict=False)
        mask = np.zeros_like(e.mask)
        rows = (e.frequencies > 400) & (e.frequencies < 1600)
        columns = (e.times > 0.25 * seconds) & (e.times < 0.75 * seconds)
        mask[np.ix_(rows, columns)] = 0.9
        return e.model_copy(update={"mask": mask, **fields})

    return build


@pytest.fixture(scope="session")
def explanation(make):
    return make()
