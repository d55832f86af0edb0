"""Loading and registering plugins by name."""

from __future__ import annotations

import threading
from typing import Any

import torch
from pydantic import ValidationError

from zsxai.black_box import BlackBoxLike, as_model
from zsxai.conditions import plain_torch
from zsxai.devices import Device, find_device, is_auto, is_same_device
from zsxai.errors import InputError, first_problem
from zsxai.explainer import Explainer
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.precision import dtype_name, dtype_of, find_dtype
from zsxai.registry import EXPLAINERS, MODELS

LOADING = threading.RLock()
"""One model at a time: some libraries are loaded with a part of them replaced."""

PREFERRED_EXPLAINERS = ("lmac-zs", "gradcam", "occlusion")
"""What ``explainer=None`` tries in turn; the first that fits the model is used and recorded."""


def load_model(
    model: object, /, *, device: Device = "auto", dtype: str | torch.dtype | None = None, **options: Any
) -> ZeroShotModel:
    """Load a model by name, or wrap an object.

    Whatever the caller has set for all of torch (``inference_mode``, a default dtype) does not reach the model.

    Args:
        model: ``"tiny"``, ``"hf:<id or folder>"``, a registered name, or an object with ``sample_rate``,
            ``embed_audio`` and ``embed_text``.
        device: A torch device; ``auto`` takes a GPU where there is one (:func:`zsxai.devices.find_device`). An object
            stays where it is.
        dtype: What the networks compute in: ``float32``, as where None, or ``bfloat16``. An object keeps its own.
        **options: What the backend's loader takes besides.

    Raises:
        InputError: If the name is unknown, the device is not there or not the object's, or the weights are missing or
            corrupt.
        MissingExtraError: If the backend's package is not installed.
    """
    if is_loaded_by_name(model):
        loaded = load_by_name(str(model), find_device(device), find_dtype(dtype), **options)
    else:
        loaded = as_model(MODELS.get(model.partition(":")[0]) if isinstance(model, str) else model)
    check_asked(loaded, device, dtype)
    return loaded


def check_asked(model: ZeroShotModel, device: object, dtype: object) -> None:
    """See that a model lies and computes as it was asked for.

    Raises:
        InputError: If it does not.
    """
    if not is_auto(device) and not is_same_device(find_device(device), model.device):
        raise InputError(f"{model.card.name} is an object on {model.device}: move it there, or leave device out")
    if find_dtype(dtype) not in (None, dtype_of(model) or torch.float32):
        raise InputError(f"{model.card.name} computes in {dtype_name(model)}: cast it, or leave dtype out")


def is_loaded_by_name(model: object) -> bool:
    """Whether a model is made anew by its name, and is nobody's object."""
    if not isinstance(model, str):
        return False
    loader = MODELS.get(model.partition(":")[0])
    return callable(loader) and not isinstance(loader, ZeroShotModel)


def load_by_name(model: str, device: str, dtype: torch.dtype | None, **options: Any) -> ZeroShotModel:
    """A model from its loader, on a device that is there, its networks computing in a type."""
    name, _, argument = model.partition(":")
    try:
        with LOADING, plain_torch():
            loaded = as_model(MODELS.get(name)(argument or None, device=device, **options))
            _compute_in(loaded, dtype)
            return loaded
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


def _compute_in(model: ZeroShotModel, dtype: torch.dtype | None) -> None:
    """Have the networks of a model that was just loaded compute in a type.

    Args:
        model: The model; its weights are cast in place, its front end is not.
        dtype: The type; None leaves the model as it is.

    Raises:
        InputError: If it is a black box, whose numbers are its own affair.
    """
    if dtype in (None, dtype_of(model) or torch.float32):
        return
    if not isinstance(model, SpectralModel):
        raise InputError(f"{model.card.name} is a black box and computes as it likes: leave dtype out")
    for module in model.modules():
        if module is not model.front_end:
            module.to(dtype)
