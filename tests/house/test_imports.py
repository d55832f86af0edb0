"""Who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = {"adapters", "baselines", "benchmarks"}


def modules() -> list[Path]:
    return sorted(p for folder in ("zsxai", *PLUGINS) for p in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "zsxai" else ("zsxai", *parts)
    return ".".join(parts).removesuffix(".__init__")


def imported(path: Path, nodes: Callable[[ast.AST], Iterator[ast.AST]] = ast.walk) -> Iterator[tuple[int, str]]:
    """Every module a file imports, at any depth, relative imports resolved; also names given to import_module."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], base]).strip(".")
            # ``from zsxai import adapters`` imports zsxai.adapters.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def room(module: str) -> str:
    """``adapters``, ``baselines`` or ``benchmarks``; ``core`` for the rest of zsxai; empty for others."""
    parts = module.split(".")
    if parts[0] in PLUGINS:
        return parts[0]
    if parts[0] != "zsxai":
        return ""
    return parts[1] if len(parts) > 1 and parts[1] in PLUGINS else "core"


def test_there_is_something_to_look_at() -> None:
    assert {room(name_of(p)) for p in modules()} == {"core", *PLUGINS}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    own = room(name_of(path))
    allowed = {"", "core", own}
    wrong = [f"line {line}: {module}" for line, module in imported(path) if room(module) not in allowed]
    assert not wrong, f"{name_of(path)} ({own}) may import the core and itself, not {wrong}"
    bare = [f"line {line}: {module}" for line, module in imported(path) if module.split(".")[0] in PLUGINS]
    assert not bare, f"imported under a bare name: {bare}; say zsxai.<folder>"


def is_for_types(node: ast.AST) -> bool:
    """Whether a statement is only there for type checkers."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes that may run, those inside functions among them."""
    for node in ast.iter_child_nodes(tree):
        if is_for_types(node):
            for other in node.orelse:  # type: ignore[attr-defined]
                yield from (other, *executed(other))
        else:
            yield from (node, *executed(node))


@lru_cache(maxsize=1)
def import_graph() -> dict[str, set[str]]:
    """Our modules that each of our modules imports when it runs; lazy imports count, those for types alone do not."""
    paths = {name_of(path): path for path in modules()}
    graph = {}
    for name, path in paths.items():
        found = set()
        for _, module in imported(path, executed):
            # ``from package import module`` imports the module, ``from module import name`` what holds the name.
            found.add(module if module in paths else module.rpartition(".")[0])
        graph[name] = (found & set(paths)) - {name}
    return graph


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter(import_graph()).prepare()  # a CycleError names the circle


ROOMS = ("tasks", "run", "analyse", "report")
"""Of the harness; each imports only itself and those before it. What lies beside them is on top."""


def floor(module: str) -> int:
    parts = module.split(".")
    return ROOMS.index(parts[2]) if len(parts) > 2 and parts[2] in ROOMS else len(ROOMS)


def test_rooms_of_the_harness_are_in_order() -> None:
    edges = [(one, other) for one, others in import_graph().items() for other in others]
    inside = [(one, other) for one, other in edges if room(one) == room(other) == "benchmarks"]
    assert {floor(one) for one, _ in inside} == set(range(len(ROOMS) + 1))
    wrong = [f"{one} imports {other}" for one, other in inside if floor(one) < floor(other)]
    assert not wrong, f"rooms import {', '.join(ROOMS)} in this order: {wrong}"


EXPLAINING = sorted((ROOT / "zsxai" / "lmac_zs").glob("*.py"))
FOREIGN = ("zsxai.lmac_zs.training.", "zsxai.cli.", "zsxai.show.")


@pytest.mark.parametrize("path", EXPLAINING, ids=name_of)
def test_explaining_imports_nothing_of_training(path: Path) -> None:
    wrong = [f"line {line}: {module}" for line, module in imported(path) if f"{module}.".startswith(FOREIGN)]
    assert not wrong, f"{name_of(path)} explains and may not import {wrong}"


def loaded_after(code: str) -> set[str]:
    listing = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{listing}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {"torch", "transformers", "captum", "matplotlib", "scipy", "librosa", "sklearn", "pandas", "numpy", "soundfile"}


@pytest.mark.parametrize(
    "code",
    [
        "import zsxai",
        "import zsxai; dir(zsxai); zsxai.list_models(); zsxai.list_explainers(); zsxai.InputError",
        "import zsxai.registry, zsxai.errors, zsxai.doctor",
        "import sys; from zsxai.cli import main; assert main(['--help']) == 0",
        "import sys; from zsxai.cli import main; assert main(['explain', '--help']) == 0",
        "import sys; from zsxai.cli import main; assert main(['concepts', '--help']) == 0",
        "import sys; from zsxai.cli import main; assert main(['list', 'models']) == 0",
    ],
)
def test_light_things_import_nothing_heavy(code: str) -> None:
    assert not loaded_after(code) & HEAVY


def test_the_core_runs_without_optional_packages() -> None:
    loaded = loaded_after("import zsxai.api, zsxai.explanation, zsxai.verify")
    assert not loaded & {"transformers", "matplotlib", "librosa", "sklearn", "pandas", "laion_clap", "msclap"}


def test_the_bundled_model_loads_without_what_takes_seconds() -> None:
    loaded = loaded_after("import zsxai; zsxai.load_model('tiny'); import zsxai.regions")
    assert not loaded & {"transformers", "scipy", "librosa", "matplotlib", "torch._dynamo"}


def test_explaining_loads_nothing_of_training() -> None:
    """A plain installation has none of its packages."""
    loaded = loaded_after(
        "import numpy, zsxai, zsxai.lmac_zs.refine; "
        "noise = numpy.random.default_rng(0).normal(size=32000).astype('float32'); "
        "e = zsxai.explain(noise, 'rain', sample_rate=32000); assert e.provenance.explainer == 'lmac-zs'"
    )
    assert "zsxai.lmac_zs.explainer" in loaded
    assert not loaded & {"scipy", "accelerate", "tensorboard", "zsxai.lmac_zs.training", "zsxai.cli", "zsxai.show"}


def test_explaining_with_the_bundled_model_imports_no_librosa() -> None:
    """Its mel bank lies beside its weights: in both domains, and for what is computed afterwards."""
    loaded = loaded_after(
        "import numpy, zsxai\n"
        "sound = {'sample_rate': 8000, 'explainer': 'gradcam'}\n"
        "for domain in ('stft', 'mel'):\n"
        "    e = zsxai.explain(numpy.ones(8000, 'float32'), 'a dog', domain=domain, **sound)\n"
        "    e.audio, e.residue, e.mask_stft, e.grid"
    )
    assert not loaded & {"librosa", "transformers", "numba"}


def test_every_public_name_is_there() -> None:
    import zsxai

    for name in zsxai.__all__:
        assert getattr(zsxai, name) is not None, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        zsxai.nothing  # noqa: B018
