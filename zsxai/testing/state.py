"""What a call may leave behind: hooks, modes, gradients, weights, generators, settings."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zsxai.black_box import BlackBox
from zsxai.model import ZeroShotModel, modules_held_by

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL_HOOKS = tuple(f"_global{kind}" for kind in HOOKS)
"""Those on every module of every model, in torch's own module."""
_GENERATORS = {"torch": "torch.Generator", "numpy": "numpy.random.Generator", "python": "random.Random"}
SEED = 24_601
"""Of the global generators while a check runs, so that a report depends on nobody's; no seed that a model would set."""

Snapshot = dict[tuple[str, str], object]
"""``(kind, name) -> value``."""


def modules_of(model: ZeroShotModel) -> dict[str, nn.Module]:
    """Every torch module behind a model, by the path to it; also those inside objects and containers it holds."""
    found: dict[int, tuple[str, nn.Module]] = {}
    for path, root in modules_held_by(model.inner if isinstance(model, BlackBox) else model).items():
        for name, module in root.named_modules():
            found.setdefault(id(module), (f"{path}.{name}".strip("."), module))
    return dict(found.values())


def parameters_of(model: ZeroShotModel) -> dict[str, nn.Parameter]:
    """Every parameter by its path."""
    modules = modules_of(model).items()
    return {f"{path}.{name}".strip("."): p for path, m in modules for name, p in m.named_parameters("", False)}


def _cuda_runs() -> bool:
    # Asking must not start it.
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def generators() -> dict[str, bytes]:
    """States of the global generators."""
    numpy_state: Any = np.random.get_state()  # noqa: NPY002 - the global one is what is watched
    states = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": numpy_state[1].tobytes() + repr(numpy_state[2:]).encode(),
        "python": repr(random.getstate()).encode(),
    }
    if _cuda_runs():
        states["torch"] += b"".join(s.numpy().tobytes() for s in torch.cuda.get_rng_state_all())
    return states


def moved(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """Names of the global generators that were drawn from."""
    return [name for name in before if before[name] != after[name]]


def seed_generators(seed: int) -> None:
    """Put every global generator at a known state; only inside :func:`generators_kept`."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    if _cuda_runs():
        torch.cuda.manual_seed_all(seed)


@contextmanager
def generators_kept() -> Iterator[None]:
    """Leave the global generators as they were."""
    kept: Any = (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002
    cuda = torch.cuda.get_rng_state_all() if _cuda_runs() else None
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.set_rng_state(kept[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def snapshot(model: ZeroShotModel) -> Snapshot:
    """Everything that a call must leave as it found it."""
    found: Snapshot = {}
    for owner in (model, getattr(model, "inner", None)):
        for name in getattr(owner, "__dict__", {}):
            found["attribute", name] = True
    for path, module in modules_of(model).items():
        for kind in HOOKS:
            found["hook", f"{kind}/{path}"] = frozenset(getattr(module, kind))
        found["mode", path] = module.training
        # An instance's own forward hides the one of its class.
        found["forward", path] = vars(module).get("forward")
        for name, buffer in module.named_buffers("", False):
            found["weights", f"{path}.{name}".strip(".")] = _checksum(buffer)
    for name, parameter in parameters_of(model).items():
        found["requires_grad", name] = parameter.requires_grad
        found["grad", name] = None if parameter.grad is None else _checksum(parameter.grad)
        found["weights", name] = _checksum(parameter)
    for name in ("card", "audio_spec", "logit_scale"):
        found["record", name] = getattr(model, name)
    for kind in GLOBAL_HOOKS:
        found["hook", f"{kind}/all modules"] = frozenset(getattr(nn.modules.module, kind))
    for name, state in generators().items():
        found["generator", name] = state
    found["setting", "torch's grad mode"] = torch.is_grad_enabled()
    found["setting", "torch's number of threads"] = torch.get_num_threads()
    found["setting", "torch's default dtype"] = torch.get_default_dtype()
    found["setting", "torch's deterministic algorithms"] = torch.are_deterministic_algorithms_enabled()
    found["setting", "numpy's error handling"] = tuple(sorted(np.geterr().items()))
    return found


def differences(before: Snapshot, after: Snapshot, *, building: bool = False) -> list[str]:
    """What changed, in words, one per thing; where the model is still building itself, not what is new."""
    keys = before if building else dict.fromkeys([*before, *after])
    return [_words(*key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _words(kind: str, name: str, before: object, after: object) -> str:
    if kind == "hook":
        sort, path = name.split("/", 1)
        sort = sort.removeprefix("_global").strip("_").removesuffix("_hooks").replace("_", "-")
        done = "left on" if isinstance(after, frozenset) and after - (before or frozenset()) else "taken off"  # type: ignore[operator]
        return f"a {sort} hook was {done} {path!r}: lay hooks with zsxai.hooks.hooked, which takes them off again"
    if kind == "generator":
        return f"{name}'s global generator was drawn from or seeded: use a {_GENERATORS[name]} of your own"
    return {
        "mode": f"{name!r} was put in {'train' if after else 'eval'} mode: use zsxai.model.evaluating",
        "requires_grad": f"requires_grad of {name!r} was set to {after}",
        "forward": f"forward of {name!r} was replaced: lay hooks with zsxai.hooks.hooked, which takes them off again",
        "grad": f".grad of {name!r} was changed: use torch.autograd.grad, which touches no parameter",
        "weights": f"the values of {name!r} were changed",
        "attribute": f"the attribute {name!r} {'appeared' if after else 'vanished'} during a call",
        "record": f"the model's {name} was changed from {before} to {after}",
        "setting": f"{name} was changed from {before} to {after}",
    }[kind]


def _checksum(tensor: Tensor) -> tuple[int, int]:
    raw = tensor.detach().contiguous().flatten().view(torch.uint8)
    if raw.storage_offset() % 8:
        raw = raw.clone()
    # As whole numbers: exact, NaN equals itself, and eight bytes at once are 500 times faster than one.
    words = len(raw) // 8 * 8
    return int(raw[:words].view(torch.int64).sum()), int(raw[words:].sum())


@contextmanager
def restored(model: ZeroShotModel) -> Iterator[None]:
    """Whatever happens inside: modes, hooks, gradients, ``requires_grad``, buffers and generators are put back."""
    modules = modules_of(model)
    parameters = list(parameters_of(model).values())
    modes = [(m, m.training) for m in modules.values()]
    registers = [getattr(m, kind) for m in modules.values() for kind in HOOKS]
    registers += [getattr(nn.modules.module, kind) for kind in GLOBAL_HOOKS]
    hooks = [(registered, set(registered)) for registered in registers]
    forwards = [(vars(m), vars(m).get("forward")) for m in modules.values()]
    buffers = [(b, b.detach().clone()) for m in modules.values() for _, b in m.named_buffers("", False)]
    wants = [(p, p.requires_grad, p.grad) for p in parameters]
    enabled = torch.is_grad_enabled()
    try:
        with generators_kept():
            yield
    finally:
        torch.set_grad_enabled(enabled)
        for module, mode in modes:
            module.training = mode
        for registered, kept in hooks:
            for key in [k for k in registered if k not in kept]:
                del registered[key]
        for attributes, forward in forwards:
            attributes.pop("forward", None)
            if forward is not None:
                attributes["forward"] = forward
        with torch.no_grad():
            for buffer, values in buffers:
                buffer.copy_(values)
        for parameter, wanted, gradient in wants:
            parameter.grad = gradient
            parameter.requires_grad_(wanted)


def mix(model: ZeroShotModel) -> None:
    """Put a model in a mixed state, only inside :func:`restored`: some modules train, some weights hold gradients."""
    for i, module in enumerate(modules_of(model).values()):
        module.training = i % 3 > 0
    for i, parameter in enumerate(parameters_of(model).values()):
        if parameter.is_floating_point() and parameter.is_leaf:
            parameter.requires_grad_(i % 2 == 0)
            parameter.grad = torch.ones_like(parameter) if i % 4 == 0 else None
