"""The page of a long recording: scores over time, the strongest minutes, players of the files beside it."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from tests.pages import Reader
from zsxai.explanation import WindowScores
from zsxai.level import under_db
from zsxai.show.minutes import choose_minutes, make_levels
from zsxai.show.page import page_html
from zsxai.show.sounds import ALONE

RATE, SECONDS = 16000, 200
TONES = (30, 150)
"""Seconds at which a tone starts that lasts two."""


def window(start: float, score: float) -> WindowScores:
    return WindowScores(
        start=start, stop=start + 1, score=score, score_in=0.2, score_out=-0.1, score_heard=0.1, similarity=score
    )


@pytest.fixture(scope="module")
def long(explanation):
    """200 s of faint noise with two tones, which the mask keeps; other windows are dark."""
    sound = 0.001 * np.random.default_rng(0).standard_normal(SECONDS * RATE)
    for start in TONES:
        sound[start * RATE : (start + 2) * RATE] += 0.3 * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)
    frames = len(sound) // explanation.front_end.hop + 1
    times = np.arange(frames) * explanation.front_end.hop / RATE
    mask = np.zeros((len(explanation.mask), frames), np.float32)
    hears = [any(start <= t < start + 2 for start in TONES) for t in np.arange(0, SECONDS - 0.5, 0.5)]
    rows = (explanation.frequencies > 800) & (explanation.frequencies < 1200)
    for start in TONES:
        mask[np.ix_(rows, (times >= start) & (times < start + 2))] = 0.98
    windows = tuple(window(i / 2, (0.5 + i / 1e4) if on else 0.0) for i, on in enumerate(hears))
    provenance = explanation.provenance.model_copy(update={"window_weights": tuple(map(float, hears))})
    fields = {name: getattr(explanation, name) for name in type(explanation).model_fields}
    changed = {"original": sound, "mask": mask, "relevance": mask, "windows": windows, "provenance": provenance}
    return type(explanation)(**{**fields, **changed})


@pytest.fixture(scope="module")
def folder(long, tmp_path_factory):
    return long.save(tmp_path_factory.mktemp("long") / "out")


@pytest.fixture
def visit(chromium):
    """``visit(file)``: the page, opened, and what its console complains of."""
    opened = []

    def go(file):
        page = chromium.new_page(viewport={"width": 1200, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(file.as_uri())
        page.evaluate("zsxai.ready")
        opened.append(page)
        return page, errors

    yield go
    for page in opened:
        page.close()


def sounding(page) -> list[tuple[str, float]]:
    page.wait_for_timeout(200)
    script = "[...document.querySelectorAll('audio')].filter(a => !a.paused).map(a => [a.ariaLabel, zsxai.position()])"
    return page.evaluate(script)


def open_minute(page) -> str:
    (name,) = page.locator("[data-tabs] a[aria-selected=true]").all_inner_texts()
    return name.split()[0]


def test_a_part_plays_from_the_file_and_opens_its_minute(visit, folder):
    page, errors = visit(folder / "index.html")
    assert page.evaluate("[...document.querySelectorAll('audio')].map(a => a.getAttribute('src'))") == [
        *("explanation.wav", "residue.wav", "original.wav")
    ]
    assert open_minute(page) == "2:00-3:00"  # the stronger one
    assert page.locator("[data-tabs] a").count() == 2  # dark windows have no minute
    parts = page.locator("[data-parts] button")
    assert [text.split("-")[0] for text in parts.all_inner_texts()] == ["0:30.00", "2:30.00"]
    for part, minute in ((0, "0:00-1:00"), (1, "2:00-3:00")):
        parts.nth(part).click()
        ((name, at),) = sounding(page)
        assert name == "Explanation"
        assert TONES[part] <= at <= TONES[part] + 2.1
        assert open_minute(page) == minute
        assert page.locator(".panel:visible [data-picture] [data-loop]:visible").count() == 1
    page.keyboard.press("3")
    assert [name for name, _ in sounding(page)] == ["Recording"]
    assert errors == []


def test_pictures_of_minutes_tell_the_time_of_the_recording(visit, folder):
    page, errors = visit(folder / "index.html")
    page.locator("[data-picture]:visible").scroll_into_view_if_needed()
    box = page.locator("[data-picture]:visible [data-plane]").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    assert page.locator("[data-picture]:visible [data-readout]").inner_text().startswith("2:30.0")
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 60)
    assert page.evaluate("zsxai.position()") == pytest.approx(135, abs=0.2)
    page.locator("[data-line-tool] input").fill("-3")
    listed = page.locator("[data-regions]:visible li").all_inner_texts()
    assert listed[0].startswith("2:30.0")
    page.locator("[data-chart]").scroll_into_view_if_needed()
    chart = page.locator("[data-chart] [data-plane]").bounding_box()
    page.mouse.move(chart["x"] + chart["width"] * 31 / SECONDS, chart["y"] + 60)
    said = page.locator("[data-chart] [data-readout]").inner_text()
    assert "recording 0.50" in said
    assert "removed \N{MINUS SIGN}0.100" in said
    page.mouse.click(chart["x"] + chart["width"] * 31 / SECONDS, chart["y"] + 60)
    assert open_minute(page) == "0:00-1:00"
    assert errors == []


def test_a_page_that_was_sent_alone_plays_the_part_that_it_holds(visit, folder, tmp_path):
    shutil.copy(folder / "index.html", tmp_path)
    page, errors = visit(tmp_path / "index.html")
    page.wait_for_timeout(300)
    durations = page.evaluate("[...document.querySelectorAll('audio')].map(a => a.duration)")
    assert durations == pytest.approx([ALONE] * 3, abs=0.02)
    assert page.locator("[data-lost]:visible").count() == 3
    page.locator("[data-parts] button").nth(1).click()
    ((_, at),) = sounding(page)
    assert 150 <= at <= 152.1
    assert all("ERR_FILE_NOT_FOUND" in error for error in errors)


def policy(page: str) -> str:
    (content,) = [m["content"] for m in Reader(page).all("meta") if "http-equiv" in m]
    return re.search("media-src ([^;]*);", content)[1]


def test_only_files_beside_are_admitted_and_only_where_they_are_played(folder, long, explanation):
    assert policy((folder / "index.html").read_text(encoding="utf-8")) == "data: 'self'"
    assert len((folder / "index.html").read_bytes()) < 5_000_000
    sources = [a["src"] for a in Reader(page_html(long, beside="flac")).all("audio")]
    assert sources == ["explanation.flac", "residue.flac", "original.wav"]
    for page in (page_html(long), page_html(long, beside="none"), page_html(explanation, beside=True)):
        assert policy(page) == "data:"
        assert all(a["src"].startswith("data:") for a in Reader(page).all("audio"))


def test_levels_are_those_of_the_whole_sounds(long):
    whole = [under_db(sound, long.original, RATE) for sound in (long.audio, long.residue)]
    assert make_levels(long) == pytest.approx(whole, abs=0.01)


@pytest.mark.parametrize(
    ("scores", "weights", "minutes"),
    [
        ({10: 0.3, 100: 0.5, 110: 0.4}, (), [(70, 130), (0, 60)]),
        ({10: 0.3, 100: 0.5, 190: 0.4}, (1, 0, 1), [(140, 200), (0, 60)]),
    ],
)
def test_minutes_lie_around_the_strongest_windows(scores, weights, minutes):
    assert choose_minutes([window(t, s) for t, s in scores.items()], weights, SECONDS) == minutes
