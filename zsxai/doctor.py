"""What is installed, what works, and what to type where something does not."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, metadata, requires, version
from typing import Any, Literal

from packaging.requirements import Requirement

State = Literal["ok", "note", "failed"]

OLDEST_PYTHON = (3, 11)
GROUPS = ("zsxai.models", "zsxai.explainers", "zsxai.metrics", "zsxai.datasets", "zsxai.tasks", "zsxai.commands")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        section: What it belongs to.
        name: What was looked at.
        state: ``failed`` only where something built-in is broken; a third party's fault is a ``note``.
        detail: What was found, or what to do.
    """

    section: str
    name: str
    state: State
    detail: str


@dataclass(frozen=True)
class Report:
    """All findings.

    Attributes:
        findings: In the order of the sections.
    """

    findings: tuple[Finding, ...]

    @property
    def failures(self) -> int:
        """How many built-in things are broken."""
        return sum(f.state == "failed" for f in self.findings)

    @property
    def ok(self) -> bool:
        """Whether everything built-in works."""
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"ok": self.ok, "findings": [asdict(f) for f in self.findings]}


def examine() -> Report:
    """Look at everything. Slow: it imports every plugin."""
    findings: list[Finding] = []
    for section in (_python, _dependencies, _extras, _plugins, _bundled_model, _devices):
        findings += section()
    return Report(tuple(findings))


def problem(requirement: Requirement) -> str:
    """What is wrong with what is installed; empty where nothing is."""
    wanted = f"pip install '{requirement.name}{requirement.specifier}'"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return f"not installed: {wanted}"
    return "" if requirement.specifier.contains(installed, prereleases=True) else f"{installed} is installed: {wanted}"


def _python() -> Iterator[Finding]:
    new_enough = sys.version_info >= OLDEST_PYTHON
    detail = f"{platform.python_version()} ({platform.platform(terse=True)}, {platform.machine()})"
    if not new_enough:
        detail += f"; {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed"
    yield Finding("Python", "python", "ok" if new_enough else "failed", detail)


def _dependencies() -> Iterator[Finding]:
    section = "Dependencies"
    try:
        wanted = [Requirement(line) for line in requires("zsxai") or []]
    except PackageNotFoundError:
        yield Finding(section, "zsxai", "failed", "not installed: run pip install in its folder, or pip install zsxai")
        return
    yield Finding(section, "zsxai", "ok", version("zsxai"))
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found = problem(requirement)
            yield Finding(section, requirement.name, "failed" if found else "ok", found or version(requirement.name))


def _extras() -> Iterator[Finding]:
    try:
        extras, lines = metadata("zsxai").get_all("Provides-Extra", []), requires("zsxai") or []
    except PackageNotFoundError:
        return
    marked = [r for r in map(Requirement, lines) if r.marker is not None and not r.marker.evaluate({"extra": ""})]
    for extra in extras:
        wanted = [r for r in marked if r.marker and r.marker.evaluate({"extra": extra}) and r.name != "zsxai"]
        if not wanted:  # it only joins others
            continue
        missing = [r.name for r in wanted if problem(r)]
        # An upper bound here holds back what the user may want for something else.
        bounds = ((r.name, bound) for r in wanted for bound in r.specifier)
        pins = sorted(f"{name}{bound}" for name, bound in bounds if bound.operator in ("<", "<=", "=="))
        held = f"; it pins {', '.join(pins)}" if pins else ""
        if missing:
            yield Finding("Extras", extra, "note", f"lacks {', '.join(missing)}: pip install 'zsxai[{extra}]'{held}")
        else:
            yield Finding("Extras", extra, "ok", f"installed{held}")


def _plugins() -> Iterator[Finding]:
    seen: dict[tuple[str, str], EntryPoint] = {}
    for group in GROUPS:
        for point in sorted(entry_points(group=group), key=lambda p: p.name):
            twin = seen.setdefault((group, point.name), point)
            if twin is not point and (twin.value, _owner(twin)) == (point.value, _owner(point)):
                continue  # an editable install that is listed twice
            section = f"Plugins: {group.removeprefix('zsxai.')}"
            if twin is not point:
                detail = f"claimed by {_owner(twin)} and {_owner(point)}: uninstall one of them"
                yield Finding(section, point.name, "note", detail)
                continue
            yield _loaded(section, point)


def _loaded(section: str, point: EntryPoint) -> Finding:
    owner = _owner(point)
    try:
        point.load()
    except ModuleNotFoundError as error:
        # A package that an extra brings may be absent; anything else that is missing means a broken plugin.
        if point.extras and error.name and not error.name.startswith("zsxai"):
            remedy = f"pip install '{owner}[{','.join(point.extras)}]'"
            return Finding(section, point.name, "note", f"needs the package {error.name!r}: {remedy}")
        return _broken(section, point, error)
    except Exception as error:
        return _broken(section, point, error)
    return Finding(section, point.name, "ok", point.value if owner == "zsxai" else f"{owner} ({point.value})")


def _broken(section: str, point: EntryPoint, error: Exception) -> Finding:
    owner = _owner(point)
    detail = f"{owner} ({point.value}) does not load: {type(error).__name__}: {error}"
    return Finding(section, point.name, "failed" if owner == "zsxai" else "note", detail)


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _bundled_model() -> Iterator[Finding]:
    yield _guarded("Bundled model", "tiny", _embed)


def _embed() -> str:
    import torch

    from zsxai.conditions import evaluating
    from zsxai.plugins import load_model

    model = load_model("tiny")
    seconds = torch.arange(model.sample_rate) / model.sample_rate
    with evaluating(model), torch.no_grad():
        audio = model.embed_audio(torch.sin(2 * torch.pi * 440 * seconds)[None])
        text = model.embed_text(["a dog barking", "rain"])
    for name, rows in (("audio", audio), ("text", text)):
        lengths = rows.norm(dim=1)
        if not torch.isfinite(rows).all() or (lengths - 1).abs().max() > 1e-4:
            raise ValueError(f"{name} embeddings are not unit rows: lengths {lengths.tolist()}")
    digest = (model.card.weights_sha256 or "none")[:12]
    return f"loads, unit embeddings of {audio.shape[1]} numbers, {model.sample_rate} Hz, weights {digest}"


def _devices() -> Iterator[Finding]:
    yield _guarded("Computing", "torch", _torch)
    yield _guarded("Computing", "audio files", _audio_files)


def _torch() -> str:
    import torch

    from zsxai.devices import find_device, list_devices

    found = f"devices: {', '.join(list_devices())}; auto takes {find_device('auto')}"
    return f"{torch.get_num_threads()} threads; {found}"


def _audio_files() -> str:
    import soundfile

    wanted = ("WAV", "FLAC", "OGG", "MP3")
    formats = soundfile.available_formats()
    return f"libsndfile {soundfile.__libsndfile_version__} reads {', '.join(f for f in wanted if f in formats)}"


def _guarded(section: str, name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(section, name, "ok", look())
    except Exception as error:
        return Finding(section, name, "failed", f"{type(error).__name__}: {error}")
