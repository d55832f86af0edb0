"""The report in a browser: sorting, choosing columns, folds, what a column means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.frames import result, row
from zsxai.benchmarks.report import cells
from zsxai.benchmarks.report.page import render_page
from zsxai.benchmarks.tasks.base import Row

MEANS = {"gradcam": 0.4, "occlusion": 0.7, "constant": 0.1}
FIGURES = ("faithfulness", "average-drop", "average-gain", "mask-mean", "kept-energy", "sparseness", "complexity")


def make_rows(mean: float) -> list[Row]:
    """Rows on which an explanation beats its foil the more often, the higher its mean."""
    found = []
    for i in range(10):
        figures = dict.fromkeys(FIGURES, mean * i / 10)
        found += [row(f"clip-{i}", figures), row(f"clip-{i}", {**figures, "faithfulness": 0.3}, variant="foil")]
    return found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "encode_png", lambda figure: b"")  # what takes long, and is not clicked
        text = render_page(result({name: make_rows(mean) for name, mean in MEANS.items()}, draws=100))
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(params=[(1400, 900), (390, 844)], ids=["desk", "phone"])
def page(chromium: Any, file: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    width, height = request.param
    context = chromium.new_context(viewport={"width": width, "height": height}, has_touch=width < 500)
    opened, complaints = context.new_page(), []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(file.as_uri())
    yield opened
    assert complaints == []
    context.close()


def test_the_first_screen_answers(page: Any) -> None:
    lead = page.locator(".answer .lead")
    place = lead.bounding_box()
    assert place["y"] + place["height"] < page.viewport_size["height"]
    assert "FF over foil" in lead.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]


def test_sort(page: Any) -> None:
    table = page.locator(".answer table").first
    figure = table.get_by_role("button", name="FF over foil", exact=False).first
    values = "rows => rows.map(r => r.cells[1].dataset.value).filter(Boolean).map(Number)"
    figure.click()
    down = table.locator("tbody tr").evaluate_all(values)
    figure.click()
    assert down == sorted(down, reverse=True)
    assert table.locator("tbody tr").evaluate_all(values) == sorted(down)
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_choose_columns(page: Any) -> None:
    section = page.locator("section[data-columns]").first
    section.locator("summary").first.click()
    heads = section.locator("table.figures").first.locator("th[data-figure]:visible")
    before = heads.count()
    assert 0 < before == section.locator(".columns input:checked").count() < section.locator(".columns input").count()
    section.locator(".columns summary").click()
    section.locator(".columns label", has_text="SPS").click()
    assert heads.count() == before + 1
    assert section.locator("[data-count]").inner_text().startswith(f"{before + 1} of ")
    section.locator("[data-all]").click()
    assert heads.count() == section.locator(".columns input").count()


def test_what_a_column_means(page: Any) -> None:
    tip, head = page.locator("#tip"), page.locator(".answer th", has_text="FF over foil").first
    mark = head.locator(".what")
    (mark.tap if page.viewport_size["width"] < 500 else head.hover)()
    assert "Share of clips whose FF is better" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    mark.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    reading = page.locator("tr:target")
    assert reading.is_visible(), "the folds over it are open"
    assert "docs/metrics.md#faithfulness-ff" in reading.inner_text()
