"""Every block of every page does what the page says; and the reader that finds out notices where one does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.run_blocks import Failed, compare, read_blocks, run_page, shorten

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    p.relative_to(ROOT).as_posix() for p in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"))
]
SLOW = ("docs/tutorials/", "docs/benchmarks.md", "docs/lmac-zs.md", "docs/metrics.md", "docs/testing-your-plugin.md")
"""They train, run a benchmark, check a whole model, or explain more than README does."""


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] if page.startswith(SLOW) else []) for page in sorted(PAGES)]
)
def test_a_page_does_what_it_says(page: str) -> None:
    print(run_page(ROOT / page))  # noqa: T201


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("kept 0.285, 28%", "kept 0.285, 28%", True),
        ("kept 0.285", "kept 0.286", True),
        ("kept 0.285", "kept 0.287", False),
        ("2 clips", "4 clips", False),
        ("5,734 Hz", "5734 Hz", True),
        ("runs/mine", "runs/other", False),
        ("...\nlast", "one\ntwo\nlast", True),
        ("one\n...", "one\ntwo\nlast", True),
        ("one", "one\ntwo", False),
        ("one\ntwo", "one", False),
    ],
)
def test_what_a_page_shows_is_held_against_what_is_printed(shown: str, printed: str, same: bool) -> None:
    try:
        compare(shown, printed)
    except Failed:
        assert not same
    else:
        assert same


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```python\n1 / 0\n```\n", "line 1.*ZeroDivisionError"),
        ("```bash\ntrue\nfalse\ntrue\n```\n", "ended with 1"),
        ("```\nzsxai list models\n```\n", "say ```bash"),
        ("```toml\na = 1\n```\n", "a block of toml"),
        ("<!-- not ran: why -->\n```bash\ntrue\n```\n", "not ran"),
        ("```python\nprint(3)\n```\n\n<!-- output -->\n```\n7\n```\n", "the page shows\n7"),
    ],
)
def test_a_block_that_fails_is_found(text: str, said: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(Failed, match=f"(?s){said}"):
        run_page(page)


def test_a_page_that_works(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\n# a/b.py\nX = 3\n```\n```python\n# a/b.py\nY = 4\n```\n```python\nfrom a.b import X, Y\n```\n"
        "```bash\nls demo/scene.wav\n```\n```python\nprint(X + Y)\n```\n<!-- output -->\n```\n7\n```\n"
        "<!-- not run: costs -->\n```bash\nfalse\n```\n",
        encoding="utf-8",
    )
    assert run_page(page) == "7 blocks; 1 compared; 1 not run: costs; 3 run; 2 written"


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("zsxai train lmac-zs --set steps=300 --out a", "zsxai train lmac-zs --set steps=4 --out a"),
        ("zsxai bench run a.toml --limit 40 --out b", "zsxai bench run --limit 1 a.toml --out b"),
        ('run_suite("a", "b", limit=40)', 'run_suite("a", "b", limit=1)'),
    ],
)
def test_what_takes_long_is_shortened(long: str, short: str) -> None:
    assert shorten(long) == short


def test_no_block_is_passed_over() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert 2 * len(read_blocks(text)) == sum(line.lstrip().startswith("```") for line in text.splitlines()), page
