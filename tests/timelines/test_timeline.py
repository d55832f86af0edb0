"""Score over time: an explanation's windows, right values at right times, and nothing that grows with the length."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile

import zsxai
from tests.toys import BandToy, BlackBoxToy
from zsxai.data.scene import demo_scene
from zsxai.export import to_audacity
from zsxai.recording import TAIL_SECONDS, split
from zsxai.timelines.overview import BLOCK, COLUMN, MOST, Overview
from zsxai.timelines.peaks import Run, find_runs
from zsxai.timelines.windows import Cut, cut_of, cut_windows

RATE = 16000
BANDS = [f"band {k}" for k in range(4)]


@pytest.fixture(scope="module")
def model():
    return BandToy()


@pytest.fixture(scope="module")
def planted():
    """Half a minute of faint noise; a high tone from 12 to 14 s."""
    samples = 1e-3 * np.random.default_rng(0).standard_normal(30 * RATE)
    times = np.arange(2 * RATE) / RATE
    samples[12 * RATE : 14 * RATE] += 0.5 * np.sin(2 * np.pi * 6000 * times)
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def found(model, planted):
    return zsxai.timeline(planted, BANDS, sample_rate=RATE, model=model)


@pytest.mark.parametrize("hop", [None, 0.25, 0.33, 1.0])
@pytest.mark.parametrize("samples", [100, 15999, 16000, 16400, 16481, 40000, 161000])
def test_windows_are_those_of_a_recording(model, samples, hop):
    sound = np.arange(samples, dtype=np.float32)
    cut = cut_of(model, hop)
    overlap = model.audio_spec.overlap if hop is None else 1 - hop
    spans = split(samples, RATE, overlap, 160, round(TAIL_SECONDS * RATE))
    for block in (97, 7000, 200000):
        blocks = (sound[i : i + block] for i in range(0, samples, block))
        made = list(cut_windows(blocks, cut))
        assert [(start, start + len(window)) for start, window in made] == spans
        assert all(window[0] == start and window[-1] == start + len(window) - 1 for start, window in made)


def test_a_window_is_scored_as_if_it_were_alone(model, planted, found):
    for index in (0, 24, len(found.starts) - 1):
        start = found.starts[index]
        alone = zsxai.classify(planted[start : start + RATE], BANDS, sample_rate=RATE, model=model)
        by_label = {row.label: row.similarity for row in alone}
        np.testing.assert_allclose(found.cosines[index], [by_label[p] for p in BANDS], atol=1e-5)
    np.testing.assert_allclose(found.values("probability").sum(axis=1), 1.0)


def test_a_planted_sound_is_the_peak_where_it_was_planted(found):
    high = found.cosines[:, 3]
    inside = (found.start_times >= 12) & (found.stop_times <= 14)
    assert high[inside].min() > high[(found.stop_times <= 12) | (found.start_times >= 14)].max() + 0.1
    (peak,) = [p for p in found.peaks(high[inside].min() - 1e-3, measure="cosine") if p.prompt == "band 3"]
    assert (peak.start, peak.stop) == (12.0, 14.0)
    assert peak.window[0] >= 12
    assert peak.cosine == pytest.approx(high.max())


def test_a_file_and_an_array_give_the_same(model, planted, found, tmp_path):
    soundfile.write(tmp_path / "sound.wav", planted, RATE, subtype="FLOAT")
    from_file = zsxai.timeline(tmp_path / "sound.wav", BANDS, model=model, batch_size=3)
    np.testing.assert_allclose(from_file.cosines, found.cosines, atol=1e-6)
    assert from_file.provenance.audio_sha256 == found.provenance.audio_sha256
    np.testing.assert_array_equal(from_file.overview, found.overview)


def test_what_is_held_does_not_grow_with_the_length():
    cut = Cut(window=RATE, step=RATE // 2, grid=160, tail=480)

    def most(seconds: int) -> int:
        overview = Overview(RATE)

        def blocks():
            for _ in range(seconds * RATE // BLOCK):
                block = np.ones(BLOCK, np.float32)
                overview.add(block)
                yield block

        tracemalloc.start()
        for _ in cut_windows(blocks(), cut):
            pass
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    assert most(480) <= 1.05 * most(60)


def test_the_overview_is_bounded_and_a_mean():
    overview, rng = Overview(RATE), np.random.default_rng(1)
    blocks = [level * rng.standard_normal(BLOCK).astype(np.float32) for level in (1.0, 0.0)]
    for _ in range(MOST * COLUMN // BLOCK + 1):
        for block in blocks:
            overview.add(block)
    power = overview.power
    assert power.shape[1] == pytest.approx(MOST / 2, abs=32)
    halves = power.reshape(len(power), -1, BLOCK // COLUMN // 4).mean(axis=(0, 2))
    assert halves[::2].min() > 100 * halves[1::2].max()


@pytest.mark.parametrize(
    ("values", "runs"),
    [
        ([0, 0, 0, 0, 0], []),
        ([0, 1, 3, 0, 0], [(1, 2, 2)]),
        ([2, 0, 0, 0, 1], [(0, 0, 0), (4, 4, 4)]),
        ([1, 0, 2, 0, 0], [(2, 2, 2), (0, 0, 0)]),  # 0-2 and 2-4 s touch, and share nothing
        ([1, 0, 0, 2, 2], [(3, 4, 3), (0, 0, 0)]),
    ],
)
def test_windows_that_share_sound_are_one_run(values, runs):
    starts = np.arange(5.0)
    assert find_runs(np.array(values), starts, starts + 2, 0.5) == [Run(*run) for run in runs]


def test_windows_between_two_that_share_sound_belong_to_the_run():
    starts = np.arange(4.0)
    assert find_runs(np.array([1, 0, 2, 0]), starts, starts + 3, 0.5) == [Run(0, 2, 2)]


def test_a_black_box_has_cosines_alone(planted):
    made = zsxai.timeline(planted, ["a", "b"], sample_rate=RATE, model=BlackBoxToy(), hop=2.0)
    assert made.cosines.shape == (15, 2)
    assert made.window_seconds == 2.0


@pytest.fixture(scope="module")
def scene():
    """A siren over rain to 4.9 s; bells from 5.3 s on."""
    made = demo_scene()
    prompts = ["siren", "church bells", "dog barking"]
    return zsxai.timeline(made.waveform, prompts, sample_rate=made.sample_rate), made


def test_presence_is_that_of_a_verdict(scene):
    found, made = scene
    assert (found.seconds, len(found.starts)) == (10.0, 3)
    peaks = found.peaks()
    assert {(p.prompt, p.window) for p in peaks} == {("siren", (0.0, 5.0)), ("church bells", (5.0, 10.0))}
    (strongest,) = found.peaks(count=1)
    assert strongest == peaks[0]
    assert strongest.presence == found.values().max()
    e = zsxai.explain(made.waveform, "siren", sample_rate=made.sample_rate, explainer="gradcam")
    assert [w.similarity for w in e.windows] == pytest.approx(found.cosines[:, 0].tolist(), abs=1e-4)
    over_bar = found.evidence[:, 0].max() - found.bar
    assert e.verdict.figures["presence"] == pytest.approx(1 / (1 + np.exp(-over_bar)), abs=1e-3)
    np.testing.assert_array_equal(found.evidence > 0, found.cosines > found.levels)
    assert [p.clear for p in peaks] == [p.presence > 1 / (1 + np.exp(-found.bar)) for p in peaks]


def test_without_a_level_a_threshold_is_asked_for(found):
    # The toy reads the last word of a prompt as a number, which no word of the bank is.
    assert not found.knows_presence
    assert any("nothing says" in note for note in found.provenance.warnings)
    with pytest.raises(zsxai.InputError, match="give a threshold"):
        found.peaks()
    with pytest.raises(zsxai.InputError, match="say 'cosine'"):
        found.peaks(measure="presence")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompts": []}, "empty"),
        ({"prompts": ["band 1", "band 1"]}, "given twice"),
        ({"hop": 1.5}, "at most the window of 1 s"),
        ({"hop": 0}, "over 0"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_what_is_wrong_is_one_line(model, change, words):
    given = {"prompts": BANDS, "sample_rate": RATE, "model": model, **change}
    with pytest.raises(zsxai.InputError, match=words):
        zsxai.timeline(np.ones(RATE, np.float32), **given)


def test_a_folder_comes_back_as_it_was(found, tmp_path):
    found.save(tmp_path / "out", threshold=0.65, measure="cosine")
    loaded = zsxai.Timeline.load(tmp_path / "out")
    assert loaded == found
    loaded.save(tmp_path / "out", overwrite=True)
    table = (tmp_path / "out" / "timeline.csv").read_text().splitlines()
    assert len(table) == 1 + len(found.starts)
    start, _, *cosines = map(float, table[25].split(","))
    assert start == pytest.approx(found.start_times[24])
    np.testing.assert_allclose(cosines, found.cosines[24], atol=1e-4)
    arrays = tmp_path / "out" / "timeline.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-4] + b"abcd")
    with pytest.raises(zsxai.InputError, match="hash differs"):
        zsxai.Timeline.load(tmp_path / "out")


def test_frames_rows_and_plots_tell_the_same(found):
    frame = found.to_frame("cosine")
    np.testing.assert_allclose(frame[BANDS].to_numpy(), found.cosines)
    assert [row["stop"] for row in found.rows()] == found.stop_times.tolist()
    axes = found.plot(measure="cosine")
    np.testing.assert_allclose(axes.patches[3].get_data().values, found.cosines[:, 3])


def test_peaks_go_into_other_tools(found):
    peaks = found.peaks(0.65, measure="cosine")
    track = to_audacity(found.events(peaks))
    assert track.split("\t") == ["12", "14", "band 3\n"]


def test_a_peak_is_explained_with_its_offset(model, found, tmp_path):
    peaks = found.peaks(0.65, 1, measure="cosine")
    (one,) = found.explain_peaks(peaks, model=model, explainer="occlusion", verdict=False)
    assert one.start == peaks[0].start
    assert one.explanation.seconds == pytest.approx(peaks[0].stop - peaks[0].start)
    assert any(f"count from {one.start:.3f} s" in note for note in one.explanation.provenance.warnings)
    folder = found.save(tmp_path / "out", threshold=0.65, measure="cosine", explained=[one])
    (page,) = folder.glob("peaks/*/index.html")
    assert f"{page.parent.relative_to(folder).as_posix()}/index.html" in (folder / "index.html").read_text()
    assert zsxai.Explanation.load(page.parent) == one.explanation
    with pytest.raises(zsxai.InputError, match="give audio="):
        zsxai.Timeline.load(folder).explain_peaks(peaks, model=model)
