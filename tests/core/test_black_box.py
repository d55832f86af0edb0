"""Any object with a rate and two functions as a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zsxai
from tests.conftest import Tone
from tests.toys import STRICT, BlackBoxToy
from zsxai.black_box import as_model
from zsxai.conditions import evaluating
from zsxai.model import ModelCard

pytestmark = STRICT


def test_it_may_bring_its_card_and_need_not() -> None:
    class WithCard(BlackBoxToy):
        card = ModelCard(name="mine", licence="MIT")

    class WithOther(BlackBoxToy):
        card = "a string is no card"

    assert as_model(WithCard()).card == WithCard.card
    assert as_model(BlackBoxToy()).card.name == as_model(WithOther()).card.name == "black-box-toy"


class Holder(BlackBoxToy):
    """Holds a network that drops, left in train mode."""

    def __init__(self) -> None:
        self.network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4))

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.as_tensor(self.network(super().embed_audio(waveforms)))


class Network(nn.Module):
    """Is the network itself."""

    sample_rate = 16000

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        return torch.as_tensor(self.drop(BlackBoxToy().embed_audio(waveforms)))

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        return torch.as_tensor(self.drop(BlackBoxToy().embed_text(prompts)))


class Slots:
    """Has no ``__dict__``."""

    __slots__ = ("inner", "sample_rate")

    def __init__(self) -> None:
        self.inner, self.sample_rate = BlackBoxToy(), 16000

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        return self.inner.embed_audio(waveforms)

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        return self.inner.embed_text(prompts)


@pytest.mark.parametrize("make", [Holder, Network, Slots])
def test_its_networks_are_in_eval_mode_for_the_call(make: type, tone: Tone) -> None:
    model = as_model(make())
    before = [module.training for root in model.modules() for module in root.modules()]
    one, two = (zsxai.explain(tone(), "a tone", model=model, sample_rate=16000) for _ in range(2))
    assert one.score == two.score
    assert (one.mask == two.mask).all()
    assert before == [module.training for root in model.modules() for module in root.modules()]
    assert all(before)
    with evaluating(model):
        assert not any(module.training for root in model.modules() for module in root.modules())


class Given(BlackBoxToy):
    """Gives what it was made with, or what a function makes of the right embeddings."""

    def __init__(self, audio: Any = None, text: Any = None, **attributes: Any) -> None:
        self._audio, self._text = audio, text
        for name, value in attributes.items():
            setattr(self, name, value)

    def embed_audio(self, waveforms: Tensor) -> Any:
        rows = super().embed_audio(waveforms)
        return self._audio(rows) if self._audio else rows

    def embed_text(self, prompts: Sequence[str]) -> Any:
        rows = super().embed_text(prompts)
        return self._text(rows) if self._text else rows


def fail(_rows: Tensor) -> Tensor:
    raise RuntimeError("batch of 1 only\nsecond line")


AUDIO: dict[str, tuple[Any, str]] = {
    "tuple": (lambda rows: (rows, None), "embed_audio of black-box-toy gave a tuple: return an array"),
    "dict": (lambda rows: {"emb": rows}, "gave a dict"),
    "None": (lambda _rows: None, "gave a NoneType"),
    "string": (lambda _rows: "rows", "gave a str"),
    "ragged": (lambda _rows: [[1.0], [1.0, 2.0]], "no array of numbers"),
    "words": (lambda _rows: np.array([["a"]]), "no array of numbers"),
    "complex": (lambda rows: rows.to(torch.complex64), "numbers of type torch.complex64"),
    "masked": (lambda rows: np.ma.masked_less(rows.numpy(), 1e9), "some of it is masked"),
    "meta": (lambda rows: rows.to("meta"), "no array of numbers"),
    "bool": (lambda rows: rows > 0, "numbers of type torch.bool"),
    "(B, 1, D)": (lambda rows: rows[:, None], r"shape \(1, 1, 4\) for 1 clips: it should be \(1, D\)"),
    "(D,)": (lambda rows: rows[0], r"shape \(4,\) for 1 clips"),
    "no numbers": (lambda rows: rows[:, :0], r"shape \(1, 0\)"),
    "two rows": (lambda rows: torch.cat([rows, rows]), r"shape \(2, 4\) for 1 clips"),
    "other width": (lambda rows: rows[:, :3], "gives 4 and 3 numbers for clips and prompts"),
    "NaN": (lambda rows: rows * torch.nan, "NaN or infinity for 1 of 1 clips"),
    "infinity": (lambda rows: rows + torch.inf, "NaN or infinity for 1 of 1 clips"),
    "error": (fail, "embed_audio of black-box-toy failed on 1 clips: RuntimeError: batch of 1 only$"),
}


@pytest.mark.parametrize("kind", AUDIO)
def test_what_embeds_clips_wrongly_is_named(kind: str, tone: Tone) -> None:
    audio, message = AUDIO[kind]
    with pytest.raises(zsxai.InputError, match=message) as caught:
        zsxai.classify(tone(), ["dog", "rain"], sample_rate=16000, model=Given(audio))
    assert "\n" not in str(caught.value)
    with pytest.raises(zsxai.InputError):
        zsxai.explain(tone(), "dog", sample_rate=16000, model=Given(audio))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda rows: rows[:1], r"shape \(1, 4\) for 2 prompts"),
        (lambda rows: rows * 0, "nothing but zeros for a prompt"),
        (lambda rows: rows * torch.nan, "NaN or infinity for 2 of 2 prompts"),
        (fail, "embed_text of black-box-toy failed on 2 prompts"),
    ],
)
def test_what_embeds_prompts_wrongly_is_named(text: Any, message: str, tone: Tone) -> None:
    with pytest.raises(zsxai.InputError, match=message):
        zsxai.classify(tone(), ["dog", "rain"], sample_rate=16000, model=Given(text=text))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"sample_rate": 0}, "sample_rate: Input should be greater"),
        ({"sample_rate": 10}, "sample_rate: Input should be greater"),
        ({"sample_rate": 16000.5}, "sample_rate: Input should be a valid integer"),
        ({"sample_rate": 1e12}, "sample_rate: Input should be less"),
        ({"sample_rate": None}, "sample_rate: Input should be a valid integer"),
        ({"window": 0}, "window: Input should be greater than 0"),
        ({"window": float("inf")}, "window: Input should be a finite number"),
        ({"window": 1e-5}, "a window of 1e-05 s holds 0 samples"),
        ({"logit_scale": float("nan")}, "logit_scale is a number above 0"),
        ({"logit_scale": 0.0}, "logit_scale is a number above 0"),
        ({"logit_scale": -1.0}, "logit_scale is a number above 0"),
        ({"logit_scale": 1e300}, "logit_scale is a number above 0, 1e9 at most"),
        ({"templates": ["a {}"]}, "templates is a mapping"),
        ({"templates": {"one": "a {}"}}, "templates is a mapping"),
        ({"logit_scale": max}, "logit_scale is a number above 0"),
    ],
)
def test_attributes_that_cannot_be(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(zsxai.InputError, match=f"black-box-toy: {message}") as caught:
        as_model(Given(**attributes))
    assert "\n" not in str(caught.value)


def test_a_class_is_no_model() -> None:
    with pytest.raises(zsxai.InputError, match=r"BlackBoxToy is a class: give an object of it, BlackBoxToy\(\.\.\.\)"):
        as_model(BlackBoxToy)


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: rows.numpy(),
        lambda rows: rows.tolist(),
        lambda rows: list(rows),
        lambda rows: [row.numpy() for row in rows],
        lambda rows: rows.double(),
        lambda rows: rows.double() * 1e30,
        lambda rows: rows.double() * 1e-50,
        lambda rows: rows.numpy().astype(">f4")[:, ::-1][:, ::-1],
        lambda rows: rows.to_sparse(),
        lambda rows: rows.clone().requires_grad_(),
    ],
)
def test_rows_of_any_form_are_the_same_rows(form: Any, tone: Tone) -> None:
    expected = zsxai.classify(tone(), ["dog", "rain"], sample_rate=16000, model=BlackBoxToy())
    found = zsxai.classify(tone(), ["dog", "rain"], sample_rate=16000, model=Given(form, form))
    assert [row.label for row in found] == [row.label for row in expected]
    for row, right in zip(found, expected, strict=True):
        assert row.similarity == pytest.approx(right.similarity, abs=1e-6)


def test_numbers_of_torch_are_numbers() -> None:
    model = as_model(
        Given(sample_rate=torch.tensor(16000), window=np.float32(2), logit_scale=torch.nn.Parameter(torch.tensor(5.0)))
    )
    assert (model.sample_rate, model.audio_spec.window, model.logit_scale) == (16000, 2.0, 5.0)


def test_what_writes_into_its_input_spoils_nothing(tone: Tone) -> None:
    class Greedy(BlackBoxToy):
        def embed_audio(self, waveforms: Tensor) -> Tensor:
            return super().embed_audio(waveforms.mul_(0.5))

    model = Greedy()
    e = zsxai.explain(tone(), "dog", sample_rate=16000, model=model)
    assert e.verify(model).ok
    np.testing.assert_array_equal(e.original, tone())
