"""A headless browser, where there is one."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_page(path: Path, width: int = 1400) -> Iterator[Any]:
    """A page from a file, in Chromium by Playwright; fails on errors of its script, skips where there is no browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="click-through: pip install playwright")
    named = os.environ.get("ZSXAI_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if named is None:
        pytest.skip(f"click-through: no browser; one of {', '.join(NAMES)} on the path, or ZSXAI_BROWSER")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=named, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path.as_uri())
        yield page
        browser.close()
    assert not problems


def wait_until(page: Any, expression: str, seconds: float = 5.0) -> None:
    """Wait for a JavaScript expression; Playwright's own way needs an ``eval``, which the pages' policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)
