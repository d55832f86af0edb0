"""Classes of a library without what importing that library does.

``import laion_clap`` asks the hub for three tokenizers and puts its own folder on ``sys.path``; ``import msclap``
silences every warning of the process. Their network classes need none of it: they are imported here behind an empty
parent package, and built without the pretrained text tower that the checkpoint replaces anyway.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch


def import_isolated(package: str, module: str, *, stubs: Sequence[str] = ()) -> ModuleType:
    """Import a submodule without running its package's ``__init__``.

    The submodule stays in ``sys.modules``, so importing it again gives the same classes; its parent does not, so a
    later ``import`` of the package runs its ``__init__`` (which finds the submodule there, and does not bind it anew).

    Args:
        package: Such as ``laion_clap``.
        module: Below it, such as ``clap_module``.
        stubs: Modules that it imports and does not use, such as ``torchvision.ops``; see :func:`stubbed`.

    Raises:
        ModuleNotFoundError: If the package, or one that the submodule needs, is not installed.
    """
    name = f"{package}.{module}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    parent = ModuleType(package)
    parent.__path__ = list(spec.submodule_search_locations)
    parent.__spec__ = spec
    with unchanged(), stubbed(stubs):
        sys.modules.setdefault(package, parent)
        try:
            return importlib.import_module(name)
        finally:
            if sys.modules.get(package) is parent:
                del sys.modules[package]


@contextmanager
def unchanged() -> Iterator[None]:
    """Put back what imports meddle with: ``sys.path``, warning filters, environment, transformers' verbosity.

    Inside, warnings are silent.
    """
    path, environment = list(sys.path), dict(os.environ)
    settings: Any = sys.modules.get("transformers.utils.logging")
    verbosity = settings and settings.get_verbosity()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.path[:] = path
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        if settings:
            settings.set_verbosity(verbosity)


@contextmanager
def stubbed(names: Sequence[str]) -> Iterator[None]:
    """Inside, importing these modules gives empty ones, where the package that they belong to cannot be imported.

    Args:
        names: Modules; the packages that hold them are included. Every attribute of a stub is a class that refuses to
            be built.
    """
    absent = {name for name in names if not _importable(name.partition(".")[0])}
    held = {name.rsplit(".", depth)[0] for name in absent for depth in range(name.count(".") + 1)}
    if held and importlib.util.find_spec("transformers"):
        # transformers asks once whether torchvision is installed: it must not find the stub.
        importlib.import_module("transformers").utils.is_torchvision_available()
    before = {name: sys.modules.get(name) for name in held}
    try:
        sys.modules.update({name: _Stub(name) for name in held})
        yield
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


@contextmanager
def built(cls: type, by: Callable[[], Any]) -> Iterator[None]:
    """Inside, ``cls.from_pretrained`` gives what ``by`` builds: no files, no hub, no draw of torch's global RNG.

    Args:
        cls: Class of transformers.
        by: Builds the model or tokenizer; the arguments of ``from_pretrained`` are not looked at.
    """
    stand_in = classmethod(lambda _cls, *_names, **_options: by())
    with unchanged(), torch.random.fork_rng(devices=[]), replaced(cls, "from_pretrained", stand_in):
        yield


@contextmanager
def replaced(owner: object, name: str, value: Any) -> Iterator[None]:
    """Inside, an attribute of a module or a class is another; what it had, or inherited, comes back."""
    own = vars(owner)
    inherits, before = name not in own, own.get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if inherits:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


class _Stub(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__spec__ = ModuleSpec(name, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(_self: object, *_arguments: object, **_options: object) -> None:
            raise ImportError(f"{self.__name__}.{name} is not installed")

        return type(name, (), {"__init__": refuse})


def _importable(package: str) -> bool:
    before = set(sys.modules)
    try:
        with unchanged():
            importlib.import_module(package)
    # A build for another torch fails with an OSError or a RuntimeError.
    except (ImportError, OSError, RuntimeError):
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == package:
                del sys.modules[name]
        return False
    return True
