"""Files that are whole or absent (folders: tests/show/test_folder.py)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from zsxai.errors import InputError, ZsxaiError
from zsxai.files import check_folder, whole_file, whole_folder, write_text


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_text_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    for text in ("é\n", "b"):
        assert write_text(path, text) == path
        assert path.read_bytes() == text.encode()
        assert names(path.parent) == ["a.txt"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask, "as any new file, not its owner's alone"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_leaves_what_was_there(error: type[BaseException], existing: bool, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    if existing:
        path.write_text("before")

    def write_half() -> None:
        with whole_file(path) as draft:
            assert (draft.parent, draft.suffix) == (path.parent, ".csv")
            assert draft.name.startswith(".table.csv.")
            draft.write_text("half")
            raise error

    with pytest.raises(InputError if error is OSError else error):
        write_half()
    assert names(tmp_path) == (["table.csv"] if existing else [])
    assert not existing or path.read_text() == "before"


def test_two_that_write_the_same_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with whole_file(path) as one, whole_file(path) as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert path.read_text() == "1"
    assert names(tmp_path) == ["a"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    link = tmp_path / "state"
    link.symlink_to(tmp_path / "store" / "state")
    write_text(link, "1")
    assert link.is_symlink()
    assert (tmp_path / "store" / "state").read_text() == "1"


@pytest.mark.parametrize("place", ["a folder", "a file/x"])
def test_what_cannot_be_written_is_one_line(place: str, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").write_text("mine")
    with pytest.raises(InputError, match=f"^cannot write {tmp_path / place}: .+$") as caught:
        write_text(tmp_path / place, "x")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["a file", "a folder"]
    assert names(tmp_path / "a folder") == []


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, ZsxaiError), (errno.EACCES, InputError)])
@pytest.mark.parametrize("write", [whole_file, lambda path: whole_folder(path, ["a"], overwrite=False)])
def test_a_full_disk_is_named_by_the_path_and_is_nobodys_mistake(
    write: Any, number: int, kind: type[ZsxaiError], tmp_path: Path
) -> None:
    with pytest.raises(ZsxaiError) as caught, write(tmp_path / "out"):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind
    assert str(caught.value) == f"cannot write {tmp_path / 'out'}: {os.strerror(number)}"
    assert names(tmp_path) == []


def test_what_fails_to_be_read_meanwhile_is_not_called_writing(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match="weights"),
        whole_folder(tmp_path / "inside" / "out", ["a"], overwrite=False),
    ):
        Path("/nowhere/weights").read_bytes()


@pytest.mark.parametrize("under", ["", "deeper"])
def test_links_in_a_circle_are_one_line(under: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    place = tmp_path / "loop" / under
    with pytest.raises(InputError, match=r"^cannot write .*loop.*: its links lead in a circle$"):
        write_text(place, "x")
    with pytest.raises(InputError, match=r"^cannot write .*loop.*: its links lead in a circle$"):
        check_folder(place, ["a"], overwrite=True)
    assert names(tmp_path) == ["loop"]


def test_a_place_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("mine")
    for place, words in (
        (tmp_path / "a file" / "x" / "y", "a file is a file"),
        (tmp_path / "a file", "is a file: name a folder"),
        (tmp_path / ("x" * 250), "too long"),
    ):
        with pytest.raises(InputError, match=words):
            check_folder(place, ["a"], overwrite=True)
    check_folder(tmp_path / "new" / "deep", ["a"], overwrite=False)
    assert names(tmp_path) == ["a file"]
