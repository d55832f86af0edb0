"""Explanations: frozen, saved, loaded, verified, scored as they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

import zsxai
from tests.toys import STRICT, BandToy, BlackBoxToy, ConvToy
from zsxai.black_box import as_model
from zsxai.errors import InputError
from zsxai.explanation import Explanation
from zsxai.recording import Recording
from zsxai.scoring import kept_energy, score_masks
from zsxai.target import Contrast, Similarity
from zsxai.verdict.verdict import Verdict

pytestmark = STRICT


def noise(samples: int = 12000) -> np.ndarray:
    return (0.1 * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)


def made(samples: int = 12000, model: object = None, **options: Any) -> Explanation:
    return zsxai.explain(noise(samples), "dog", sample_rate=16000, model=model or ConvToy(), **options)


@pytest.fixture(scope="module")
def e() -> Explanation:
    return made(40000, against=["rain", "bell"], template="the sound of a {}")


def test_nothing_can_be_assigned_and_arrays_are_read_only(e: Explanation) -> None:
    for name in ("score", "mask", "target", "windows", "provenance", "anything"):
        with pytest.raises(ValidationError):
            setattr(e, name, 1)
    with pytest.raises(ValidationError):
        e.provenance.seed = 3
    for name in ("mask", "relevance", "original", "audio", "residue", "mask_stft"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(e, name)[0] = 0.5
    with pytest.raises(ValidationError):
        Explanation(**{**e.model_dump(), "mask": e.mask, "relevance": e.relevance, "original": e.original, "more": 1})


def test_an_array_that_was_given_stays_the_givers(e: Explanation) -> None:
    mask = e.mask.copy()
    made_anew = Explanation(**{**e.model_dump(), "mask": mask, "relevance": e.relevance, "original": e.original})
    mask[:] = 7
    assert made_anew == e
    mask[0] = 1


def test_equality_and_hash(e: Explanation) -> None:
    again = made(40000, against=["rain", "bell"], template="the sound of a {}")
    assert again == e
    assert hash(again) == hash(e)
    assert e != made(40000)
    assert e != e.model_copy(update={"score": e.score + 1e-9})
    assert e != e.model_copy(update={"mask": 1 - e.mask})
    assert e != "e"


def test_what_it_says(e: Explanation) -> None:
    assert (e.prompt, e.unit, e.sample_rate, e.seconds) == ("dog", "cosine difference", 16000, 2.5)
    assert e.target == Contrast(prompt="dog", against=("rain", "bell"))
    assert str(e) == e.describe()
    plain = e.model_copy(update={"verdict": None})
    assert str(plain).startswith(f"'dog': {e.score:.3f} (cosine difference)")
    assert repr(plain).startswith("Explanation('dog', score=")
    judged = e.model_copy(update={"verdict": Verdict(level="cannot say", reasons=("it hears silence",))})
    assert repr(judged).startswith("Explanation('dog', verdict='cannot say', score=")
    assert str(judged).startswith("Cannot say\n  It hears silence.\n'dog': ")
    p = e.provenance
    assert (p.explainer, p.model, p.template) == ("gradcam", "ConvToy", "the sound of a {}")
    assert (p.seed, p.pooling) == (0, "mean")
    assert (p.audio_name, p.audio_sample_rate, p.audio_channels) == ("array", 16000, 1)
    assert p.options == {"calibration": zsxai.load_explainer("gradcam").calibration, "tap": None}
    assert set(p.versions) >= {"zsxai", "torch", "numpy"}
    assert "not installed" not in p.versions.values()


def test_scores_are_those_of_what_the_mask_does(e: Explanation) -> None:
    """Every figure anew, from the explanation's public arrays and the model's public calls."""
    model = ConvToy()
    text = model.embed_text([f"the sound of a {p}" for p in ("dog", "rain", "bell")])
    score = lambda rows: (rows @ text[0] - (rows @ text[1] + rows @ text[2]) / 2).tolist()  # noqa: E731
    cut = lambda x, w: torch.from_numpy(x[round(w.start * 16000) : round(w.stop * 16000)].copy())  # noqa: E731
    assert [(w.start, w.stop) for w in e.windows] == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.5)]
    floor = e.masking.floor
    for w in e.windows:
        frames = slice(round(w.start * 100), round(w.start * 100) + 101)
        mask = torch.from_numpy(e.mask[:, frames].copy())
        power = model.features(cut(e.original, w)[None]).power
        level = lambda m: torch.where(power > floor, floor ** (1 - m) * power**m, power)  # noqa: B023, E731
        rows = [model.encode(model.features_from_power(level(m))).embedding for m in (mask, 1 - mask)]
        rows += [model.embed_audio(cut(x, w)[None]) for x in (e.audio, e.original)]
        found = [w.score_in, w.score_out, w.score_heard, w.score]
        assert score(torch.cat(rows)) == pytest.approx(found, abs=1e-4)
        assert w.similarity == pytest.approx(float(rows[-1] @ text[0]), abs=1e-5)
    assert e.score_in == pytest.approx(np.mean([w.score_in for w in e.windows]))
    power = model.front_end.power(torch.from_numpy(e.original.copy())).numpy()
    masked = np.where(power > floor, floor ** (1 - e.mask) * power**e.mask, power)
    assert e.kept_energy == pytest.approx(masked[e.grid.in_band].sum() / power[e.grid.in_band].sum(), rel=1e-3)
    assert e.mask_mean == pytest.approx(e.mask[e.grid.in_band].mean())
    assert e.audibility == pytest.approx(masked[masked >= power * 10**-0.6].sum() / masked.sum(), rel=1e-4)


@pytest.mark.parametrize("scale", ["log", "gain"])
@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_scores_of_everything_and_of_nothing(domain: str, scale: str) -> None:
    model = ConvToy()
    recording = Recording(model, noise(9000), domain=domain, scale=scale)
    masks = torch.stack([torch.ones(recording.grid.shape), torch.zeros(recording.grid.shape)])
    masks *= torch.from_numpy(recording.grid.in_band)[:, None]
    target = Similarity(prompt="dog").bind(model)
    (everything,), (nothing,) = (scores.windows for scores in score_masks(recording, masks, [target, target]))
    assert everything.score_in == pytest.approx(everything.score, abs=1e-6)
    assert nothing.score_out == pytest.approx(nothing.score, abs=1e-6)
    assert everything.score_out == pytest.approx(nothing.score_in, abs=1e-5)
    assert everything.score_heard == pytest.approx(everything.score, abs=5e-3)
    assert abs(nothing.score_in - nothing.score) > 1e-3
    assert kept_energy(recording, masks) == pytest.approx([1.0, 0.0], abs=1e-5)
    half = kept_energy(recording, 0.5 * masks[:1])[0]
    assert half == pytest.approx(0.25, abs=1e-4) if scale == "gain" else 0 < half < 0.25


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (ConvToy, {}),
        (ConvToy, {"domain": "mel", "scale": "gain", "explainer": "occlusion", "among": ["rain"]}),
        (BlackBoxToy, {}),
        (lambda: ConvToy(fill="zero"), {"explainer": "smoothgrad", "seed": 5, "batch_size": 2}),
    ],
)
@pytest.mark.parametrize("samples", [7, 12000, 40001])
def test_saved_and_loaded_bit_for_bit(model: Any, options: dict[str, Any], samples: int, tmp_path: Path) -> None:
    first = made(samples, model(), **options)
    loaded = Explanation.load(first.save(tmp_path / "saved"))
    assert loaded == first
    assert type(loaded.front_end) is type(first.front_end)
    assert loaded.provenance == first.provenance
    assert loaded.masking == first.masking
    for name in ("mask", "relevance", "original", "audio", "residue", "frequencies", "times"):
        assert getattr(loaded, name).tobytes() == getattr(first, name).tobytes(), name
    assert loaded.verify(model()).ok


@pytest.fixture
def saved(e: Explanation, tmp_path: Path) -> Path:
    return e.save(tmp_path / "saved")


def test_what_is_no_saved_explanation(saved: Path, tmp_path: Path) -> None:
    record = json.loads((saved / "explanation.json").read_text())
    mask = (saved / "mask.safetensors").read_bytes()
    arrays = load_file(saved / "mask.safetensors")

    def broken(message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            Explanation.load(saved)
        assert "\n" not in str(caught.value)
        (saved / "explanation.json").write_text(json.dumps(record))
        (saved / "mask.safetensors").write_bytes(mask)

    with pytest.raises(InputError, match=r"is no saved explanation: explanation.json is missing"):
        Explanation.load(tmp_path / "nowhere")
    for text in ("", "{", "[]", "3", "null"):
        (saved / "explanation.json").write_text(text)
        broken("damaged")
    for change, message in (
        ({"format": 99}, "has format 99, not 4: saved by a newer zsxai, upgrade"),
        ({"format": 1}, "has format 1, not 4: saved by an older zsxai, explain again"),
        ({"score": "high"}, "damaged"),
        ({"target": {"kind": "wish", "prompt": "dog"}}, "damaged"),
        ({"provenance": {}}, "damaged"),
    ):
        (saved / "explanation.json").write_text(json.dumps({**record, **change}))
        broken(message)
    (saved / "mask.safetensors").write_bytes(mask[:100])
    broken("damaged")
    save_file({"mask": arrays["mask"]}, saved / "mask.safetensors")
    broken("damaged")
    save_file({**arrays, "mask": arrays["mask"][:, :-1].copy()}, saved / "mask.safetensors")
    broken("does not fit the recording")
    wav = bytearray((saved / "original.wav").read_bytes())
    wav[5000] ^= 1
    (saved / "original.wav").write_bytes(wav)
    broken("is not the audio that was explained")
    (saved / "original.wav").write_bytes(b"RIFF")
    broken("damaged")
    (saved / "original.wav").unlink()
    broken("original.wav is missing")


def _mask(e: Explanation, rows: slice, change: Any) -> dict[str, np.ndarray]:
    mask = e.mask.copy()
    mask[rows] = change(mask[rows])
    return {"mask": mask}


def _weights(e: Explanation) -> dict[str, Any]:
    card = {**e.provenance.model_card, "weights_sha256": "1" * 64}
    return {"provenance": e.provenance.model_copy(update={"model_card": card})}


def _front_end(e: Explanation, **numbers: float) -> dict[str, Any]:
    return {"front_end": e.front_end.model_copy(update=numbers)}


TAMPERED = [
    ("score", lambda e: {"score": e.score + 0.01}),
    ("score_in", lambda e: {"score_in": e.score_in - 0.01}),
    ("score_out", lambda e: {"score_out": e.score_out - 0.01}),
    ("score_heard", lambda e: {"score_heard": 0.99}),
    ("similarity", lambda e: {"similarity": float("nan")}),
    ("mask_mean", lambda e: {"mask_mean": 0.9}),
    ("kept_energy", lambda e: {"kept_energy": 0.5 * e.kept_energy}),
    ("score_in", lambda e: _mask(e, slice(60, 90), lambda m: 1 - m)),
    ("mask", lambda e: _mask(e, slice(1), lambda m: m + 0.5)),
    ("mask", lambda e: {"mask": 2 * e.mask}),
    ("mask", lambda e: {"relevance": np.full_like(e.relevance, np.nan)}),
    ("relevance", lambda e: {"relevance": e.relevance * np.float32(1.5)}),
    ("audio", lambda e: {"original": e.original * np.float32(0.999)}),
    ("weights", _weights),
    ("windows", lambda e: {"windows": (e.windows[0], e.windows[1].model_copy(update={"stop": 1.6}), *e.windows[2:])}),
    ("windows", lambda e: {"windows": e.windows[1:]}),
    ("score", lambda e: {"target": Contrast(prompt="cat", against=("rain", "bell"))}),
    ("grid", lambda e: _front_end(e, f_max=7000.0)),
    ("grid", lambda e: _front_end(e, n_fft=256)),
]


@pytest.mark.parametrize(("check", "change"), TAMPERED)
def test_verify_finds_what_was_tampered_with(e: Explanation, check: str, change: Any) -> None:
    report = e.model_copy(update=change(e)).verify(ConvToy())
    assert not report
    assert not report.ok
    assert check in {c.name for c in report.checks if not c.ok}
    assert "FAILED" in str(report)


def test_verify_passes_and_wants_the_same_model(e: Explanation) -> None:
    report = e.verify(ConvToy())
    assert report.ok
    assert {"audio", "mask", "weights", "score", "windows"} <= {c.name for c in report.checks}
    assert "FAILED" not in str(report)
    other = ConvToy()
    other.head.weight.mul_(-1)
    assert not e.verify(other)
    for stranger in (BandToy(spec=other.front_end.spec.model_copy(update={"hop": 200})), BlackBoxToy()):
        assert "grid" in {c.name for c in e.verify(stranger).checks if not c.ok}
    with pytest.raises(InputError, match="unknown model 'ConvToy'"):
        e.verify()


def test_a_mel_mask_on_the_stft() -> None:
    mel = made(domain="mel")
    assert mel.mask.shape[0] == 32
    assert mel.mask_stft.shape == (257, mel.mask.shape[1])
    row = mel.grid.cell(0, 2000.0)[0]
    np.testing.assert_allclose(mel.mask_stft[64], mel.mask[row - 1 : row + 2].mean(axis=0), atol=0.2)
    assert not mel.mask_stft[0].any()
    stft = made()
    assert stft.mask_stft is stft.mask


def test_broken_relevance_is_said_not_hidden() -> None:
    class Broken(zsxai.Explainer):
        card = zsxai.load_explainer("constant").card

        def attribute(self, clip: zsxai.Clip, target: object) -> zsxai.Relevance:
            values = torch.ones(clip.grid.shape)
            values[:, 3] = torch.nan
            return zsxai.Relevance(values, clip.grid, "clip")

    found = made(1600, explainer=Broken())
    assert any("not finite" in w for w in found.provenance.warnings)
    assert not found.verify(ConvToy())


def test_an_empty_mask_is_said(tmp_path: Path) -> None:
    class Nothing(zsxai.Explainer):
        card = zsxai.load_explainer("constant").card

        def attribute(self, clip: zsxai.Clip, target: object) -> zsxai.Relevance:
            return zsxai.Relevance(-torch.ones(clip.grid.shape), clip.grid, "clip")

    found = made(1600, explainer=Nothing())
    assert not found.mask.any()
    assert any("the mask is empty" in w for w in found.provenance.warnings)
    assert "nowhere within 6 dB of the recording" in str(found)
    assert found.provenance.explainer == "Nothing"
    assert Explanation.load(found.save(tmp_path / "e")).verify(ConvToy())
    box = made(1600, as_model(BlackBoxToy()))
    assert any("black box hears masks as audio only" in w for w in box.provenance.warnings)
