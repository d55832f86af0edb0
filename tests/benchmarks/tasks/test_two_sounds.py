"""Mixtures of two known sounds: pairs, levels, truth, oracles, floors, rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.toys import STRICT, BandToy, BlackBoxToy, band_edges
from zsxai import load_explainer, load_model
from zsxai.benchmarks.run.suite import Suite, load_suite
from zsxai.benchmarks.tasks import mixing, two_sounds
from zsxai.benchmarks.tasks.base import Failure, Item, Place, Row, Stage
from zsxai.benchmarks.tasks.counting import Forwards, counted
from zsxai.benchmarks.tasks.mixtures import level_difference, mix, perfect_matchings, truth_of
from zsxai.benchmarks.tasks.oracles import oracle, pooled_share, resolution
from zsxai.benchmarks.tasks.two_sounds import TwoSoundsRunner
from zsxai.black_box import as_model
from zsxai.clip import Clip, Relevance
from zsxai.data import load_dataset
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.metrics import MixtureMaps, metrics_of
from zsxai.model import TextEncoding, ZeroShotModel
from zsxai.recording import Recording
from zsxai.spectral import Grid
from zsxai.target import BoundTarget

pytestmark = STRICT
CONTROLS: tuple[str, ...] = Suite.model_fields["controls"].default
RATE = 16000
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Clips:
    """A data set in memory."""

    clips: Sequence[LabelledClip]
    labels: Sequence[str]


def clip(name: str, label: str, samples: Samples | None = None, source: str | None = None) -> LabelledClip:
    audio = {"array": samples, "sampling_rate": RATE}
    return LabelledClip(name, label, source or name, audio=None if samples is None else audio)


def sine(hertz: float, seconds: float = 1.0, level: float = 0.3) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE)).astype(np.float32)


def hiss(seed: int, seconds: float = 1.0) -> Samples:
    return np.random.default_rng(seed).standard_normal(round(RATE * seconds)).astype(np.float32) * 0.1


def middle_of_band(band: int) -> float:
    edges = band_edges(BandToy())
    return float(np.sqrt(edges[band] * edges[band + 1]))


def tones(seconds: float = 1.0) -> Clips:
    """A steady tone for each of the four bands of :class:`BandToy`."""
    clips = [clip(f"tone{k}", f"band {k}", sine(middle_of_band(k), seconds)) for k in range(4)]
    return Clips(clips, [c.label for c in clips])


def coloured(seconds: float = 1.0) -> Clips:
    """Noise that overlaps in time and in frequency, each with a hump in its own band and its own moment."""
    clips = []
    for k in range(4):
        swell = 0.05 + np.exp(-(((np.arange(round(RATE * seconds)) / RATE / seconds - (k + 0.5) / 4) / 0.1) ** 2))
        samples = hiss(k, seconds) * swell + sine(middle_of_band(k), seconds, 0.05)
        clips.append(clip(f"noise{k}", f"band {k}", samples.astype(np.float32)))
    return Clips(clips, [c.label for c in clips])


def runner_on(
    data: Clips, explainers: dict[str, Explainer], model: ZeroShotModel | None = None, **task: object
) -> TwoSoundsRunner:
    suite = load_suite(
        {
            "name": "test",
            "data": {"toy": {"reader": "synthetic"}},
            "explainers": list(CONTROLS),
            "tasks": [{"kind": "two-sounds", "data": ["toy"], "scales": ["gain"], **task}],
            "headline": {"task": "two-sounds", "metric": "auc"},
        }
    )
    chosen = suite.tasks[0]
    return TwoSoundsRunner(
        Stage(suite.prompting, chosen, model or BandToy(), data, chosen.contaminations[0], 0, explainers)
    )


def items_of(runner: TwoSoundsRunner) -> list[Item]:
    stage = runner.stage
    return runner.items(stage.task, stage.dataset, stage.contamination, 0, None)


def measured(runner: TwoSoundsRunner, label: str) -> tuple[list[Row], list[Failure]]:
    task = runner.task
    prepared = runner.prepare(items_of(runner))
    return runner.measure(prepared, Place(label, task.domains[0], task.scales[0]), Forwards())


def figures(rows: Sequence[Row], name: str, variant: str = "own") -> NDArray[np.float64]:
    return np.array([row.figures[name] for row in rows if row.variant == variant])


# Pairs.


def crowd(sizes: dict[str, int]) -> list[LabelledClip]:
    return [clip(f"{label}{i}", label) for label, size in sizes.items() for i in range(size)]


def test_every_clip_comes_once_in_every_matching_with_one_of_another_class() -> None:
    clips = crowd({"a": 9, "b": 6, "c": 3})
    for pairs in perfect_matchings(clips, 6):
        assert sorted(c.name for pair in pairs for c in pair) == sorted(c.name for c in clips)
        assert all(a.label != b.label for a, b in pairs)


def test_clips_of_one_recording_are_never_paired() -> None:
    clips = [clip(f"{label}{i}", label, source=str(i % 4)) for label in "abc" for i in range(8)]
    for pairs in perfect_matchings(clips, 8):
        assert len(pairs) == 12
        assert all(a.source != b.source and a.label != b.label for a, b in pairs)


def test_matchings_differ_and_hang_on_no_order() -> None:
    clips = crowd({"a": 8, "b": 8, "c": 8})
    matchings = perfect_matchings(clips, 3)
    assert matchings == perfect_matchings(clips[::-1], 3)
    assert matchings[:2] == perfect_matchings(clips, 2)
    assert len({frozenset(frozenset(c.name for c in pair) for pair in pairs) for pairs in matchings}) == 3


def test_of_an_odd_number_each_is_left_out_in_turn() -> None:
    clips = crowd({"a": 3, "b": 3, "c": 1})
    comes = Counter(c.name for pairs in perfect_matchings(clips, 7) for pair in pairs for c in pair)
    assert comes == {c.name: 6 for c in clips}


def test_of_a_class_that_is_most_of_the_clips_the_spare_ones_take_turns() -> None:
    clips = crowd({"a": 6, "b": 2, "c": 1})
    matchings = perfect_matchings(clips, 4)
    assert [len(pairs) for pairs in matchings] == [3] * 4
    comes = Counter(c.name for pairs in matchings for pair in pairs for c in pair)
    assert {comes[c.name] for c in clips if c.label == "a"} == {2}
    assert {comes[c.name] for c in clips if c.label != "a"} == {4}


def test_one_class_alone_gives_no_pair() -> None:
    assert perfect_matchings(crowd({"a": 5}), 2) == [[], []]
    assert perfect_matchings([], 1) == [[]]


def test_a_clip_that_fits_no_other_is_named() -> None:
    clips = [clip("x", "a", source="1"), clip("y", "b", source="1")]
    with pytest.raises(InputError, match=r"'[xy]' finds no partner of another class and another recording"):
        perfect_matchings(clips, 1)


def test_the_first_pairs_hold_the_first_clips_in_hash_order() -> None:
    clips = crowd({"a": 20, "b": 20, "c": 20})
    (pairs,) = perfect_matchings(clips, 1)
    hashed = [c.name for c in hash_order(clips)]
    first = [min(hashed.index(c.name) for c in pair) for pair in pairs]
    assert first == sorted(first)


def hash_order(clips: Sequence[LabelledClip]) -> list[LabelledClip]:
    return sorted(clips, key=lambda c: (crc32(c.name.encode()), c.name))


def test_items_name_both_clips_the_snr_and_the_matching() -> None:
    runner = runner_on(tones(), {}, snrs=[0, 6, -6], matchings=2)
    items = items_of(runner)
    assert len(items) == 2 * 2 * 3
    assert len({item.name for item in items}) == 12
    assert [item.snr for item in items[:3]] == [0, 6, -6]
    one = items[1]
    assert one.name == f"{one.clips[0].name}+{one.clips[1].name}@6dB#0"
    assert one.label == one.clips[0].label
    assert one.sources == (one.clips[0].source, one.clips[1].source)


def test_pairs_do_not_hang_on_the_seed_of_explainers() -> None:
    runner = runner_on(tones(), {})
    stage = runner.stage
    assert runner.items(stage.task, stage.dataset, stage.contamination, 5, None) == items_of(runner)


# Levels.


@pytest.mark.parametrize("snr", [0.0, 6.0, -6.0])
def test_a_mixture_has_the_snr_and_the_peak_that_it_claims(snr: float) -> None:
    first, second = hiss(0), hiss(1)
    second[: RATE // 2] = 0  # silence does not count: half as long, as loud
    a, b = mix(first, second * 7, RATE, snr)
    in_second = slice(RATE // 2 + 320, None)
    assert 10 * np.log10(np.var(a) / np.var(b[in_second])) == pytest.approx(snr, abs=0.2)
    assert level_difference(a, b, RATE) == pytest.approx(snr, abs=1e-4)
    assert np.abs(a + b).max() == pytest.approx(0.99, abs=1e-6)
    assert a.dtype == b.dtype == np.float32


def test_the_shorter_sound_is_followed_by_silence_and_means_are_removed() -> None:
    a, b = mix(hiss(0) + 0.5, hiss(1, 0.503), RATE, 0.0)
    assert len(a) == len(b) == RATE
    assert not b[round(0.503 * RATE) :].any()
    assert abs(a.mean()) < 1e-6
    assert level_difference(a, b, RATE) == pytest.approx(0.0, abs=1e-4)


def test_silence_and_cancelling_sounds_are_refused() -> None:
    with pytest.raises(InputError, match="silent"):
        mix(hiss(0), np.full(RATE, 0.1, dtype=np.float32), RATE, 0.0)
    with pytest.raises(InputError, match="cancel"):
        mix(hiss(0), -hiss(0), RATE, 0.0)


def test_truth_counts_audible_cells_in_the_band() -> None:
    sounds = mix(sine(1000), sine(3000), RATE, 0.0)
    sounds[1, RATE // 2 :] = 0
    recording = Recording(BandToy(), sounds.sum(axis=0), scale="gain")
    truth = truth_of(recording, sounds)
    direct = [np.abs(recording.stft.complex(torch.from_numpy(s)).numpy()) ** 2 for s in (*sounds, sounds.sum(axis=0))]
    np.testing.assert_allclose(truth.sounds, direct[:2], rtol=1e-4, atol=1e-6)
    expected = np.maximum(*direct[:2]) > 1e-6 * direct[2].max()
    assert (truth.cells == expected & recording.grid.in_band[:, None]).all()
    whistle = sine(7960, 1.0, 0.9)
    again = truth_of(recording, np.stack([sounds[0] + whistle, sounds[1]]))
    np.testing.assert_allclose(again.heard[0, 2000:-2000], sounds[0, 2000:-2000], atol=2e-3)
    bin_of_3000 = round(3000 / (RATE / 512))
    assert truth.cells[bin_of_3000, :45].all()
    assert not truth.cells[bin_of_3000, 60:95].any()  # the last frames hear how the first tone ends


# Oracles.


def plain_grid(frequency_edges: Sequence[float], time_edges: Sequence[float]) -> Grid:
    f, t = np.array(frequency_edges), np.array(time_edges)
    band = (float(f[0]), float(f[-1]))
    return Grid((f[1:] + f[:-1]) / 2, (t[1:] + t[:-1]) / 2, f, t, "map", band)


def test_a_cell_is_audible_by_the_louder_of_its_sounds() -> None:
    # Noise about 60 dB under a tone: many cells lie near the limit.
    sounds = np.stack([sine(1000, 1.0, 0.9) + hiss(0) * 0.083, hiss(1) * 0.083])
    recording = Recording(BandToy(), sounds.sum(axis=0), scale="gain")
    truth = truth_of(recording, sounds)
    a, b = truth.sounds
    expected = ((a > 1e-6 * truth.mixture.max()) | (b > 1e-6 * truth.mixture.max())) & recording.grid.in_band[:, None]
    assert (truth.cells == expected).all()
    assert 0.1 < truth.cells.mean() < 0.9


def test_shares_are_pooled_by_hand() -> None:
    bins = plain_grid([0, 1, 2, 3, 4], [0, 1, 2])
    first = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 4.0], [0.0, 1.0]])
    second = np.array([[1.0, 0.0], [0.0, 0.0], [2.0, 0.0], [6.0, 3.0]])
    share = pooled_share(np.stack([first, second]), bins, plain_grid([0, 2, 4], [0, 1, 2]))
    np.testing.assert_allclose(share[0], [[3 / 4, 0.5], [0.0, 5 / 8]])
    np.testing.assert_allclose(share[1], 1 - share[0])


def test_empty_cells_take_the_nearest_and_bins_beyond_the_edges_the_outermost() -> None:
    bins = plain_grid([0, 2, 4, 6], [0, 1])
    first, second = np.array([[1.0], [1.0], [0.0]]), np.array([[0.0], [3.0], [1.0]])
    cells = plain_grid([2, 2.5, 2.75, 3.5, 3.75, 4], [0, 1])
    share = pooled_share(np.stack([first, second]), bins, cells)
    # The bin at 1 lies below all cells, the one at 5 above; the one at 3 in the third cell of five.
    np.testing.assert_allclose(share[0].ravel(), [1.0, 1.0, 0.25, 0.25, 0.0])


def test_bins_out_of_the_band_do_not_count() -> None:
    wide = plain_grid([0, 1, 2], [0, 1])
    bins = Grid(wide.frequencies, wide.times, wide.frequency_edges, wide.time_edges, "stft", (1.0, 2.0))
    powers = np.array([[[5.0], [1.0]], [[0.0], [1.0]]])
    np.testing.assert_allclose(pooled_share(powers, bins, plain_grid([0, 2], [0, 1]))[0], [[0.5]])


def test_cells_of_one_bin_and_frame_give_the_ideal_ratio_mask() -> None:
    sounds = mix(hiss(0), hiss(1), RATE, 0.0)
    recording = Recording(BandToy(), sounds.sum(axis=0), scale="gain")
    found = oracle(recording, sounds, [(c.grid, "clip") for c in recording.clips])
    a, b = np.abs(recording.stft.complex(torch.from_numpy(sounds)).numpy()) ** 2
    in_band = recording.grid.in_band
    np.testing.assert_allclose(found[0][in_band], (a / (a + b))[in_band], atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1.0, atol=1e-6)


@pytest.mark.parametrize("fill", ["repeat", "repeat-pad", "zero"])
def test_an_oracle_on_a_filled_window_is_the_mean_of_the_copies(fill: str) -> None:
    model = BandToy(fill=fill)
    sounds = mix(hiss(0, 0.5), hiss(1, 0.5), RATE, 0.0)
    recording = Recording(model, sounds.sum(axis=0), scale="gain")
    on_clip = oracle(recording, sounds, [(c.grid, "clip") for c in recording.clips])
    on_window = oracle(recording, sounds, [(c.window_grid, "window") for c in recording.clips])
    inner = (slice(None), recording.grid.in_band, slice(3, -3))  # frames that reach over an end hear the next copy
    np.testing.assert_allclose(on_window[inner], on_clip[inner], atol=1e-4)


def test_windows_of_a_long_recording_are_joined() -> None:
    sounds = mix(hiss(0, 2.5), hiss(1, 2.5), RATE, 0.0)
    recording = Recording(BandToy(), sounds.sum(axis=0), scale="gain")
    assert len(recording.clips) > 2
    found = oracle(recording, sounds, [(c.grid, "clip") for c in recording.clips])
    whole = Recording(BandToy(window=2.5), sounds.sum(axis=0), scale="gain")
    direct = oracle(whole, sounds, [(c.grid, "clip") for c in whole.clips])
    middle = slice(55, 75)  # no end of a window in reach
    in_band = recording.grid.in_band
    np.testing.assert_allclose(found[:, in_band, middle], direct[:, in_band, middle], atol=1e-4)


def test_named_resolutions_have_as_many_cells() -> None:
    recording = Recording(BandToy(), hiss(0), scale="gain")
    for name, shape in (("125x16", (16, 125)), ("3x1", (1, 3)), ("1x7", (7, 1))):
        grid, on = resolution(recording.clips[0], name)
        assert grid.shape == shape
        assert on == "clip"


# Rows.


class Knows(Explainer):
    """Points at one of two halves of the time, by prompt."""

    name = "knows"
    card = ExplainerCard(
        summary="", needs_gradients=False, deterministic=True, forwards="0", backwards="0", reference="none"
    )
    calibration: str = "identity"
    first: str = ""
    raises_on: str = ""

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        if target.target.prompt == self.raises_on:
            raise ValueError("no map today")
        half = torch.from_numpy(clip.grid.times < 0.5 * clip.grid.times[-1])
        early = half if target.target.prompt == self.first else ~half
        return Relevance(early.float().expand(clip.grid.shape), clip.grid, "clip")


def test_sounds_apart_in_time_are_found_by_a_map_that_knows_when() -> None:
    early, late = hiss(0), hiss(1)
    early[7000:] = 0
    late[:9000] = 0
    data = Clips([clip("early", "band 0", early), clip("late", "band 1", late)], [f"band {k}" for k in range(4)])
    for first, right in (("band 0", 1.0), ("band 1", 0.0)):
        rows, failures = measured(runner_on(data, {"knows": Knows(first=first)}), "knows")
        assert not failures
        assert figures(rows, "weighted-auc") == pytest.approx(right, abs=1e-6)
        assert figures(rows, "contrastive-auc") == pytest.approx(right, abs=1e-6)
        assert figures(rows, "pointing") == pytest.approx(right)
        assert figures(rows, "delta-energy") == pytest.approx(right - 0.5, abs=0.1)
        assert figures(rows, "mask_mean").sum() == pytest.approx(1.0)
        assert (figures(rows, "si-sdr-improvement") * (right - 0.5) > 5).all()


def test_tones_in_different_bands_are_found_by_a_gradient() -> None:
    runner = runner_on(tones(), {"x": load_explainer("input-x-gradient")}, snrs=[0, 6])
    rows, failures = measured(runner, "x")
    assert not failures
    assert (figures(rows, "weighted-auc") > 0.99).all()
    assert figures(rows, "delta-energy") == pytest.approx([0.5, 0.5, 0.2, 0.8] * 2, abs=0.01)
    own = [row for row in rows if row.variant == "own"]
    assert {row.prompt for row in own} == {f"band {k}" for k in range(4)}
    assert all(row.figures["similarity"] > 0.4 for row in own)
    assert {row.figures["rank"] for row in own} == {1.0, 2.0}
    assert figures(rows, "snr_met").round(3).tolist() == [0, 0, 6, -6] * 2


@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_blind_maps_score_exactly_chance_on_every_mixture(domain: str) -> None:
    explainers = {name: load_explainer(name) for name in CONTROLS}
    explainers["all-ones"] = load_explainer("constant", value=1.0)
    runner = runner_on(coloured(), explainers, domains=[domain])
    chance = {"weighted-auc": 0.5, "auc": 0.5, "contrastive-auc": 0.5, "delta-energy": 0.0, "pointing": 0.5}
    chance |= {"correlation": 0.0, "prompt-specificity": 0.5, "mask-difference": 0.0}
    for label in explainers:
        rows, failures = measured(runner, label)
        assert not failures
        for name, value in chance.items():
            assert figures(rows, name).reshape(-1, 2).mean(axis=1) == pytest.approx(value, abs=1e-9), (label, name)
        if label in ("constant", "all-ones"):  # a change of volume
            assert figures(rows, "si-sdr-improvement") == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_finer_oracles_score_higher_up_to_the_ideal_ratio_mask(domain: str) -> None:
    sizes = ["50x16", "25x8", "12x4", "6x2"]
    runner = runner_on(coloured(), {"energy": load_explainer("energy")}, domains=[domain], resolutions=sizes)
    rows, _ = measured(runner, "energy")
    variants = ["oracle", *(f"oracle {size}" for size in sizes)]
    scores = [figures(rows, "weighted-auc", variant).mean() for variant in variants]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0.55
    if domain == "stft":
        assert figures(rows, "auc", "oracle") == pytest.approx(1.0, abs=1e-6)
        assert figures(rows, "correlation", "oracle") == pytest.approx(1.0, abs=1e-6)
    assert {row.calibration for row in rows if row.variant != "own"} == {"identity"}


def test_named_resolutions_stand_with_one_explainer_alone() -> None:
    explainers = {"a": load_explainer("constant"), "b": load_explainer("energy")}
    runner = runner_on(coloured(), explainers, resolutions=["4x2"])
    assert {row.variant for row in measured(runner, "a")[0]} == {"own", "oracle"}
    assert {row.variant for row in measured(runner, "b")[0]} == {"own", "oracle", "oracle 4x2"}


def test_each_explainer_has_the_oracle_of_its_own_cells() -> None:
    explainers = {"fine": load_explainer("energy"), "coarse": load_explainer("occlusion", seconds=0.5, bands=2)}
    runner = runner_on(coloured(), explainers, resolutions=["2x2"])
    fine, coarse = (measured(runner, label)[0] for label in explainers)
    assert figures(coarse, "auc", "oracle") == pytest.approx(figures(fine, "auc", "oracle 2x2"))
    assert (figures(fine, "auc", "oracle") > figures(coarse, "auc", "oracle")).all()


def test_figures_hang_on_no_other_item_and_no_other_explainer() -> None:
    explainers = {"x": load_explainer("saliency"), "energy": load_explainer("energy")}
    runner = runner_on(coloured(), explainers, resolutions=["4x2"])
    place = Place("x", "stft", "gain")
    items = items_of(runner)
    prepared = runner.prepare(items)
    runner.measure(prepared, Place("energy", "stft", "gain"), Forwards())
    after, _ = runner.measure(prepared, place, Forwards())
    assert after == measured(runner, "x")[0]
    (alone, _) = runner.measure(runner.prepare(items[1:]), place, Forwards())
    assert len(alone) == 4
    for mine, its in zip(alone, after[4:], strict=True):
        assert mine.item == its.item
        assert mine.figures == pytest.approx(its.figures, abs=1e-5)


def test_a_mixture_on_which_an_explainer_raises_spares_the_others() -> None:
    runner = runner_on(tones(), {"knows": Knows(raises_on="band 2")})
    rows, failures = measured(runner, "knows")
    (bad,) = (item for item in items_of(runner) if "tone2" in item.name)
    assert failures == [Failure(bad.name, "ValueError: no map today")]
    assert {row.item for row in rows} == {item.name for item in items_of(runner)} - {bad.name}


def test_a_clip_that_cannot_be_mixed_fails_in_one_line_and_spares_the_others() -> None:
    data = tones()
    data = Clips([*data.clips[:3], clip("flat", "band 3", np.full(RATE, 0.25, dtype=np.float32))], data.labels)
    rows, failures = measured(runner_on(data, {"knows": Knows()}), "knows")
    assert [f.error for f in failures] == ["left out: a silent clip cannot be mixed at any SNR"]
    assert "flat" in failures[0].item
    assert len({row.item for row in rows}) == 1


def test_every_clip_and_every_mixture_is_encoded_once() -> None:
    model = BandToy()
    runner = runner_on(tones(), {"knows": Knows(), "occlusion": load_explainer("occlusion")}, model, snrs=[0, 3])
    forwards = Forwards(remember=True)
    with counted(model, forwards):
        prepared = runner.prepare(items_of(runner))
        for label in runner.stage.explainers:
            runner.measure(prepared, Place(label, "stft", "gain"), forwards)
    assert forwards.rows == {"harness": 4 + 4, "explainer": 4 * 4 * 4}
    assert set(forwards.seen.values()) == {1}


def test_a_clip_of_two_pairs_is_read_once() -> None:
    read = []

    def audio(k: int) -> dict[str, object]:
        read.append(k)
        return {"array": sine(middle_of_band(k)), "sampling_rate": RATE}

    clips = [LabelledClip(f"tone{k}", f"band {k}", str(k), audio=partial(audio, k)) for k in range(4)]
    runner = runner_on(Clips(clips, tones().labels), {}, matchings=3)
    runner.prepare(items_of(runner))
    assert sorted(read) == [0, 1, 2, 3]


def test_explainers_on_the_same_cells_share_their_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(two_sounds, "oracle", lambda *a: made.append(a) or oracle(*a))
    runner = runner_on(tones(), {"loudness": load_explainer("loudness"), "energy": load_explainer("energy")})
    prepared = runner.prepare(items_of(runner))
    rows = [runner.measure(prepared, Place(e, "stft", "gain"), Forwards())[0] for e in runner.stage.explainers]
    assert len(made) == len(prepared.mixtures) == 2
    assert figures(rows[0], "auc", "oracle").tolist() == figures(rows[1], "auc", "oracle").tolist()


def test_metrics_see_both_prompts_of_a_mixture() -> None:
    seen = []
    runner = runner_on(tones(), {"knows": Knows(first="band 0")})
    runner.metrics = {"spy": lambda evidence: seen.append(evidence) or np.zeros(2)}  # type: ignore[dict-item]
    runner.renders = True
    measured(runner, "knows")
    evidence = seen[0]
    for field in ("relevance", "masks"):
        own, other = getattr(evidence, field), getattr(evidence, f"{field}_other")
        np.testing.assert_array_equal(own[0], other[1])
        np.testing.assert_array_equal(own[1], other[0])
    np.testing.assert_array_equal(evidence.target[0], evidence.other[1])
    np.testing.assert_array_equal(evidence.target[1], evidence.other[0])
    assert np.corrcoef(evidence.heard[0], evidence.sound[0] + evidence.sound[1])[0, 1] > 0.999999


def test_strata(monkeypatch: pytest.MonkeyPatch) -> None:
    class Close(BandToy):
        """Bands 0 and 1 have prompts that are alike."""

        def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
            text = super().encode_text(prompts).embedding.clone()
            text[:, 0] += 0.5 * text[:, 1]
            return TextEncoding(torch.nn.functional.normalize(text, dim=-1))

    wrong = clip("wrong", "band 1", sine(middle_of_band(3)))
    clips = [tones().clips[0], wrong, *tones().clips[2:3], clip("tone3", "band 3", sine(middle_of_band(3) * 1.05))]
    runner = runner_on(Clips(clips, tones().labels), {"knows": Knows()}, Close(), matchings=8)
    monkeypatch.setattr(mixing, "TOP", 2)
    rows, _ = measured(runner, "knows")
    by_pair = {frozenset(item.clips): item.name for item in items_of(runner)}
    strata = {row.item: row.strata for row in rows}
    tone0, _, tone2, tone3 = clips
    assert len(by_pair) == 6
    assert strata[by_pair[frozenset({tone0, tone2})]] == {"both-heard": True, "alone": True, "distinct": True}
    assert strata[by_pair[frozenset({tone2, tone3})]] == {"both-heard": True, "alone": True, "distinct": True}
    assert strata[by_pair[frozenset({tone0, wrong})]] == {"both-heard": False, "alone": False, "distinct": False}


def test_several_calibrations_give_a_row_each_and_one_oracle() -> None:
    runner = runner_on(tones(), {"x": load_explainer("saliency")}, calibrations=["rank", "relu-max"])
    rows, _ = measured(runner, "x")
    assert Counter((row.variant, row.calibration) for row in rows) == {
        ("own", "rank"): 4,
        ("own", "relu-max"): 4,
        ("oracle", "identity"): 4,
    }
    # Relevance is judged uncalibrated.
    values = [[row.figures["auc"] for row in rows if row.calibration == name] for name in ("rank", "relu-max")]
    assert values[0] == values[1]


def test_metrics_that_are_not_asked_for_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recording, "render", lambda *args, **kwargs: pytest.fail("rendered"))
    rows, failures = measured(runner_on(tones(), {"knows": Knows()}, metrics=["auc"]), "knows")
    assert not failures
    assert set(rows[0].figures) == {"similarity", "rank", "snr_met", "mask_mean", "kept_energy", "auc"}


def test_long_mixtures_and_black_boxes() -> None:
    controls = {"energy": load_explainer("energy"), "occlusion": load_explainer("occlusion")}
    for model in (BandToy(), as_model(BlackBoxToy())):
        runner = runner_on(coloured(2.6), controls, model)
        rows, failures = measured(runner, "energy")
        assert not failures
        assert figures(rows, "weighted-auc").reshape(-1, 2).mean(axis=1) == pytest.approx(0.5, abs=1e-9)
        rows, failures = measured(runner, "occlusion")
        assert not failures
        assert (figures(rows, "weighted-auc", "oracle") > 0.6).all()


# The suite.


def test_the_task_refuses_what_it_cannot_do() -> None:
    for field, value, message in (
        ("contaminations", [{"kind": "white-noise"}], "mixes its clips itself"),
        ("resolutions", ["125"], "resolutions"),
        ("resolutions", ["4x2", "4x2"], "twice"),
        ("snrs", [0, 0.0], "twice"),
        ("snrs", [], "snrs"),
        ("snrs", [float("nan")], "snrs"),
    ):
        with pytest.raises(InputError, match=message):
            runner_on(tones(), {}, **{field: value})


def test_the_shipped_suite_names_its_headline_and_the_map_of_ones() -> None:
    suite = load_suite("two-sounds")
    assert (suite.headline.metric, suite.headline.stratum) == ("weighted-auc", "both-heard")
    assert {"all-ones", *CONTROLS} <= {e.title for e in suite.all_explainers}
    assert set(suite.comparisons.metrics) <= set(metrics_of(MixtureMaps))


def test_real_mixtures_have_the_reference_floor_and_ceiling(esc50: Path) -> None:
    data = load_dataset("esc50", esc50, folds=[3])
    explainers = {"energy": load_explainer("energy"), "gradcam": load_explainer("gradcam")}
    runner = runner_on(data, explainers, load_model("tiny"), resolutions=["125x16", "31x4", "15x2"])
    prepared = runner.prepare(items_of(runner)[:6])
    rows, failures = runner.measure(prepared, Place("energy", "stft", "gain"), Forwards())
    assert not failures
    for name, value in (
        ("weighted-auc", 0.5),
        ("auc", 0.5),
        ("delta-energy", 0),
        ("pointing", 0.5),
        ("correlation", 0),
    ):
        assert figures(rows, name).reshape(-1, 2).mean(axis=1) == pytest.approx(value, abs=1e-9)
    assert figures(rows, "weighted-auc", "oracle") == pytest.approx(1.0, abs=1e-6)
    assert 0.35 < figures(rows, "delta-energy", "oracle").mean() < 0.5
    assert figures(rows, "si-sdr-improvement", "oracle").mean() > 12
    scores = [figures(rows, "weighted-auc", f"oracle {n}").mean() for n in ("125x16", "31x4", "15x2")]
    assert scores == sorted(scores, reverse=True)
    rows, _ = runner.measure(prepared, Place("gradcam", "stft", "gain"), Forwards())
    assert 0.55 < figures(rows, "weighted-auc").mean() < figures(rows, "weighted-auc", "oracle").mean()
