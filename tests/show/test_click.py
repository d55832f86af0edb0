"""The page answers: hover, line, loop, tabs, zoom and keys, in the browser that the machine has."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from zsxai.regions import find_regions
from zsxai.show.page import page_html
from zsxai.show.raster import raster

MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def made(make):
    """Two explanations of one recording; the first one's mask has four parts that stay on four levels."""
    e = make()
    mask = np.zeros_like(e.mask)
    for start, value in ((0.1, 0.97), (0.5, 0.93), (0.9, 0.85), (1.3, 0.7)):
        rows = (e.frequencies > 400) & (e.frequencies < 1600)
        mask[np.ix_(rows, (e.times > start) & (e.times < start + 0.2))] = value
    return [e.model_copy(update={"mask": mask}), make(prompt="something else")]


@pytest.fixture
def visit(chromium, tmp_path):
    """``visit(explanations, width=)``: the page, opened; what its script complains of fails the test."""
    opened = []

    def go(explanations, width=1200, **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        (tmp_path / "page.html").write_text(page_html(explanations), encoding="utf-8")
        page.goto((tmp_path / "page.html").as_uri())
        page.evaluate("zsxai.ready")
        opened.append((context, errors))
        return page

    yield go
    for context, errors in opened:
        context.close()
        assert errors == []


def playing(page) -> list[str]:
    page.wait_for_timeout(150)
    return page.evaluate("[...document.querySelectorAll('audio')].filter(a => !a.paused).map(a => a.ariaLabel)")


def view(page) -> list[float]:
    """Seconds at both ends of the picture."""
    sheet, plane = (page.locator(f"[data-{name}]").first.bounding_box() for name in ("sheet", "plane"))
    seconds = float(page.locator("[data-picture]").first.get_attribute("data-seconds"))
    per_pixel = seconds / sheet["width"]
    start = (plane["x"] - sheet["x"]) * per_pixel
    return [start, start + plane["width"] * per_pixel]


def test_hover_tells_the_numbers_of_the_picture(visit, made):
    page, picture = visit(made[0]), raster(made[0])
    box = page.locator("[data-picture] [data-plane]").bounding_box()
    for x, y in ((0.12, 0.7), (0.7, 0.72), (0.95, 0.1)):
        check_hover(page, picture, box, round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"]))


def check_hover(page, picture, box, across, down):
    page.mouse.move(across, down)
    said = page.locator("[data-picture] [data-readout]").inner_text().replace(MINUS, "-")
    x, y = (across - box["x"]) / box["width"], (down - box["y"]) / box["height"]
    rows, columns = picture.power.shape
    row, column = rows - 1 - int(y * rows), int(x * columns)
    seconds, hertz, level, mask, *kept = re.findall(r"-?[\d.,]+", said)
    assert float(seconds) == pytest.approx(x * picture.seconds, abs=0.006)
    assert float(hertz.replace(",", "")) == pytest.approx(picture.frequency_edges[row : row + 2].mean(), abs=0.6)
    assert float(level) == pytest.approx(80 * picture.level()[row, column] - 80, abs=0.31)
    assert float(mask) == pytest.approx(picture.mask[row, column], abs=0.0051)
    if picture.under_db[row, column] < 60:
        assert -float(kept[0]) == pytest.approx(picture.under_db[row, column], abs=0.31)
    else:
        assert "nothing kept" in said


def test_the_line_moves_and_regions_with_it(visit, made):
    page, picture = visit(made[0]), raster(made[0])
    own = page.locator("[data-regions] li").all_inner_texts()
    assert own == [str(region) for region in made[0].regions()]
    counts = set()
    for line in (-2, -3, -10, -25):
        page.locator("[data-line-tool] input").fill(str(line))
        coded = 10 ** (-np.ceil(picture.under_db / 0.25 - 1e-4) * 0.25 / 10)
        power = picture.power * np.diff(picture.frequency_edges)[:, None]
        found = find_regions(coded, power, picture, count=10**6, line_db=line)
        said = page.locator("[data-regions] p").inner_text()
        assert int(re.match(r"\d+|N", said)[0].replace("N", "0")) == len(found)
        listed = page.locator("[data-regions] li").all_inner_texts()
        assert len(listed) == min(3, len(found)) == page.locator("[data-marks] text").count()
        for text, region in zip(listed, found, strict=False):
            start, stop = map(float, re.match(r"([\d.]+)-([\d.]+) s", text).groups())
            assert (start, stop) == (pytest.approx(region.start, abs=0.006), pytest.approx(region.stop, abs=0.006))
        counts.add(len(found))
    assert len(counts) > 1
    page.locator("[data-line-tool] input").fill("-6")
    assert page.locator("[data-regions] li").all_inner_texts() == own


def test_a_region_plays_over_and_over_until_escape(visit, made):
    page, region = visit(made[0]), made[0].regions()[0]
    page.locator("[data-regions] button").first.click()
    seen = []
    for _ in range(8):
        assert playing(page) == ["Explanation"]
        seen.append(page.evaluate("zsxai.position()"))
    # A part shorter than .3 s is widened to that.
    middle, half = (region.start + region.stop) / 2, max(region.stop - region.start, 0.3) / 2
    assert all(middle - half - 0.06 <= at <= middle + half + 0.06 for at in seen)
    assert any(later < sooner for sooner, later in pairwise(seen))
    assert page.locator("[data-regions] button").first.get_attribute("aria-pressed") == "true"
    page.keyboard.press("2")
    assert playing(page) == ["Residue"]
    page.keyboard.press("Escape")
    assert playing(page) == []
    assert page.locator("[data-picture] [data-loop]").is_hidden()


def test_the_number_on_the_picture_plays_its_region(visit, made):
    page = visit(made[0])
    box = page.locator("[data-marks] text").nth(1).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert playing(page) == ["Explanation"]
    assert page.locator("[data-regions] button").nth(1).get_attribute("aria-pressed") == "true"


def test_drag_and_keys_zoom(visit, made):
    page, seconds = visit(made[0]), made[0].seconds
    box = page.locator("[data-picture] [data-plane]").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.25 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], y, steps=3)
    page.mouse.up()
    assert view(page) == [pytest.approx(0.25 * seconds, abs=0.01), pytest.approx(0.75 * seconds, abs=0.01)]
    page.mouse.move(box["x"] + 0.5 * box["width"], y)
    assert page.locator("[data-picture] [data-readout]").inner_text().startswith(f"{seconds / 2:.2f} s")
    page.keyboard.press("+")
    start, stop = view(page)
    assert stop - start == pytest.approx(seconds / 4, abs=0.01)
    page.keyboard.press("0")
    assert view(page) == [pytest.approx(0, abs=0.01), pytest.approx(seconds, abs=0.01)]


def test_keys_play_move_and_choose_in_lockstep(visit, made):
    page = visit(made[0])
    page.keyboard.press("ArrowRight")
    assert page.evaluate("zsxai.position()") == pytest.approx(0.5, abs=0.01)
    page.keyboard.press(" ")
    assert playing(page) == ["Explanation"]
    page.keyboard.press("3")
    assert playing(page) == ["Recording"]
    assert page.evaluate("zsxai.position()") > 0.5
    page.keyboard.press(" ")
    assert playing(page) == []


def test_equal_loudness_sets_the_gain_of_every_player(visit, made):
    page = visit(made[0])
    page.locator("[data-match-tool] input").check()
    factors = page.evaluate("zsxai.gains.map(g => g.gain.value)")
    wanted = [float(a.get_attribute("data-match")) for a in page.locator("audio").all()]
    assert factors == pytest.approx(wanted, rel=1e-3)
    assert factors[2] == 1.0
    heard = """async () => {
      const [gain] = zsxai.gains, meter = gain.context.createAnalyser(), samples = new Float32Array(2048);
      gain.connect(meter);
      await document.querySelector("audio").play();
      zsxai.seek(0.55);
      let peak = 0;
      for (let n = 0; n < 40 && peak < 0.01; n++) {
        await new Promise((done) => setTimeout(done, 50));
        meter.getFloatTimeDomainData(samples);
        peak = Math.max(...samples);
      }
      return peak;
    }"""
    assert page.evaluate(heard) > 0.01, "the policy of the page, or that of Web Audio, mutes it"
    page.locator("[data-match-tool] input").uncheck()
    assert page.evaluate("zsxai.gains.map(g => g.gain.value)") == [1, 1, 1]


def test_tabs_show_one_prompt_and_keep_playing(visit, made):
    page = visit(made)
    panels = page.locator("[data-tabs] a").count()
    assert panels == 2
    assert [page.locator(f"#prompt-{n}").is_visible() for n in (1, 2)] == [True, False]
    page.keyboard.press(" ")
    page.wait_for_timeout(300)
    at = page.evaluate("zsxai.position()")
    page.locator("[data-tabs] a").nth(1).click()
    assert [page.locator(f"#prompt-{n}").is_visible() for n in (1, 2)] == [False, True]
    assert playing(page) == ["Explanation"]
    assert page.evaluate("document.querySelector('#prompt-2 audio').paused") is False
    assert page.evaluate("zsxai.position()") >= at


def test_touch_tells_numbers_on_a_narrow_page_that_does_not_scroll_sideways(visit, made):
    page = visit(made[0], width=390, has_touch=True, is_mobile=True)
    box = page.locator("[data-picture] [data-plane]").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("[data-picture] [data-readout]").inner_text().startswith(f"{made[0].seconds / 2:.2f} s")
    assert page.evaluate("zsxai.position()") == pytest.approx(made[0].seconds / 2, abs=0.02)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_mask_is_hidden_and_shown(visit, made):
    page, layers = visit(made[0]), "getComputedStyle(document.querySelector('.layer-mask')).visibility"
    assert page.evaluate(layers) == "visible"
    page.locator("[data-show-mask]").uncheck()
    assert page.evaluate(layers) == "hidden"
