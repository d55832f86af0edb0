"""Several GPUs are dealt out to processes; no test needs one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from zsxai.engines.crew import Result
from zsxai.engines.gpus import VARIABLE, deal, gpus_for
from zsxai.engines.processes import Processes


@pytest.mark.parametrize(
    ("device", "count", "visible", "found"),
    [
        ("cuda", 4, None, ["0", "1", "2", "3"]),
        ("cuda", 2, "5, 7", ["5", "7"]),
        ("cuda", 2, "GPU-a,GPU-b,gone", ["GPU-a", "GPU-b"]),
        ("cuda", 1, None, []),
        ("cuda", 0, "", []),
        ("cuda:1", 4, None, []),
        ("cpu", 4, None, []),
        (None, 4, None, []),
    ],
)
def test_which_gpus_are_dealt(
    device: str | None, count: int, visible: str | None, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv(VARIABLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(VARIABLE, visible)
    assert gpus_for(device) == found


def test_in_turn_and_a_lost_one_is_dealt_again() -> None:
    assert [deal(["a", "b"], taken) for taken in ([], ["a"], ["a", "b"], ["b"])] == ["a", "b", "a", "a"]


TELLER = """
import os

class Teller:
    computes_with = {}

    def run(self, job):
        return os.environ.get("CUDA_VISIBLE_DEVICES")
"""


def test_each_process_sees_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "teller.py").write_text(TELLER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(VARIABLE, "6,7")
    from teller import Teller  # type: ignore[import-not-found]

    crew: Processes[int, str] = Processes(Teller, threads=1, gpus=["6", "7"])
    told = {}
    try:
        crew.hire(), crew.hire()
        while len(told) < 2:  # whichever is ready first may be done before the other is
            member, reply = crew.receive()
            if isinstance(reply, Result):
                told[member] = reply.value
            else:
                crew.give(member, 0)
    finally:
        crew.close()
    assert told == {1: "6", 2: "7"}
    assert os.environ[VARIABLE] == "6,7"
