"""Imports without ``__init__``, stubs and stand-ins leave the process as it was."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from pathlib import Path

import pytest
import torch

from zsxai.isolated import built, import_isolated, replaced, stubbed, unchanged


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose ``__init__`` meddles and whose submodules need a package that is not there."""
    name = f"meddler_{tmp_path.name.replace('-', '_')}"
    inner = tmp_path / name / "inner"
    inner.mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("import sys\nsys.meddled = True\n")
    (inner / "__init__.py").write_text(
        "import os, sys, warnings\nfrom .deep import Network\nfrom absent_package.ops import Used\n"
        "os.environ['MEDDLED'] = '1'\nsys.path.append('meddled')\nwarnings.filterwarnings('ignore', 'meddled')\n"
        "warnings.warn('loud')\n"
    )
    (inner / "deep.py").write_text("class Network:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield name
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]
    vars(sys).pop("meddled", None)


@pytest.mark.filterwarnings("error")
def test_a_submodule_without_its_package(package: str) -> None:
    before = list(sys.path), dict(os.environ), list(warnings.filters)
    first = import_isolated(package, "inner", stubs=["absent_package.ops"])
    assert (list(sys.path), dict(os.environ), list(warnings.filters)) == before
    assert not hasattr(sys, "meddled")
    assert package not in sys.modules
    assert not [name for name in sys.modules if name.startswith("absent_package")]
    with pytest.raises(ImportError, match=r"absent_package\.ops\.Used is not installed"):
        first.Used()
    assert import_isolated(package, "inner") is first
    assert importlib.import_module(f"{package}.inner.deep").Network is first.Network
    # The real import still works, and goes on with the same classes.
    importlib.import_module(package)
    assert sys.meddled  # type: ignore[attr-defined]
    assert importlib.import_module(f"{package}.inner").Network is first.Network


def test_a_package_that_is_there_already_is_used(package: str) -> None:
    real = importlib.import_module(package)
    import_isolated(package, "inner", stubs=["absent_package.ops"])
    assert sys.modules[package] is real


def test_what_is_not_installed_is_named(package: str) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        import_isolated("no_such_package", "inner")
    assert caught.value.name == "no_such_package"
    with pytest.raises(ModuleNotFoundError) as caught:
        import_isolated(package, "inner")
    assert caught.value.name == "absent_package"
    assert package not in sys.modules


def test_stubs_stand_in_for_what_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken_build"
    broken.mkdir()
    (broken / "__init__.py").write_text("from . import part\nraise RuntimeError('operator does not exist')\n")
    (broken / "part.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    json = sys.modules["json"]
    with stubbed(["broken_build.part", "json.tool"]):
        assert importlib.import_module("broken_build.part").Anything.__name__ == "Anything"
        assert sys.modules["json"] is json, "what can be imported needs no stub"
        assert "json.tool" not in sys.modules or hasattr(sys.modules["json.tool"], "main")
    assert not [name for name in sys.modules if name.startswith("broken_build")]


def test_nothing_is_left_after_an_error() -> None:
    def meddle() -> None:
        with unchanged():
            os.environ["MEDDLED"] = "1"
            del os.environ["PATH"]
            sys.path.clear()
            warnings.simplefilter("error")
            raise ValueError("mine")

    before = list(sys.path), dict(os.environ), list(warnings.filters)
    with pytest.raises(ValueError, match="mine"):
        meddle()
    assert (list(sys.path), dict(os.environ), list(warnings.filters)) == before


def test_stand_ins_for_pretrained() -> None:
    class Base:
        @classmethod
        def from_pretrained(cls, name: str) -> str:
            return f"{cls.__name__} of {name}"

    class Own(Base):
        pass

    state = torch.get_rng_state()
    with built(Own, lambda: torch.randn(1)):
        assert Own.from_pretrained("the hub").shape == (1,)
        assert Base.from_pretrained("the hub") == "Base of the hub"
    assert Own.from_pretrained("the hub") == "Own of the hub"
    assert "from_pretrained" not in vars(Own)
    assert torch.equal(torch.get_rng_state(), state)
    with replaced(Base, "from_pretrained", None):
        assert Base.from_pretrained is None
    assert Base.from_pretrained("the hub") == "Base of the hub"
