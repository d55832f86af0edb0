"""The picture lies on seconds x hertz and shows level and mask at once."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from matplotlib.figure import Figure

from zsxai.show.plot import bare_figure, plot_explanation, plot_spectrogram
from zsxai.show.raster import COLUMNS, ROWS, colours, greys, mask_png, paint, plain_png, raster, spectrogram


def decode(png: bytes) -> tuple[int, int, np.ndarray]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    start, data = 8, b""
    while start < len(png):
        (length,) = struct.unpack(">I", png[start : start + 4])
        name, content = png[start + 4 : start + 8], png[start + 8 : start + 8 + length]
        assert struct.unpack(">I", png[start + 8 + length : start + 12 + length])[0] == zlib.crc32(name + content)
        data += content if name == b"IDAT" else b""
        start += 12 + length
    channels = 4 if kind == 6 else 1
    lines = np.frombuffer(zlib.decompress(data), dtype=np.uint8).reshape(height, 1 + width * channels)
    return width, height, lines[:, 1:].reshape(height, width, channels)


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
    width, height, pixels = decode(plain_png(level, greys()))
    assert (width, height) == (30, 20)
    assert (pixels[-1] == 255).all()
    assert (pixels[:-1] == 0).all()
    mask = np.zeros((20, 30))
    mask[5:10, 10:20] = 1.0
    width, height, pixels = decode(mask_png(level, mask, outline=False))
    assert (width, height) == (30, 20)
    assert (pixels[10:15, 10:20, 3] == 255).all()
    assert pixels[..., 3].sum() == 255 * 50


def test_ragged_masks_have_no_outline(explanation):
    noise = np.random.default_rng(0).random(explanation.mask.shape).astype(np.float32)
    assert raster(explanation.model_copy(update={"mask": noise})).is_ragged
    assert not raster(explanation).is_ragged


def test_saving_imports_neither_pyplot_nor_librosa():
    code = (
        "import sys, zsxai.show.plot, zsxai.show.page, zsxai.show.folder; from zsxai.show.plot import bare_figure;"
        "bare_figure(); print(sorted({'matplotlib.pyplot', 'librosa', 'IPython'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
