"""``zsxai concepts``: what it prints and writes, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zsxai
from zsxai.cli import main
from zsxai.cli.concepts import BAR, LINES, print_concepts
from zsxai.cli.concepts_folder import LISTING
from zsxai.concepts.api import SOUNDS
from zsxai.concepts.explanation import ConceptWindow
from zsxai.concepts.sets import explain_folder

WORDS = ("a rising tone", "rain", "a dog barking", "a siren", "hiss", "a bell")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of words, and two recordings, one of them in a folder below."""
    root = tmp_path_factory.mktemp("concepts")
    (root / "words.txt").write_text("\n".join(WORDS), encoding="utf-8")
    (root / "sounds" / "deep").mkdir(parents=True)
    for seed, name in enumerate(("a.wav", "deep/a.wav")):
        noise = 0.1 * np.random.default_rng(seed).standard_normal(2 * 32000)
        soundfile.write(root / "sounds" / name, noise, 32000)
    return root


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    ended = main(["concepts", *map(str, words)])
    out, err = capsys.readouterr()
    assert ended == code, err
    if code:
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("zsxai: ")
    return err if code else out


def test_it_prints_words_bars_and_windows(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = place / "sounds" / "a.wav"
    out = run(capsys, wav, "--vocabulary", place / "words.txt", "--k", 3)
    made = zsxai.explain_concepts(wav, vocabulary=str(place / "words.txt"), k=3)
    assert out.startswith(f"a.wav: {len(made.weights)} word")
    assert f"{made.said:.0%} of what tiny hears" in out
    lines = out.splitlines()
    for concept in made.concepts:
        line = next(text for text in lines if text.startswith(f"  {concept.weight:.3f}  ") and concept.name in text)
        assert line.count("█") == round(BAR * concept.weight / made.concepts[0].weight)
    assert sum(" s  " in line for line in lines) == len(made.windows)
    assert f"vocabulary words (6 words), centring mean, k 3, lambda {made.penalty:.3g}" in out
    assert "--out DIR" in out


def test_json_is_one_object_and_options_reach_the_library(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = place / "sounds" / "a.wav"
    options = ("--lam", "0.2", "--template", "the sound of {}", "--window", "0.5", "--listen")
    record = json.loads(run(capsys, wav, "--vocabulary", place / "words.txt", *options, "--json"))
    asked = {"lam": 0.2, "template": "the sound of {}", "window": 0.5}
    made = zsxai.explain_concepts(wav, vocabulary=str(place / "words.txt"), listen=10, **asked)
    assert record["concepts"] == [c.model_dump(mode="json") for c in made.concepts]
    assert record["provenance"] == made.provenance.model_dump(mode="json")
    assert (record["penalty"], record["folder"]) == (0.2, None)
    assert len(record["windows"]) == len(made.windows) > 3
    assert [s["target"]["prompt"] for s in record["sounds"]] == [c.name for c in made.concepts]


def test_out_listens_to_every_word_unless_told_not_to(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = (place / "sounds" / "a.wav", "--vocabulary", place / "words.txt", "--k", 2, "--out", tmp_path / "seen")
    out = run(capsys, *asked)
    assert f"{tmp_path / 'seen' / 'index.html'} shows it and plays it." in out
    made = zsxai.explain_concepts(asked[0], vocabulary=str(place / "words.txt"), k=2)
    page = (tmp_path / "seen" / "index.html").read_text(encoding="utf-8")
    assert page.count('aria-label="Sound of') == len(made.concepts)
    assert "exists already" in run(capsys, *asked, code=2)
    assert zsxai.ConceptExplanation.load(tmp_path / "seen").concepts == made.concepts
    run(capsys, *asked, "--overwrite", "--no-listen")
    assert "Sound of" not in (tmp_path / "seen" / "index.html").read_text(encoding="utf-8")


def test_a_folder_has_a_row_for_every_recording_and_an_index(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds, words = place / "sounds", ("--vocabulary", place / "words.txt", "--k", "2")
    rows = run(capsys, sounds, *words).splitlines()
    for row, name in zip(rows, ("a.wav", "deep/a.wav"), strict=True):
        made = zsxai.explain_concepts(sounds / name, vocabulary=str(place / "words.txt"), k=2)
        assert row.split()[:2] == [name, f"{made.said:.0%}"]
        assert row.endswith(", ".join(f"{c.name} {c.weight:.2f}" for c in made.concepts))
    out = tmp_path / "why"
    run(capsys, sounds, *words, "--out", out)
    index = (out / "index.html").read_text(encoding="utf-8")
    for number, name in ((1, "a.wav"), (2, "deep/a.wav")):
        assert f'<a href="{number:04}/index.html"><bdi>{name}</bdi></a>' in index
        assert (out / f"{number:04}" / "index.html").is_file()
    assert json.loads((out / LISTING).read_text())["recordings"] == {"0001": "a.wav", "0002": "deep/a.wav"}
    run(capsys, sounds, *words, "--out", out, "--overwrite")
    (out / "mine.txt").touch()
    assert "mine.txt" in run(capsys, sounds, *words, "--out", out, "--overwrite", code=2)


def test_a_folder_listens_to_as_many_words_as_a_recording(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--vocabulary", "audioset", "--k", "12", "--listen", "--json")
    record = json.loads(run(capsys, place / "sounds" / "deep", *asked))["recordings"][0]
    alone = json.loads(run(capsys, place / "sounds" / "deep" / "a.wav", *asked))
    assert len(record["sounds"]) == len(alone["sounds"]) > SOUNDS


def test_folders_are_averaged_and_compared(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(("loud/1.wav", "loud/2.wav", "soft/1.wav", "soft/2.wav")):
        (tmp_path / "sets" / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).standard_normal(32000)
        soundfile.write(tmp_path / "sets" / name, (0.2 if "loud" in name else 0.02) * noise, 32000)
    (tmp_path / "sets" / "soft" / "broken.wav").write_bytes(b"no sound")
    asked = (tmp_path / "sets", "--by", "folder", "--vocabulary", place / "words.txt", "--k", "2")
    out = run(capsys, *asked, "--paired", "--out", tmp_path / "why")
    with pytest.warns(UserWarning, match="passed over"):
        made = explain_folder(tmp_path / "sets", vocabulary=str(place / "words.txt"), k=2, paired=True)
    assert out == f"{made}\n{tmp_path / 'why' / 'index.html'} shows it.\n"
    assert "sign flips" in out
    card = made.centring
    page = (tmp_path / "why" / "index.html").read_text(encoding="utf-8")
    assert f"{card['kind']} of {card['data']} ({card['sha256'][:12]})" in page
    assert "broken.wav" in out
    record = json.loads(run(capsys, *asked, "--json"))
    assert [a["label"] for a in record["averages"]] == ["loud", "soft"]
    assert record["differences"][0]["paired"] is False
    assert len(record["skipped"]) == 1


def test_recordings_that_cannot_be_read_are_passed_over_and_named(
    tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    asked = (tmp_path, "--vocabulary", place / "words.txt", "--json")
    assert "broken.wav" in run(capsys, *asked, code=2)
    (tmp_path / "good.wav").write_bytes((place / "sounds" / "a.wav").read_bytes())
    found = json.loads(run(capsys, *asked))
    assert [r["recording"] for r in found["recordings"]] == ["good.wav"]
    assert len(found["skipped"]) == 1
    assert "broken.wav" in found["skipped"][0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--k", "2", "--lam", "0.1"), "not both"),
        (("--k", "0"), "k "),
        (("--lam", "-1"), "0"),
        (("--vocabulary", "clusterd"), "did you mean 'clustered'?"),
        (("--centring", "maen"), "did you mean 'mean'"),
        (("--model", "tinny"), "did you mean 'tiny'"),
        (("--window", "-1"), "window"),
        (("--by", "class"), "--by is folder, not 'class'"),
        (("--by", "folder"), "that is a file"),
        (("--by", "folder", "--listen"), "leave out --listen"),
        (("--paired",), "--paired goes with --by folder"),
    ],
)
def test_bad_input_is_one_line(
    place: Path, options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = () if "--vocabulary" in options else ("--vocabulary", str(place / "words.txt"))
    assert said in run(capsys, place / "sounds" / "a.wav", *words, *options, code=2)


def test_no_recording_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "absent.wav" in run(capsys, tmp_path / "absent.wav", code=2)
    assert "holds no audio" in run(capsys, tmp_path, code=2)


def test_an_empty_explanation_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, place / "sounds" / "a.wav", "--vocabulary", place / "words.txt", "--lam", "2", "--listen")
    assert "lambda 2 is not under" in out


def test_long_recordings_and_hostile_words(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = zsxai.explain_concepts(place / "sounds" / "a.wav", vocabulary=WORDS, k=2)
    words = {"\x1b[31m\n": 0.3, **{f"w{n}": 0.1 for n in range(5)}}
    windows = [ConceptWindow(start=n, stop=n + 1, words=words, cosine=n / 100) for n in range(50)]
    print_concepts(made.model_copy(update={"windows": tuple(windows)}))
    out = capsys.readouterr().out
    assert f"where {LINES} of 50 windows say most" in out
    assert "38 more windows" in out
    assert "49.00-50.00 s   24%  \\x1b[31m\\n 0.30, w0 0.10, w1 0.10, w2 0.10 and 2 more" in out
    assert "\x1b" not in out
