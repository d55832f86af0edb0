"""``zsxai compare``: what it prints, writes, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import zsxai
from tests.toys import ConvToy
from zsxai.cli import main
from zsxai.registry import MODELS


class Box:
    """A black box."""

    sample_rate = 16000
    window = 1.0

    def __init__(self) -> None:
        toy = ConvToy()
        self.embed_audio, self.embed_text = toy.embed_audio, toy.embed_text


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[None]:
    zsxai.register_model("toy", ConvToy())
    zsxai.register_model("box", Box())
    yield
    for name in ("toy", "box"):
        MODELS.unregister(name)


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    ended = main(["compare", *map(str, words)])
    out, err = capsys.readouterr()
    assert ended == code, err
    return out, err


def test_prints_a_line_for_every_cell(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, wav, "a tone", "rain", "--explainers", "gradcam,input-x-gradient", "--models", "toy")
    found = zsxai.compare(wav, ["a tone", "rain"], ["gradcam", "input-x-gradient"], "toy")
    head, *lines = out.splitlines()
    assert head.split() == ["prompt", "explainer", "score", "kept", "removed", "verdict", "agrees", "CPU", "clips"]
    for line, cell in zip(lines, found.cells, strict=False):
        e = cell.explanation
        assert line.removeprefix(cell.prompt).split()[:4] == [
            cell.explainer,
            *(f"{score:.3f}" for score in (e.score, e.score_in, e.score_out)),
        ]
    assert "--out DIR writes one page" in out


def test_writes_a_folder_and_json(wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, out = tmp_path / "labels.txt", tmp_path / "out"
    labels.write_text("rain\n\na bell\nhiss\n", encoding="utf-8")
    words = [wav, "--explainers", "gradcam", "--models", "toy", "--no-controls", "--labels", labels, "--top", 1]
    said = json.loads(run(capsys, *words, "--paraphrases", "templates", "--out", out, "--json")[0])
    assert said["prompts"] == [said["best"][0]["label"]]
    assert said["labels"] == 3
    assert len(said["wordings"][0]["items"]) == 5
    assert (out / "index.html").is_file()
    assert "exists already" in run(capsys, *words, "--out", out, code=2)[1]
    assert f"{out / 'index.html'} shows" in run(capsys, *words, "--out", out, "--overwrite")[0]


def test_ends_with_1_where_a_cell_failed(wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [wav, "a tone", "--explainers", "occlusion,gradcam", "--models", "box", "--no-controls"]
    out, _ = run(capsys, *words, "--out", tmp_path / "out", code=1)
    assert "failed: GradCAM needs gradients" in out
    assert "needs gradients" in (tmp_path / "out/index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a tone", "--explainers", "gradcam,"], "commas"),
        (["a tone", "--explainers", "gradcan"], "did you mean"),
        (["a tone", "--paraphrases", "none.txt"], "cannot read the paraphrases"),
        (["a tone", "--top", "2"], "give labels"),
        ([], "prompts is empty"),
    ],
)
def test_what_is_wrong_is_one_line(wav: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    _, err = run(capsys, wav, *words, "--models", "toy", code=2)
    assert said in err
    assert len(err.splitlines()) == 1
