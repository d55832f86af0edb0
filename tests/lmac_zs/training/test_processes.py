"""Several processes that share the batches of every update make the decoder that one makes by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tests.decoders import SYNTHETIC, config, sounds, toy
from tests.lmac_zs.training.test_resume import ROOT, toml
from zsxai.errors import InputError
from zsxai.lmac_zs.training import processes
from zsxai.lmac_zs.training.logs import FIGURES, LOSSES
from zsxai.lmac_zs.training.processes import Processes
from zsxai.lmac_zs.training.run import DECODER, stopping_between_steps, train
from zsxai.lmac_zs.training.trainer import Trainer

SHARED = config(
    data={"sounds": SYNTHETIC},
    validation={"sounds": SYNTHETIC},
    steps=3,
    batch=2,
    accumulate=2,
    validate_every=2,
)

CHILD = """
import importlib.util, os, shutil, signal, sys, traceback
import torch._dynamo, zsxai, zsxai.lmac_zs.training.run  # once for all processes
from zsxai.cli import main

spec = importlib.util.spec_from_file_location("toys_of_the_tests", sys.argv[1])
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)
file, ports = sys.argv[2], iter(sys.argv[3:])

class Interrupted(toys.ConvToy):
    '''Sends its own process Ctrl-C in the middle of the second step.'''

    def encode(self, features):
        log = os.path.join("shared", "losses.csv")
        if self.at and os.path.exists(log):
            with open(log) as stream:
                if len(stream.read().splitlines()) - 1 == 1:
                    self.at = 0
                    os.kill(os.getpid(), signal.SIGINT)
        return super().encode(features)

def train(rank, *words):
    os.environ["RANK"] = os.environ["LOCAL_RANK"] = str(rank)
    made = Interrupted(window=0.25)
    made.at = rank if "--resume" not in words else 0
    made.card = made.card.model_copy(update={"name": "ConvToy"})
    zsxai.register_model("shared", made)
    return main(["train", "lmac-zs", "--model", "shared", "--config", file, *words])

def both(*words):
    '''As torchrun starts them.'''
    os.environ |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": next(ports)}
    children = []
    for rank in range(2):
        children.append(os.fork())
        if not children[-1]:
            code = 99
            try:
                code = train(rank, *words)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

signal.signal(signal.SIGINT, signal.default_int_handler)
stopped = both("--out", "shared")
shutil.copytree("shared", "fewer")
print([stopped, both("--out", "shared", "--resume")])
"""


def free_ports(count: int) -> list[str]:
    taken = [socket.socket() for _ in range(count)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    ports = [str(one.getsockname()[1]) for one in taken]
    for one in taken:
        one.close()
    return ports


def files(out: Path) -> set[Path]:
    return {path.relative_to(out) for path in out.rglob("*") if "tensorboard" not in path.parts}


def same_training(out: Path, alone: Path) -> None:
    for name in (LOSSES, FIGURES):
        found, wanted = (pd.read_csv(place / name) for place in (out, alone))
        pd.testing.assert_frame_equal(found, wanted, rtol=1e-4, atol=1e-6)
    found, wanted = (load_file(place / DECODER / "decoder.safetensors") for place in (out, alone))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_two_processes_make_the_decoder_of_one(tmp_path: Path) -> None:
    """By the command line over gloo, stopped by a Ctrl-C that one alone heard; both go on, and one by itself."""
    file = toml(tmp_path / "shared.toml", SHARED)
    words = [sys.executable, "-c", CHILD, str(ROOT / "tests" / "toys.py"), str(file), *free_ports(2)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=True)
    *said, codes = done.stdout.splitlines()
    assert codes == "[[130, 130], [0, 0]]", done.stderr
    assert sum("explains shared" in line for line in said) == 1, "the first process alone speaks"
    assert [line for line in done.stderr.splitlines() if "interrupted" in line] == [
        "zsxai: interrupted; step 2 of 3 is in shared/state.ckpt; --resume goes on"
    ]
    assert "Traceback" not in done.stderr

    train(toy(), tmp_path / "alone", SHARED)
    train(toy(), tmp_path / "fewer", SHARED, resume=True)
    for name in ("shared", "fewer"):
        same_training(tmp_path / name, tmp_path / "alone")
        assert files(tmp_path / name) == files(tmp_path / "alone")


def of_two(monkeypatch: pytest.MonkeyPatch, index: int, batches: int) -> Processes:
    state = SimpleNamespace(num_processes=2, process_index=index, is_main_process=index == 0)
    monkeypatch.setattr(processes, "PartialState", lambda cpu: state)
    return Processes(torch.device("cpu"), batches)


def test_batches_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [of_two(monkeypatch, index, 6) for index in (0, 1)]
    assert [(list(one.share), one.first) for one in shares] == [([0, 2, 4], True), ([1, 3, 5], False)]
    with pytest.raises(InputError, match=r"2 processes cannot share the 3 batches .* such as --set accumulate=2"):
        of_two(monkeypatch, 0, 3)


def test_a_stop_that_others_asked_for_is_no_first_interrupt(tmp_path: Path) -> None:
    """Ctrl-C reaches one process after another."""
    made: Any = Trainer(toy(), sounds(), [], config())
    made.stopping = signal.SIGINT
    with stopping_between_steps(made):
        os.kill(os.getpid(), signal.SIGINT)
    assert made.asked == signal.SIGINT
