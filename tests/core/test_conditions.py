"""What the caller has set for all of torch reaches no model, and threads do not disturb each other."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import ConvToy, Toy
from zsxai.api import _cached_model
from zsxai.conditions import evaluating, plain_torch
from zsxai.errors import InputError
from zsxai.plugins import load_explainer
from zsxai.registry import EXPLAINERS

AUDIO = {"array": np.random.default_rng(0).normal(size=16000).astype(np.float32) / 10, "sampling_rate": 16000}


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def coarse_products() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "coarse products": coarse_products,
    "meta device": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("state", STATES)
def test_global_state_changes_no_explanation_and_stays(state: str) -> None:
    """Loaded under ``inference_mode``, the kept model once failed every gradient explainer from then on."""
    expected = zsxai.explain(AUDIO, "a dog", explainer="gradcam")
    _cached_model.cache_clear()
    with STATES[state]():
        before = torch.get_default_dtype(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        products = torch.get_float32_matmul_precision()
        inside = zsxai.explain(AUDIO, "a dog", explainer="gradcam")
        [found] = zsxai.classify(AUDIO, ["a dog"])
        after = torch.get_default_dtype(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        assert (*before, products) == (*after, torch.get_float32_matmul_precision())
        assert inside.verify().ok
    outside = zsxai.explain(AUDIO, "a dog", explainer="gradcam")
    for e in (inside, outside):
        np.testing.assert_allclose(e.mask, expected.mask, atol=1e-6)
        assert e.score == pytest.approx(expected.score, abs=1e-6)
    assert found.similarity == pytest.approx(expected.score, abs=1e-6)


def test_a_model_made_in_inference_mode_is_named() -> None:
    with torch.inference_mode():
        model = ConvToy()
    with pytest.raises(InputError, match="ConvToy was made under inference_mode"):
        zsxai.explain(AUDIO, "a dog", model=model, explainer="gradcam")
    assert zsxai.explain(AUDIO, "a dog", model=model, explainer="occlusion").verify(model).ok


def test_products_of_float32_are_not_rounded_to_less() -> None:
    """What torch does with convolutions on recent GPUs unless told otherwise."""
    legacy = torch.backends.cudnn.allow_tf32
    with plain_torch(), plain_torch():
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == legacy


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="before torch 2.9")
def test_nor_where_the_caller_uses_the_new_switches() -> None:
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    matmul.fp32_precision = "tf32"
    try:
        with plain_torch():
            assert matmul.fp32_precision == conv.fp32_precision == "ieee"
        assert matmul.fp32_precision == conv.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = "none"


def test_plain_torch_costs_nothing_where_all_is_plain() -> None:
    with plain_torch():
        assert torch.get_default_dtype() == torch.float32
        assert torch.is_grad_enabled()


EXPLAINER_NAMES = EXPLAINERS.names()
OPTIONS: dict[str, dict[str, Any]] = {
    "integrated-gradients": {"n_steps": 4},
    "smoothgrad": {"n_samples": 2},
    "lmac-zs+": {"steps": 2},
    "mask-optimisation": {"steps": 2},
    "occlusion": {"seconds": 0.5},
}


def in_threads(model: object, explainer: str, calls: int) -> None:
    """Calls from eight threads are equal to single ones, recording by recording."""
    method = load_explainer(explainer, **OPTIONS.get(explainer, {}))
    clips = [{"array": np.roll(AUDIO["array"], 500 * k) * (1 + k), "sampling_rate": 16000} for k in range(4)]

    def call(index: int) -> zsxai.Explanation:
        return zsxai.explain(clips[index % len(clips)], "a dog", model=model, explainer=method)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # simplefilter is not a thread's own
        single = [call(index) for index in range(len(clips))]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(call, range(calls)))
    for index, e in enumerate(found):
        expected = single[index % len(clips)]
        assert e.score == expected.score
        np.testing.assert_array_equal(e.mask, expected.mask)


def model_for(explainer: str) -> object:
    """The quickest that there is: decoders come with ``tiny`` alone."""
    return "tiny" if explainer.startswith("lmac-zs") else ConvToy()


@pytest.mark.parametrize("explainer", EXPLAINER_NAMES)
def test_explainers_in_threads(explainer: str) -> None:
    """GradCAM once failed in 28 of 32 calls: its hooks lay on taps that other threads ran through."""
    in_threads(model_for(explainer), explainer, 8 if explainer.startswith("lmac-zs") else 24)


@pytest.mark.slow
@pytest.mark.parametrize("explainer", EXPLAINER_NAMES)
def test_many_calls(explainer: str) -> None:
    """``ZSXAI_CALLS=1000`` asks for more."""
    in_threads(model_for(explainer), explainer, int(os.environ.get("ZSXAI_CALLS", "100")))


def test_a_model_belongs_to_one_thread_at_a_time() -> None:
    model = ConvToy()
    inside: list[int] = []

    def use(_index: int) -> int:
        with evaluating(model), evaluating(model):  # a thread may enter again
            inside.append(1)
            count = len(inside)
            torch.randn(200, 200).matmul(torch.randn(200, 200))
            inside.pop()
            return count

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(use, range(200))) == {1}


def test_an_encoder_called_directly_keeps_its_maps_in_threads() -> None:
    """Forward hooks act in the thread that laid them."""
    from zsxai.hooks import hooked

    module = torch.nn.Identity()
    seen: dict[int, list[float]] = {k: [] for k in range(8)}

    def run(index: int) -> None:
        for _ in range(50):
            with hooked(module, lambda _m, _a, output: seen[index].append(float(output))):
                module(torch.tensor(float(index)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    assert all(values == [float(index)] * 50 for index, values in seen.items())


def test_objects_of_any_kind_can_be_locked() -> None:
    class Unhashable(Toy):
        __hash__ = None  # type: ignore[assignment]

        def encode(self, features: Any) -> Any: ...

    with evaluating(Unhashable()):
        pass


def test_wrappers_of_one_module_take_turns() -> None:
    """The first to end once restored the train mode of a module that the other was still running."""
    network = torch.nn.Dropout(0.5)
    network.train()
    wrappers = [ConvToy() for _ in range(8)]
    for wrapper in wrappers:
        wrapper.network = network  # type: ignore[attr-defined]

    def use(wrapper: ConvToy) -> bool:
        found = True
        for _ in range(50):
            with evaluating(wrapper):
                time.sleep(1e-4)
                found = found and not network.training
        return found

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, wrappers))
    assert network.training


def test_the_default_dtype_is_restored_by_the_last_of_several_threads() -> None:
    entered, leave = threading.Event(), threading.Event()

    def stay() -> torch.dtype:
        with plain_torch():
            entered.set()
            leave.wait(10)
            return torch.get_default_dtype()

    with default_dtype(torch.float64), ThreadPoolExecutor(1) as pool:
        staying = pool.submit(stay)
        entered.wait(10)
        with plain_torch():
            pass
        leave.set()
        assert staying.result() == torch.float32
        assert torch.get_default_dtype() == torch.float64
