"""What can change a number, as text and hashes: models, plugins, code, devices."""

from __future__ import annotations

import hashlib
import inspect
import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from zsxai.benchmarks.run.suite import Named
from zsxai.black_box import BlackBox
from zsxai.explainer import Explainer
from zsxai.metrics import Metric
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.verdict.reference import reference_of

NUMBERLESS = ("cli", "show", "engines", "testing", "training", "demo.py", "doctor.py", "extras.py", "progress.py")
"""Parts of the core and of the adapters that change no figure."""
PLUGINS = ("adapters", "baselines", "benchmarks")
"""Folders that an installed copy holds inside the core's."""
MEASURING = ("run/worker.py", "tasks/*.py")
"""Parts of the harness that compute; tables and pages may change under a store."""


def hashed(value: object) -> str:
    """SHA-256 of a value as JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def model_identity(model: ZeroShotModel, named: Named) -> dict[str, Any]:
    """What of a model can change a number. One without a hash of its weights is another in every process."""
    front_end = model.front_end.spec.model_dump(mode="json") if isinstance(model, SpectralModel) else None
    figures = reference_of(model)
    return {
        "name": named.name,
        "options": named.options,
        "weights": model.card.weights_sha256 or _this_process(),
        "audio": model.audio_spec.model_dump(mode="json"),
        "logit_scale": model.logit_scale,
        "front_end": front_end,
        "reference": None if figures is None else figures.model_dump(mode="json"),
        "code": code_of(type(model.inner) if isinstance(model, BlackBox) else type(model)),
        "libraries": _libraries(model),
    }


def explainer_identity(explainer: Explainer, model: ZeroShotModel) -> dict[str, Any]:
    """What of an explainer can change a number before a model; trained weights that it brings among it."""
    return {
        "weights": explainer.weights(model),
        "name": explainer.name or type(explainer).__name__,
        "options": explainer.model_dump(mode="json"),
        "code": code_of(type(explainer)),
    }


def metric_identity(metric: Metric[Any]) -> dict[str, Any]:
    """What of a metric can change a number: the fields that it reads, and the code that computes."""
    return {"needs": metric.needs, "code": code_of(metric.compute)}


def _libraries(model: ZeroShotModel) -> dict[str, str]:
    """Versions of the packages that a model's networks come from, torch aside."""
    packages = {type(m).__module__.partition(".")[0] for root in model.modules() for m in root.modules()}
    known = packages_distributions()
    found = {name: known.get(name, []) for name in sorted(packages - {"torch", "zsxai"})}
    return {name: version(distributions[0]) for name, distributions in found.items() if distributions}


@lru_cache(maxsize=1)
def _this_process() -> str:
    return f"unknown {secrets.token_hex(8)}"


@lru_cache(maxsize=256)
def code_of(plugin: Any) -> str:
    """Hash of the package (or the one file) that a class or a function comes from; of our own, :func:`own_code` is.

    A ``functools.partial`` is what it calls, with all that it binds. What has no source file (typed into a shell, or
    built in) is another in every process.
    """
    if isinstance(plugin, partial):
        bound = [*plugin.args, *plugin.keywords, *plugin.keywords.values()]
        return hashed([code_of(plugin.func), *(code_of(value) if callable(value) else repr(value) for value in bound)])
    if not (isinstance(plugin, type) or inspect.isroutine(plugin)):
        plugin = type(plugin)
    package = (plugin.__module__ or "").partition(".")[0]
    if package == "zsxai":
        return own_code()
    place = getattr(sys.modules.get(package), "__path__", None)
    if place:
        return _hash_of(file for folder in place for file in sorted(Path(folder).rglob("*.py")))
    try:
        file = Path(inspect.getsourcefile(plugin) or "")
    except (OSError, TypeError):
        return _this_process()
    return _hash_of([file]) if file.is_file() else _this_process()


@lru_cache(maxsize=1)
def own_code() -> str:
    """Hash of the library's own source, as far as it computes: an edited checkout shares no row with another one."""
    files = _sources("zsxai", (*NUMBERLESS, *PLUGINS))
    for name in ("zsxai.adapters", "zsxai.baselines"):
        files += _sources(name, NUMBERLESS)
    harness = _folder("zsxai.benchmarks")
    for name in MEASURING:
        files += sorted(harness.glob(name))
    return _hash_of(files)


def _sources(package: str, without: Sequence[str]) -> list[Path]:
    folder = _folder(package)
    return [p for p in sorted(folder.rglob("*.py")) if not set(without) & set(p.relative_to(folder).parts)]


def _folder(package: str) -> Path:
    return Path(inspect.getsourcefile(import_module(package)) or "").parent


def _hash_of(files: Iterator[Path] | list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
