"""Where the arrays of a long piece of work lie: in memory, or in a folder from which the work goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.arrays import make_array
from zsxai.errors import InputError
from zsxai.files import whole_file, write_text
from zsxai.names import printable

PLAN = "plan.json"
_SUFFIX = ".unfinished"


class Scratch:
    """Arrays in memory, and nothing that outlives the process.

    :class:`Folder` is the same on disk.
    """

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An array of zeros, or as it was left."""
        return np.zeros(shape, dtype=np.float32)

    def keep(self, step: str, **results: NDArray[Any]) -> None:
        """Note that a step is done, with its results."""

    def kept(self, step: str) -> dict[str, NDArray[Any]] | None:
        """The results of a step that was done before; None where it is to be done."""
        return None


class Folder(Scratch):
    """Arrays and results in a folder, which is removed once the work is done.

    A step counts as done once its results are renamed into place: a process that is killed leaves no half of one.

    Args:
        folder: Where.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """See :meth:`Scratch.array`."""
        return make_array(self.folder / f"{name}.f32", shape)

    def keep(self, step: str, **results: NDArray[Any]) -> None:
        """See :meth:`Scratch.keep`."""
        from safetensors.numpy import save_file

        with whole_file(self.folder / f"{step}.safetensors") as draft:
            save_file({name: np.ascontiguousarray(values) for name, values in results.items()}, draft)

    def kept(self, step: str) -> dict[str, NDArray[Any]] | None:
        """See :meth:`Scratch.kept`."""
        from safetensors.numpy import load_file

        path = self.folder / f"{step}.safetensors"
        return load_file(path) if path.is_file() else None

    def open(self, *, resume: bool, overwrite: bool) -> bool:
        """Make the folder, or take what is left of earlier work.

        Args:
            resume: Go on with what an earlier process left.
            overwrite: Or else start anew where there is something.

        Returns:
            Whether there is something to go on with.

        Raises:
            InputError: If something is left and neither is said, or it is not ours.
        """
        if self.folder.exists():
            if not (self.folder / PLAN).is_file():
                raise InputError(f"{printable(self.folder)} is in the way, and is not ours to replace: move it away")
            if resume:
                return True
            if not overwrite:
                raise InputError(
                    f"{printable(self.folder)} holds unfinished work: resume goes on with it, overwrite starts anew"
                )
            self.remove()
        self.folder.mkdir(parents=True)
        write_text(self.folder / PLAN, "{}")
        return False

    def check(self, plan: Mapping[str, Any]) -> None:
        """Note everything that the results depend on, or see that it is what it was.

        Args:
            plan: By name, ready for JSON.

        Raises:
            InputError: If something differs.
        """
        asked = json.loads(json.dumps(plan))
        found = json.loads((self.folder / PLAN).read_text(encoding="utf-8"))
        other = sorted(name for name in found if asked.get(name) != found[name])
        if other:
            raise InputError(
                f"{printable(self.folder)} holds unfinished work with another {', '.join(other)}: give the same again, "
                "or overwrite to start anew"
            )
        write_text(self.folder / PLAN, json.dumps(asked, indent=2))

    def write(self, name: str, blocks: Iterable[NDArray[Any]]) -> NDArray[np.float32]:
        """Write numbers as they come; the array of all of them ``(n,)``."""
        path = self.folder / f"{name}.f32"
        with path.open("wb") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype="<f4").data)
        return np.memmap(path, dtype="<f4", mode="r")

    def remove(self) -> None:
        """Remove it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def unfinished(folder: Path) -> Path:
    """Where the unfinished work on a folder lies: beside it."""
    return folder.with_name(folder.name + _SUFFIX)
