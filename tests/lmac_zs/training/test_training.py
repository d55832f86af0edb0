"""The loop: it learns, draws nothing but from its seed, refuses what does not fit, and leaves the model as it was."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.decoders import SYNTHETIC, classes, config, heard, noise, sounds, toy
from tests.toys import SPEC, STRICT, BandToy, ConvToy, LinearToy
from zsxai.errors import InputError, ZsxaiError
from zsxai.lmac_zs.cells import Sounds
from zsxai.lmac_zs.gradient import encode_with_evidence
from zsxai.lmac_zs.training.build import decoder_spec
from zsxai.lmac_zs.training.diagnostics import Diagnostics, Validation
from zsxai.lmac_zs.training.logs import Progress
from zsxai.lmac_zs.training.run import train
from zsxai.lmac_zs.training.trainer import STATE, DivergedError, Trainer, rate_at
from zsxai.model import SpectralModel, TextEncoding

pytestmark = STRICT


def trainer(model: SpectralModel | None = None, held_out: Any = (), out: Path | None = None, **changes: Any) -> Trainer:
    return Trainer(model or toy(), sounds(), held_out, config(**changes), out)


def weights(made: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in made.decoder.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


def losses(made: Trainer) -> list[float]:
    found: list[float] = []
    made.run(lambda progress: found.append(progress.loss))
    return found


@pytest.mark.parametrize(
    ("objective", "part"), [({"name": "contrastive", "warm_up": 0.0}, 0.85), ({"name": "paper"}, 0.7)]
)
def test_one_batch_is_learnt(objective: dict[str, Any], part: float, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(objective=objective, steps=12, batch=2, warm_up=0.0, schedule="constant", rate=0.01, clip_norm=10.0)
    one = made._draw(3, 0)
    monkeypatch.setattr(made, "_draw", lambda step, part: one)
    found = losses(made)
    assert len(found) == 12
    assert found[-1] < part * found[0], found


@pytest.mark.parametrize("name", ["contrastive", "paper"])
def test_every_pair_is_given_its_own_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(objective={"name": name}, batch=3)
    draw, asked = made._draw(0, 0), []

    def heard(maps: Any, text: TextEncoding, of: Tensor, bank: Tensor, gradient: Tensor) -> Any:
        asked.append((text.embedding, of, gradient))
        return decoder(maps, text, of, bank, gradient)

    decoder = made.decoder
    monkeypatch.setattr(made, "decoder", heard)
    made._terms(draw, "stft")
    ((text, of, gradient),) = asked
    assert len(text) == len(of) == len(gradient) == 9
    for row in range(9):
        features = made.model.features(draw.waveforms[[int(of[row])]])
        _, (wanted,) = encode_with_evidence(made.model, features, made.spec, [text[[row]]])
        torch.testing.assert_close(gradient[[row]], wanted, atol=1e-4, rtol=1e-3)


def test_a_seed_decides(tmp_path: Path) -> None:
    made = trainer()
    first, curve = weights(made), losses(made)
    again = trainer()
    assert equal(weights(again), first)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    assert losses(again) == curve
    assert equal(weights(again), weights(made))
    assert not equal(weights(made), first)
    other = trainer(seed=1)
    assert not equal(weights(other), first)
    assert losses(other) != curve


def test_every_part_of_every_step_hears_something_else() -> None:
    made, again = trainer(), trainer()
    first = made._draw(0, 0).waveforms
    assert torch.equal(again._draw(0, 0).waveforms, first)
    for other in (made._draw(1, 0), made._draw(0, 1), trainer(seed=1)._draw(0, 0)):
        assert not torch.equal(other.waveforms, first)


def test_nothing_is_drawn_from_global_generators() -> None:
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    trainer(held_out=sounds(), validate_every=1).run()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]


def stirred() -> ConvToy:
    """A model that its owner trains: weights ask for gradients, and a layer is in training mode."""
    model = toy()
    for root in model.modules():
        root.requires_grad_(True)
    model.norm.train()
    return model


def test_the_models_weights_and_modes_stay() -> None:
    model = stirred()
    before = [copy.deepcopy(root.state_dict()) for root in model.modules()]
    modes = [m.training for root in model.modules() for m in root.modules()]
    trainer(model, held_out=sounds(), validate_every=1).run()
    # Batch normalisation in training mode would have moved its statistics.
    assert all(equal(root.state_dict(), was) for root, was in zip(model.modules(), before, strict=True))
    assert [m.training for root in model.modules() for m in root.modules()] == modes
    assert all(p.grad is None for root in model.modules() for p in root.parameters())


def test_the_model_is_frozen_only_while_it_is_trained_on() -> None:
    """It says of a recording what it said before, to the bit, and its owner may go on training it."""
    model = stirred()
    flags = [p.requires_grad for root in model.modules() for p in root.parameters()]
    layout = [p.stride() for root in model.modules() for p in root.parameters()]
    trainer(model).run()
    assert [p.requires_grad for root in model.modules() for p in root.parameters()] == flags
    assert [p.stride() for root in model.modules() for p in root.parameters()] == layout


def test_the_decoder_comes_back_in_eval_mode() -> None:
    decoder = trainer().run()
    assert not any(m.training for m in decoder.modules())


def test_accumulated_batches_are_their_mean() -> None:
    """One update over two batches is Adam's step along the mean of both gradients."""
    made = trainer(accumulate=2, steps=10, clip_norm=0.5, warm_up=0.0)
    by_hand = copy.deepcopy(made.decoder)
    before = weights(made)
    reported = made._update()
    other = trainer(steps=10, warm_up=0.0)
    assert equal(weights(other), before)
    other.decoder = by_hand
    optimiser = torch.optim.Adam(by_hand.parameters(), lr=made.config.rate)
    sums, masks = [], []
    for part in (0, 1):
        terms, mask = other._terms(other._draw(0, part), "stft")
        sums.append(torch.stack(list(terms.values())).sum())
        masks.append(float(mask))
    wanted = torch.stack(sums).mean()
    wanted.backward()
    torch.nn.utils.clip_grad_norm_(by_hand.parameters(), 0.5)
    optimiser.step()
    for name, value in by_hand.named_parameters():
        torch.testing.assert_close(dict(made.decoder.named_parameters())[name], value, atol=1e-5, rtol=1e-3)
        assert not torch.equal(value, before[name]), name
    assert sum(v for n, v in reported.items() if n != "mask") == pytest.approx(float(wanted.detach()), rel=1e-4)
    assert reported["mask"] == pytest.approx(np.mean(masks), rel=1e-4)


def test_trainings_in_one_process_keep_apart() -> None:
    alone = trainer()
    curve = losses(alone)
    first = trainer()
    second = trainer(accumulate=2)
    assert losses(first) == curve
    assert equal(weights(first), weights(alone))
    assert len(losses(second)) == 2


def test_another_precision_in_one_process() -> None:
    trainer().run()
    found = losses(trainer(precision="bf16", steps=2))
    assert np.isfinite(found).all()


def test_progress_says_what_was_done() -> None:
    seen: list[Progress] = []
    trainer(held_out=sounds(), validate_every=2, steps=3).run(seen.append)
    assert [p.step for p in seen] == [1, 2, 3]
    assert [p.step for p in seen if p.diagnostics is not None] == [2, 3], "and at the end"
    for p in seen:
        assert p.steps == 3
        assert p.loss == pytest.approx(sum(v for name, v in p.terms.items() if name != "mask"))
        assert 0 < p.terms["mask"] < 1
    record = seen[1].record()
    assert record["step"] == 2
    assert record["validation/pointing"] == seen[1].diagnostics.pointing
    assert "validation/faithfulness" in record
    assert not [name for name in seen[0].record() if name.startswith("validation")]


@pytest.mark.parametrize(
    ("changes", "clips", "steps"),
    [
        ({"steps": 7}, 8, 7),
        ({"steps": None, "epochs": 3}, 80, 60),
        ({"steps": None, "epochs": 3, "accumulate": 5}, 80, 12),
        ({"steps": None, "epochs": 1}, 3, 1),
    ],
)
def test_how_long(changes: dict[str, Any], clips: int, steps: int) -> None:
    assert config(**changes).updates(clips) == steps


def test_the_rate() -> None:
    assert [rate_at(d, 0.1, "constant") for d in (0.0, 0.05, 0.1, 0.9)] == pytest.approx([0.02, 0.5, 1.0, 1.0])
    assert [rate_at(d, 0.2, "cosine") for d in (0.2, 0.6, 1.0)] == pytest.approx([1.0, 0.515, 0.03])
    assert rate_at(0.0, 0.0, "cosine") == pytest.approx(1.0)
    curve = [rate_at(s / 100, 0.03, "cosine") for s in range(100)]
    assert all(0 < r <= 1 for r in curve)
    assert curve[3:] == sorted(curve[3:], reverse=True)


def test_the_optimiser_follows_the_rate() -> None:
    made = trainer(steps=4, warm_up=0.5, rate=0.01)
    seen = []
    made.run(lambda _: seen.append(made.optimiser.param_groups[0]["lr"]))
    assert seen == pytest.approx([0.01 * rate_at(s / 4, 0.5, "cosine") for s in range(4)])


def test_a_loss_that_is_no_number(tmp_path: Path) -> None:
    made = trainer(rate=1e30, warm_up=0.0, steps=5)
    with pytest.raises(
        DivergedError, match=r"the loss is not finite at step 2 \(.*kept.*\): lower rate \(1e\+30\)"
    ) as e:
        made.run()
    assert isinstance(e.value, ZsxaiError)
    assert not isinstance(e.value, InputError), "not the caller's mistake"
    assert "clip_norm (1)" in str(e.value)
    assert "precision = 'float32'" in str(e.value)
    assert "checkpoint" not in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("every", [1, 50])
def test_a_lost_training_names_a_checkpoint_only_where_there_is_one(tmp_path: Path, every: int) -> None:
    made = trainer(rate=1e30, warm_up=0.0, steps=5, checkpoint_every=every, out=tmp_path / "out")
    with pytest.raises(DivergedError) as e:
        made.run()
    assert (tmp_path / "out" / STATE).exists() == (every == 1)
    assert ("checkpoint" in str(e.value)) == (every == 1), str(e.value)


def test_the_model_gets_its_modes_back_from_a_lost_training() -> None:
    model = stirred()
    with pytest.raises(DivergedError):
        trainer(model, rate=1e30, warm_up=0.0, steps=5).run()
    assert model.norm.training


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"decoder": {}}, r"the decoder reads 2 maps and has 4 widths: \(32, 48, 64, 96\)"),
        ({"decoder": {"widths": (8, 8, 8)}}, "the decoder reads 2 maps and has 3 widths"),
        ({"decoder": {"maps": ("first",), "widths": (8, 8)}}, "the decoder reads 1 maps and has 2 widths"),
        ({"decoder": {"maps": ("first", "last"), "widths": (8, 8)}}, "no feature map 'last': it has first, second"),
        ({"decoder": {"widths": (8, 10)}}, r"widths are multiples of the 4 heads: \(8, 10\)"),
        ({"decoder": {"widths": (8, 0)}}, "widths"),
        ({"phrases": "nowhere.toml"}, r"nowhere\.toml"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_model(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as e:
        trainer(**changes)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("count", [1, 2])
def test_data_of_one_class_or_two(count: int) -> None:
    with pytest.raises(InputError, match=f"the data hold {count} classes"):
        Trainer(toy(), classes(count, each=5), [], config())


def test_maps_by_name() -> None:
    made = trainer(decoder={"maps": ("second",), "widths": (16,)})
    assert made.spec.maps == ("second",)
    assert (made.spec.channels, made.spec.widths) == ((12,), (16,))
    assert losses(made)


def test_the_last_maps_by_default() -> None:
    made = trainer(decoder={"widths": (16,)})
    assert made.spec.maps == ("second",)
    assert (made.spec.text_dim, made.spec.token_dim, made.spec.conditioning) == (8, 8, "tokens")
    assert trainer(decoder={"widths": (8, 8), "conditioning": "pooled"}).spec.conditioning == "pooled"


class Wordless(ConvToy):
    """Gives no token states."""

    def encode_text(self, prompts: Any) -> TextEncoding:
        return TextEncoding(super().encode_text(prompts).embedding)


def test_a_model_without_token_states() -> None:
    made = trainer(Wordless(window=0.25))
    assert (made.spec.conditioning, made.spec.token_dim) == ("pooled", None)
    assert np.isfinite(losses(made)).all()
    bands = [heard(f"{k}-{i}", f"band {k}") for k in range(4) for i in range(2)]
    made = Trainer(BandToy(window=0.25), bands, bands, config(decoder={"widths": (8,)}, templates=("{}",)))
    assert np.isfinite(losses(made)).all()
    assert made.spec.text_dim == 4


def test_a_model_of_any_length_hears_as_much_as_the_configuration_says() -> None:
    made = trainer(toy(window=None), seconds=0.2)
    assert made._draw(0, 0).sounds.shape == (4, 3200)
    assert np.isfinite(losses(made)).all()
    assert trainer(toy(), seconds=9.0)._draw(0, 0).sounds.shape == (4, 4000)


def test_both_domains_come_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    of = Sounds.of

    def recording(model: SpectralModel, waveforms: Tensor, domain: Any, scale: Any) -> Sounds:
        seen.append(domain)
        return of(model, waveforms, domain, scale)

    monkeypatch.setattr(Sounds, "of", recording)
    both = losses(trainer(domain="both", steps=3))
    assert seen == ["stft", "mel", "stft"]
    assert both[0] == losses(trainer(domain="stft", steps=3))[0]
    seen.clear()
    losses(trainer(domain="both", steps=1, accumulate=2))
    assert seen == ["stft", "mel"]


@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_a_float64_front_end(domain: str) -> None:
    model = toy(spec=SPEC.model_copy(update={"precision": "float64"}))
    plain, fine = losses(trainer(domain=domain, steps=2)), losses(trainer(model, domain=domain, steps=2))
    assert fine == pytest.approx(plain, rel=1e-2)


def test_every_way_to_mask() -> None:
    firsts = [losses(trainer(domain=d, scale=s, steps=1)) for d in ("stft", "mel") for s in ("log", "gain", "log1p")]
    assert np.isfinite(firsts).all()
    assert len({round(loss, 6) for (loss,) in firsts}) == 6, "each hears something else"


@pytest.mark.parametrize("fill", ["zero", "repeat", "repeat-pad"])
def test_clips_shorter_than_the_window(fill: Any) -> None:
    short = [heard(f"c{c}", f"class {c}", noise(samples, seed=c)) for c, samples in enumerate((1600, 1, 300, 3999))]
    made = Trainer(toy(fill=fill), short, short, config(steps=2, validate_every=1))
    assert np.isfinite(losses(made)).all()


def test_a_model_without_a_scale() -> None:
    """A contrast at a scale of 1 tells nothing apart; the paper's objective has no scale."""
    model = toy()
    model.logit_scale = None
    with pytest.raises(InputError, match=r"ConvToy gives no logit scale: .*; set logit_scale on the model"):
        trainer(model)
    assert np.isfinite(losses(trainer(model, held_out=sounds(), objective={"name": "paper"}))).all()


def test_what_the_decoder_needs_is_read_off_the_model() -> None:
    chosen = config(decoder={"widths": (8, 12)})
    found = decoder_spec(chosen, ("a", "b"), (3, 5), 6, torch.zeros(1, 2, 7))
    assert (found.maps, found.channels, found.widths) == (("a", "b"), (3, 5), (8, 12))
    assert (found.text_dim, found.token_dim, found.conditioning) == (6, 7, "tokens")


# What ``train`` refuses before it writes anything.


def test_models_that_carry_no_decoder(tmp_path: Path) -> None:
    chosen = config(data={"s": SYNTHETIC})
    nameless, tapless = toy(), toy()
    nameless.card = nameless.card.model_copy(update={"weights_sha256": None})
    tapless.taps = {}
    for model, says in ((nameless, "ConvToy gives no hash of its weights"), (tapless, "ConvToy gives no feature maps")):
        with pytest.raises(InputError, match=says):
            train(model, tmp_path / "out", chosen)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing to train on: name data, such as --data sounds\.csv"):
        train(toy(), tmp_path / "out", config())
    with pytest.raises(InputError, match="synthetic"):
        train(toy(), tmp_path / "out", config(data={"s": SYNTHETIC}), roots={"s": str(tmp_path / "data")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_is_no_folder(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is a file"):
        train(toy(), tmp_path / "out", config(data={"s": SYNTHETIC}), resume=resume)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_a_folder_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty: go on with --resume, or choose another --out"):
        train(toy(), tmp_path, config(data={"s": SYNTHETIC}))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    train(toy(), tmp_path / "empty", config(data={"s": SYNTHETIC}, steps=1))


# Diagnostics.


def validation(model: SpectralModel | None = None, clips: int = 16) -> tuple[Trainer, Validation]:
    made = trainer(model, held_out=sounds(2), validation_clips=clips)
    assert made.validation is not None
    return made, made.validation


def test_diagnostics_are_the_same_every_time() -> None:
    made, _ = validation()
    again, _ = validation()
    assert made.diagnose() == made.diagnose() == again.diagnose()


def test_the_probability_of_the_recordings_as_they_are() -> None:
    made, held_out = validation()
    model, captions = made.model, held_out.corpus.captions
    assert len(held_out.single) == len(held_out.mixed) == 1
    found = []
    for draw in held_out.single:
        assert not draw.mixed.any()
        for wave, own in zip(draw.waveforms, draw.own.tolist(), strict=True):
            others = [b for b in draw.bank.tolist() if captions.group[b] != captions.group[own]]
            text = captions.embedding[[own, *others]]
            alike = (text[1:] @ text[0] >= made.config.same_above).tolist()
            keep = [0, *(k + 1 for k, same in enumerate(alike) if not same)]
            logits = model.logit_scale * model.embed_audio(wave[None])[0] @ text[keep].T
            found.append(float(torch.softmax(logits, dim=0)[0]))
    assert made.diagnose().p == pytest.approx(float(np.mean(found)), rel=1e-4)
    assert all(draw.mixed.all() for draw in held_out.mixed)


class Says:
    """Stands for a decoder that knows the masks, and for the cells that they lie on."""

    def __init__(self, spec: Any, masks: Any) -> None:
        self.spec, self.masks = spec, masks

    def trunk(self, maps: list[Tensor]) -> list[Tensor]:
        return maps

    def head(self, levels: list[Tensor], text: TextEncoding, gradient: Tensor | None = None) -> Tensor:
        return self.masks(text)

    def mask(self, masks: Tensor, steepness: float) -> Tensor:
        return masks


def test_diagnostics_of_masks_that_are_known() -> None:
    made, held_out = validation()
    model = made.model
    rows, frames = Sounds.of(model, torch.zeros(1, model.audio_spec.window_samples), "stft", "log").power.shape[1:]

    def constant(value: float) -> Diagnostics:
        known: Any = Says(made.spec, lambda text: torch.full((len(text), rows, frames), value))
        return held_out(known, known)

    half = constant(0.5)
    assert half.pointing == pytest.approx(0.5, abs=1e-6)
    assert half.right == half.wrong == pytest.approx(0.5)
    assert half.p_out == pytest.approx(half.p_out_constant, abs=1e-6)
    assert half.collapsed == "removing the mask costs no more than turning the volume down"
    opened, shut = constant(1.0), constant(0.0)
    assert opened.p_in == pytest.approx(opened.p, abs=1e-5)
    assert shut.p_out == pytest.approx(shut.p, abs=1e-5)
    assert opened.collapsed == "the masks are open everywhere"
    assert shut.collapsed == "the masks are empty"
    assert shut.faithfulness == pytest.approx(0.0, abs=1e-5)

    # The truth of a mixture, asked for by its two captions in turn.
    (draw,) = held_out.mixed
    first, second = (Sounds.of(model, waves, "stft", "log").power for waves in (draw.sounds, draw.others))
    asked = iter(
        [torch.zeros_like(first)] * 2 * len(held_out.single) + [(first > second).float(), (second > first).float()]
    )
    truth: Any = Says(made.spec, lambda text: next(asked))
    assert held_out(truth, truth).pointing > 0.99


@pytest.mark.parametrize(
    ("right", "p_out", "says"),
    [
        (0.005, 0.1, "the masks are empty"),
        (0.995, 0.1, "the masks are open everywhere"),
        (0.4, 0.39, "removing the mask costs no more than turning the volume down"),
        (0.4, 0.37, None),
    ],
)
def test_collapse(right: float, p_out: float, says: str | None) -> None:
    found = Diagnostics(p=0.5, p_in=0.5, p_out=p_out, p_out_constant=0.4, right=right, wrong=0.1, pointing=0.5)
    assert found.collapsed == says
    assert found.faithfulness == pytest.approx(0.5 - p_out)
    assert found.record()["faithfulness"] == found.faithfulness


def test_nothing_held_out() -> None:
    with pytest.raises(InputError, match="no recordings were held out for diagnostics"):
        trainer().diagnose()


def test_taps_alone_do_not_decide() -> None:
    """A model that hears nothing but one weight per cell trains, too: nothing of it is asked for but maps."""
    model = LinearToy(torch.rand(32, 26, generator=torch.Generator().manual_seed(0)) / 1e4, window=0.25)
    assert np.isfinite(losses(trainer(model, decoder={"widths": (8,)}, steps=1))).all()
