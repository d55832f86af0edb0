"""The picture lies on seconds x hertz and shows level and mask at once."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from zsxai.errors import InputError
from zsxai.show.plot import bare_figure, plot_explanation, plot_spectrogram
from zsxai.show.raster import (
    COLUMNS,
    ROWS,
    colour_png,
    colours,
    data_png,
    greys,
    line_png,
    paint,
    plain_png,
    raster,
    spectrogram,
)
from zsxai.verdict.verdict import Verdict


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_plot_is_labelled_with_units(explanation):
    axes = explanation.plot()
    assert "(s)" in axes.get_xlabel()
    assert "(Hz)" in axes.get_ylabel()
    assert explanation.prompt in axes.get_title(loc="left")
    assert explanation.unit in axes.get_title(loc="left")
    assert axes.get_xlim() == (0.0, pytest.approx(explanation.seconds))
    assert axes.get_ylim() == (0.0, pytest.approx(explanation.sample_rate / 2))


def test_plot_draws_on_given_axes_and_leaves_its_figure_alone(explanation):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot_explanation(explanation, left) is left
    assert not right.images
    assert figure.axes == [left, right]


def test_pixels_lie_where_their_hertz_say(explanation):
    figure = bare_figure()
    axes = plot_explanation(explanation, figure.add_axes((0, 0, 1, 1)))
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba()).astype(int)
    picture = raster(explanation)
    middle = (explanation.seconds / 2, 800.0)
    outside = (explanation.seconds / 2, 5000.0)
    for (seconds, hertz), kept in ((middle, True), (outside, False)):
        x, y = axes.transData.transform((seconds, hertz))
        red, green, blue = pixels[len(pixels) - 1 - int(y), int(x), :3]
        assert bool(max(red, green, blue) - min(red, green, blue) > 40) is kept
    assert picture.mask.shape == picture.power.shape


def test_prompt_with_mathtext_and_missing_glyphs_is_drawn(make, tmp_path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = make(prompt="$\\frac{ 鐘 _^ costs $5").save(tmp_path / "e")
    assert (out / "explanation.png").read_bytes().startswith(b"\x89PNG")


def test_saved_picture_has_a_modest_size(explanation, tmp_path):
    png = (explanation.save(tmp_path / "e") / "explanation.png").read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == (990, 429)
    assert len(png) < 700_000


def test_raster_keeps_mean_power_and_mask(explanation):
    picture = raster(explanation)
    assert picture.power.shape == (ROWS, min(COLUMNS, explanation.mask.shape[1]))
    assert picture.mask.max() == pytest.approx(0.9, abs=1e-3)
    row = int(np.argmin(np.abs(picture.rows_hz - 800.0)))
    column = picture.power.shape[1] // 2
    assert picture.mask[row, column] == pytest.approx(0.9, abs=1e-3)
    assert picture.mask[-1].max() == 0.0


def test_tone_is_brightest_at_its_frequency():
    times = np.arange(16000) / 16000
    for hertz in (300.0, 1000.0, 6000.0):
        picture = spectrogram(np.sin(2 * np.pi * hertz * times), 16000)
        found = picture.rows_hz[np.argmax(picture.power.mean(axis=1))]
        assert found == pytest.approx(hertz, rel=0.06)


def test_long_recordings_are_averaged_not_skipped():
    wave = np.zeros(60 * 8000, dtype=np.float32)
    wave[200_000:200_080] = 1.0
    picture = spectrogram(wave, 8000, columns=100)
    assert picture.power.shape == (ROWS, 100)
    assert np.argmax(picture.power.sum(axis=0)) == int(200_040 / len(wave) * 100)
    whole = spectrogram(wave, 8000, columns=10**6)
    assert picture.power.mean() == pytest.approx(whole.power.mean(), rel=0.02)


@pytest.mark.parametrize("samples", [1, 2, 100, 600])
def test_shortest_recordings_are_drawn(samples):
    wave = np.full(samples, 0.5, dtype=np.float32)
    assert plot_spectrogram(wave, 16000, Figure().subplots()).images


def test_silent_recording_is_dark():
    assert spectrogram(np.zeros(4000, dtype=np.float32), 8000).level().max() == 0.0


def test_paint_is_grey_without_mask_and_colour_under_it():
    level = np.linspace(0, 1, 256)[None]
    np.testing.assert_array_equal(paint(level, np.zeros_like(level))[0], greys())
    np.testing.assert_array_equal(paint(level, np.ones_like(level))[0], colours())


def test_pngs_are_upright_and_of_the_right_size():
    level = np.zeros((20, 30))
    level[0] = 1.0
    pixels = decode(plain_png(level, greys()))
    assert pixels.shape == (20, 30)
    assert (pixels[-1] == 255).all()
    assert (pixels[:-1] == 0).all()
    colour = np.zeros((20, 30))
    colour[5:10, 10:20] = 1.0
    pixels = decode(colour_png(level, colour))
    assert pixels.shape == (20, 30, 4)
    assert (pixels[10:15, 10:20, 3] == 255).all()
    assert pixels[..., 3].sum() == 255 * 50
    edge = np.asarray(Image.open(io.BytesIO(line_png(colour > 0))).convert("RGBA"))
    assert edge[..., 3].sum() == 255 * (50 - 3 * 8)
    assert edge[10, 10].tolist() == [255, 255, 255, 255]


def test_numbers_of_a_page_are_those_of_its_picture(explanation):
    picture = raster(explanation)
    level, mask, kept = np.moveaxis(decode(data_png(picture))[::-1].astype(float), 2, 0)
    np.testing.assert_allclose(level / 2 - 80, 80 * picture.level() - 80, atol=0.25 + 1e-6)
    np.testing.assert_allclose(mask / 100, picture.mask, atol=0.005 + 1e-6)
    seen = kept < 255
    np.testing.assert_allclose(kept[seen] / 4, picture.under_db[seen], atol=0.25 + 1e-6)
    np.testing.assert_array_equal(kept / 4 <= 6, picture.inside(-6.0))


def test_colour_is_the_level_that_remains(explanation):
    picture = raster(explanation)
    # On `log` a mask of .9 leaves a tenth of the way from the floor to the level: some dB, and a quarter of the colour.
    inside = picture.mask > 0.89
    depth = 10 * np.log10(np.maximum(picture.power / explanation.masking.floor, 1))
    loud = inside & (depth > 50)
    np.testing.assert_allclose(picture.under_db[loud].mean(), 0.1 * depth[loud].mean(), atol=0.5)
    np.testing.assert_allclose(picture.colour[loud].mean(), 1 - picture.under_db[loud].mean() / 20, atol=1e-5)
    assert not picture.colour[picture.mask == 0].any()


@pytest.mark.parametrize("line_db", [0.0, 3.0, -61.0, float("nan")])
def test_a_line_is_a_level_under_the_recording(explanation, line_db):
    with pytest.raises(InputError, match="line_db is a level under"):
        explanation.plot(line_db=line_db)


def test_ragged_masks_have_no_outline(explanation):
    noise = np.random.default_rng(0).integers(0, 2, explanation.mask.shape).astype(np.float32)
    noise[~explanation.grid.in_band] = 0
    assert raster(explanation.model_copy(update={"mask": noise})).is_ragged()
    assert not raster(explanation).is_ragged()


def test_what_is_not_believed_is_paler(explanation):
    def saturation(verdict):
        axes = explanation.model_copy(update={"verdict": verdict}).plot()
        pixels = np.asarray(axes.images[0].get_array()).astype(int)
        return float((pixels.max(axis=2) - pixels.min(axis=2)).mean()), [t.get_text() for t in axes.texts]

    plain, _ = saturation(None)
    good, _ = saturation(Verdict(level="heard and located", reasons=("it is",)))
    poor, texts = saturation(Verdict(level="not heard by this model", reasons=("it is not",)))
    assert plain == good
    assert poor < 0.5 * good
    assert "not heard by this model: colours dimmed" in texts


def test_saving_imports_neither_pyplot_nor_librosa():
    code = (
        "import sys, zsxai.show.plot, zsxai.show.page, zsxai.show.folder; from zsxai.show.plot import bare_figure;"
        "bare_figure(); print(sorted({'matplotlib.pyplot', 'librosa', 'IPython'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
