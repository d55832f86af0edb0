"""Runs the code blocks of pages as a reader would: in order, in one fresh folder a page, offline.

``python tests/docs/run_blocks.py README.md docs/tutorials/train-a-decoder.md``

- A block whose first line is ``# name.toml`` (or ``.py``, ...) is that file, or its next part, and is written.
- ``python`` blocks run in one session, which ``pip install`` ends: what is installed is read once per process.
- ``bash`` blocks run as they are, but for :data:`SHORTER`, in an environment that borrows the packages of this one.
- ``<!-- not run: why -->`` above a block leaves it out.
- ``<!-- output -->`` above a block without a language holds it against what the block before it printed: the same
  words, and the same numbers, give or take one in the last digit that is shown.
- A page that does not make it finds the demo's recording, ``demo/scene.wav``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

SHORTER = {
    r" --set steps=\d+| --limit \d+|, limit=\d+": "",
    r"zsxai train lmac-zs": "zsxai train lmac-zs --set steps=4",
    r"zsxai bench run": "zsxai bench run --limit 1",
    r'run_suite\(("[^"]*", "[^"]*")': r"run_suite(\1, limit=1",
}
"""What is changed in blocks so that they take seconds: four steps of training, one clip of a benchmark."""

_BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|toml|csv))\n")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?|(?<![\w.])[-+]?\.\d+")
_END = "-- end of block --"


class Block(NamedTuple):
    """A fenced block of a page, with the number of its first line and the comment above it."""

    line: int
    language: str
    mark: str
    code: str

    @property
    def file(self) -> str:
        """The file that the block is, or is a part of."""
        found = _FILE.match(self.code)
        return found[1] if found else ""

    @property
    def part(self) -> str:
        """What the block adds to its file."""
        return self.code.partition("\n")[2]

    @property
    def what(self) -> str:
        """What is done with the block."""
        return "written" if self.file else "run" if self.language else "compared" if self.mark else "for the eye"

    @property
    def why_not(self) -> str:
        """Why the block is not run."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""


def read_blocks(text: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    found = _BLOCK.finditer(text)
    return [Block(text.count("\n", 0, m.start("code")), m["language"], m["mark"] or "", m["code"]) for m in found]


class Failed(Exception):
    """A block that does not do what its page says."""


class Reader:
    """Somebody who types what a page says.

    Args:
        home: An empty folder.
    """

    def __init__(self, home: Path) -> None:
        self.desk = home / "desk"
        self.desk.mkdir()
        self.home = home
        self.session: subprocess.Popen[str] | None = None

    @cached_property
    def environment(self) -> dict[str, str]:
        """Variables, offline, of an environment of its own."""
        commands = make_environment(self.home / "environment")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HF_", "ZSXAI", "PIP_", "MPL"))}
        nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        # pip's own words: "false" turns the isolation off.
        pip = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "false", "PIP_QUIET": "1"}
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        return {**kept, **nowhere, **pip, "HF_HUB_OFFLINE": "1", "PATH": path}

    def read(self, block: Block, printed: str) -> str:
        """Do what a block says and return what it prints.

        Raises:
            Failed: If it does not work, or prints something else than the page shows.
        """
        if block.mark not in ("", "output"):
            raise Failed(f"a mark is 'output' or 'not run: why', not {block.mark!r}")
        if block.mark == "output":
            compare(block.code, printed)
        elif block.file:
            file = self.desk / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as opened:
                opened.write(block.part)
        elif block.language == "python":
            return self._run_python(shorten(block.code))
        elif block.language == "bash":
            return self._run_bash(shorten(block.code))
        elif block.language:
            raise Failed(
                f"a block of {block.language} that is no file: name it in its first line, # name.{block.language}"
            )
        elif re.match(r"(\$ |zsxai |python |pip |make )", block.code):
            raise Failed("commands: say ```bash")
        return printed

    def _run_bash(self, code: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=self.desk, env=self.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"{code}ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        if "pip install" in code:
            self.close()
        return done.stdout

    def _run_python(self, code: str) -> str:
        if self.session is None:
            self.session = subprocess.Popen(
                ["python", __file__, "--session"],
                cwd=self.desk, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert self.session.stdin is not None
        assert self.session.stdout is not None
        self.session.stdin.write(json.dumps(code) + "\n")
        self.session.stdin.flush()
        lines = []
        for line in self.session.stdout:
            if line.startswith(_END):
                if line.strip() != _END:
                    raise Failed(code + json.loads(line.removeprefix(_END)))
                return "".join(lines)
            lines.append(line)
        raise Failed(f"{code}Python ended")

    def close(self) -> None:
        """End the Python session."""
        if self.session is not None:
            self.session.communicate()
            self.session = None


def run_session() -> None:
    """Run what comes in, a block as JSON a line, in one namespace."""
    sys.path[0] = ""  # where the reader stands, not where this file lies
    space: dict[str, Any] = {"__name__": "__main__"}
    for line in sys.stdin:
        try:
            exec(compile(json.loads(line), "<block>", "exec"), space)  # noqa: S102
            print(_END, flush=True)  # noqa: T201
        except Exception:
            print(_END, json.dumps(traceback.format_exc()), flush=True)  # noqa: T201


def make_environment(home: Path) -> Path:
    """Make an environment that borrows this one's packages; pip installs into it. Returns its ``bin``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (site,) = home.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
    lines = [f"import site; site.addsitedir({path!r})" for path in borrowed]
    (site / "borrowed.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for command in ("zsxai", "pip", "mypy"):
        script = home / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "{home}/bin/python" -m {command} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return home / "bin"


def write_scene(file: Path) -> None:
    """Write the recording that ``zsxai demo`` writes."""
    from zsxai.audio.wav import wav_bytes
    from zsxai.data.scene import demo_scene

    scene = demo_scene()
    file.parent.mkdir(parents=True)
    file.write_bytes(wav_bytes(scene.waveform, scene.sample_rate))


def shorten(code: str) -> str:
    """The block with less to compute."""
    for long, short in SHORTER.items():
        code = re.sub(long, short, code)
    return code


def compare(shown: str, printed: str) -> None:
    """Hold what a page shows against what came out; a line ``...`` stands for any lines.

    Raises:
        Failed: If they differ.
    """
    rest = printed.splitlines()
    anywhere = False
    for line in shown.splitlines():
        if line == "...":
            anywhere = True
            continue
        places = [n for n, other in enumerate(rest) if is_same(line, other)]
        if not places or (places[0] and not anywhere):
            raise Failed(f"the page shows\n{line}\nwhere this is printed:\n{printed}")
        rest, anywhere = rest[places[0] + 1 :], False
    if rest and not anywhere:
        raise Failed("this is printed and not shown:\n" + "\n".join(rest))


def is_same(shown: str, printed: str) -> bool:
    """Whether two lines have the same words, and numbers that differ by one in the last digit at most."""
    if _NUMBER.sub("#", shown).split() != _NUMBER.sub("#", printed).split():
        return False
    return all(map(_is_near, _NUMBER.findall(shown), _NUMBER.findall(printed)))


def _is_near(shown: str, printed: str) -> bool:
    unit = 10.0 ** -len(shown.partition(".")[2])
    return abs(float(shown.replace(",", "")) - float(printed.replace(",", ""))) < 1.01 * unit


def run_page(page: Path) -> str:
    """Run a page and return what was done, in a line.

    Raises:
        Failed: At the first block that does not do what the page says.
    """
    blocks = read_blocks(page.read_text(encoding="utf-8"))
    to_do = [block for block in blocks if not block.why_not]
    done = Counter(f"not run: {block.why_not}" for block in blocks if block.why_not)
    done += Counter(block.what for block in to_do)
    said = f"{len(blocks)} blocks" + "".join(f"; {count} {what}" for what, count in sorted(done.items()))
    with tempfile.TemporaryDirectory() as home:
        reader, printed = Reader(Path(home)), ""
        commands = [block.code for block in to_do if block.what == "run"]
        if commands and not any(re.search("^zsxai demo", code, re.MULTILINE) for code in commands):
            write_scene(reader.desk / "demo" / "scene.wav")
        try:
            for block in to_do:
                try:
                    printed = reader.read(block, printed)
                except Failed as error:
                    raise Failed(f"{page}, line {block.line}: {error}") from None
        finally:
            reader.close()
    return said


def main(pages: list[str]) -> int:
    """Run pages; 1 where one fails."""
    failed = False
    for page in pages:
        try:
            said = run_page(Path(page))
        except Failed as error:
            said, failed = f"FAILED\n{error}", True
        print(f"{page}: {said}", flush=True)  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:] == ["--session"]:
        run_session()
    else:
        sys.exit(main(sys.argv[1:]))
