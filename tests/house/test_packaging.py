"""What is in the tree is in the wheel but for the workshop, and the wheel works where the tree is not."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from tests.house.test_imports import imported, modules, name_of

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "zsxai": "zsxai",
    "adapters": "zsxai/adapters",
    "baselines": "zsxai/baselines",
    "benchmarks": "zsxai/benchmarks",
}
"""Folder of the tree -> folder of the wheel."""
WORKSHOP = ("zsxai/benchmarks/measure", "zsxai/adapters/tiny/training")
"""What measures the library and what trains ``tiny``: in the tree and in the sdist, run from a checkout."""
LITTER = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "build", "dist", ".*_cache", ".venv*", ".git")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tree_files(root: Path) -> Iterator[str]:
    """Files of the four packages, named as the wheel would name them."""
    for folder, target in FOLDERS.items():
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                yield f"{target}/{path.relative_to(root / folder).as_posix()}"


def in_workshop(name: str) -> bool:
    """Whether a file, or a package, lies in the workshop."""
    return f"{name}/".startswith(tuple(f"{folder}/" for folder in WORKSHOP))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the tree: a build leaves files behind, and stale ones in build/lib end up in wheels."""
    target = tmp_path_factory.mktemp("source") / "zsxai"
    shutil.copytree(ROOT, target, ignore=LITTER)
    return target


@pytest.fixture(scope="module")
def built(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and with the wheel that was built from that sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def test_the_wheel_of_the_sdist_holds_the_tree_without_the_workshop(copy: Path, wheel: Path) -> None:
    inside = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    expected = {name for name in tree_files(copy) if not in_workshop(name)}
    missing, extra = sorted(expected - inside), sorted(inside - expected)
    assert not missing, f"in the tree, not in the wheel (packages or package-data in pyproject.toml?): {missing}"
    assert not extra, f"in the wheel, not in the tree: {extra}"


def test_the_sdist_holds_the_whole_tree_and_what_a_distributor_needs(copy: Path, built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {n.partition("/")[2] for n in archive.getnames()}
    folders = (*FOLDERS, "tests", "docs", ".ci")
    tree = {p.relative_to(copy).as_posix() for f in folders for p in (copy / f).rglob("*") if p.is_file()}
    root = {p.name for p in copy.iterdir() if p.is_file() and not p.name.startswith(".")}
    assert not sorted((tree | root) - names), "in the tree, not in the sdist: MANIFEST.in?"
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt"} <= root


def test_a_wheel_imports_nothing_of_the_workshop() -> None:
    for path in modules():
        if not in_workshop(name_of(path).replace(".", "/")):
            wrong = [f"line {line}: {name}" for line, name in imported(path) if in_workshop(name.replace(".", "/"))]
            assert not wrong, f"{name_of(path)} is in the wheel and imports {wrong}, which is not"


@pytest.mark.parametrize("folder", WORKSHOP)
def test_an_installed_checkout_runs_the_workshop(folder: str) -> None:
    module = importlib.import_module(folder.replace("/", "."))
    assert ROOT in Path(module.__file__).parents


def test_the_wheel_alone_has_no_workshop(elsewhere: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u, sys; print([u.find_spec(name) for name in sys.argv[1:]])"
    names = [folder.replace("/", ".") for folder in WORKSHOP]
    assert outside([str(elsewhere / "python"), "-c", code, *names], tmp_path).stdout.strip() == "[None, None]"


def test_the_wheel_carries_its_licences(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = [n for n in archive.namelist() if ".dist-info/licenses/" in n]
    texts = [archive.read(n).decode() for n in names]
    assert any("Apache License" in t and "END OF TERMS AND CONDITIONS" in t for t in texts)
    assert any("CC-BY-4.0" in t or "Creative Commons" in t for t in texts)


def test_packages_are_the_folders_without_the_workshop() -> None:
    folders = {
        target if path == ROOT / folder else f"{target}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, target in FOLDERS.items()
        for path in [ROOT / folder, *(ROOT / folder).rglob("*")]
        if (path / "__init__.py").is_file()
    }
    folders = {folder for folder in folders if not in_workshop(folder)}
    assert set(project()["tool"]["setuptools"]["packages"]) == {f.replace("/", ".") for f in folders}


def test_no_module_lies_outside_a_package() -> None:
    orphans = [
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not (path.parent / "__init__.py").is_file()
    ]
    assert not orphans


def entry_points() -> list[EntryPoint]:
    named = {"zsxai.scripts": project()["project"]["scripts"], **project()["project"]["entry-points"]}
    return [EntryPoint(name, value, group) for group, points in named.items() for name, value in points.items()]


@pytest.mark.parametrize("point", entry_points(), ids=lambda p: f"{p.group.removeprefix('zsxai.')}-{p.name}")
def test_every_entry_point_resolves(point: EntryPoint) -> None:
    assert point.load() is not None
    extras = project()["project"]["optional-dependencies"]
    assert set(point.extras) <= set(extras), "an entry point names an extra that does not exist"


def test_what_is_installed_is_what_pyproject_says() -> None:
    from importlib.metadata import entry_points as installed

    for point in entry_points():
        if point.group != "zsxai.scripts":
            found = [
                p.value for p in installed(group=point.group, name=point.name) if p.dist and p.dist.name == "zsxai"
            ]
            assert point.value in found, f"{point.name}: install again (pip install --no-deps -e .)"


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of a fresh environment with the wheel; its dependencies are borrowed from this one, no network."""
    home = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True)
    bin_folder = home / "venv" / "bin"
    install = ["-m", "pip", "--disable-pip-version-check", "--python", str(bin_folder / "python"), "install"]
    options = ["--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, *install, *options], check=True)
    (site,) = (home / "venv").glob("lib/python*/site-packages")
    # Bare paths: the .pth files there, an editable install's among them, are not read again.
    borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    return bin_folder


def outside(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ZSXAI"))}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_wheel_alone_is_what_runs(elsewhere: Path, tmp_path: Path) -> None:
    code = "import zsxai, zsxai.adapters, zsxai.baselines; print(zsxai.__file__, *zsxai.adapters.__path__)"
    done = outside([str(elsewhere / "python"), "-c", code], tmp_path)
    assert str(ROOT) not in done.stdout
    assert str(elsewhere.parent) in done.stdout


def test_the_wheel_lists_its_plugins(elsewhere: Path, tmp_path: Path) -> None:
    done = outside([str(elsewhere / "zsxai"), "list", "models"], tmp_path)
    assert {line.split()[0] for line in done.stdout.splitlines() if line} >= {"tiny", "hf"}
    assert not list(tmp_path.iterdir())


def test_the_wheel_explains(elsewhere: Path, tmp_path: Path, wav: Path) -> None:
    done = outside(
        [str(elsewhere / "zsxai"), "explain", wav.name, "a dog barking", "--out", "seen", "--json"], tmp_path
    )
    record = json.loads(done.stdout)
    assert record["target"]["prompt"] == "a dog barking"
    assert {p.name for p in (tmp_path / "seen").iterdir()} == {
        "explanation.json",
        "mask.safetensors",
        "explanation.wav",
        "residue.wav",
        "original.wav",
        "explanation.png",
        "index.html",
    }


def test_the_tree_names_no_machine() -> None:
    """No path of a machine and no package index in anything that is shipped or committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("no git checkout: what is committed cannot be told")
    words = ["/".join(("", place, "")) for place in ("work/main", "work/shared", "root", "home")]
    words += ["index" + "-url", "trusted" + "-host"]
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if not path.is_file() or path == Path(__file__):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = [word for word in words if word in text]
        assert not found, f"{name} holds {found}"
