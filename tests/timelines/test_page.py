"""The page of a timeline, in the browser that the machine has."""

from __future__ import annotations

import re

import numpy as np
import pytest

import zsxai
from tests.pages import Reader
from tests.toys import BandToy
from zsxai.show.timeline import page_html

RATE = 16000
BANDS = ["band 0", "band 3"]


def tone(seconds: float, hertz: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def found():
    """Ten minutes; high tones of a second at 100 s and at 400 s."""
    sound = 1e-3 * np.random.default_rng(0).standard_normal(600 * RATE).astype(np.float32)
    for start in (100, 400):
        sound[start * RATE : (start + 1) * RATE] += tone(1, 6000)
    return zsxai.timeline(sound, BANDS, sample_rate=RATE, model=BandToy())


@pytest.fixture(scope="module")
def peaks(found):
    return found.peaks(0.65, measure="cosine")


@pytest.fixture
def page(chromium, found, peaks, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(page_html(found, peaks, threshold=0.65, measure="cosine"))
    opened = chromium.new_page(viewport={"width": 1200, "height": 900})
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.goto(path.as_uri())
    yield opened
    opened.close()
    assert errors == []


def test_the_chart_tells_the_numbers_of_the_windows(page, found):
    box = page.locator("[data-plane]").bounding_box()
    for part in (0.001, 0.1667, 0.5, 0.999):
        page.mouse.move(round(box["x"] + part * box["width"]), box["y"] + 40)
        said = page.locator("[data-readout]").inner_text().replace("\N{MINUS SIGN}", "-")
        start, _, *values = re.fullmatch(r"(\S+)-(\S+): band 0 (\S+) · band 3 (\S+)", said).groups()
        minutes, seconds = start.split(":")
        (index,) = np.flatnonzero(np.isclose(found.start_times, 60 * int(minutes) + float(seconds), atol=0.051))
        assert found.edges[index] - 1 <= part * 600 <= found.edges[index + 1] + 1
        assert list(map(float, values)) == pytest.approx(found.cosines[index].tolist(), abs=1e-3)


def box_of(page, name):
    return page.locator(f".chart [{name}]").first.bounding_box()


def test_a_peak_is_shown_on_the_chart_and_played(page, peaks):
    assert page.locator("[data-peaks] li").count() == len(peaks) == 2
    for number, peak in enumerate(peaks):
        page.locator("[data-peaks] button").nth(number).click()
        page.wait_for_timeout(150)
        playing = "[...document.querySelectorAll('audio')].filter(a => !a.paused).map(a => a.dataset.start)"
        sounding = page.evaluate(playing)
        assert list(map(float, sounding)) == [peak.window[0]]
        cursor, plane = box_of(page, "data-cursor"), box_of(page, "data-plane")
        assert plane["x"] <= cursor["x"] <= plane["x"] + plane["width"]
    page.keyboard.press("0")
    sheet, plane = box_of(page, "data-sheet"), box_of(page, "data-plane")
    assert sheet["width"] == pytest.approx(plane["width"], abs=3)


def test_a_line_that_sticks_out_of_many_windows_is_drawn(page, found):
    # 1,199 windows on about 1,000 pixels; each tone spans three of them.
    path = page.locator("path[data-name='band 3']").get_attribute("d")
    heights = [float(point.split(",")[1]) for point in path[1:].split("L")]
    low, high = (float(page.locator("[data-of]").get_attribute(f"data-{end}")) for end in ("low", "high"))
    assert low + (1 - min(heights) / 1000) * (high - low) == pytest.approx(found.cosines[:, 1].max(), abs=2e-3)


def test_switches_hide_lines_and_their_peaks(page):
    page.locator("[data-legend] button").nth(1).click()
    assert page.locator("[data-peaks] li:visible").count() == 0
    assert page.locator("path[data-name='band 3']").get_attribute("hidden") is not None


def test_names_are_escaped_and_the_page_is_bounded(found, peaks):
    evil = "<script>alert(1)</script>"
    provenance = found.provenance.model_copy(update={"audio_name": evil})
    text = page_html(found.model_copy(update={"provenance": provenance, "prompts": (evil, "b")}), [])
    assert evil not in text
    read = Reader(text)
    assert len(read.all("script")) == 1
    assert len(page_html(found, peaks, threshold=0.65, measure="cosine")) < 1_000_000
