"""Loading and registering plugins by name."""

from __future__ import annotations

import threading
from typing import Any

import torch
from pydantic import ValidationError

from zsxai.black_box import BlackBoxLike, as_model
from zsxai.conditions import plain_torch
from zsxai.devices import find_device
from zsxai.errors import InputError, first_problem
from zsxai.explainer import Explainer
from zsxai.model import ZeroShotModel
from zsxai.registry import EXPLAINERS, MODELS

LOADING = threading.RLock()
"""One model at a time: some libraries are loaded with a part of them replaced."""

PREFERRED_EXPLAINERS = ("lmac-zs", "gradcam", "occlusion")
"""What ``explainer=None`` tries in turn; the first that fits the model is used and recorded."""


def load_model(model: object, /, *, device: str | int | torch.device | None = None, **options: Any) -> ZeroShotModel:
    """Load a model by name, or wrap an object.

    Whatever the caller has set for all of torch (``inference_mode``, a default dtype) does not reach the model.

    Args:
        model: ``"tiny"``, ``"hf:<id or folder>"``, a registered name, or an object with ``sample_rate``,
            ``embed_audio`` and ``embed_text``.
        device: A torch device; the CPU where None.
        **options: What the backend's loader takes besides.

    Raises:
        InputError: If the name is unknown, the device is not there, or the weights are missing or corrupt.
        MissingExtraError: If the backend's package is not installed.
    """
    if not isinstance(model, str):
        return as_model(model)
    name, _, argument = model.partition(":")
    loader = MODELS.get(name)
    if not callable(loader) or isinstance(loader, ZeroShotModel):
        return as_model(loader)
    try:
        where = find_device(device)
        with LOADING, plain_torch():
            return as_model(loader(argument or None, device=where, **options))
    except ModuleNotFoundError as error:
        raise MODELS.missing(name, error) from error
    except TypeError as error:
        if options and ("unexpected keyword" in str(error) or "multiple values" in str(error)):
            raise InputError(f"the model {name!r} does not take these options: {', '.join(options)}") from error
        raise


def load_explainer(explainer: object, /, **options: Any) -> Explainer:
    """Load an explainer by name, or set options on an object.

    Args:
        explainer: A registered name, with its argument where it takes one (``lmac-zs:<folder or hub id>``), or an
            :class:`~zsxai.explainer.Explainer`.
        **options: Its fields.

    Raises:
        InputError: If the name or an option is unknown, or a value does not fit.
    """
    name = explainer if isinstance(explainer, str) else type(explainer).__name__
    plugin: object = explainer
    if isinstance(explainer, str):
        plain, _, argument = explainer.partition(":")
        plugin = EXPLAINERS.get(plain)
        if argument:
            option = getattr(plugin, "argument", None)
            if option is None:
                raise InputError(f"the explainer {plain!r} takes no argument: leave {':' + argument!r} out")
            if option in options:
                raise InputError(f"the explainer {plain!r} is given {option} twice: behind the colon and as an option")
            options = {option: argument, **options}
    if isinstance(plugin, Explainer):
        if not options:
            return plugin
        options = {**plugin.model_dump(), **options}
        plugin = type(plugin)
    if not (isinstance(plugin, type) and issubclass(plugin, Explainer)) or plugin is Explainer:
        raise InputError(f"{name!r} is no explainer: subclass zsxai.Explainer and write attribute()")
    try:
        return plugin(**options)
    except ValidationError as error:
        raise InputError(f"explainer {name!r}: {first_problem(error, plugin.model_fields)}") from error


def default_explainer(model: ZeroShotModel) -> str:
    """The first of :data:`PREFERRED_EXPLAINERS` that fits a model."""
    available = EXPLAINERS.names()
    for name in PREFERRED_EXPLAINERS:
        if name in available and EXPLAINERS.get(name).fits(model):
            return name
    raise InputError("no explainer is installed that this model can carry; see zsxai.list_explainers()")


def register_model(name: str, model: object, *, overwrite: bool = False) -> None:
    """Register a model object, or a loader ``f(argument, *, device)``, for this process."""
    is_loader = callable(model) and not isinstance(model, (ZeroShotModel, BlackBoxLike))
    MODELS.register(name, model if is_loader else as_model(model), overwrite=overwrite)


def register_explainer(name: str, explainer: Explainer | type[Explainer], *, overwrite: bool = False) -> None:
    """Register an explainer, class or object, for this process."""
    EXPLAINERS.register(name, explainer, overwrite=overwrite)
