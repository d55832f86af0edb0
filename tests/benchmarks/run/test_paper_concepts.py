"""The suite ``paper-concepts``: its name holds it to the paper; run on made-up data in the official layouts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from tests.data.conftest import esc_folder, us8k_folder, write_sound  # noqa: F401  # fixtures
from tests.data.test_audioset import audioset  # noqa: F401
from tests.data.test_caption_readers import clotho  # noqa: F401
from tests.data.test_dcase2017_task4 import task4  # noqa: F401
from tests.data.test_tut2017 import tut  # noqa: F401
from tests.data.test_vocalsound import vocalsound  # noqa: F401
from zsxai import InputError, register_model
from zsxai.benchmarks import run_suite
from zsxai.benchmarks.run.paper import check_vocabularies
from zsxai.benchmarks.run.suite import load_suite
from zsxai.concepts.building.command import app
from zsxai.concepts.vocabulary import load_vocabulary
from zsxai.model import AudioSpec, ModelCard, ZeroShotModel
from zsxai.registry import MODELS

RATE, SIZE, FILE = 8000, 48, "fsd50k-baseline.json"
FIXTURES = {
    "esc50": "esc_folder",
    "us8k": "us8k_folder",
    "vocalsound": "vocalsound",
    "tut2017": "tut",
    "dcase2017-task4": "task4",
    "audioset": "audioset",
    "clotho": "clotho",
}


class RandomWeights(ZeroShotModel):
    """Draws the embedding of a text by its letters, that of a sound by its level."""

    def __init__(self) -> None:
        self.card = ModelCard(name="random-weights", weights_sha256="2" * 64)
        self.audio_spec = AudioSpec(sample_rate=RATE, window=0.1, fill="zero")
        self.logit_scale = 10.0

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        return self._draw([round(level * 10) for level in waveforms.mean(dim=1).tolist()])

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        return self._draw([int.from_bytes(prompt.encode()) % (2**31 - 1) for prompt in prompts])

    def _draw(self, seeds: Sequence[int]) -> Tensor:
        rows = [torch.randn(SIZE, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)


@pytest.fixture
def vocabulary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """2,000 words where the suite looks for them, from made-up tags in FSD50K's format by the paper's construction."""
    folder = tmp_path_factory.mktemp("words")
    monkeypatch.chdir(folder)
    syllables = [a + b for a, b in product("bdfgklmnprtvz", "aeiou")]
    tags = ["".join(word) for word in islice(product(syllables, syllables), 2100)]
    info = {str(n): {"title": "", "tags": tags[n:]} for n in range(0, 2000, 500)}
    Path("dev_clips_info_FSD50K.json").write_text(json.dumps(info), encoding="utf-8")
    made = CliRunner().invoke(app, ["baseline", "dev_clips_info_FSD50K.json", "--out", FILE, "--no-spelling"])
    assert made.exit_code == 0, made.output
    return folder / FILE


@pytest.fixture
def random_weights() -> Iterator[str]:
    register_model("random-weights", RandomWeights())
    yield "random-weights"
    MODELS.unregister("random-weights")


@pytest.mark.filterwarnings("ignore:.*have no audio and are left out")
def test_the_whole_suite_on_made_up_data(
    request: pytest.FixtureRequest, vocabulary: Path, random_weights: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    roots = {key: request.getfixturevalue(name) for key, name in FIXTURES.items()}
    suite = load_suite("paper-concepts")
    values = suite.model_dump()
    for task in values["tasks"]:
        task["penalties"] = [0.05, 0.3]
    result = run_suite(values, tmp_path_factory.mktemp("runs"), data=roots, models=[random_weights], progress=False)
    assert not len(result.failures)
    assert not result.missing
    settings = {(task, data) for task, data, *_ in result.table().index}
    assert settings == {(task.kind, data) for task in suite.tasks for data in task.data}
    words = result.table("concepts", ["concept-words"])["concept-words"].xs("esc50", level="data")["mean"]
    few, many = (words.xs(f"fsd50k-baseline/none/lam={lam}", level="explainer").item() for lam in (0.3, 0.05))
    assert 0 < few < many <= SIZE
    assert result.metrics("concept-tagging") == ["average-precision", "class-f1"]
    assert len(result.ratio("right", "half-of-both", "concept-tagging")) == 2 * 3
    both = [result.table("concept-retrieval", stratum=way) for way in ("audio-to-text", "text-to-audio")]
    assert [list(table["recall-at-1"]["n"]) for table in both] == [[1] * 3, [5] * 3]
    assert {line["task"] for line in result.comparisons().to_dict("records")} == {task.kind for task in suite.tasks}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"prompting": {"template": "the sound of {}"}}, "template = 'the sound of {}' for 'This is a sound of {}.'"),
        ({"vocabularies": ["baseline"]}, "the vocabulary 'baseline' for one of FSD50K's tags"),
        ({"penalties": [0.6]}, "'concepts' by other than penalties from 0.01 to 0.5"),
        ({"counts": [10]}, "by other than penalties"),
        ({"controls": ["random"]}, "with controls, or a centring"),
        ({"centrings": ["pls"]}, "a centring other than none or mean"),
        ({"contaminations": [{"kind": "white-noise"}]}, "mixed with others"),
        ({"options": {"folds": [4]}}, r"'concepts' on esc50 \(folds = \[4\]\)"),
        ({"kind": "concept-mixtures", "data": ["esc50"]}, "the task 'concept-mixtures', which the paper does not run"),
    ],
)
def test_a_suite_that_departs_may_not_carry_the_name(change: dict[str, Any], complaint: str) -> None:
    values = load_suite("paper-concepts").model_dump()
    options, prompting = change.pop("options", {}), change.pop("prompting", {})
    values["prompting"] |= prompting
    values["data"]["esc50"]["options"] = options
    if "kind" in change:
        values["tasks"] = [*values["tasks"], change]
    else:
        values["tasks"] = [values["tasks"][0] | change, *values["tasks"][1:]]
    with pytest.raises(InputError, match=complaint) as caught:
        load_suite(values)
    assert "\n" not in str(caught.value)
    assert load_suite(values | {"name": "not-the-paper"}).name == "not-the-paper"


def test_its_words_are_of_fsd50k(vocabulary: Path) -> None:
    suite = load_suite("paper-concepts")
    check_vocabularies(suite)
    load_vocabulary(vocabulary).model_copy(update={"source": "my own"}).save(vocabulary)
    with pytest.raises(InputError, match="2000 words of my own, the paper 2000, 3000 or 5000 of FSD50K"):
        check_vocabularies(suite)
    vocabulary.unlink()
    with pytest.raises(InputError, match=f"no such file; .*: zsxai vocabulary baseline .* --out {FILE}"):
        check_vocabularies(suite)
