"""Weights drawn anew: which, in which order, from what, and that every bit comes back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys import BlackBoxToy, ConvToy
from zsxai import InputError, load_model
from zsxai.benchmarks.measure.libraries.msclap import random_checkpoint
from zsxai.benchmarks.tasks.cascade import BIAS, Layer, drawn_anew, layers_of, steps
from zsxai.black_box import as_model
from zsxai.model import Encoding, Features, TextEncoding


class Text(nn.Module):
    """Letters, positions that are used without a call, attention, a head that nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(8, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)  # uses out_proj without calling it
        self.norm = nn.LayerNorm(8)
        self.letters = nn.Embedding(128, 8)
        self.positions = nn.Parameter(torch.randn(64, 8))
        self.gain = nn.Parameter(torch.ones(8))

    def forward(self, ids: Tensor) -> Tensor:
        states = self.norm(self.letters(ids) + self.positions[: ids.shape[1]])
        self.unused(states)
        mixed, _ = self.attention(states, states, states, need_weights=False)
        return (mixed * self.gain).mean(dim=1)


class TwoTowers(ConvToy):
    """A network for the text too, and one last layer that both towers use."""

    def __init__(self, cached: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.text, self.shared = Text(), nn.Linear(8, 8)
        for module in (self.text, self.shared):
            module.requires_grad_(False).eval()
        self.cache: dict[str, Tensor] | None = {} if cached else None

    def encode(self, features: Features) -> Encoding:
        encoded = super().encode(features)
        return Encoding(nn.functional.normalize(self.shared(encoded.embedding), dim=-1), encoded.feature_maps)

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        key = "/".join(prompts)
        if self.cache and key in self.cache:
            return TextEncoding(self.cache[key])
        longest = max(map(len, prompts))
        ids = torch.tensor([[ord(c) % 128 for c in p.ljust(longest)] for p in prompts])
        embedding = nn.functional.normalize(self.shared(self.text(ids)), dim=-1)
        if self.cache is not None:
            self.cache[key] = embedding
        return TextEncoding(embedding)


def weights_of(model: ConvToy) -> dict[str, Tensor]:
    """Bytes of all parameters and buffers, the front end's among them."""
    tensors = {
        f"{i}.{name}": tensor
        for i, root in enumerate(model.modules())
        for name, tensor in (*root.named_parameters(), *root.named_buffers())
    }
    return {name: torch.tensor(list(t.detach().numpy().tobytes()), dtype=torch.uint8) for name, t in tensors.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


def modules_in(model: TwoTowers, layers: Sequence[Layer]) -> list[str]:
    known = {
        id(model.first.weight): "first",
        id(model.second.weight): "second",
        id(model.head.weight): "head",
        id(model.shared.weight): "shared",
        id(model.text.letters.weight): "letters",
        id(model.text.positions): "positions",
        id(model.text.attention.in_proj_weight): "attention",
        id(model.text.attention.out_proj.weight): "out_proj",
    }
    return [known[id(layer.weights[0])] for layer in layers]


def test_layers_stand_in_the_order_of_their_use() -> None:
    model = TwoTowers()
    assert modules_in(model, layers_of(model, "audio")) == ["first", "second", "head", "shared"]
    assert modules_in(model, layers_of(model, "text")) == ["positions", "letters", "attention", "out_proj", "shared"]


def test_gains_norms_and_buffers_are_no_layers() -> None:
    model = TwoTowers()
    drawn = {id(p) for t in ("audio", "text") for layer in layers_of(model, t) for p in (*layer.weights, *layer.biases)}
    for kept in (model.text.gain, *model.norm.parameters(), *model.text.norm.parameters()):
        assert id(kept) not in drawn
    before, layers = weights_of(model), layers_of(model, "audio")
    assert layers[0].biases == (model.first.bias,)
    with drawn_anew(layers, seed=0):
        # A weight and a bias of four layers: neither norms nor statistics nor the front end.
        assert len(same(before, weights_of(model))) == 8
        assert torch.equal(model.first.bias, torch.full((6,), BIAS))


def test_weights_are_xavier_uniform() -> None:
    model = load_model("tiny")
    layers = {layer.name.split(".", 1)[1]: layer for layer in layers_of(model, "audio")}
    with drawn_anew(list(layers.values()), seed=0):
        for name, fan in (("out", 512 + 384), ("stages.3.conv_2", 2 * 256 * 9)):
            values = layers[name].weights[0].numpy().ravel()
            bound = np.sqrt(6.0 / fan)
            assert np.abs(values).max() <= bound
            # Uniform over +-bound: deviation bound / sqrt(3), and each quarter of the range as often as another.
            assert values.std() == pytest.approx(bound / np.sqrt(3.0), rel=0.01)
            np.testing.assert_allclose(np.histogram(values, 4, (-bound, bound))[0] / values.size, 0.25, atol=0.005)


def test_every_bit_comes_back_after_an_exception_too() -> None:
    model = TwoTowers()
    model.first.weight.data[0, 0, 0, 0] = float("nan")
    model.second.weight.data[0, 0, 0, 0] = -0.0
    model.second.bias.requires_grad_(True)
    before = weights_of(model)
    layers = [Layer("first", (model.first.weight,), ()), Layer("second", (model.second.weight,), (model.second.bias,))]
    with suppress(ZeroDivisionError), drawn_anew(layers, seed=0):
        assert len(same(before, weights_of(model))) == 3
        raise ZeroDivisionError
    assert same(before, weights_of(model)) == []
    assert model.second.bias.requires_grad
    assert not model.first.weight.requires_grad


def test_looking_for_layers_leaves_no_trace() -> None:
    model = TwoTowers()
    model.norm.train()
    before, state = weights_of(model), torch.get_rng_state()
    for tower in ("audio", "text"):
        with drawn_anew(layers_of(model, tower), seed=1):
            pass
    assert same(before, weights_of(model)) == []
    assert torch.equal(torch.get_rng_state(), state)
    assert model.norm.training
    assert not any(m._forward_pre_hooks for root in model.modules() for m in root.modules())


def test_the_draw_hangs_on_seed_and_layer_alone() -> None:
    def drawn(seed: int, last: int) -> list[Tensor]:
        model = TwoTowers()
        layers = layers_of(model, "audio")[-last:]
        with drawn_anew(layers, seed):
            return [layer.weights[0].clone() for layer in layers]

    assert all(torch.equal(a, b) for a, b in zip(drawn(3, 2), drawn(3, 4)[2:], strict=True))
    assert not torch.equal(drawn(3, 1)[0], drawn(4, 1)[0])
    one, two = drawn(0, 2)
    assert not torch.equal(one.ravel()[:8], two.ravel()[:8])


def test_steps_begin_with_the_last_layers() -> None:
    layers = [Layer(str(i), (), ()) for i in range(10)]
    named = [[layer.name for layer in step] for step in steps(layers, 4)]
    assert named == [["9", "8", "7"], ["6", "5", "4"], ["3", "2"], ["1", "0"]]
    assert [len(step) for step in steps(layers[:3], 4)] == [1, 1, 1]


def test_weights_shared_by_two_layers_belong_to_the_later_one() -> None:
    model = ConvToy()
    early, late, last = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 12, 1)
    late.weight = early.weight
    model.second = nn.Sequential(early, late, last).requires_grad_(False).eval()  # type: ignore[assignment]
    layers = layers_of(model, "audio")
    assert [layer.weights[0] is early.weight for layer in layers] == [False, True, False, False]
    assert layers[1].biases == (late.bias,)


def test_both_towers_of_tiny_reach_their_embeddings() -> None:
    model = load_model("tiny")
    sound = torch.randn(1, 16000, generator=torch.Generator().manual_seed(5))
    audio, text = model.embed_audio(sound), model.embed_text(["a dog"])
    for tower, names in (("audio", ["stem", "out"]), ("text", ["positions", "layers.1.down"])):
        layers = layers_of(model, tower)
        assert [layers[i].name.split(".", 1)[1] for i in (0, -1)] == names
        for step in steps(layers, 4):
            with drawn_anew(step, seed=0):
                heard, said = model.embed_audio(sound), model.embed_text(["a dog"])
            assert torch.equal(heard, audio) == (tower == "text")
            assert torch.equal(said, text) == (tower == "audio")
    assert torch.equal(model.embed_audio(sound), audio)


@pytest.mark.legacy
def test_filters_of_a_replaced_front_end_and_unused_heads_are_no_layers(tmp_path: Path) -> None:
    model = load_model(f"msclap-2022:{random_checkpoint(tmp_path / 'weights.pth', '2022')}")
    tensors = {name for root in model.modules() for name, _ in root.named_parameters()}
    assert any("conv_real" in name for name in tensors)
    names = [layer.name for layer in layers_of(model, "audio")]
    assert names[0].endswith("conv_block1.conv1")
    assert names[-1].endswith("projection.linear2")
    assert not [name for name in names if "extractor" in name or "fc_audioset" in name]


def test_a_black_box_may_hold_modules_and_hide_its_graph() -> None:
    class Box(BlackBoxToy):
        def __init__(self) -> None:
            with torch.random.fork_rng():
                torch.manual_seed(3)
                self.parts = {"last": nn.Linear(6, 4), "first": nn.Linear(4, 6)}

        @torch.no_grad()
        def embed_audio(self, waveforms: Tensor) -> Tensor:
            hidden: Tensor = self.parts["first"](super().embed_audio(waveforms))
            return torch.as_tensor(self.parts["last"](hidden).numpy())

    box = Box()
    layers = layers_of(as_model(box), "audio")
    assert [
        layer.weights[0] is box.parts[name].weight for layer, name in zip(layers, ("first", "last"), strict=True)
    ] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("model", "tower"), [(BlackBoxToy(), "audio"), (ConvToy(), "text"), (TwoTowers(cached=True), "text")]
)
def test_no_weights_or_a_cache_is_one_line(model: object, tower: str) -> None:
    made = as_model(model)
    with pytest.raises(InputError, match=f"no torch weights of .* change its {tower} embedding") as caught:
        layers_of(made, tower)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert made.card.name in str(caught.value)
