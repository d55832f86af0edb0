"""A training that is killed, interrupted or stopped goes on to the same end, to the byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import zsxai
from tests.ctrl_c import start_interruptible
from tests.decoders import SYNTHETIC, config, toy
from tests.toys import ConvToy
from zsxai.cli import main
from zsxai.errors import InputError
from zsxai.lmac_zs.training.config import TrainingConfig
from zsxai.lmac_zs.training.logs import FIGURES, LOSSES, Logs, Progress
from zsxai.lmac_zs.training.run import CONFIG, DECODER, Stopped, train
from zsxai.lmac_zs.training.trainer import STATE
from zsxai.registry import MODELS
from zsxai.weights import load_weights

ROOT = Path(__file__).resolve().parents[3]
FOUR: dict[str, Any] = {
    "data": {"sounds": SYNTHETIC},
    "validation": {"sounds": SYNTHETIC},
    "steps": 4,
    "batch": 3,
    "validate_every": 2,
    "checkpoint_every": 2,
}
"""Four steps, a checkpoint and diagnostics after every second."""

CHILD = """
import importlib.util, os, shutil, signal, sys
import torch._dynamo, zsxai, zsxai.lmac_zs.training.run  # once for both processes
from zsxai.cli import main

spec = importlib.util.spec_from_file_location("toys_of_the_tests", sys.argv[1])
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)
out = sys.argv[2]

class Fatal(toys.ConvToy):
    '''Sends its own process a signal in the middle of a step, once so many are done.'''

    sent = False

    def encode(self, features):
        log = os.path.join(out, "losses.csv")
        if not self.sent and os.path.exists(log):
            with open(log) as stream:
                self.sent = len(stream.read().splitlines()) - 1 == self.at
            if self.sent:
                os.kill(os.getpid(), self.how)
        return super().encode(features)

def die(at, how, *words):
    made = Fatal(window=0.25)
    made.at, made.how = at, how
    made.card = made.card.model_copy(update={"name": "ConvToy"})
    zsxai.register_model("fatal", made)
    return main(["train", "lmac-zs", "--model", "fatal", "--out", out, "--config", sys.argv[3], *words])

child = os.fork()
if not child:
    die(3, signal.SIGKILL)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
shutil.copytree(out, out + "-killed")
sys.exit(die(2, signal.SIGINT, "--resume"))
"""


def four(**changes: Any) -> TrainingConfig:
    return config(**{**FOUR, **changes})


def toml(path: Path, chosen: TrainingConfig) -> Path:
    """A configuration as its own file."""

    def table(values: dict[str, Any], name: str) -> str:
        plain = {k: v for k, v in values.items() if not isinstance(v, dict) and v is not None}
        lines = [f"[{name}]"] if name else []
        lines += [f"{k} = {json.dumps(v)}" for k, v in plain.items()]
        inner = [table(v, f"{name}.{k}".strip(".")) for k, v in values.items() if isinstance(v, dict)]
        return "\n".join([*lines, *inner])

    path.write_text(table(chosen.model_dump(mode="json"), ""), encoding="utf-8")
    return path


def dies_twice(out: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """Train in a process that is killed after three steps, in the midst of the next, and in one that gets Ctrl-C."""
    command = [sys.executable, "-c", CHILD, str(ROOT / "tests" / "toys.py"), str(out), str(file)]
    process = start_interruptible(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(command, process.returncode, said, err)


def steps_in(out: Path, name: str = LOSSES) -> list[int]:
    return [int(line.split(",")[0]) for line in (out / name).read_text(encoding="utf-8").splitlines()[1:]]


def same_end(out: Path, whole: Path) -> None:
    for name in (LOSSES, FIGURES, CONFIG, f"{DECODER}/decoder.safetensors", f"{DECODER}/README.md"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    one, other = (load_weights(place / STATE) for place in (out, whole))
    assert one["step"] == other["step"] == 4
    assert str(one["optimiser"]) == str(other["optimiser"])
    assert all(torch.equal(one["decoder"][k], v) for k, v in other["decoder"].items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    train(toy(), out, four())
    assert steps_in(out) == [1, 2, 3, 4]
    assert steps_in(out, FIGURES) == [2, 4]
    return out


@pytest.mark.slow
def test_killed_and_interrupted_and_gone_on_from(tmp_path: Path, whole: Path) -> None:
    """In processes of their own: killed in the fourth step, told to stop in the third, and finished here."""
    out, killed = tmp_path / "out", tmp_path / "out-killed"
    stopped = dies_twice(out, toml(tmp_path / "four.toml", four()))
    assert stopped.returncode == 130, stopped.stderr
    assert steps_in(killed) == [1, 2, 3], "the checkpoint is of step 2: a line too many"
    assert load_weights(killed / STATE)["step"] == 2
    assert not (killed / DECODER).exists()

    last = stopped.stderr.splitlines()[-1]
    assert last == f"zsxai: interrupted; step 3 of 4 is in {out / STATE}; --resume goes on"
    assert "Traceback" not in stopped.stderr
    assert stopped.stdout == ""
    assert steps_in(out) == [1, 2, 3], "the step under way was finished"
    assert load_weights(out / STATE)["step"] == 3
    assert not (out / DECODER).exists()

    train(toy(), out, four(), resume=True)
    same_end(out, whole)


def stopping(at: int, number: int, times: int = 1) -> Callable[[Progress], None]:
    """Tells this process to stop when a step is reported: behind its update, and its diagnostics."""

    def report(progress: Progress) -> None:
        if progress.step == at:
            for _ in range(times):
                os.kill(os.getpid(), number)

    return report


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_between_steps(tmp_path: Path, whole: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    out = tmp_path / "out"
    with pytest.raises(Stopped, match=r"step 3 of 4 is in .*; --resume goes on") as e:
        train(toy(), out, four(), report=stopping(3, number))
    assert e.value.terminated == (number == signal.SIGTERM)
    assert signal.getsignal(number) is before
    assert steps_in(out) == [1, 2, 3]
    assert load_weights(out / STATE)["step"] == 3
    if number == signal.SIGINT:
        train(toy(), out, four(), resume=True)
        same_end(out, whole)


def test_a_second_interrupt_stops_at_once(tmp_path: Path, whole: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt) as e:
        train(toy(), out, four(), report=stopping(3, signal.SIGINT, times=2))
    assert not isinstance(e.value, Stopped)
    assert signal.getsignal(signal.SIGINT) is before
    assert load_weights(out / STATE)["step"] == 2
    train(toy(), out, four(), resume=True)
    same_end(out, whole)


def test_stopped_at_the_last_step_and_gone_on_from_when_over(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(Stopped, match="step 4 of 4"):
        train(toy(), out, four(), report=stopping(4, signal.SIGINT))
    assert load_weights(out / STATE)["step"] == 4
    for _ in range(2):
        again = train(toy(), out, four(), resume=True)
        same_end(out, whole)
    assert again.card.figures == json.loads((whole / DECODER / "card.json").read_text(encoding="utf-8"))["figures"]


def test_resume_where_there_is_no_checkpoint(tmp_path: Path, whole: Path) -> None:
    """Killed before the first one: the logs begin again."""
    out = tmp_path / "out"
    out.mkdir()
    (out / LOSSES).write_bytes((whole / LOSSES).read_bytes())
    (out / FIGURES).write_text("step,p\n2,0.1", encoding="utf-8")
    train(toy(), out, four(), resume=True)
    same_end(out, whole)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"rate": 0.5}, "rate"),
        ({"steps": 7}, "steps"),
        ({"seed": 1}, "seed"),
        ({"batch": 2}, "batch"),
        ({"domain": "mel"}, "domain"),
        ({"objective": {"name": "contrastive", "size": 0.1}}, "objective"),
        ({"objective": {"name": "paper"}}, "objective"),
        ({"decoder": {"widths": (8, 8), "conditioning": "pooled"}}, "decoder"),
        ({"templates": ("{}",)}, "templates"),
        ({"data": {"sounds": {**SYNTHETIC, "options": {**SYNTHETIC["options"], "clips_per_class": 2}}}}, "clips"),
    ],
)
def test_another_configuration_is_refused(whole: Path, changes: dict[str, Any], names: str) -> None:
    before = {p: p.read_bytes() for p in whole.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match=rf"of a training with another {names}: go on with the same, or train into"):
        train(toy(), whole, four(**changes), resume=True)
    assert {p: p.read_bytes() for p in whole.rglob("*") if p.is_file()} == before


def test_another_model_is_refused(whole: Path) -> None:
    other = toy()
    other.card = other.card.model_copy(update={"weights_sha256": "1" * 64})
    with pytest.raises(InputError, match="of a training with another model"):
        train(other, whole, four(), resume=True)


def test_what_does_not_decide_may_change(tmp_path: Path, whole: Path) -> None:
    """Where the data lie, and how often it is looked at."""
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        train(toy(), out, four(), report=stopping(2, signal.SIGINT))
    train(toy(), out, four(validate_every=100, checkpoint_every=100, data={"elsewhere": SYNTHETIC}), resume=True)
    assert (out / LOSSES).read_bytes() == (whole / LOSSES).read_bytes()
    assert steps_in(out, FIGURES) == [2, 4]


def test_the_card_of_a_training(whole: Path) -> None:
    card = json.loads((whole / DECODER / "card.json").read_text(encoding="utf-8"))
    assert (card["model"], card["model_sha256"]) == ("ConvToy", "0" * 64)
    assert (card["domain"], card["scale"], card["calibration"]) == ("stft", "log", "steep-sigmoid")
    assert card["decoder"]["maps"] == ["first", "second"]
    assert card["data"]["trained on"]["clips"] == 8
    assert card["data"]["held out"]["recordings"] == 8
    last = (whole / FIGURES).read_text(encoding="utf-8").splitlines()
    logged = dict(zip(last[0].split(","), map(float, last[-1].split(",")), strict=True))
    assert card["figures"] == pytest.approx({k: v for k, v in logged.items() if k != "step"}, abs=1e-4)
    assert card["training"]["steps"] == 4
    assert {"zsxai", "torch"} <= set(card["versions"])


def test_the_card_that_is_given_back_is_the_one_that_is_saved(tmp_path: Path) -> None:
    made = train(toy(), tmp_path / "out", four(steps=1))
    saved = json.loads((tmp_path / "out" / DECODER / "card.json").read_text(encoding="utf-8"))
    assert json.loads(made.card.model_dump_json()) == saved


def test_nothing_lies_outside_of_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("home", "cwd", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path / "cwd")
    environment = dict(os.environ)
    train(toy(), tmp_path / "out", four(steps=2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cwd", "home", "out", "tmp"]
    assert not [p for name in ("home", "cwd", "tmp") for p in (tmp_path / name).rglob("*")]
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.name != "tensorboard") == sorted(
        [CONFIG, DECODER, FIGURES, LOSSES, STATE]
    )
    assert dict(os.environ) == environment


def test_lines_of_steps_that_are_gone_are_cut(tmp_path: Path) -> None:
    for lines, step, left in (
        ("step,loss\n1,0.5\n2,0.25\n3,0.1\n", 2, "step,loss\n1,0.5\n2,0.25\n"),
        ("step,loss\n1,0.5\n2,0.2", 2, "step,loss\n1,0.5\n"),
        ("step,loss\n1,0.5\n2,0.2", 0, None),
        ("step,lo", 5, None),
        ("", 5, None),
        ("step,loss\n1,0.5\n10,0.5\n", 9, "step,loss\n1,0.5\n"),
    ):
        (tmp_path / LOSSES).write_text(lines, encoding="utf-8")
        Logs(tmp_path, step).close()
        found = (tmp_path / LOSSES).read_text(encoding="utf-8") if (tmp_path / LOSSES).exists() else None
        assert found == left, lines
        assert not list(tmp_path.glob("*.part"))


def test_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    train(toy(), tmp_path / "out", four(steps=1))
    assert not (tmp_path / "out" / "tensorboard").exists()
    assert steps_in(tmp_path / "out") == [1]


def test_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with 130 and says how to go on; SIGTERM with 143."""

    class Interrupting(ConvToy):
        number: int | None = signal.SIGINT

        def encode(self, features: Any) -> Any:
            log = tmp_path / "out" / LOSSES
            if self.number and log.exists() and len(log.read_text(encoding="utf-8").splitlines()) == 2:
                number, self.number = self.number, None  # a second one would stop it at once
                os.kill(os.getpid(), number)
            return super().encode(features)

    model = Interrupting(window=0.25)
    zsxai.register_model("interrupting", model)
    words = ["train", "lmac-zs", "--model", "interrupting", "--out", str(tmp_path / "out")]
    words += ["--config", str(toml(tmp_path / "four.toml", four(validation=None, steps=3)))]
    try:
        assert main(words) == 130
        err = capsys.readouterr().err
        assert err.splitlines()[-1].endswith(f"step 2 of 3 is in {tmp_path / 'out' / STATE}; --resume goes on")
        (tmp_path / "out" / STATE).unlink()
        model.number = signal.SIGTERM
        (tmp_path / "out" / LOSSES).unlink()
        assert main([*words, "--resume"]) == 143
        assert "--resume goes on" in capsys.readouterr().err
        assert main([*words, "--resume"]) == 0
    finally:
        MODELS.unregister("interrupting")
