"""An audit: cues that were planted are found where they lie, an honest set shows none, and what is saved says so."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import zsxai
from tests.toys import STRICT
from zsxai import Audit
from zsxai.auditing.annotations import read_annotations
from zsxai.auditing.cue import EDGE, Place
from zsxai.auditing.profile import BANDS, MOMENTS, PARTS, Profile, band_edges, profile_of
from zsxai.auditing.rule import chance, drives, unmet_of_data, unmet_of_model
from zsxai.auditing.tables import Group, cues_of_data
from zsxai.benchmarks.measure.audit import LogMelClassifier, judge, make_planted
from zsxai.cli import main
from zsxai.data import LabelledClip, load_dataset
from zsxai.errors import InputError

pytestmark = STRICT
RATE = 32000


class Given:
    """A data set."""

    def __init__(self, clips: list[LabelledClip]) -> None:
        self.clips = clips
        self.labels = sorted({clip.label for clip in clips})


def make_noise(seed: int) -> dict[str, Any]:
    """A second of noise whose colour and course are its own."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.standard_normal(RATE), rng.uniform(0.9, 0.95) ** np.arange(64), "same")
    course = np.interp(np.linspace(0, 9, RATE), np.arange(10), rng.uniform(0.2, 1.0, 10))
    return {"array": (0.02 * noise * course).astype(np.float32), "sampling_rate": RATE}


NOISES = [
    LabelledClip(f"{label}-{n}", label, f"{label}-{n}", audio=partial(make_noise, 100 * k + n))
    for k, label in enumerate(("hiss", "surf", "wind"))
    for n in range(7)
]


def teach(clips: list[LabelledClip]) -> LogMelClassifier:
    import torch

    waveforms = [torch.from_numpy(clip.read().at(RATE)) for clip in clips]
    return LogMelClassifier(waveforms, [clip.label for clip in clips])


def run(clips: list[LabelledClip], **options: Any) -> Audit:
    return zsxai.audit(
        Given(clips),
        model=teach(clips),
        explainer="integrated-gradients",
        options={"n_steps": 2},
        progress=False,
        **options,
    )


@pytest.fixture(scope="module")
def planted() -> tuple[Audit, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zsxai.benchmarks.measure.audit.HIGH", 4.0)  # noise from the start hides a click that is lower
        made = make_planted(NOISES, 3, 0, plant=True)
        return run(made.clips), made


def test_planted_cues_are_found_where_they_lie_and_drive_the_score(planted: tuple[Audit, Any]) -> None:
    found, made = planted
    row = judge(found, made)
    assert row["tone class"] == made.tone
    assert row["click class"] == made.click
    assert not row["wrong"]
    tone = next(cue for cue in found.cues if cue.place.kind == "tone")
    assert tone.place.low < 9000 < tone.place.high < 9600
    assert tone.drives
    assert tone.fall is not None
    assert tone.fall.mean > 0.1
    assert "the score rests on it" in str(tone)
    click = next(cue for cue in found.cues if cue.place.kind == "click")
    assert (click.place.start, click.place.stop) == pytest.approx((0.03, 0.04))


def test_an_honest_set_shows_none() -> None:
    found = run(NOISES)
    assert found.cues == ()
    assert str(found).startswith("No cue is named.")
    assert {one.clips for one in found.classes} == {7}


def test_shares_add_up_and_intervals_hold_the_mean(planted: tuple[Audit, Any]) -> None:
    for one in planted[0].classes:
        for curves in (one.hertz, one.time):
            for curve in (curves.evidence, curves.power, curves.level):
                assert sum(curve.mean) == pytest.approx(1.0, abs=1e-6)
                assert all(a <= m <= b for a, m, b in zip(curve.low, curve.mean, curve.high, strict=True))
        assert one.start is not None
        assert one.start.mean == pytest.approx(sum(one.time.evidence.mean[:2]))


def test_it_saves_and_loads(planted: tuple[Audit, Any], tmp_path: Path) -> None:
    found, made = planted
    place = found.save(tmp_path / "out")
    assert Audit.load(place) == found
    with pytest.raises(InputError, match="exists"):
        found.save(place)
    with (place / "table.csv").open(encoding="utf-8") as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(made.labels)
    assert "kHz" in rows[made.tone]["named"]
    page = (place / "index.html").read_text(encoding="utf-8")
    assert str(found.cues[0]) in page
    assert page.count("<audio") == min(12, sum(len(one.outliers) for one in found.classes))
    (place / "audit.json").write_text('{"format": "zsxai-audit-1", "title": 3}', encoding="utf-8")
    with pytest.raises(InputError, match="cannot read the audit"):
        Audit.load(place)


def test_the_page_sorts(planted: tuple[Audit, Any], tmp_path: Path, chromium: Any) -> None:
    place = planted[0].save(tmp_path / "out")
    page = chromium.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto((place / "index.html").as_uri())
    page.click("text=first 5 %")
    falling = page.eval_on_selector_all(
        "[data-sortable] tbody td:nth-child(5)", "cells => cells.map(c => +c.dataset.value)"
    )
    assert falling == sorted(falling, reverse=True)
    page.click("text=first 5 %")
    rising = page.eval_on_selector_all(
        "[data-sortable] tbody td:nth-child(5)", "cells => cells.map(c => +c.dataset.value)"
    )
    assert rising == sorted(falling)
    assert not errors
    page.close()


def explained(waveform: NDArray[Any], **options: Any) -> Any:
    return zsxai.explain(waveform, "rain", sample_rate=RATE, explainer="energy", verdict=False, **options)


def test_a_profile_says_where_sound_and_evidence_lie() -> None:
    times = np.arange(4 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 5000 * times) * (times >= 3)  # in the last quarter, silence before it
    found = profile_of(explained(tone.astype(np.float32)), "a", "rain", "a", annotated=[(0.0, 2.9), (2.0, 2.9)])
    edges = band_edges((62.5, 13968.75))
    row = int(np.searchsorted(edges, 5000)) - 1
    assert found.hertz.power[row - 1 : row + 2].sum() > 0.98
    assert found.time.power[:29].sum() < 0.01
    assert found.time.evidence[29:].sum() > 0.95
    assert found.silence.size[0] == pytest.approx(0.75, abs=0.02)
    assert found.silence.evidence[0] < 0.05
    assert found.outside.evidence[0] > 0.95
    assert found.outside.size[0] == pytest.approx(0.275, abs=0.01)
    assert found.seconds == 4.0


def test_moments_are_those_of_the_samples() -> None:
    waveform = np.full(RATE, 1e-3, dtype=np.float32)
    waveform[960:1280] = 0.1  # 30 to 40 ms
    waveform[-320:] = 0.01  # the last 10 ms
    found = profile_of(explained(waveform), "a", "rain", "a").moments
    assert found.shape == (2, MOMENTS)
    assert found[0, 2:5] == pytest.approx([-60, -20, -60], abs=0.01)
    assert found[1, :2] == pytest.approx([-40, -60], abs=0.01)


@pytest.mark.parametrize(
    ("kind", "low", "start", "rows", "frames"),
    [
        ("band", 4000.0, 0.0, (3984, 5016), (0.0, 1.0)),
        ("start", 0.0, 0.0, (0, 16000), (0.0, EDGE)),
        ("end", 0.0, 0.0, (0, 16000), (1 - EDGE, 1.0)),
        ("click", 0.0, 0.5, (0, 16000), (0.48, 0.53)),
        ("click", 0.0, -0.1, (0, 16000), (0.88, 0.93)),
        ("outside", 0.0, 0.0, (0, 16000), (0.6, 1.0)),
    ],
)
def test_a_place_is_so_many_cells(
    kind: Any, low: float, start: float, rows: tuple[float, float], frames: tuple[float, float]
) -> None:
    made = explained(make_noise(1)["array"][:RATE])
    place = Place(kind=kind, low=low, high=low + 1000, start=start, stop=start + 0.01)
    mask = place.mask(made.grid, made.power, [(0.0, 0.6)])
    high, long = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    assert mask.sum() == len(high) * len(long)
    assert (made.grid.frequency_edges[high[0]], made.grid.frequency_edges[high[-1] + 1]) == pytest.approx(rows, abs=32)
    assert (made.grid.time_edges[long[0]], made.grid.time_edges[long[-1] + 1]) == pytest.approx(frames, abs=0.011)


def test_the_rule() -> None:
    assert unmet_of_model(0.4, 0.1, 0.1, 0.9, 20) == ()
    assert unmet_of_model(0.19, 0.09, 0.1, 0.9, 20) == ("share", "others")
    assert unmet_of_model(0.4, 0.3, 0.1, 0.5, 4) == ("own", "prevalence", "recordings")
    assert unmet_of_data("tone", 0.6, 0.1, 0.01, 20) == ("prevalence",)
    assert unmet_of_data("click", 0.6, 0.4, 0.2, 20) == ("others", "chance")
    assert drives(0.2, 0.1, 0.05)
    assert not drives(0.2, 0.3, 0.01)
    assert not drives(-0.1, -0.2, 0.01)
    assert chance(2, 2, 2, 4) == pytest.approx(1 / 6)
    assert chance(0, 3, 2, 9) == pytest.approx(1.0)


def test_clips_of_one_recording_count_once() -> None:
    """Six clips of one recording with a tone are one recording with a tone."""
    one = profile_of(explained(make_noise(1)["array"]), "a", "rain", "a")
    loud = one.steady.copy()
    loud[50] += 40.0

    def clip(name: str, label: str, source: str, steady: NDArray[Any]) -> Profile:
        return replace(one, name=name, label=label, source=source, steady=steady)

    same = [clip(f"t{n}", "tone", "one", loud) for n in range(6)]
    apart = [clip(f"t{n}", "tone", f"t{n}", loud) for n in range(6)]
    plain = [clip(f"p{n}", "plain", f"p{n}", np.full(BANDS, -50.0)) for n in range(30)]
    edges = band_edges((62.5, 13968.75))

    def tones(own: list[Profile]) -> list[Any]:
        groups = [Group("plain", plain, 0), Group("tone", own, 0)]
        return [cue for cue in cues_of_data(groups, edges) if cue.place.kind == "tone"]

    (found,) = tones(apart)
    assert (found.named, found.holding, found.recordings) == (True, 6, 6)
    assert found.place.low < edges[50] < edges[51] < found.place.high
    (found,) = tones(same)
    assert (found.named, found.holding, found.recordings) == (False, 1, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of three clips, one of which is no audio, with a table of the others and annotations."""
    root = tmp_path_factory.mktemp("audit") / "sounds"
    for clip in NOISES[:3] + NOISES[7:10]:
        (root / clip.label).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / clip.label / f"{clip.name}.wav", clip.read().waveform, RATE)
    (root / "surf" / "surf-2.wav").write_text("no audio", encoding="utf-8")
    names = [f"{label}/{label}-{n}.wav" for label in ("hiss", "surf") for n in range(2)]
    (root.parent / "labels.csv").write_text("path,label\n" + "".join(f"{n},{n[:4]}\n" for n in names), encoding="utf-8")
    spans = (
        "file,start,stop,label\nhiss-0.wav,0,.5,hiss\nhiss-1.wav,0,.5,\nsurf/surf-0.wav,0,1,surf\nsurf-1.wav,0,1,rain\n"
    )
    (root.parent / "spans.csv").write_text(spans, encoding="utf-8")
    return root


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(folder), "--explainer", "energy", "--outside", str(folder.parent / "spans.csv")]
    assert main(["audit", *words, "--out", str(tmp_path / "out")]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith("No cue is named.\nclass  clips  score")
    assert "note: passed over: surf/surf-2.wav" in out
    found = Audit.load(tmp_path / "out")
    assert [(one.label, one.clips) for one in found.classes] == [("hiss", 3), ("surf", 2)]
    outside = {one.label: one.outside for one in found.classes}
    assert outside["hiss"] is not None
    assert 0.3 < outside["hiss"].mean < 0.7
    assert outside["surf"] is not None
    # Of one all is inside, of the other nothing: its span is of another label.
    assert outside["surf"].mean == pytest.approx(0.5, abs=1e-3)
    assert main(["audit", str(folder), "--labels", str(folder.parent / "labels.csv"), "--limit", "1", "--json"]) == 0
    record = json.loads(capsys.readouterr()[0])
    assert [(one["label"], one["clips"]) for one in record["classes"]] == [("hiss", 1), ("surf", 1)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "folder of class folders"),
        (["{}", "--limit", "0"], "limit"),
        (["{}", "--outside", "nowhere.csv"], "no CSV file of annotations"),
        (["{}", "--out", "{}/results"], "lies in the data"),
        (["{}", "--data-option", "folds=[1]"], "takes no options"),
        (["synthetic", "--labels", "x.csv"], "no CSV file"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", *(word.format(folder) for word in words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


def test_annotations_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    clips = load_dataset("synthetic").clips
    for text, said in (("a.wav,0,1\n", "lists none"), ("rain-000,2,1\n", "the start first")):
        (tmp_path / "spans.csv").write_text("file,start,stop\n" + text, encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_annotations(tmp_path / "spans.csv", clips)


def test_parts_are_five_per_cent() -> None:
    assert pytest.approx(0.05) == EDGE
    assert PARTS == 40
