"""The command line: what it prints, how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zsxai
from tests.conftest import Distribute
from tests.ctrl_c import start_interruptible
from tests.toys import ConvToy
from zsxai.cli import main

SAVED = {
    *("explanation.json", "mask.safetensors", "explanation.wav", "residue.wav", "original.wav"),
    *("explanation.png", "index.html"),
}


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[None]:
    zsxai.register_model("toy", ConvToy())
    yield
    from zsxai.registry import MODELS

    MODELS.unregister("toy")


@pytest.fixture
def zsxai_command() -> Path:
    found = Path(sys.executable).with_name("zsxai")
    assert found.is_file(), "install again: pip install --no-deps -e ."
    return found


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    ended = main(list(words))
    out, err = capsys.readouterr()
    assert ended == code, err
    if not code:
        assert err == ""
    return out


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "--help")
    for command in ("explain", "compare", "concepts", "classify", "list", "demo", "verify", "check", "doctor"):
        assert command in out
        assert "Usage: zsxai" in run(capsys, command, "--help")
    assert "Usage: zsxai" in run(capsys)
    assert run(capsys, "--version") == f"zsxai {zsxai.__version__}\n"


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "zsxai", "--version"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (f"zsxai {zsxai.__version__}\n", 0), done.stderr


def test_explain_prints_figures_and_regions(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "explain", str(wav), "a tone", "--model", "toy")
    explanation = zsxai.explain(wav, "a tone", model="toy")
    assert explanation.describe() in out
    assert "model toy" in out
    assert f"explainer {explanation.provenance.explainer}" in out
    assert "--out DIR writes" in out
    assert {p.name for p in wav.parent.iterdir()} == {wav.name}


def test_explain_writes_a_whole_folder(wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "explain", str(wav), "a tone", "--model", "toy", "--out", str(tmp_path / "seen"))
    assert str(tmp_path / "seen" / "index.html") in out
    assert {p.name for p in (tmp_path / "seen").iterdir()} == SAVED
    saved = zsxai.Explanation.load(tmp_path / "seen")
    assert saved.score == zsxai.explain(wav, "a tone", model="toy").score
    assert "ok" in run(capsys, "verify", str(tmp_path / "seen"))
    assert json.loads(run(capsys, "verify", str(tmp_path / "seen"), "--json"))["ok"] is True
    run(capsys, "explain", str(wav), "a dog", "--model", "toy", "--out", str(tmp_path / "seen"), "--overwrite")
    assert zsxai.Explanation.load(tmp_path / "seen").prompt == "a dog"


def test_explain_json_is_one_object(wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("explain", str(wav), "a tone", "--model", "toy", "--json")
    record = json.loads(run(capsys, *words))
    assert record["folder"] is None
    assert record["target"] == {"kind": "similarity", "prompt": "a tone"}
    again = json.loads(run(capsys, *words, "--out", str(tmp_path / "seen")))
    assert again.pop("folder") == str(tmp_path / "seen")
    record.pop("folder")
    saved = json.loads((tmp_path / "seen" / "explanation.json").read_text(encoding="utf-8"))
    assert saved.pop("files").keys() == SAVED - {"explanation.json"}
    assert again == record == saved


def test_every_option_reaches_the_library(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--against", "rain", "--against", "wind", "--template", "the sound of {}", "--domain", "mel"]
    words += ["--scale", "gain", "--explainer", "integrated-gradients", "--option", "n_steps=3", "--seed", "7"]
    record = json.loads(run(capsys, "explain", str(wav), "a tone", "--model", "toy", "--json", *words))
    assert record["target"] == {"kind": "contrast", "prompt": "a tone", "against": ["rain", "wind"]}
    assert record["masking"]["domain"] == "mel"
    assert record["masking"]["scale"] == "gain"
    made = record["provenance"]
    assert (made["explainer"], made["options"]["n_steps"], made["seed"]) == ("integrated-gradients", 3, 7)
    assert made["template"] == "the sound of {}"
    among = run(capsys, "explain", str(wav), "a tone", "--model", "toy", "--json", "--among", "rain", "--among", "wind")
    assert json.loads(among)["target"]["kind"] == "probability"


def test_classify(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ["a dog", "rain", "a tone"]
    expected = zsxai.classify(wav, labels, model="toy")
    heads, *lines = run(capsys, "classify", str(wav), *labels, "--model", "toy").splitlines()
    assert heads.split() == ["probability", "cosine"]
    said = [re.split(r" {2,}", line) for line in lines]
    assert said == [[c.label, f"{c.probability:.3f}", f"{c.similarity:+.3f}"] for c in expected]
    found = json.loads(run(capsys, "classify", str(wav), *labels, "--model", "toy", "--json", "--top-k", "2"))
    assert found["results"] == [c._asdict() for c in expected[:2]]
    assert found["prompts"] == labels


@pytest.mark.parametrize("kind", ["models", "explainers", "metrics", "datasets", "tasks"])
def test_list(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = getattr(zsxai, f"list_{kind}")()
    out = run(capsys, "list", kind)
    said = dict(line.split(maxsplit=1) for line in out.splitlines() if line)
    assert set(names) <= set(said)
    assert all(len(said[name].split()) > 3 for name in names if name != "toy"), out
    assert "zsxai." not in out, "a reader has no use for import paths"
    assert list(json.loads(run(capsys, "list", kind, "--json"))[kind]) == names


def test_explainers_are_listed_in_the_order_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    first, *parts = run(capsys, "list", "explainers").split("\n\n")
    assert first.startswith("Try first: lmac-zs, then gradcam, then occlusion; ")
    assert [part.split(maxsplit=1)[0] for part in parts] == ["Learned:", "By", "For", "Controls:"]
    assert [part.splitlines()[1].split()[0] for part in parts] == ["lmac-zs", "gradcam", "occlusion", "constant"]
    (gradcam,) = [line for line in parts[1].splitlines() if line.startswith("  gradcam ")]
    costs = "Forwards: 1, shared by all targets. Backwards: 1 a target, from the tap on."
    assert gradcam.endswith(f"mean gradient. Needs gradients. {costs}")
    assert "Needs gradients and a decoder." in parts[0]


def test_models_are_listed_with_the_one_to_try_first(capsys: pytest.CaptureFixture[str]) -> None:
    first, models = run(capsys, "list", "models").split("\n\n")
    assert first.startswith("Try first: tiny, which comes with zsxai; then a large one, such as hf:")
    assert [line.split()[0] for line in models.splitlines()][:2] == ["tiny", "hf"]


def test_a_plugin_that_does_not_load_is_listed_with_the_reason(
    distribute: Distribute, capsys: pytest.CaptureFixture[str]
) -> None:
    points = {"crash": "crashes:X", "lacks": "needs:X [fast]", "gone": "no_such_module:X"}
    sources = {"crashes": "raise RuntimeError('on\\npurpose')", "needs": "import a_package_nobody_has"}
    distribute("broken", {"zsxai.explainers": points, "zsxai.models": {"gone": "no_such_module:X"}}, **sources)
    out = run(capsys, "list", "explainers")
    assert "gradcam" in out
    lines = {line.split()[0]: line for line in out.split("These do not load\n")[1].splitlines()}
    assert "RuntimeError: on" in lines["crash"]
    assert "pip install 'broken[fast]'" in lines["lacks"]
    assert "no_such_module" in lines["gone"]
    assert "no module 'no_such_module'" in run(capsys, "list", "models")


def test_a_model_whose_packages_are_absent_says_what_to_install(
    distribute: Distribute, capsys: pytest.CaptureFixture[str]
) -> None:
    points = {"zsxai.models": {"theirs": "their_model:load [fast]"}}
    site = distribute("their", points, their_model='"""``Theirs``, one line."""\nraise RuntimeError')
    with (site / "their-1.0.dist-info" / "METADATA").open("a", encoding="utf-8") as file:
        file.write("Provides-Extra: fast\nRequires-Dist: a-package-nobody-has; extra == 'fast'\n")
    line = "Theirs, one line. Needs pip install 'their[fast]'."
    assert re.search(rf"^theirs +{re.escape(line)}$", run(capsys, "list", "models"), re.MULTILINE)


def test_verify_says_what_was_changed(wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zsxai.explain(wav, "a tone", model="toy").save(tmp_path / "seen")
    record = tmp_path / "seen" / "explanation.json"
    data = json.loads(record.read_text(encoding="utf-8"))
    data["score"] += 0.1
    record.write_text(json.dumps(data), encoding="utf-8")
    assert "FAILED score" in run(capsys, "verify", str(tmp_path / "seen"), code=1)


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert "All is well" in run(capsys, "doctor")
    assert json.loads(run(capsys, "doctor", "--json"))["ok"] is True


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert str(out) in run(capsys, "demo", "--out", str(out))
    assert (out / "index.html").is_file()
    run(capsys, "demo", "--out", str(out), code=2)
    run(capsys, "demo", "--out", str(out), "--overwrite")


@pytest.mark.parametrize("prompt", ["", "an alarm's bell"])
def test_make_demo_asks_the_scene_for_a_prompt(prompt: str, tmp_path: Path) -> None:
    """With a stand-in for zsxai that writes down what it is told."""
    (tmp_path / "bin").mkdir()
    for name in ("bin/python", ".run"):
        (tmp_path / name).touch()
    told = tmp_path / "bin" / "zsxai"
    told.write_text('#!/bin/sh\nfor word; do printf "%s|" "$word"; done; echo\n', encoding="utf-8")
    told.chmod(0o755)
    root = Path(__file__).resolve().parents[2]
    words = [
        "make",
        "-s",
        "-o",
        str(tmp_path / ".run"),
        "demo",
        f"VENV={tmp_path}",
        "AUDIO=",
        f"PROMPT={prompt}",
        "DEMO=d",
    ]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    asked = [line for line in done.stdout.splitlines() if line.startswith("explain|")]
    assert "demo|--out|d|--overwrite|" in done.stdout.splitlines()
    assert asked == ([f"explain|d/scene.wav|{prompt}|--out|d-own|--overwrite|"] if prompt else [])


PLUGIN = """
import typer

app = typer.Typer(help="Greets.")

@app.command()
def hello(name: str) -> None:
    typer.echo(f"hello {name}")

@app.command()
def goodbye() -> None:
    raise typer.Exit(3)

def single(name: str, loud: bool = False) -> None:
    '''Says one thing.'''
    from zsxai.errors import InputError
    if name == "nobody":
        raise InputError("there is nobody")
    typer.echo(name.upper() if loud else name)
"""


def test_commands_of_plugins(distribute: Distribute, capsys: pytest.CaptureFixture[str]) -> None:
    distribute("greeter", {"zsxai.commands": {"greet": "greeter:app", "say": "greeter:single"}}, greeter=PLUGIN)
    out = run(capsys, "--help")
    assert "greet" in out
    assert "From greeter (greeter:app)" in out
    assert run(capsys, "greet", "hello", "you") == "hello you\n"
    run(capsys, "greet", "goodbye", code=3)
    assert run(capsys, "say", "this", "--loud") == "THIS\n"
    assert "Says one thing" in run(capsys, "say", "--help")
    assert main(["say", "nobody"]) == 2
    assert capsys.readouterr().err == "zsxai: there is nobody\n"
    assert main(["greet", "shout"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_broken_plugins_break_only_themselves(distribute: Distribute, capsys: pytest.CaptureFixture[str]) -> None:
    distribute(
        "broken",
        {
            "zsxai.commands": {
                "crash": "breaks:app",
                "lacks": "needs:app [fast]",
                "gone": "no_such_module:app",
                "odd": "odd:app",
            }
        },
        breaks="raise RuntimeError('on\\npurpose')",
        needs="import a_package_nobody_has",
        odd="app = 3",
    )
    assert "crash" in run(capsys, "--help")
    run(capsys, "list", "models")
    for name, code, words in (
        ("crash", 1, "RuntimeError: on purpose"),
        ("lacks", 2, "pip install 'broken[fast]'"),
        ("gone", 2, "no_such_module"),
        ("odd", 1, "does not load"),
    ):
        assert main([name]) == code
        err = capsys.readouterr().err
        assert words in err
        assert err.count("\n") == 1


def test_a_plugin_cannot_take_a_built_in_command(distribute: Distribute, capsys: pytest.CaptureFixture[str]) -> None:
    distribute("bold", {"zsxai.commands": {"list": "bold:app"}}, bold="raise RuntimeError")
    run(capsys, "list", "models")
    assert run(capsys, "--help").count("List what is installed") == 1


def test_two_plugins_with_one_command(distribute: Distribute, capsys: pytest.CaptureFixture[str]) -> None:
    distribute("first", {"zsxai.commands": {"greet": "a:app"}})
    distribute("second", {"zsxai.commands": {"greet": "b:app"}})
    run(capsys, "--help")
    assert main(["greet"]) == 2
    err = capsys.readouterr().err
    assert "first (a:app)" in err
    assert "second (b:app)" in err


def test_a_fault_of_ours_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("nothing over nothing")

    monkeypatch.setattr("zsxai.api.explain", fail)
    assert main(["explain", "a.wav", "b"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("zsxai: ")
    assert "Traceback" in err


def test_options_of_the_model(capsys: pytest.CaptureFixture[str], tmp_path: Path, wav: Path) -> None:
    from zsxai.registry import MODELS

    def load(argument: str | None, *, device: str | None = None, window: float) -> ConvToy:
        made = ConvToy(window=window)
        made.card = made.card.model_copy(update={"name": "choosy"})
        return made

    zsxai.register_model("choosy", load)
    try:
        options = ("--model-option", "window=0.5")
        words = ("explain", str(wav), "b", "--model", "choosy", "--out", str(tmp_path / "seen"))
        run(capsys, *words, *options)
        assert len(zsxai.Explanation.load(tmp_path / "seen").windows) > 3, "two seconds in windows of half a second"
        run(capsys, "classify", str(wav), "b", "c", "--model", "choosy", *options)
        run(capsys, "verify", str(tmp_path / "seen"), *options)
        run(capsys, "check", "constant", "--model", "choosy", *options)
        for option in ("window", "level=1", "device=cpu"):
            run(capsys, "classify", str(wav), "b", "--model", "choosy", "--model-option", option, code=2)
    finally:
        MODELS.unregister("choosy")


def test_ctrl_c_inside_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, wav: Path
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zsxai.show.folder.write_png", interrupt)
    assert main(["explain", str(wav), "b", "--model", "toy", "--out", str(tmp_path / "seen")]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "interrupted" in err
    assert list(tmp_path.iterdir()) == [wav]


def test_ctrl_c_where_python_can_raise_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, wav: Path
) -> None:
    class Dying:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def wait(*arguments: object, **options: object) -> None:
        Dying()
        for _ in range(1000):
            time.sleep(0.01)

    monkeypatch.setattr("zsxai.show.folder.write_png", wait)
    assert main(["explain", str(wav), "b", "--model", "toy", "--out", str(tmp_path / "seen")]) == 130
    assert capsys.readouterr() == ("", "zsxai: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == [wav]


@pytest.mark.parametrize(("library", "later"), [("_socket", 0.0), ("libtorch_cpu", 0.0), ("soxr_ext", 2.0)])
def test_ctrl_c_from_outside(zsxai_command: Path, tmp_path: Path, library: str, later: float) -> None:
    long = np.random.default_rng(0).standard_normal(16000 * 120).astype(np.float32) / 10
    soundfile.write(tmp_path / "long.wav", long, 16000)
    words = [zsxai_command, "explain", "long.wav", "rain", "--explainer", "occlusion", "--out", "seen"]
    process = start_interruptible(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Once the library is loaded (the command line, torch, audio): before our own code runs, Ctrl-C is for Python.
    maps = Path(f"/proc/{process.pid}/maps")
    if not maps.exists():
        process.kill()
        pytest.skip("this system does not say what a process has loaded")
    started = time.monotonic()
    while process.poll() is None and library not in maps.read_text() and time.monotonic() - started < 60:
        time.sleep(0.01)
    time.sleep(later)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err == "zsxai: interrupted; nothing was written\n"
    assert [p.name for p in tmp_path.iterdir()] == ["long.wav"]


def test_a_reader_that_leaves_early(zsxai_command: Path) -> None:
    shell = f'"{zsxai_command}" list explainers | head -n 1; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1)
    assert done.stderr == ""


def shell(command: Path, line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash, in which ``$Z`` is the command."""
    environment = {**os.environ, "Z": str(command), **variables}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("$Z list models >&-", 1, b"zsxai: standard output is closed: open it, or send it to a file or to /dev/null\n"),
        ("$Z list models >/dev/full", 1, b"zsxai: cannot write to standard output: No space left on device\n"),
        ("$Z --help >/dev/full", 1, b"zsxai: cannot write to standard output: No space left on device\n"),
        ("$Z list models >/dev/null 2>&-", 0, b""),
        ("$Z list model 2>&-", 2, b""),
        ("$Z explain tone.wav a --out loop --overwrite", 2, b"zsxai: cannot write loop: its links lead in a circle\n"),
        ("$Z explain tone.wav a --out loop/x", 2, b"zsxai: cannot write loop/x: its links lead in a circle\n"),
        ("$Z explain tone.wav a --out /dev/full --overwrite", 2, b"zsxai: /dev/full is a file: name a folder\n"),
        ("ulimit -f 100; $Z explain tone.wav a --out full", 1, b"zsxai: cannot write full: File too large\n"),
    ],
)
def test_streams_and_places_that_cannot_be_written(
    line: str, code: int, error: bytes, zsxai_command: Path, wav: Path
) -> None:
    wav.rename(wav.with_name("tone.wav"))
    (wav.parent / "loop").symlink_to("loop")
    done = shell(zsxai_command, line, wav.parent)
    assert (done.returncode, done.stderr) == (code, error)
    assert {p.name for p in wav.parent.iterdir()} == {"tone.wav", "loop"}


def test_names_that_are_no_utf_8(zsxai_command: Path, wav: Path) -> None:
    name, out = (os.fsdecode(b) for b in (b"caf\xe9\x1b[31m\xe2\x80\xae.wav", b"o\xff"))
    wav.rename(wav.with_name(name))
    shown = r"caf\xe9\x1b[31m\u202e.wav"
    done = shell(zsxai_command, f"$Z explain {shlex.quote(name)} dog --out {shlex.quote(out)}", wav.parent)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"\no\\xff/index.html shows it and plays it.\n")
    loaded = zsxai.Explanation.load(wav.parent / out)
    assert loaded.provenance.audio_name == shown
    page = (wav.parent / out / "index.html").read_text(encoding="utf-8")
    assert f"<bdi>{shown}</bdi>" in page
    assert not {"\x1b", "\u202e"} & set(page)
    done = shell(zsxai_command, f"$Z verify {shlex.quote(out)} --json", wav.parent)
    assert json.loads(done.stdout)["ok"], done
    done = shell(zsxai_command, f"$Z classify {shlex.quote(name)} dog --json", wav.parent)
    assert json.loads(done.stdout)["audio"] == shown
    for words in ("$'r\\xe9'", "dog --template $'r\\xe9 {}'", "dog $'\\xff'"):
        done = shell(zsxai_command, f"$Z classify {shlex.quote(name)} {words}", wav.parent)
        assert done.returncode == 2
        assert done.stderr.startswith(b"zsxai: the prompt '")
        assert done.stderr.count(b"\n") == 1
    done = shell(zsxai_command, "$Z classify $'gone\\xe9' dog", wav.parent)
    assert (done.returncode, done.stderr) == (2, b"zsxai: no such file: gone\\xe9\n")


def test_an_encoding_that_lacks_a_letter(zsxai_command: Path, wav: Path) -> None:
    line = f"$Z classify {wav.name} Köter 犬"
    done = shell(zsxai_command, line, wav.parent, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"K\xf6ter" in done.stdout
    assert rb"\u72ac" in done.stdout
    done = shell(zsxai_command, f"{line} --json", wav.parent, PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout.decode("ascii"))["prompts"] == ["Köter", "犬"]


def test_a_prompt_cannot_move_the_cursor(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "classify", str(wav), "a\x1b[2Jb", "c\u202ed", "--model", "toy")
    assert r"a\x1b[2Jb" in out
    assert r"c\u202ed" in out


OFFLINE = """
import socket


def refuse(*arguments, **options):
    raise RuntimeError("this test allows no network")


socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
"""


def test_explain_needs_no_network(zsxai_command: Path, wav: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    clean["PYTHONPATH"] = str(tmp_path / "site")
    check = subprocess.run(
        [sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"],
        env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "allows no network" in check.stderr, "the block itself does not work"
    words = [zsxai_command, "explain", wav, "a dog barking", "--out", tmp_path / "seen", "--json"]
    done = subprocess.run(words, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["provenance"]["model"] == "tiny"
