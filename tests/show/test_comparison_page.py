"""The page of a comparison: right figures, bounded, every text is text, and it works in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from pathlib import Path

import pytest

import zsxai
from tests.pages import Reader
from zsxai.show.comparison import FULL, page_html
from zsxai.verdict.verdict import LEVELS, Verdict

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}${}&amp;\u202e"
PROMPTS = ("a rising tone", "rain")


@pytest.fixture(scope="module")
def found(toy, tone, noise):
    sound = noise(seconds=3.0)
    sound[:8000] += tone(seconds=0.5)
    made = zsxai.compare(
        sound,
        PROMPTS,
        ["gradcam", "input-x-gradient"],
        toy,
        sample_rate=16000,
        paraphrases={PROMPTS[0]: ["hiss", "a beep"]},
    )
    figures = {"absence": 0.05}
    cells = []
    for number, cell in enumerate(made.cells):
        verdict = Verdict(level=LEVELS[number % 4], reasons=(f"reason {number}",), figures=figures)
        cells.append(cell.model_copy(update={"explanation": cell.explanation.model_copy(update={"verdict": verdict})}))
    return made.model_copy(update={"cells": tuple(cells)})


@pytest.fixture(scope="module")
def page(found):
    return page_html(found)


def test_page_says_the_figures(page, found):
    read = Reader(page)
    for number, cell in enumerate(found.cells):
        e = cell.explanation
        for score in (e.score, e.score_in, e.score_out):
            assert f"{score:.3f}".replace("-", "\N{MINUS SIGN}") in read.text
        assert cell.verdict in read.text
        assert any(a.get("title") == f"reason {number}" for a in read.all("p"))
        assert f"{cell.cost.seconds:.2f} s" in read.text
    for pair in found.agreements:
        assert f"{pair.correlation:.3f}".replace("-", "\N{MINUS SIGN}") in read.text
    assert found.wordings[0].describe() in read.text
    assert len(read.all("audio")) == 1 + len(found.cells)
    assert len(read.all("article")) == len(found.cells)


def test_bars_of_all_cells_lie_on_one_axis(page, found):
    widths = [a["width"] for a in Reader(page).all("rect") if (a.get("class") or "").startswith("bar whole")]
    scores = [cell.explanation.score for cell in found.of(PROMPTS[0])]
    assert len(set(scores)) == 1
    assert len(set(widths[: len(scores)])) == 1


def test_the_page_is_alone_under_its_policy(page):
    read = Reader(page)
    for name, attributes in read.elements:
        for key in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:", "#")), (name, key, value[:60])
    policy = next(a["content"] for a in read.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    for name in ("style", "script"):
        (inside,) = re.findall(f"<{name}>(.*?)</{name}>", page, flags=re.S)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert not any(key == "style" or key.startswith("on") for _, found in read.elements for key in found)
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_untrusted_text_stays_text(found):
    names = {name: f"{NASTY}{number}" for number, name in enumerate(found.explainers)}
    cells = tuple(
        cell.model_copy(update={"prompt": NASTY + cell.prompt, "explainer": names[cell.explainer], "model": NASTY})
        for cell in found.cells
    )
    failed = cells[1].model_copy(update={"explanation": None, "cost": None, "error": NASTY})
    wordings = tuple(
        w.model_copy(update={"prompt": NASTY + w.prompt, "items": (w.items[0].model_copy(update={"text": NASTY}),)})
        for w in found.wordings
    )
    fields = {"prompts": tuple(NASTY + p for p in PROMPTS), "audio_name": NASTY, "models": (NASTY,)}
    nasty = found.model_copy(
        update={
            **fields,
            "explainers": tuple(names.values()),
            "cells": (cells[0], failed, *cells[2:]),
            "wordings": wordings,
        }
    )
    written = page_html(nasty)
    read = Reader(written)
    assert read.text.count(NASTY) > len(cells)
    assert "alert(1)</script>" not in written
    assert len(read.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in read.elements)


def test_of_many_cells_the_first_have_players(found):
    some = found.of(PROMPTS[0])
    cells = [some[n % len(some)].model_copy(update={"label": f"{n}", "explainer": f"{n}"}) for n in range(FULL + 6)]
    many = found.model_copy(update={"cells": tuple(cells), "prompts": PROMPTS[:1], "agreements": (), "wordings": ()})
    read = Reader(page_html(many))
    assert len(read.all("audio")) == 1 + FULL
    assert len(read.all("article")) == FULL + 6
    assert sum((a.get("alt") or "").startswith("What ") for a in read.all("img")) == FULL + FULL + 6
    assert f"The first {FULL} of {FULL + 6} explanations have players" in read.text


def test_links_lead_to_the_pages_of_the_cells(found):
    links = [a["href"] for a in Reader(page_html(found, beside=True)).all("a")]
    pages = [link for link in links if not link.startswith("#")]
    assert pages == [f"cells/{n}/index.html" for n in range(1, len(found.cells) + 1)]


@pytest.mark.parametrize("width", [1400, 390])
def test_tabs_and_players_work(page, found, chromium, tmp_path: Path, width):
    path = tmp_path / "index.html"
    path.write_text(page, encoding="utf-8")
    shown = chromium.new_page(viewport={"width": width, "height": 900})
    problems = []
    shown.on("pageerror", lambda error: problems.append(str(error)))
    shown.on("console", lambda message: problems.append(message.text))
    shown.goto(path.as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    panels = shown.locator(".panel:visible")
    assert panels.count() == 1
    shown.locator("[data-choose]").nth(1).click()
    assert panels.all_inner_texts()[0].startswith(f"“{PROMPTS[1]}”")
    assert shown.get_by_role("tab").nth(1).get_attribute("aria-selected") == "true"
    masks = shown.locator(".panel:visible .layer-mask")
    assert masks.first.is_visible()
    shown.locator("[data-show-mask]").click()
    assert not masks.first.is_visible()
    # What starts takes over where another player was, in whichever cell.
    first, last = (f"document.querySelectorAll('audio')[{n}]" for n in (0, len(found.cells)))
    for player in (first, last):
        shown.evaluate(f"{player}.muted = true; {player}.playbackRate = 0.25")
    shown.evaluate(f"{first}.currentTime = 0.3; {first}.play(); 0")
    wait_until(shown, f"!{first}.paused && {first}.currentTime > 0.3")
    shown.evaluate(f"{last}.play(); 0")
    wait_until(shown, f"{first}.paused && !{last}.paused && {last}.currentTime > 0.3")
    assert shown.locator("[data-playing]").count() == 1
    assert shown.locator("[data-cursor]:visible").count() == len(found.cells) / 2 + 1
    shown.close()
    assert not problems


def wait_until(page, expression: str, seconds: float = 5.0) -> None:
    """Wait for a JavaScript expression; Playwright's own way needs an ``eval``, which the pages' policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)
