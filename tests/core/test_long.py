"""Long recordings are worked on part by part: the same results as in one piece, and work that goes on."""

from __future__ import annotations

import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file, save

import zsxai
from tests.ctrl_c import start_interruptible
from tests.toys import STRICT, BlackBoxToy, ConvToy
from zsxai import explaining
from zsxai.arrays import is_mapped, map_tensors, write_tensors
from zsxai.calibration import CALIBRATIONS
from zsxai.errors import InputError
from zsxai.explanation import Explanation
from zsxai.recording import Recording
from zsxai.regions import find_regions, join_regions
from zsxai.scoring import score_masks
from zsxai.show.raster import raster
from zsxai.stretch import Stretch, walk

pytestmark = STRICT
RATE = 16000
LENGTHS = [5 * RATE, 5 * RATE + 77, 4 * RATE + 160]


def sound(samples: int = LENGTHS[1]) -> np.ndarray:
    """Noise whose level and colour change every second."""
    generator = np.random.default_rng(samples)
    noise = generator.standard_normal(samples)
    level = np.repeat(generator.uniform(0.01, 0.3, samples // RATE + 1), RATE)[:samples]
    tone = np.sin(2 * np.pi * 1500 * np.arange(samples) / RATE) * (np.arange(samples) // (RATE // 2) % 3 == 0)
    return (level * (noise + 2 * tone)).astype(np.float32)


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is longer than a second and a half is long, and every array on disk is mapped."""
    for name in ("zsxai.stretch.SECONDS", "zsxai.recording.SECONDS", "zsxai.keeper.SECONDS"):
        monkeypatch.setattr(name, 1.5)
    monkeypatch.setattr("zsxai.recording.SHORTEST", 1.0)
    monkeypatch.setattr("zsxai.arrays.LARGE", 1)
    monkeypatch.setattr("zsxai.arrays.CELLS", 1000)


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_stretches_are_parts_of_the_whole(samples: int, domain: str, in_parts: None) -> None:
    waveform = sound(samples)
    recording = Recording(ConvToy(), waveform, domain=domain)
    mask = np.random.default_rng(1).random(recording.grid.shape, dtype=np.float32)
    whole = Stretch(recording.stft, waveform)
    taken = whole.take(mask)
    found = list(walk(recording.stft, waveform))
    assert len(found) > 2
    for name in ("power", "waveform"):
        joined = torch.cat([getattr(stretch, name) for stretch in found], dim=-1)
        torch.testing.assert_close(joined, getattr(whole, name), rtol=1e-5, atol=1e-6)
    for residue in (False, True):
        parts = [s.render(recording.masking, s.take(mask), residue=residue) for s in found]
        torch.testing.assert_close(
            torch.cat(parts), whole.render(recording.masking, taken, residue=residue), rtol=1e-4, atol=1e-6
        )
        gains = [s.own(s.gain(recording.masking, s.take(mask), residue=residue)) for s in found]
        torch.testing.assert_close(
            torch.cat(gains, dim=-1), whole.gain(recording.masking, taken, residue=residue), rtol=1e-4, atol=1e-6
        )


def test_sections_hold_every_window_and_every_frame_once(in_parts: None) -> None:
    recording = Recording(ConvToy(), sound())
    sections = recording.sections()
    assert len(sections) > 2
    assert [index for section in sections for index in section.windows] == list(range(len(recording.spans)))
    frames = [frame for section in sections for frame in range(section.frames.start, section.frames.stop)]
    assert frames == list(range(recording.grid.shape[1]))
    for section in sections:
        assert section.reach.start == section.frames.start
        assert section.reach.stop >= max(recording.frames(index).stop for index in section.windows)
    assert len(recording.sections(maps=3)) >= len(sections)


MODELS = {"spectral": ConvToy, "black box": BlackBoxToy}
CASES = [("spectral", "gradcam", "stft"), ("spectral", "smoothgrad", "mel"), ("black box", "occlusion", "stft")]


def explain(model: object, explainer: str, domain: str, **options: object) -> list[Explanation]:
    asked = {"sample_rate": RATE, "model": model, "explainer": explainer, "domain": domain, **options}
    return zsxai.explain(sound(), ["dog", "rain"], **asked)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(("model", "explainer", "domain"), CASES)
@pytest.mark.parametrize("verdict", [True, "full"])
def test_parts_give_what_one_piece_gives(
    model: str, explainer: str, domain: str, verdict: object, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    whole = explain(MODELS[model](), explainer, domain, verdict=verdict)
    request.getfixturevalue("in_parts")
    parts = explain(MODELS[model](), explainer, domain, verdict=verdict, out=tmp_path / "e")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e"]
    for one, other in zip(whole, parts, strict=True):
        assert is_mapped(other.mask)
        assert not other.mask.flags.writeable
        np.testing.assert_allclose(other.relevance, one.relevance, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(other.mask, one.mask, atol=5e-4)
        for name in ("score", "score_in", "score_out", "score_heard", "mask_mean", "kept_energy"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-4), name
        for name in ("audio", "residue", "gain", "power"):
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-3, atol=5e-3)
        assert other.regions() == find_regions(other.gain, other.power, other.grid)
        assert one.verdict is not None
        assert other.verdict is not None
        assert other.verdict.level == one.verdict.level
        if verdict is True:  # the controls of a full one are drawn for each part
            figures, expected = ({**e.verdict.figures} for e in (other, one))  # type: ignore[union-attr]
            assert figures.pop("under_db") == pytest.approx(expected.pop("under_db"), abs=0.05)
            assert figures == pytest.approx(expected, abs=1e-3)
        np.testing.assert_allclose(raster(other).gain, raster(one).gain, atol=5e-3)
        report = other.verify(MODELS[model]())
        assert report.ok, str(report)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_every_calibration_in_parts(calibration: str, request: pytest.FixtureRequest) -> None:
    options = {"options": {"calibration": calibration}, "verdict": False, "dark_windows": False}
    (one, _) = explain(ConvToy(), "gradcam", "stft", **options)
    request.getfixturevalue("in_parts")
    (other, _) = explain(ConvToy(), "gradcam", "stft", **options)
    np.testing.assert_allclose(other.mask, one.mask, atol=3e-3 if calibration == "rank" else 2e-4)


def test_a_region_across_parts_is_one() -> None:
    edges = Recording(ConvToy(), sound()).grid
    gain = (np.random.default_rng(3).random(edges.shape) < 0.5).astype(np.float32)
    gain[40:44] = 1.0  # through all parts
    power = np.random.default_rng(4).random(edges.shape).astype(np.float32)
    cuts = [0, 7, 8, 100, 333, edges.shape[1]]
    parts = [(gain[:, a:b], power[:, a:b]) for a, b in pairwise(cuts)]
    assert join_regions(iter(parts), edges, 20) == find_regions(gain, power, edges, 20)


def test_work_goes_on_where_it_was_stopped(tmp_path: Path, in_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the relevance, then in the scores: the same bytes as without a stop, and nothing done twice."""
    whole = explain(ConvToy(), "gradcam", "stft", out=tmp_path / "whole")
    out, calls = tmp_path / "e", {"relevance": 0, "scores": 0}
    gradcam, measure = type(zsxai.load_explainer("gradcam")), explaining.measure
    relevances = gradcam.relevances

    def stopping(kind: str, at: int, function: object) -> object:
        def run(*args: object, **options: object) -> object:
            works = args[0] != []
            calls[kind] += works
            if works and calls[kind] == at:
                raise KeyboardInterrupt
            return function(*args, **options)  # type: ignore[operator]

        return run

    monkeypatch.setattr(gradcam, "relevances", stopping("relevance", 2, relevances))
    monkeypatch.setattr(explaining, "measure", stopping("scores", 2, measure))
    for message in ("unfinished work", None):
        with pytest.raises(KeyboardInterrupt):
            explain(ConvToy(), "gradcam", "stft", out=out, resume=message is None)
        assert not out.exists()
        with pytest.raises(InputError, match="unfinished work: resume goes on with it, overwrite starts anew"):
            explain(ConvToy(), "gradcam", "stft", out=out)
        with pytest.raises(InputError, match="unfinished work with another seed"):
            explain(ConvToy(), "gradcam", "stft", out=out, seed=1, resume=True)
    again = explain(ConvToy(), "gradcam", "stft", out=out, resume=True)
    # A section is one call: that in which it stopped is done again, the others are not.
    assert set(calls.values()) == {len(Recording(ConvToy(), sound()).sections(2)) + 1}
    for one, other in zip(whole, again, strict=True):
        assert one == other
    files = [p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file()]
    for name in files:
        if name.suffix in (".wav", ".safetensors"):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not out.with_name("e.unfinished").exists()
    with pytest.raises(InputError, match="nothing to resume"):
        explain(ConvToy(), "gradcam", "stft", out=out, resume=True, overwrite=True)


SCRIPT = """
import sys, numpy, zsxai, zsxai.stretch, zsxai.recording, zsxai.keeper
for module in (zsxai.stretch, zsxai.recording, zsxai.keeper):
    module.SECONDS = 5.0
zsxai.explain(sys.argv[1], "rain", out=sys.argv[2], resume=len(sys.argv) > 3, explainer="gradcam", progress=False)
"""


def test_a_process_that_is_killed_leaves_nothing_half_written(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.tile(sound(), 7), RATE)
    words = [sys.executable, "-c", SCRIPT, tmp_path / "long.wav", tmp_path / "e"]
    process = start_interruptible(words)
    work = tmp_path / "e.unfinished"
    deadline = time.monotonic() + 120
    while not list(work.glob("relevance-1.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() != 0
    assert not (tmp_path / "e").exists()
    for file in work.glob("*.safetensors"):
        load_file(file)
    again = start_interruptible([*words, "resume"])
    assert again.wait() == 0
    assert zsxai.Explanation.load(tmp_path / "e").verify().ok
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e", "long.wav"]


def test_a_night_is_for_the_timeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsxai.keeper.MOST_SECONDS", 3.0)
    for options in ({}, {"out": tmp_path / "e"}):
        with pytest.raises(InputError, match="--explain-peaks N explains its strongest parts"):
            explain(ConvToy(), "gradcam", "stft", **options)
    assert not list(tmp_path.iterdir())


def test_sounds_by_choice(tmp_path: Path) -> None:
    e = zsxai.explain(sound(RATE), "dog", model=ConvToy(), sample_rate=RATE, explainer="gradcam")
    for sounds, names in (("wav", 3), ("flac", 3), ("none", 1)):
        folder = e.save(tmp_path / "e", overwrite=True, sounds=sounds)  # type: ignore[arg-type]
        found = [p for p in folder.iterdir() if p.suffix in (".wav", ".flac")]
        assert len(found) == names
        loaded = Explanation.load(folder)
        assert loaded == e
        assert loaded.verify(ConvToy()).ok
    with pytest.raises(InputError, match=r"sounds.*mp3"):
        e.save(tmp_path / "f", sounds="mp3")  # type: ignore[arg-type]


@pytest.mark.parametrize(("pooling", "pool"), [("mean", np.mean), ("max", np.max), (None, np.mean)])
def test_pooling_is_named(pooling: str | None, pool: object) -> None:
    e = explain(ConvToy(), "gradcam", "stft", pooling=pooling)[0]
    assert e.provenance.pooling == (pooling or "mean")
    assert e.score == pytest.approx(pool([w.score for w in e.windows]), abs=1e-6)  # type: ignore[operator]
    with pytest.raises(InputError, match="pooling is 'mean' or 'max', not 'median'"):
        explain(ConvToy(), "gradcam", "stft", pooling="median")


def test_tensors_are_written_as_the_library_writes_them(tmp_path: Path, in_parts: None) -> None:
    arrays = {"b": np.arange(3000, dtype=np.float32).reshape(30, 100), "a": np.arange(5.0), "c": np.ones((2, 2), "f4")}
    write_tensors(tmp_path / "a", arrays)
    assert (tmp_path / "a").read_bytes() == save(arrays)
    found = map_tensors(tmp_path / "a")
    assert {name: values.tolist() for name, values in found.items()} == {n: v.tolist() for n, v in arrays.items()}
    assert is_mapped(found["b"])


def test_scores_of_a_recording_without_windows_of_its_own_are_those_of_the_whole(in_parts: None) -> None:
    recording = Recording(ConvToy(window=None), sound())
    assert len(recording.sections()) == 1
    target = zsxai.Similarity(prompt="dog").bind(recording.model)
    mask = np.ones(recording.grid.shape, dtype=np.float32)
    (scores,) = score_masks(recording, [mask], [target])
    assert len(scores.windows) == 1
