"""The page works alone, says what happened, and treats every text as text."""

from __future__ import annotations

import base64
import hashlib
import io
import re

import numpy as np
import pytest
import soundfile
from jinja2 import UndefinedError
from PIL import Image

import zsxai
from tests.pages import Reader
from zsxai.explanation import WindowScores
from zsxai.explanations import ExplanationList
from zsxai.show.page import notebook_html, page_html, score_axis
from zsxai.show.parts import SECONDS, Axis, Bar, excerpt, make_player
from zsxai.show.sounds import kept_note
from zsxai.show.templates import environment
from zsxai.verdict.verdict import LEVELS, Verdict

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>$body{}&amp;"


@pytest.fixture(scope="module")
def nasty(make):
    e = make(prompt=NASTY, name=f"{NASTY.replace('/', '')}.wav")
    card = {**e.provenance.model_card, "limits": NASTY, "summary": NASTY}
    provenance = e.provenance.model_copy(update={"warnings": (NASTY,), "model_card": card, "model": NASTY})
    return e.model_copy(update={"provenance": provenance})


@pytest.fixture(scope="module")
def page(explanation):
    return page_html(explanation)


def test_page_has_the_recording_the_explanation_and_the_residue(page, explanation):
    read = Reader(page)
    assert [a["aria-label"] for a in read.all("audio")] == ["Explanation", "Residue", "Recording"]
    for attributes, wave in zip(
        read.all("audio"), (explanation.audio, explanation.residue, explanation.original), strict=True
    ):
        content = base64.b64decode(attributes["src"].removeprefix("data:audio/wav;base64,"))
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        assert rate == explanation.sample_rate
        np.testing.assert_allclose(samples, wave, atol=2**-15)


def test_page_says_the_figures_and_what_they_mean(page, explanation):
    text = Reader(page).text
    for value in (explanation.score, explanation.score_in, explanation.score_out, explanation.score_heard):
        assert f"{value:.3f}".replace("-", "\N{MINUS SIGN}") in text
    assert f"{explanation.mask_mean:.2f}" in text
    for words in (
        explanation.prompt,
        explanation.unit,
        "Mask mean",
        "Energy kept",
        "the model does not hear",
        "Licence",
    ):
        assert words in text
    for region in explanation.regions():
        assert str(region) in text


def test_page_needs_nothing_outside_itself(page):
    for name, attributes in Reader(page).elements:
        for key in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            value = attributes.get(key)
            assert value is None or value.startswith("data:"), (name, key, value[:60])
    assert not re.search(r"https?://|@import|url\((?!#)", page)


def test_files_beside_are_linked_only_in_a_folder(explanation, page):
    assert not Reader(page).all("a")
    links = {a["href"] for a in Reader(page_html(explanation, beside=True)).all("a")}
    assert links == {"explanation.wav", "residue.wav", "original.wav"}


def test_policy_admits_this_style_and_script_by_hash_and_nothing_else(page):
    policy = next(a["content"] for a in Reader(page).all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    for name in ("style", "script"):
        (inside,) = re.findall(f"<{name}>(.*?)</{name}>", page, flags=re.S)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not any("style" in attributes for _, attributes in Reader(page).elements), "the policy would drop it"


@pytest.mark.parametrize("render", [page_html, notebook_html])
def test_untrusted_text_stays_text(nasty, render):
    written = render(nasty)
    read = Reader(written)
    assert NASTY in read.text
    assert "alert(1)</script>" not in written
    assert not any("onerror" in attributes for _, attributes in read.elements)
    scripts = 1 if render is page_html else 0
    assert len(read.all("script")) == written.count("<script") == scripts
    assert all(attributes["src"].startswith("data:image/png") for attributes in read.all("img"))


def test_notebook_view_is_small_and_needs_no_script(explanation):
    written = explanation._repr_html_()
    read = Reader(written)
    assert explanation.prompt in read.text
    assert [a["aria-label"] for a in read.all("audio")] == ["explanation", "residue", "recording"]
    assert len(read.all("img")) == 2
    for words in ("1000", "Hz · s", "0.5", explanation.regions()[0]):
        assert str(words).replace("1000", "1,000") in read.text
    assert len(written) < 600_000


def test_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes in Reader(page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_picture_and_control_has_a_name(page):
    read = Reader(page)
    assert all("alt" in attributes for attributes in read.all("img"))
    assert any("in colour where the explanation keeps it" in attributes["alt"] for attributes in read.all("img"))
    assert all("aria-label" in a for a in read.all("input") if a["type"] == "range")


def test_loud_audio_is_played_at_one_common_factor_and_says_so(make):
    loud = make(gain=4.0)
    written = page_html(loud)
    assert "beyond full scale" in Reader(written).text
    peaks = []
    for attributes in Reader(written).all("audio"):
        samples, _ = soundfile.read(io.BytesIO(base64.b64decode(attributes["src"].split(",")[1])))
        peaks.append(np.abs(samples).max())
    assert max(peaks) == pytest.approx(1.0, abs=1e-3)
    factor = 1 / max(np.abs(w).max() for w in (loud.original, loud.audio, loud.residue))
    assert peaks[2] == pytest.approx(np.abs(loud.original).max() * factor, abs=1e-3)


def test_page_of_a_long_recording_is_bounded(explanation, monkeypatch):
    window = WindowScores(start=0, stop=1, score=0, score_in=0, score_out=0, score_heard=0, similarity=0)
    windows = tuple(
        window.model_copy(update={"start": i * 0.1, "stop": i * 0.1 + 1, "score": float(i == 700)}) for i in range(900)
    )
    rng = np.random.default_rng(0)
    long = 0.1 * rng.standard_normal(90 * 16000).astype(np.float32)
    frames = len(long) // explanation.front_end.hop + 1
    mask = np.zeros((explanation.mask.shape[0], frames), dtype=np.float32)
    mask[20:40, frames // 2 :] = 0.8
    fields = {"original": long, "mask": mask, "relevance": mask, "windows": windows}
    # The grid and the audio are cached on the instance, so a fresh one is built.
    e = type(explanation)(**{**{k: getattr(explanation, k) for k in type(explanation).model_fields}, **fields})
    written = page_html(e)
    assert len(written) < 6_000_000
    text = Reader(written).text
    assert "The players hold 63.0-78.0 s of 90.0 s" in text
    assert "0:30-1:30" in text  # the minute of the window that scores highest
    assert [a["data-count"] for a in Reader(written).all("div") if "data-chart" in a] == ["900"]
    assert {float(a["data-start"]) for a in Reader(written).all("audio")} == {63.0}


def test_excerpt_stays_inside_the_recording():
    wave = np.full(100, 0.5, dtype=np.float32)
    assert excerpt([wave], 10, 5.0).seconds == (0.0, 10.0)
    assert excerpt([np.tile(wave, 10)], 10, 0.0).seconds == (0.0, SECONDS)
    assert excerpt([np.tile(wave, 10)], 10, 99.0).seconds == (100.0 - SECONDS, 100.0)
    assert excerpt([wave, wave * 4], 10, 5.0).factor == 0.5


def test_empty_mask_and_warnings_are_said(explanation):
    empty = explanation.model_copy(
        update={
            "mask": np.zeros_like(explanation.mask),
            "provenance": explanation.provenance.model_copy(update={"warnings": ("the mask is empty",)}),
        }
    )
    text = Reader(page_html(empty)).text
    assert "the mask is empty" in text
    assert "Nowhere does the explanation stay within 6 dB of the recording" in text


@pytest.mark.parametrize("options", [{"against": ["rain"]}, {"among": ["rain", "a bell"]}])
def test_other_targets_say_what_they_are_told_apart_from(toy, make, options):
    e = zsxai.explain(make().original, "a tone", sample_rate=16000, model=toy, explainer="gradcam", **options)
    text = Reader(page_html(e)).text
    assert "rain" in text
    assert e.unit in text


def test_what_a_template_is_given_is_escaped():
    text = "<b> & 'c' \"d\""
    for name in ("zsxai.show", "zsxai.benchmarks.report"):
        made = environment(name).from_string("<p title='{{ x }}'>{{ x }}</p>").render(x=text)
        assert made.count("&lt;b&gt;") == 2
        assert "'c'" not in made
        with pytest.raises(UndefinedError):
            environment(name).from_string("{{ misspelt }}").render(x=text)


def test_bars_of_negative_values_start_at_zero():
    macro = environment().get_template("parts.html").module.bars
    written = macro([Bar("a", "b", -0.5, "-0.5", "left")], Axis(-1.0, 1.0))
    assert 'x="25.00%"' in written
    assert 'width="25.00%"' in written


@pytest.mark.parametrize("level", LEVELS)
def test_the_verdict_stands_first_and_dims_what_is_not_believed(explanation, level):
    verdict = Verdict(level=level, reasons=("its cosine .31 is <low>", "so"), figures={"absence": 0.2, "presence": 0.3})
    judged = explanation.model_copy(update={"verdict": verdict})
    read = Reader(page_html(judged))
    text = " ".join(read.text.split())
    head = text[text.index(f"“{explanation.prompt}”") :]
    assert head.index(level.capitalize()) < head.index("its cosine .31 is <low>") < head.index("The model gives")
    believed = level == LEVELS[0]
    assert (f"Dimmed: {level}." in text) is not believed
    assert "Presence" in text
    assert "dashed: 0.200" in text
    assert level.capitalize() in Reader(notebook_html(judged)).text
    colours = [_colour(page_html(e)) for e in (explanation, judged)]
    paler = float(colours[1].mean() / colours[0].mean())
    assert paler == 1.0 if believed else paler < 0.5


def _colour(page: str) -> np.ndarray:
    """Opacity of the layer of colour."""
    source = next(a["src"] for a in Reader(page).all("img") if a.get("class") == "layer-mask")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))[..., 3]


def test_a_page_without_verdict_says_nothing_of_it(page):
    text = Reader(page).text
    assert not any(word in text for word in (*(level.capitalize() for level in LEVELS), "Dimmed", "Presence", "dashed"))


@pytest.mark.parametrize(
    ("unit", "ends"), [("cosine", (-0.25, 1)), ("cosine difference", (-0.5, 0.5)), ("probability", (0, 1))]
)
def test_bars_of_a_unit_share_one_axis(explanation, monkeypatch, unit, ends):
    monkeypatch.setattr(type(explanation), "unit", unit)
    axes = [score_axis(explanation.model_copy(update={"score": s, "score_in": s})) for s in (0.03, 0.375)]
    assert axes[0] == axes[1]
    assert (axes[0].low, axes[0].high) == ends
    assert (axes[0].ticks[0].at, axes[0].ticks[-1].at) == (0, 100)


def test_an_axis_places_values_and_says_what_is_beyond_it():
    axis = Axis(-0.25, 1.0)
    assert [axis.place(v) for v in (-1, -0.25, 0, 0.375, 1, 2)] == pytest.approx([0, 0, 20, 50, 100, 100])
    assert (axis.start(-0.125), axis.length(-0.125)) == (pytest.approx(10), pytest.approx(10))
    assert [axis.beyond(v) for v in (-0.3, 0.5, 1.1)] == ["low", "", "high"]


def test_several_explanations_stand_under_tabs_and_share_the_recording(explanation, make):
    other = make(prompt="<b>rain</b>")
    read = Reader(page_html([explanation, other]))
    assert [a["href"] for a in read.all("a")] == ["#prompt-1", "#prompt-2"]
    assert "<b>rain</b>" in read.text
    assert [a["aria-label"] for a in read.all("audio")] == [*("Explanation", "Residue") * 2, "Recording"]
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    with pytest.raises(zsxai.InputError, match="one recording by one model"):
        page_html([explanation, make(seconds=1.0)])
    with pytest.raises(zsxai.InputError, match="no explanation to show"):
        page_html([])


def test_a_list_of_explanations_is_shown_as_a_grid(toy, make):
    found = zsxai.explain(make().original, ["a tone", "rain"], sample_rate=16000, model=toy, explainer="gradcam")
    assert isinstance(found, ExplanationList)
    assert found == list(found)
    read = Reader(found._repr_html_())
    assert len(read.all("audio")) == 6
    assert all(e.prompt in read.text for e in found)


@pytest.mark.parametrize(
    ("mask", "said"), [(1.0, "What the mask keeps."), (0.6, "dB under"), (0.2, "too quiet to hear")]
)
def test_the_player_says_how_quiet_it_is(explanation, mask, said):
    quiet = explanation.model_copy(update={"mask": np.where(explanation.grid.in_band[:, None], mask, 0)})
    assert said in kept_note(quiet)


def test_equal_loudness_is_as_loud_as_the_recording_and_not_beyond_full_scale(explanation):
    wave = explanation.original
    part = excerpt([wave], explanation.sample_rate, 0.0)
    assert make_player(0.1 * wave, part, "x", wave).match == pytest.approx(10, rel=1e-4)
    assert make_player(0.1 * wave, part, "x", wave).match_db == pytest.approx(20, abs=1e-3)
    spike = np.zeros_like(wave)
    spike[100] = 0.5
    assert make_player(spike, part, "x", wave).match <= 2.0
    assert make_player(0 * wave, part, "x", wave).match == 1.0
