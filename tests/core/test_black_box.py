"""Any object with a rate and two functions as a model."""

from __future__ import annotations

from collections.abc import Sequence

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
