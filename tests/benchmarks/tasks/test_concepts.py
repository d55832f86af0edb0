"""The tasks ``concepts`` and ``concept-mixtures`` before a model that hears a tone for every class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.benchmarks.stages import measured, stage_of
from zsxai import InputError, register_model
from zsxai.benchmarks import Result, run_suite
from zsxai.benchmarks.run.plan import Settings, plan
from zsxai.benchmarks.run.suite import load_suite
from zsxai.benchmarks.tasks import concept_mixtures, runner_of
from zsxai.benchmarks.tasks.base import Row
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.words import load_class_words
from zsxai.clip import Clip, Relevance
from zsxai.data.clip import LabelledClip
from zsxai.data.synthetic import DRAWS
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.model import AudioSpec, ModelCard, ZeroShotModel
from zsxai.registry import MODELS
from zsxai.target import BoundTarget

RATE, LABELS = 16000, sorted(DRAWS)
TABLE = load_class_words()
NAMES = [next(word for word, owner in TABLE.items() if owner == label) for label in LABELS]
OTHERS = ["guitar", "music", "speech", "tool"]
"""Words without a class; the first lies near the first class."""
SIZE = len(LABELS) + len(OTHERS)


class Tones(ZeroShotModel):
    """Hears how loud the tones of 500, 1000, ... Hz are, one for each class."""

    def __init__(self) -> None:
        self.card = ModelCard(name="tones", weights_sha256="1" * 64)
        self.audio_spec = AudioSpec(sample_rate=RATE, window=1.0, fill="zero")
        self.logit_scale = 10.0

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        waves = torch.nn.functional.pad(waveforms.double(), (0, RATE - waveforms.shape[1]))
        levels = torch.fft.rfft(waves).abs()[:, 500 : 500 * len(LABELS) + 1 : 500]
        return torch.nn.functional.normalize(torch.nn.functional.pad(levels, (0, len(OTHERS))), dim=1).float()

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        rows = torch.zeros(len(prompts), SIZE)
        for row, prompt in zip(rows, prompts, strict=True):
            name = TABLE.get(prompt, prompt.removeprefix("the sound of "))
            row[LABELS.index(name) if name in LABELS else len(LABELS) + OTHERS.index(name)] = 1.0
            if name == OTHERS[0]:
                row[0], row[len(LABELS)] = 0.8, 0.6
        return rows


@dataclass
class Clips:
    """A clip per class: its tone, and the next class's beneath it."""

    beneath: float
    labels = LABELS

    @property
    def clips(self) -> list[LabelledClip]:
        times = np.arange(RATE) / RATE
        tones = [np.sin(2 * np.pi * 500 * (k + 1) * times) for k in range(len(LABELS))]
        found = []
        for k, label in enumerate(LABELS):
            wave = 0.4 * tones[k] + 0.4 * self.beneath * tones[(k + 1) % len(LABELS)]
            sound = {"array": wave.astype(np.float32), "sampling_rate": RATE}
            found.append(LabelledClip(name=label, label=label, source=label, fold=1, audio=sound))
        return found


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("words") / "toy.txt"
    path.write_text("\n".join([*NAMES, *OTHERS]))
    return str(path)


def rows_of(kind: str, words: str, label: str, beneath: float = 0.75, **task: Any) -> list[Row]:
    stage = stage_of({"kind": kind, "vocabularies": [words], "centrings": ["none"], **task}, Tones(), {})
    runner = runner_of(kind)(replace(stage, dataset=Clips(beneath)))
    rows, failures = measured(runner, label, len(LABELS), domain="stft")
    assert not failures
    return rows


def chances(*mix: float) -> np.ndarray[Any, Any]:
    """Probabilities of the two classes of a mix, the others at a cosine of 0."""
    cosines = np.zeros(len(LABELS))
    cosines[: len(mix)] = np.array(mix) / np.linalg.norm(mix)
    powers = np.exp(10.0 * cosines)
    found: np.ndarray[Any, Any] = powers / powers.sum()
    return found


def test_a_clip_in_words_is_what_the_equations_say(words: str) -> None:
    # z = .8, .6 on two words, of which lambda / 2 is taken off. The word near the first class is never of use here.
    for row in rows_of("concepts", words, "toy/none/lam=0.2", penalties=[0.2], counts=[])[1:]:
        figures = {name: float(np.asarray(value)) for name, value in row.figures.items()}
        assert (figures["concept-accuracy"], figures["concept-agreement"], row.strata["correct"]) == (1, 1, True)
        assert (figures["concept-words"], figures["concept-groups"], figures["penalty"]) == (2, 2, 0.2)
        assert figures["concept-cosine"] == pytest.approx(0.86 / np.hypot(0.7, 0.5), abs=1e-6)
        assert figures["words-say"] == pytest.approx(0.86**2 / 0.74, abs=1e-6)
        assert figures["concept-kkt"] < 1e-6
        assert figures["stability-shift"] == pytest.approx(1.0, abs=1e-6)
        assert 0.99 < figures["stability-noise"] < 1 - 1e-9
        fall = chances(0.7, -0.2)[0] - chances(0.0, 0.5)[0]
        assert figures["concept-removal"] == pytest.approx(fall, abs=1e-6)


def test_one_word_leaves_the_other_out_and_has_nothing_to_compare_its_removal_with(words: str) -> None:
    for row in rows_of("concepts", words, "toy/none/k=1", counts=[1])[1:]:
        assert row.figures["concept-words"] == 1
        assert row.figures["concept-cosine"] == pytest.approx(0.8, abs=1e-6)
        assert np.isnan(row.figures["concept-removal"])


def test_clips_are_encoded_once_where_nothing_asks_how_steady_words_are(words: str) -> None:
    def encoded(*metrics: str) -> int:
        stage = stage_of(
            {"kind": "concepts", "vocabularies": [words], "centrings": ["none"], "metrics": metrics}, Tones(), {}
        )
        forwards = Forwards()
        measured(runner_of("concepts")(replace(stage, dataset=Clips(0.75))), "toy/none/k=10", 4, forwards, "stft")
        return sum(forwards.rows.values())

    assert encoded("concept-accuracy", "concept-words") == 4
    assert encoded("concept-accuracy", "stability-noise") == 12


def test_dense_is_the_model_itself(words: str) -> None:
    for row in rows_of("concepts", words, "dense"):
        assert set(row.figures) == {"prediction", "concept-accuracy", "concept-agreement"}
        assert row.figures["concept-accuracy"] == row.figures["concept-agreement"] == 1
        assert (row.variant, row.calibration, row.prompt) == ("own", "", row.label)


def test_controls_take_the_labels_out_or_every_meaning(words: str) -> None:
    asked = {"controls": ["labels-out", "label-free", "random"], "penalties": [0.2], "counts": []}
    found = {c: rows_of("concepts", words, f"toy/none/lam=0.2/{c}", **asked) for c in asked["controls"]}
    used = {c: sum(r.figures["concept-words"] for r in rows) for c, rows in found.items()}  # type: ignore[misc]
    # Without the classes only the word near the first one is left, for the two clips that hold its tone.
    assert (used["labels-out"], used["label-free"]) == (2, 0)
    assert [r.figures["prediction"] for r in found["label-free"]] == [-1] * len(LABELS)
    assert not any(r.figures["concept-accuracy"] for r in found["label-free"])
    assert used["random"] > len(LABELS)
    assert all(r.figures["concept-words"] == r.figures["concept-groups"] for r in found["random"])
    assert rows_of("concepts", words, "toy/none/lam=0.2/random", **asked) == found["random"]


def test_mixtures_show_both_sounds_and_a_word_falls_with_its_sound(words: str) -> None:
    rows = rows_of("concept-mixtures", words, "toy/none/k=10", beneath=0.0)
    assert len(rows) == len(LABELS)  # four mixtures, two rows each
    assert {row.prompt for row in rows} == set(LABELS)
    for row in rows:
        assert row.strata == {"alone": True, "both-heard": True}
        of_class = {
            name: row.figures[name] for name in ("both-sources", "both-absent", "both-prompts", "source-removal")
        }
        assert of_class == {"both-sources": 1, "both-absent": 0, "both-prompts": 1, "source-removal": 1}
        assert row.figures["weight_rest"] == 0
        assert row.figures["group-size"] == row.figures["largest-group"] == 1


def test_a_sound_without_a_word_is_not_found_and_cannot_fall(words: str) -> None:
    # 12 dB: the second sound's cosine, .24, is under half of lambda.
    asked = {"beneath": 0.0, "snrs": [12.0], "penalties": [0.6], "counts": []}
    first, second = rows_of("concept-mixtures", words, "toy/none/lam=0.6", **asked)[:2]
    assert (first.figures["both-sources"], first.figures["source-removal"]) == (0, 1)
    assert np.isnan(second.figures["source-removal"])
    dense = rows_of("concept-mixtures", words, "dense", **asked)[0]
    assert dense.figures["both-sources"] == dense.figures["both-prompts"] == 1
    assert "source-removal" not in dense.figures


class Ideal(Explainer):
    """Knows the tone of every class: a cell is of the prompt, by so much as it is nearer to its tone than to another's.

    Attributes:
        sign: -1 gives every prompt the other's cells.
    """

    name = "ideal"
    card = ExplainerCard(
        summary="", needs_gradients=False, deterministic=True, forwards="0", backwards="0", reference=""
    )
    sign: float = 1.0

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :class:`Explainer`."""
        middles = torch.arange(len(clip.grid.frequency_edges) - 1) * RATE / (2 * len(clip.grid.frequency_edges) - 4)
        own, *others = ((middles - tone(word)).abs() for word in (target.target.prompt, *target.target.others))
        values = self.sign * (torch.stack(others).amin(dim=0) - own)
        return Relevance(values[:, None].expand(clip.grid.shape), clip.grid, "clip")


def tone(word: str) -> float:
    return 500.0 * (LABELS.index(TABLE[word]) + 1)


@pytest.mark.parametrize(("sign", "auc"), [(1.0, 1.0), (-1.0, 0.0)])
def test_a_concept_is_judged_by_the_cells_of_its_sound(
    words: str, sign: float, auc: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concept_mixtures, "_listener", lambda _: Ideal(sign=sign))
    rows = rows_of("concept-mixtures", words, "toy/none/k=10", beneath=0.0, listen=True)
    assert [row.figures["weighted-auc"] for row in rows] == [pytest.approx(auc, abs=2e-3)] * len(
        LABELS
    )  # the ends of a tone leak
    assert all(row.figures["both-sources"] == 1 for row in rows)
    silent = {"beneath": 0.0, "snrs": [12.0], "penalties": [0.6], "counts": []}  # the second sound has no word
    rows = rows_of("concept-mixtures", words, "toy/none/lam=0.6", listen=True, **silent)
    assert np.isnan([row.figures["weighted-auc"] for row in rows]).all()
    for row in rows_of("concept-mixtures", words, "dense", beneath=0.0, listen=True):
        assert "weighted-auc" not in row.figures


def suite(words: str, **task: Any) -> dict[str, Any]:
    plain = {"data": ["sounds"], "vocabularies": [words], "centrings": ["none"]}
    return {
        "name": "toy",
        "data": {"sounds": {"reader": "synthetic", "options": {"clips_per_class": 1, "seconds": 1.0}}},
        "models": ["tones"],
        "tasks": [
            {"kind": "concepts", **plain, "controls": ["random"], **task},
            {"kind": "concept-mixtures", **plain},
        ],
        "headline": {"task": "concepts", "metric": "concept-accuracy"},
        "comparisons": {"metrics": ["concept-accuracy", "both-sources"], "against": "dense"},
        "batch": 4,
    }


@pytest.fixture(scope="module", autouse=True)
def tones() -> Iterator[None]:
    register_model("tones", Tones())
    yield
    MODELS.unregister("tones")


def test_a_suite_of_concepts_alone_goes_on_to_the_same_bits(words: str, tmp_path: Path) -> None:
    whole = run_suite(suite(words), tmp_path / "whole", progress=False)
    run_suite(suite(words), tmp_path / "parts", limit=4, progress=False)
    parts = run_suite(suite(words), tmp_path / "parts", progress=False)
    assert not len(whole.failures)
    assert not whole.missing
    assert list(dict.fromkeys(whole.rows()["explainer"])) == ["dense", "toy/none/k=10", "toy/none/k=10/random"]
    assert whole.is_control("toy/none/k=10/random")
    assert not whole.is_control("toy/none/k=10")
    for one, other in zip(whole.stored.values(), parts.stored.values(), strict=True):
        assert repr(one.rows) == repr(other.rows)
    compared = whole.comparisons()
    assert list(zip(compared["task"], compared["first"], strict=True)) == [
        ("concepts", "toy/none/k=10"),
        ("concepts", "toy/none/k=10/random"),
        ("concept-mixtures", "toy/none/k=10"),
    ]
    assert len(Result.load(tmp_path / "whole").headline()) == 3


def keys(words: str, kind: str = "concepts", **task: Any) -> dict[str, str]:
    asked = suite(words)
    at = [each["kind"] for each in asked["tasks"]].index(kind)
    asked["tasks"][at] |= task
    cells = plan(load_suite(asked), Settings({}, limit=4))
    return {cell.explainer: cell.key for cell in cells if cell.task == kind}


def test_keys_know_the_words_and_the_table(words: str, tmp_path: Path) -> None:
    before = keys(words)
    assert len(set(before.values())) == len(before) == 3
    other = tmp_path / "toy.txt"
    other.write_text("\n".join([*NAMES, *OTHERS[1:]]))
    (table := tmp_path / "words.toml").write_text('"rain" = ["rain"]\n')
    for changed in (keys(str(other)), keys(words, table=str(table))):
        assert changed.keys() == before.keys()
        assert changed["toy/none/k=10"] != before["toy/none/k=10"]
    assert before.items() < keys(words, penalties=[0.1]).items()  # one more leaves the others' rows as they are
    assert not {*before.values()} & {*keys(words, grouped=0.5).values()}


def test_listening_is_known_by_what_listens(words: str) -> None:
    asked = {"kind": "concept-mixtures", "metrics": ["both-sources"]}
    before, after = keys(words, **asked), keys(words, **asked, listen=True)
    assert before["dense"] == after["dense"]
    assert before["toy/none/k=10"] != after["toy/none/k=10"]
    with pytest.raises(InputError, match="say listen = true"):
        keys(words, kind="concept-mixtures", metrics=["weighted-auc"])


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"counts": []}, "a penalty or a number of words"),
        ({"domains": ["mel"]}, "leave domains out"),
        ({"counts": [5, 5]}, "k=5' twice"),
        ({"centrings": ["mean"]}, "tones brings no centring 'mean'"),
        ({"table": "no-such"}, "no-such"),
    ],
)
def test_bad_settings_are_one_line(words: str, task: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        keys(words, **task)
    assert "\n" not in str(caught.value)


def test_a_suite_of_masks_still_names_its_explainers(words: str) -> None:
    masks = {"kind": "faithfulness", "data": ["sounds"]}
    with pytest.raises(InputError, match="explainers is missing"):
        load_suite({**suite(words), "tasks": [masks], "headline": {"task": "faithfulness", "metric": "average-drop"}})
