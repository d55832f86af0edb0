from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from zsxai.benchmarks import faithfulness
from zsxai.benchmarks.statistics import interval
from zsxai.data.esc50 import LabelledClip


def test_interval_of_single_clips_is_scipys() -> None:
    values = np.random.default_rng(0).normal(2.0, 1.0, 80)
    ours = interval(values, [str(i) for i in range(80)], draws=4000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    np.testing.assert_allclose(ours[:3], [values.mean(), *theirs], atol=0.02)


def test_interval_is_over_recordings_and_counts_what_is_invalid() -> None:
    values = np.repeat([0.0, 1.0, 1.0, 0.0], 10)
    alone = interval(values, [str(i) for i in range(40)])
    grouped = interval(values, [str(i // 10) for i in range(40)])
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    found = interval([1.0, np.nan, 3.0], ["a", "b", "c"])
    assert (found.mean, found.n, found.n_invalid) == (2.0, 3, 1)
    assert np.isnan(interval([np.nan], ["a"]).mean)


def row(clip: str, variant: str, p_in: float, p_out: float) -> dict[str, object]:
    return {"clip": clip, "source": clip, "variant": variant, "p": 0.9, "p_in": p_in, "p_out": p_out}


def test_wins_and_ties() -> None:
    rows = [
        row("a", "own", 0.8, 0.1),
        row("a", "foil", 0.2, 0.6),
        row("b", "own", 0.5, 0.5),
        row("b", "foil", 0.5, 0.5),
        row("c", "own", 0.7, 0.4),
        row("c", "foil", 0.6, 0.3),
    ]
    assert faithfulness.wins(rows, "foil", "p_in") == ([1.0, 0.5, 1.0], ["a", "b", "c"])
    assert faithfulness.wins(rows, "foil", "ff")[0] == [1.0, 0.5, 0.0]
    assert faithfulness.wins(rows, "foil", "both")[0] == [1.0, 0.0, 0.0]


def test_best_part_keeps_the_highest_cells_of_the_band() -> None:
    relevance = np.arange(12.0).reshape(3, 4)
    in_band = np.array([True, True, False])
    np.testing.assert_array_equal(faithfulness.best_part(relevance, in_band, 0.25).nonzero(), [[1, 1], [2, 3]])
    blind = faithfulness.best_part(np.zeros((40, 40)), np.ones(40, dtype=bool), 0.25)
    assert blind.sum() == 400
    assert abs(blind[:20].sum() - 200) < 40, "ties must not favour a part of the map"


def test_loudest_part() -> None:
    waveform = np.zeros(100, dtype=np.float32)
    waveform[60:70] = 1.0
    assert faithfulness.loudest(waveform, 20).sum() == 10
    assert len(faithfulness.loudest(waveform[:7], 20)) == 20


def test_pairs_are_of_other_classes_and_recordings_and_use_a_clip_once() -> None:
    clips = [LabelledClip(Path(f"{i}.wav"), f"class {i % 3}", 4, f"source {i % 5}") for i in range(12)]
    rows = [{"clip": c.path.name} for c in clips[:10]]
    pairs = faithfulness.heard_pairs(rows, clips, 4, seed=0)
    used = [c.path.name for pair in pairs for c in pair]
    assert len(pairs) == 4
    assert len(set(used)) == len(used)
    assert "11.wav" not in used
    assert all(a.label != b.label and a.source != b.source for a, b in pairs)


@pytest.mark.slow
def test_a_blind_control_wins_exactly_half(esc50: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(esc50), "--fold", "3", "--limit", "5", "--pairs", "1", "--out", str(tmp_path)]
    log = tmp_path / "log.jsonl"
    done = CliRunner().invoke(faithfulness.app, [*arguments, "--explainers", "gradcam,constant", "--log", str(log)])
    assert done.exit_code == 0, done.output
    table = (tmp_path / "tables.md").read_text()
    assert "| constant" in table
    assert "50 [50, 50]" in table
    assert '"commit"' in log.read_text()
