"""Files of weights: what is read, and what is refused before it runs."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from zsxai.errors import InputError
from zsxai.weights import hash_files, hash_tensors, load_weights

STATE = {"module.a.weight": torch.arange(6.0).reshape(2, 3), "module.b": torch.ones(2, dtype=torch.int64)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pt"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_users_have_is_read(file: Path, protocol: int) -> None:
    shared = torch.arange(4.0)
    saved = {
        "epoch": 3,
        "name": "run",
        "loss": np.float64(0.25),
        "steps": np.int64(7),
        "state_dict": nn.Linear(2, 3).state_dict() | STATE,
        "parameter": nn.Parameter(torch.ones(1)),
        "views": [shared[:2], shared[2:]],
        "half": torch.ones(2, dtype=torch.float16),
        "size": torch.Size([1, 2]),
        "note": (None, True, 1.5, b"bytes", ["nested"]),
    }
    torch.save(saved, file, pickle_protocol=protocol)
    found = load_weights(file)
    assert list(found) == list(saved)
    assert found["loss"] == 0.25
    assert found["steps"] == 7
    assert found["note"] == saved["note"]
    assert found["size"] == (1, 2)
    for name, tensor in saved["state_dict"].items():  # type: ignore[attr-defined]
        assert torch.equal(found["state_dict"][name], tensor)
    assert found["views"][1].tolist() == [2.0, 3.0]
    assert isinstance(found["parameter"], nn.Parameter)
    assert found["half"].dtype == torch.float16


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "x.safetensors")
    found = load_weights(tmp_path / "x.safetensors")
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in STATE.items()}


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("evil", "named"),
    [
        (lambda mark: Calls(os.system, f"touch {mark}"), "posix.system"),
        (lambda mark: Calls(eval, f"open({str(mark)!r}, 'w')"), "eval"),
        (lambda mark: Calls(getattr, "x", "upper"), "getattr"),
        (lambda mark: Calls(Path.touch, mark), "pathlib|getattr"),
        (lambda mark: Calls(torch.load, mark), "torch.serialization.load"),
        (lambda mark: Calls(torch.hub.load, "x", "y"), "torch.hub.load"),
        (lambda mark: Calls(np.load, mark), "numpy"),
        (lambda mark: np.array([object()]), "_reconstruct"),
        (lambda mark: nn.Linear(1, 1), "torch.nn"),
    ],
)
def test_whatever_else_it_names_is_refused_before_it_runs(file: Path, evil: Any, named: str, protocol: int) -> None:
    mark = file.parent / "touched"
    torch.save({"state_dict": STATE, "more": evil(mark)}, file, pickle_protocol=protocol)
    with pytest.raises(InputError, match=f"names .*({named}).* refused") as caught:
        load_weights(file)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def rewritten(file: Path, pickled: bytes) -> Path:
    """The archive with another pickle in it."""
    torch.save(STATE, file)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else data)
    return file


def assembled(module: str, name: str, *arguments: Any) -> bytes:
    """A pickle that calls ``module.name``, without that being imported here."""
    head = b"\x80\x04" + pickle.SHORT_BINUNICODE + bytes([len(module)]) + module.encode()
    head += pickle.SHORT_BINUNICODE + bytes([len(name)]) + name.encode() + pickle.STACK_GLOBAL
    return head + pickle.dumps(arguments, protocol=4)[11:-1] + pickle.REDUCE + pickle.STOP


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch", "os.system"),
        ("builtins", "exec"),
        ("zsxai.weights", "load_weights"),
    ],
)
def test_dotted_and_hidden_names_are_refused(file: Path, module: str, name: str) -> None:
    with pytest.raises(InputError, match=r"names .* refused"):
        load_weights(rewritten(file, assembled(module, name, "true")))


@pytest.mark.parametrize(
    ("pickled", "words"),
    [
        (pickle.dumps(Calls(np.float64(1).__reduce__()[0], np.dtype("O"), b"12345678")), "no number"),
        (pickle.dumps(Calls(np.float64(1).__reduce__()[0], np.dtype("f8"), b"123")), "no number"),
        (assembled("_codecs", "encode", "x", "hex"), "latin1"),
        (b"\x80\x04.", "damaged|cannot read"),
        (b"", "damaged|cannot read"),
    ],
)
def test_calls_that_are_admitted_are_admitted_for_numbers_only(file: Path, pickled: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_weights(rewritten(file, pickled))


def test_what_is_no_file_of_weights(tmp_path: Path, file: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        load_weights(tmp_path / "absent.pt")
    with pytest.raises(InputError, match="there is no file"):
        load_weights(tmp_path)
    file.write_bytes(b"hello")
    with pytest.raises(InputError, match=r"^'.*' is no file that torch\.save wrote"):
        load_weights(file)
    torch.save(STATE, file, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"^'.*' is no file that torch\.save wrote \(torch 1\.6 or newer\)"):
        load_weights(file)
    torch.save(STATE, file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"no file that torch\.save wrote|damaged|cannot read"):
        load_weights(file)
    (tmp_path / "x.safetensors").write_bytes(b"\x10" * 100)
    with pytest.raises(InputError, match="cannot read"):
        load_weights(tmp_path / "x.safetensors")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(InputError, match="damaged"):
        load_weights(file)


class Program(nn.Module):
    """Writes a file when it is loaded."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark = mark

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return (self.mark, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.training = state[1]
        written = torch.from_file(state[0], shared=True, size=8).add_(1)
        self.mark = str(int(written.sum().item()))  # what nothing reads, the compiler leaves out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("hidden", [False, True])
def test_a_program_is_no_file_of_weights(file: Path, hidden: bool) -> None:
    """Hidden: of two directories in the archive, Python reads one and torch the other."""
    mark = file.with_name("touched")
    torch.jit.script(Program(str(mark))).save(str(file))
    if hidden:
        raw = file.read_bytes()
        at = raw.rindex(b"PK\x06\x06")
        count, size, start = struct.unpack("<QQQ", raw[at + 32 : at + 56])
        directory = raw[start : start + size]
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, start, 0)
        file.write_bytes(raw[:start] + directory + directory.replace(b"constants.pkl", b"xonstants.pkl") + end)
        with zipfile.ZipFile(file) as archive:
            assert not any(name.endswith("constants.pkl") for name in archive.namelist())
    with pytest.raises(InputError, match=r"^'.*' is a TorchScript program"):
        load_weights(file)
    assert not mark.exists()
    torch.jit.load(str(file))
    assert mark.exists(), "what torch would have run"


@pytest.mark.parametrize(
    ("module", "name"),
    [("torch._utils", "_rebuild_tensor_v2"), ("numpy.core.multiarray", "scalar"), ("_codecs", "encode")],
)
def test_what_is_called_cannot_be_changed(file: Path, module: str, name: str) -> None:
    """Pickle's BUILD sets attributes, of a function too: its defaults would hold for the whole process."""
    whole = assembled(module, name)
    head = whole[: whole.index(pickle.STACK_GLOBAL) + 1]
    state = pickle.dumps((None, {"__defaults__": ({"neg": True},), "_call": None}), protocol=4)[11:-1]
    with pytest.raises(InputError, match="changes a function"):
        load_weights(rewritten(file, head + state + pickle.BUILD + pickle.STOP))
    torch.save(STATE, file)
    assert torch.equal(load_weights(file)["module.a.weight"], STATE["module.a.weight"])
    assert torch._utils._rebuild_tensor_v2.__defaults__ == (None,)


def test_other_archives_never_reach_torch(file: Path) -> None:
    """A tar before a zip: Python reads the end, torch the beginning."""
    with tarfile.open(file, "w") as tar:
        pipe = tarfile.TarInfo("storages")
        pipe.type = tarfile.FIFOTYPE
        tar.addfile(pipe)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("data.pkl", b"")
    assert zipfile.is_zipfile(file)
    with pytest.raises(InputError, match=r"^'.*' is no file that torch\.save wrote"):
        load_weights(file)


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x04" + pickle.SHORT_BINUNICODE + b"\x01x" + pickle.BINPERSID + pickle.STOP,
        b"\x80\x04" + pickle.BINBYTES8 + struct.pack("<Q", 2**50) + pickle.STOP,
        b"\x80\x04" + pickle.BYTEARRAY8 + struct.pack("<Q", 2**62) + pickle.STOP,
    ],
)
def test_crafted_pickles_are_one_line(file: Path, pickled: bytes) -> None:
    with pytest.raises(InputError, match=r"is damaged|cannot read") as caught:
        load_weights(rewritten(file, pickled))
    assert "\n" not in str(caught.value)


def test_where_torch_is_told_to_trust_its_own_unpickler_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    torch.save({**STATE, "loss": np.float64(1)}, file, pickle_protocol=4)
    assert load_weights(file)["loss"] == 1
    assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "1"


def test_hashes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 3)
    one = hashlib.sha256(b"aaa")
    assert hash_files([tmp_path / "a"]) == one.hexdigest()
    both = hashlib.sha256(one.digest() + hashlib.sha256(b"bbb").digest()).hexdigest()
    assert hash_files([tmp_path / "a", tmp_path / "b"]) == both
    with torch.random.fork_rng():
        module = nn.Linear(2, 2)
    before = hash_tensors(module)
    assert hash_tensors(module) == before
    stream = io.BytesIO()
    torch.save(module.state_dict(), stream)
    with torch.no_grad():
        module.weight[0, 0] += 1
    assert hash_tensors(module) != before
