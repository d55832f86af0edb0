"""A device that is not there is one line, in every command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import ConvToy
from zsxai.cli import main
from zsxai.devices import find_device, list_devices
from zsxai.errors import InputError

ABSENT = [
    name for name in ("cuda", "cuda:77", "mps", "xla", "hpu", "vulkan") if name.split(":")[0] not in str(list_devices())
]
NOISE = np.random.default_rng(0).normal(size=16000).astype(np.float32)


@pytest.mark.parametrize("device", [*ABSENT, "meta", "gpu", "", "cpu:x", -1, 99, 1.5, True])
def test_what_is_not_there(device: object) -> None:
    with pytest.raises(InputError, match=r"no device .* here \(.*there are: cpu") as caught:
        find_device(device)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no device"):
        zsxai.classify(NOISE, ["rain"], sample_rate=16000, device=device)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_what_is_there(device: object) -> None:
    assert find_device(device) == "cpu"


@pytest.mark.parametrize(("cuda", "mps", "taken"), [(1, 1, "cuda"), (0, 1, "mps"), (0, 0, "cpu")])
@pytest.mark.parametrize("device", ["auto", None])
def test_auto_takes_the_first_that_is_there(
    cuda: int, mps: int, taken: str, device: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    assert find_device(device) == taken


def test_an_object_stays_where_it_is() -> None:
    model = ConvToy()
    assert zsxai.classify(NOISE, ["rain"], sample_rate=16000, model=model, device="cpu")
    model.device = torch.device("meta")  # as if it lay elsewhere
    with pytest.raises(InputError, match="ConvToy is an object on meta: move it there, or leave device out"):
        zsxai.classify(NOISE, ["rain"], sample_rate=16000, model=model, device="cpu")


COMMANDS = [
    ["explain", "{wav}", "rain"],
    ["classify", "{wav}", "rain"],
    ["check", "tiny"],
    ["timeline", "{wav}", "rain"],
    ["compare", "{wav}", "rain"],
    ["concepts", "{wav}"],
    ["explain", "{wav}", "rain", "snow"],
    ["train", "lmac-zs", "--data", "synthetic", "--out", "{out}"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_every_command_says_so(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", NOISE, 16000)
    filled = [part.format(wav=tmp_path / "a.wav", out=tmp_path / "out") for part in command]
    assert main([*filled, "--device", "cuda"]) == 2
    assert "no device 'cuda' here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
