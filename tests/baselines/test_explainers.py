"""Explainers against hand computation and models whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient as CaptumInputXGradient
from captum.attr import LayerGradCam
from captum.attr import Saliency as CaptumSaliency

import zsxai
from tests.toys import STRICT, BandToy, ConvToy, LinearToy, band_edges
from zsxai.attribution import log_mel_above_floor, score_of_log_mel
from zsxai.baselines.gradcam import GradCAM
from zsxai.baselines.gradcam_plus_plus import GradCAMPlusPlus
from zsxai.baselines.input_x_gradient import InputXGradient
from zsxai.baselines.integrated_gradients import IntegratedGradients
from zsxai.baselines.occlusion import Occlusion
from zsxai.baselines.saliency import Saliency
from zsxai.baselines.smoothgrad import SmoothGrad
from zsxai.clip import Clip
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.model import Encoding, Features, SpectralModel
from zsxai.recording import Recording
from zsxai.target import BoundTarget, Contrast, Probability, Similarity, Target

pytestmark = STRICT
TARGETS = [
    Similarity(prompt="dog"),
    Contrast(prompt="dog", against=("rain", "bell")),
    Probability(prompt="dog", among=("rain", "bell")),
]


def noise(samples: int = 16000, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def clip_of(model: SpectralModel, waveform: np.ndarray | None = None, **options: object) -> Clip:
    return Recording(model, noise() if waveform is None else waveform, **options).clips[0]  # type: ignore[arg-type]


def relevance(explainer: Explainer, clip: Clip, target: BoundTarget) -> torch.Tensor:
    """Values for one target."""
    return explainer.relevance(clip, [target]).values[0]


def linear(**options: object) -> LinearToy:
    return LinearToy(torch.randn(32, 101, generator=torch.Generator().manual_seed(3)), **options)


def score_from_map(model: ConvToy, target: Target, tap: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A tap's values and the gradient of the score on them: the layers behind the tap written out anew."""
    bound, input_ = target.bind(model), clip_of(model).features.input
    first = torch.relu(model.norm(model.first(input_ / 10)))
    values = (first if tap == "first" else torch.relu(model.second(first))).detach().requires_grad_()
    last = torch.relu(model.second(values)) if tap == "first" else values
    embedding = torch.nn.functional.normalize(model.head(last.mean(dim=(2, 3))), dim=-1)
    (gradient,) = torch.autograd.grad(bound(embedding).sum(), values)
    return values.detach()[0], gradient[0]


# The linear model: relevance is known to the last digit.


def test_gradients_of_the_linear_model_are_its_weights() -> None:
    model = linear()
    clip, target = clip_of(model), Similarity(prompt="x").bind(model)
    z = log_mel_above_floor(clip)[0]
    assert (z > 0).float().mean() > 0.9
    above = (z > 0).float()
    for explainer, expected in (
        (Saliency(), model.weight),
        (InputXGradient(), model.weight * z),
        (IntegratedGradients(n_steps=3), model.weight * z),
        (SmoothGrad(noise=0.0, n_samples=2), model.weight),
        (SmoothGrad(noise=1e-4, n_samples=9), model.weight),
    ):
        found = explainer.relevance(clip, [target])
        assert found.on == "window"
        assert (1, *found.grid.shape) == found.values.shape == (1, 32, 101)
        torch.testing.assert_close(found.values[0] * above, expected * above, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close((model.weight * z).sum(), target(clip.embedding[None])[0], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("scale", ["log", "gain"])
def test_occlusion_of_the_linear_model_is_what_the_patch_gave(scale: str) -> None:
    model = linear()
    clip, target = clip_of(model, domain="mel", scale=scale), Similarity(prompt="x").bind(model)
    found = Occlusion(seconds=0.25, bands=4).relevance(clip, [target, target])
    assert found.values.shape == (2, 4, 4)
    z = log_mel_above_floor(clip)[0]
    floor = clip.masking.floor if scale == "log" else 0.0
    silent = torch.full_like(z, max(floor / model.front_end.spec.floor, 1.0)).log()
    lost = model.weight * (z - torch.minimum(z, silent)) if scale == "log" else model.weight * z
    # Frame 25 lies a hair before the edge at 0.25 s + 1/4 of half a sample, and so do 50 and 75.
    for row in range(4):
        for column, frames in enumerate((slice(0, 26), slice(26, 51), slice(51, 76), slice(76, 101))):
            expected = float(lost[8 * row : 8 * row + 8, frames].sum())
            assert float(found.values[1, row, column]) == pytest.approx(expected, rel=1e-3, abs=0.05)
    assert float(found.values[1].sum()) == pytest.approx(float(lost.sum()), rel=1e-3)


def test_a_linear_models_gradcam_is_its_mean_weight_times_the_map() -> None:
    model = linear()
    clip, target = clip_of(model), Similarity(prompt="x").bind(model)
    found = relevance(GradCAM(), clip, target)
    torch.testing.assert_close(found, model.weight.mean() * log_mel_above_floor(clip)[0], rtol=1e-3, atol=1e-5)


# Definitions, without Captum.


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.kind)
@pytest.mark.parametrize("tap", ["first", "second"])
def test_gradcam_by_hand(tap: str, target: Target) -> None:
    model = ConvToy()
    found = GradCAM(tap=tap).relevance(clip_of(model), [target.bind(model)])
    values, gradient = score_from_map(model, target, tap)
    by_hand = (gradient.mean(dim=(1, 2))[:, None, None] * values).sum(dim=0)
    assert found.values[0].shape == found.grid.shape == by_hand.shape
    assert by_hand.abs().max() > 0
    torch.testing.assert_close(found.values[0], by_hand, rtol=1e-4, atol=1e-5 * float(by_hand.abs().max()))


def test_the_last_tap_is_the_default() -> None:
    model = ConvToy()
    clip, target = clip_of(model), TARGETS[0].bind(model)
    for kind in (GradCAM, GradCAMPlusPlus):
        assert torch.equal(relevance(kind(), clip, target), relevance(kind(tap="second"), clip, target))
        with pytest.raises(InputError, match="no tap 'third': one of first, second"):
            relevance(kind(tap="third"), clip, target)


@pytest.mark.parametrize("tap", ["first", "second"])
def test_gradcam_plus_plus_by_the_papers_equations(tap: str) -> None:
    """Eq. 19: alpha_ij = g^2 / (2 g^2 + g^3 sum_ab A_ab); eq. 11: w = sum_ij alpha_ij relu(g_ij); cell by cell."""
    model = ConvToy()
    found = relevance(GradCAMPlusPlus(tap=tap), clip_of(model), TARGETS[0].bind(model)).double()
    values, gradient = (t.double().numpy() for t in score_from_map(model, TARGETS[0], tap))
    by_hand = np.zeros(values.shape[1:])
    for channel, slopes in zip(values, gradient, strict=True):
        weight = 0.0
        for slope in slopes.ravel():
            below = 2 * slope**2 + channel.sum() * slope**3
            weight += slope**2 / below * max(slope, 0.0) if abs(below) > 1e-30 else 0.0
        by_hand += weight * channel
    np.testing.assert_allclose(found.numpy(), by_hand, rtol=1e-3, atol=1e-4 * abs(by_hand).max())


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.kind)
def test_saliency_and_input_times_gradient_by_autograd(target: Target) -> None:
    model = ConvToy()
    clip, bound = clip_of(model), target.bind(model)
    z = log_mel_above_floor(clip).requires_grad_()
    decibels = (z + np.log(model.front_end.spec.floor)) * (10 / np.log(10))
    (gradient,) = torch.autograd.grad(bound(model.encode(model.features_from_mel(z.exp() * 1e-6)).embedding).sum(), z)
    theirs = model.encode(zsxai.model.Features(None, clip.features.mel, decibels[:, None])).embedding
    torch.testing.assert_close(theirs[0], clip.embedding, atol=1e-5, rtol=1e-5)
    scale = float(gradient.abs().max())
    torch.testing.assert_close(relevance(Saliency(), clip, bound), gradient[0], atol=1e-5 * scale, rtol=1e-4)
    found = relevance(InputXGradient(), clip, bound)
    torch.testing.assert_close(found, (z * gradient)[0].detach(), atol=1e-4 * scale, rtol=1e-4)
    still = relevance(SmoothGrad(noise=0.0, n_samples=3), clip, bound)
    torch.testing.assert_close(still, gradient[0], atol=1e-5 * scale, rtol=1e-4)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.kind)
def test_integrated_gradients_are_complete(target: Target) -> None:
    model = ConvToy()
    clip, bound = clip_of(model), target.bind(model)
    found = relevance(IntegratedGradients(n_steps=200), clip, bound)
    with torch.no_grad():
        silence = model.encode(model.features_from_mel(torch.zeros_like(clip.features.mel))).embedding
        difference = float(bound(clip.embedding[None])[0] - bound(silence)[0])
    assert abs(difference) > 1e-3
    assert float(found.sum()) == pytest.approx(difference, rel=0.02)
    coarse = float(relevance(IntegratedGradients(n_steps=1), clip, bound).sum())
    assert abs(coarse - difference) > abs(float(found.sum()) - difference)


def test_smoothgrad_is_the_mean_over_its_noise() -> None:
    """Noise changes the answer, the seed decides it, and many copies agree with each other."""
    model = ConvToy()
    bound = TARGETS[0].bind(model)
    few = SmoothGrad(n_samples=4)
    first = relevance(few, clip_of(model), bound)
    assert torch.equal(first, relevance(few, clip_of(model), bound))
    other = relevance(few, clip_of(model, seed=1), bound)
    assert not torch.allclose(first, other, rtol=1e-2, atol=0)
    plain = relevance(Saliency(), clip_of(model), bound)
    assert (first - plain).norm() > 0.05 * plain.norm()
    many = [relevance(SmoothGrad(n_samples=200), clip_of(model, seed=s), bound) for s in (0, 1)]
    assert (many[0] - many[1]).norm() < 0.5 * (first - other).norm()


@pytest.mark.parametrize("n_mels", [32, 36])
def test_smoothgrads_noise_does_not_hang_on_the_batch(n_mels: int) -> None:
    model = ConvToy(spec=ConvToy().front_end.spec.model_copy(update={"n_mels": n_mels, "hop": 150}))
    bound = TARGETS[0].bind(model)
    maps = [relevance(SmoothGrad(n_samples=7), clip_of(model, batch_size=b), bound) for b in (1, 3, 8)]
    for other in maps[1:]:
        torch.testing.assert_close(other, maps[0], atol=1e-5 * float(maps[0].abs().max()), rtol=1e-3)


# Captum is the reference, one target at a time.


class Counting(ConvToy):
    """Counts the clips it encodes."""

    encoded = 0

    def encode(self, features: Features) -> Encoding:
        self.encoded += len(features.input)
        return super().encode(features)


def captum(name: str, clip: Clip, target: BoundTarget) -> torch.Tensor:
    """Captum's own attribution for one target."""
    model, z = clip.spectral, log_mel_above_floor(clip).requires_grad_()
    of_log_mel = score_of_log_mel(clip, target)

    def of_input(model_input: torch.Tensor) -> torch.Tensor:
        return target(model.encode(Features(None, clip.features.mel, model_input)).embedding)

    if name == "gradcam":
        found = LayerGradCam(of_input, model.taps["second"]).attribute(clip.features.input.requires_grad_())
    elif name == "input-x-gradient":
        found = CaptumInputXGradient(of_log_mel).attribute(z)
    else:
        found = CaptumSaliency(of_log_mel).attribute(z, abs=False)
    return found.squeeze().detach()


@pytest.mark.parametrize("name", ["gradcam", "gradcam++", "saliency", "input-x-gradient"])
def test_targets_share_their_forwards_and_each_gets_what_captum_gives(name: str) -> None:
    model = Counting()
    clip, bound = clip_of(model), [target.bind(model) for target in TARGETS]
    found = zsxai.load_explainer(name).relevance(clip, bound).values
    assert model.encoded == 1
    for values, target in zip(found, bound, strict=True):
        alone = relevance(zsxai.load_explainer(name), clip_of(model), target)
        wanted = alone if name == "gradcam++" else captum(name, clip_of(model), target)
        assert wanted.abs().max() > 0
        torch.testing.assert_close(values, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", ["gradcam", "gradcam++"])
def test_the_encoding_that_an_explainer_makes_is_the_clips_own(name: str) -> None:
    model = Counting()
    clip, other = clip_of(model), clip_of(model)
    zsxai.load_explainer(name).relevance(clip, [TARGETS[0].bind(model)])
    assert torch.equal(clip.embedding, other.embedding)
    assert not clip.embedding.requires_grad
    assert model.encoded == 2


# Sounds whose place is known.


def two_tones() -> np.ndarray:
    """500 Hz in the first half of a second, 2.5 kHz in the second."""
    time = np.arange(8000) / 16000
    tones = [0.3 * np.sin(2 * np.pi * hertz * time) * np.hanning(8000) ** 0.2 for hertz in (500.0, 2500.0)]
    return (np.concatenate(tones) + 1e-4 * noise()).astype(np.float32)


@pytest.mark.parametrize("domain", ["stft", "mel"])
@pytest.mark.parametrize(
    "name", ["gradcam", "gradcam++", "input-x-gradient", "integrated-gradients", "occlusion", "saliency", "smoothgrad"]
)
def test_the_tone_asked_for_lights_up(name: str, domain: str) -> None:
    model = BandToy()
    edges = band_edges(model)
    bands = [int(np.searchsorted(edges, hertz)) - 1 for hertz in (500.0, 2500.0)]
    assert bands == [0, 2]
    options = {"occlusion": {"seconds": 0.1, "bands": 8}, "smoothgrad": {"noise": 0.02}}.get(name, {})
    options = {"calibration": "relu-max", **options}
    prompts = [f"band {k}" for k in bands]
    low, high = zsxai.explain(
        two_tones(), prompts, sample_rate=16000, model=model, explainer=name, options=options, domain=domain
    )
    for e, hertz, half in ((low, 500.0, 0), (high, 2500.0, 1)):
        mask, grid = e.mask, e.grid
        row = grid.cell(0, hertz)[0]
        inside = (grid.frequencies > edges[2 * half]) & (grid.frequencies < edges[2 * half + 1])
        share = mask[inside].sum() / mask.sum()
        if name in ("saliency", "smoothgrad"):
            # Gradients say where more sound would help, sounding or not: the band, at any time.
            assert share > 0.7
            continue
        assert share > 0.7
        column = int(mask[row].argmax())
        assert (grid.times[column] > 0.5) == bool(half)
        first, second = mask[inside][:, 2:48].mean(), mask[inside][:, 52:98].mean()
        assert (second > 2 * first) if half else (first > 2 * second)
    assert low.score_in > low.score_out
    assert high.score_in > high.score_out


@pytest.mark.parametrize("name", ["gradcam", "occlusion"])
@pytest.mark.parametrize("fill", ["zero", "repeat", "repeat-pad"])
def test_an_event_in_the_second_window_lights_up_at_its_own_time(name: str, fill: str) -> None:
    model = BandToy(fill=fill)
    time = np.arange(40000) / 16000
    event = np.exp(-(((time - 2.1) / 0.05) ** 2)) * np.sin(2 * np.pi * 2500 * time)
    audio = (0.3 * event + 0.05 * np.cos(2 * np.pi * 500 * time)).astype(np.float32)
    options = {"calibration": "relu-max"}
    e = zsxai.explain(audio, "band 2", sample_rate=16000, model=model, explainer=name, options=options)
    assert [(w.start, w.stop) for w in e.windows] == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.5)]
    row, column = np.unravel_index(e.mask.argmax(), e.mask.shape)
    assert e.times[column] == pytest.approx(2.1, abs=0.15)
    edges = band_edges(model)
    assert edges[2] < e.frequencies[row] < edges[3]
    assert e.windows[3].score > e.windows[0].score
    assert e.mask[:, e.times < 1.4].max() < 0.5


@pytest.mark.parametrize("name", ["gradcam", "occlusion", "input-x-gradient"])
@pytest.mark.parametrize("fill", ["zero", "repeat", "repeat-pad"])
def test_copies_of_a_short_clip_light_up_at_one_time(name: str, fill: str) -> None:
    model, time = BandToy(fill=fill), np.arange(6400) / 16000
    event = np.exp(-(((time - 0.3) / 0.02) ** 2)) * np.sin(2 * np.pi * 2500 * time)
    audio = (0.3 * event + 0.05 * np.cos(2 * np.pi * 500 * time)).astype(np.float32)
    options = {"seconds": 0.05} if name == "occlusion" else {}
    e = zsxai.explain(audio, "band 2", sample_rate=16000, model=model, explainer=name, options=options)
    assert e.mask.shape[1] == 41
    assert e.times[np.unravel_index(e.mask.argmax(), e.mask.shape)[1]] == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(("seconds", "hertz"), [(0.15, 400.0), (0.5, 1500.0), (0.85, 5000.0)])
@pytest.mark.parametrize("tap", ["first", "second"])
def test_a_sound_moves_the_declared_cell(tap: str, seconds: float, hertz: float) -> None:
    model, time = ConvToy(), torch.arange(16000) / 16000
    bed = 1e-2 * torch.from_numpy(noise())[None]
    burst = 0.05 * torch.exp(-(((time - seconds) / 0.01) ** 2)) * torch.sin(2 * torch.pi * hertz * time)
    before, after = (
        next(m for m in model.encode(model.features(x)).feature_maps if m.name == tap) for x in (bed, bed + burst)
    )
    change = (after.values - before.values)[0].square().sum(dim=0)
    row, column = divmod(int(change.argmax()), change.shape[1])
    declared = before.grid.cell(seconds, hertz)
    assert abs(row - declared[0]) <= 1
    assert abs(before.grid.times[column] - seconds) <= 0.04


# Controls.


def one(name: str, prompt: object = "dog", **options: object) -> zsxai.Explanation:
    return zsxai.explain(noise(9000), prompt, sample_rate=16000, model=ConvToy(), explainer=name, **options)  # type: ignore[call-overload]


def test_constant() -> None:
    e = one("constant", options={"value": 0.25})
    assert (e.mask[e.grid.in_band] == 0.25).all()
    assert e.mask_mean == 0.25


def test_random_is_keyed_by_clip_and_seed_not_by_prompt() -> None:
    first = one("random").mask
    np.testing.assert_array_equal(first, one("random", "rain").mask)
    np.testing.assert_array_equal(first, one("random", zsxai.Contrast(prompt="a", against=("b",))).mask)
    assert not np.array_equal(first, one("random", seed=1).mask)
    other = zsxai.explain(noise(9000, 1), "dog", sample_rate=16000, model=ConvToy(), explainer="random")
    assert not np.array_equal(first, other.mask)
    assert one("random").mask_mean == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_loudness_and_energy_follow_the_level(domain: str) -> None:
    model, audio = ConvToy(), two_tones()
    audio[8000:] *= 0.1
    loudness, energy = (
        zsxai.explain(
            audio,
            "dog",
            sample_rate=16000,
            model=model,
            explainer=n,
            domain=domain,
            options={"calibration": "relu-max"},
        )
        for n in ("loudness", "energy")
    )
    heard = loudness.mask[loudness.grid.in_band]
    assert (heard == heard[:1]).all()
    assert heard[0, 20] - heard[0, 80] == pytest.approx(20 / loudness.relevance.max(), rel=0.05)
    row = energy.grid.cell(0, 500.0)[0]
    assert energy.mask[row, 25] > 0.95
    assert energy.relevance[row, 25] == pytest.approx(80, abs=1)
    assert energy.mask[row, 80] < 0.5


def test_foil_is_the_same_explainer_asked_about_another_prompt() -> None:
    direct = one("gradcam", "rain")
    foil = one("foil", options={"of": "gradcam", "prompt": "rain"})
    np.testing.assert_array_equal(foil.mask, direct.mask)
    assert foil.prompt == "dog"
    assert foil.score != direct.score
    contrast = zsxai.Contrast(prompt="dog", against=("bell",))
    asked = one("foil", contrast, options={"of": "gradcam", "prompt": "rain"}, template="a {}")
    direct = one("gradcam", zsxai.Contrast(prompt="rain", against=("bell",)), template="a {}")
    np.testing.assert_array_equal(asked.mask, direct.mask)
    blind = one("foil", options={"of": "energy"})
    np.testing.assert_array_equal(blind.mask, one("energy").mask)


def test_controls_of_another_take_over_its_calibration() -> None:
    for name in ("foil", "rolled"):
        for of in ("saliency", "gradcam", "occlusion", "constant"):
            assert zsxai.load_explainer(name, of=of).calibration == zsxai.load_explainer(of).calibration
        assert zsxai.load_explainer(name, of="constant").calibration == "identity"
        assert zsxai.load_explainer(name, of="saliency", calibration="rank").calibration == "rank"
        with pytest.raises(InputError, match="'nothing'"):
            zsxai.load_explainer(name, of="nothing")


def test_rolled_is_its_own_map_elsewhere() -> None:
    own, rolled = (one(n, domain="mel", **o) for n, o in (("gradcam", {}), ("rolled", {"options": {"of": "gradcam"}})))
    assert rolled.mask_mean == pytest.approx(own.mask_mean, rel=1e-5)
    np.testing.assert_allclose(np.roll(own.mask[::-1], own.mask.shape[1] // 2, axis=1), rolled.mask, atol=1e-6)


def test_an_explainer_must_say_something() -> None:
    class Mute(Explainer):
        card = GradCAM.card

    with pytest.raises(NotImplementedError, match="Mute writes neither"):
        Mute().relevance(clip_of(ConvToy()), [TARGETS[0].bind(ConvToy())])


# Options whose work or memory nobody can pay.


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("occlusion", {"seconds": 1e-9}, "seconds=1e-09 and bands=4 cut .* s into 4.* patches, more than 100,000"),
        ("occlusion", {"bands": 10**9}, "bands=1000000000 cut .* more than 100,000: take longer ones or fewer bands"),
        ("occlusion", {"seconds": 1e-320, "bands": 1}, "into inf patches"),
        ("random", {"seconds": 1e-9}, "into 8.* patches, more than 100,000"),
        ("smoothgrad", {"n_samples": 10**9}, "n_samples: .*less than or equal to 100000 .got 1000000000"),
        ("integrated-gradients", {"n_steps": 10**6}, "n_steps: .*less than or equal to 1000"),
        ("mask-optimisation", {"steps": 10**9}, "steps: .*less than or equal to 100000"),
    ],
)
def test_absurd_options_are_one_line(name: str, options: dict[str, float], said: str) -> None:
    model = linear()
    with pytest.raises(InputError, match=said) as error:
        zsxai.explain(noise(), "dog", sample_rate=16000, model=model, explainer=name, options=options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0, 1025, 10**9])
def test_absurd_batches_are_one_line(size: int) -> None:
    with pytest.raises(InputError, match=f"batch_size is a whole number from 1 to 1,024, not {size}"):
        clip_of(linear(), batch_size=size)
