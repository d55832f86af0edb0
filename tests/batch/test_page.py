"""The page that lists a run: it sorts and filters, in the browser that the machine has."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pages import Reader
from zsxai.batch.row import Row
from zsxai.show.rows import rows_html

PIXEL = b64encode(b"\xff\xd8\xff\xe0").decode()


def row(number: int, **fields: Any) -> Row:
    plain: dict[str, Any] = {
        **dict.fromkeys(("score_in", "score_out", "score_heard", "similarity", "mask_mean", "kept_energy"), 0.0),
        **dict.fromkeys(("start", "stop", "low", "high")),
        **{"file": f"{number}.wav", "seconds": 1.0, "prompt": "rain", "unit": "cosine", "score": number / 10},
        **{"presence": None, "verdict": "cannot say", "regions": 0, "warnings": "", "folder": None},
    }
    return Row(**{**plain, **fields})


ROWS = [
    row(2, presence=0.5, folder="sub/2 x.wav", verdict="heard and located"),
    row(10, score=-0.3, presence=0.1, prompt='a "dog" <b>'),
    row(1, warnings="an unknown word: zyx", start=1.0, stop=2.0, low=100.0, high=2000.0, regions=3),
]


def test_what_callers_give_is_text() -> None:
    page = rows_html("<b>", [(r, PIXEL) for r in ROWS], {"<i>.wav": "no <b>audio</b>"})
    read = Reader(page)
    assert not read.all("b")
    assert not read.all("i")
    assert "1.00\N{EN DASH}2.00 s" in read.text
    assert "no <b>audio</b>" in read.text
    assert [a["href"] for a in read.all("a")][1:] == ["sub/2%20x.wav/index.html"] * 2


@pytest.fixture
def page(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "index.html").write_text(rows_html("calls", [(r, PIXEL) for r in ROWS], {}), encoding="utf-8")
    page = chromium.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "index.html").as_uri())
    yield page
    page.close()
    assert errors == []


def shown(page: Any) -> list[str]:
    return [text.split()[0] for text in page.locator("tbody tr:visible th").all_inner_texts()]


def test_it_sorts_and_filters(page: Any) -> None:
    assert shown(page) == ["2.wav", "10.wav", "1.wav"]
    page.get_by_role("button", name="recording").click()
    assert shown(page) == ["1.wav", "2.wav", "10.wav"], "by number where names have one"
    page.get_by_role("button", name="score").click()
    assert shown(page) == ["10.wav", "1.wav", "2.wav"]
    page.get_by_role("button", name="presence").click()
    assert shown(page) == ["10.wav", "2.wav", "1.wav"]
    page.get_by_role("button", name="presence").click()
    assert shown(page) == ["2.wav", "10.wav", "1.wav"], "what is not known comes last either way"
    page.get_by_label("Text").fill("ZYX")
    assert shown(page) == ["1.wav"]
    assert page.locator("[data-count]").inner_text() == "1 of 3 rows"
    page.get_by_label("Text").fill("")
    page.get_by_label("Prompt").select_option('a "dog" <b>')
    assert shown(page) == ["10.wav"]
    page.get_by_label("Verdict").select_option("heard and located")
    assert shown(page) == []
    page.get_by_label("Prompt").select_option("")
    assert shown(page) == ["2.wav"]
