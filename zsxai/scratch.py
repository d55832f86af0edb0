"""Where the arrays of a long piece of work lie: in memory, or in a folder from which the work goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
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

    def start(self, plan: Mapping[str, Any], *, resume: bool) -> None:
        """Begin the work, or go on with it.

        Args:
            plan: Everything that its results depend on, ready for JSON.
            resume: Go on with what an earlier process left.

        Raises:
            InputError: If that was other work.
        """
        asked = json.loads(json.dumps(plan))
        path = self.folder / PLAN
        if resume and path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            other = sorted(name for name in asked.keys() | found.keys() if asked.get(name) != found.get(name))
            if other:
                raise InputError(
                    f"{printable(self.folder)} holds unfinished work with another {', '.join(other)}: give the same "
                    "again, or leave resume out to start anew"
                )
            return
        self.remove()
        self.folder.mkdir(parents=True)
        write_text(path, json.dumps(asked, indent=2))

    def remove(self) -> None:
        """Remove it, if it is ours."""
        if self.folder.exists() and not (self.folder / PLAN).is_file() and any(self.folder.iterdir()):
            raise InputError(f"{printable(self.folder)} is not ours to replace: move it away")
        shutil.rmtree(self.folder, ignore_errors=True)


def unfinished(folder: Path) -> Path:
    """Where the unfinished work on a folder lies: beside it."""
    return folder.with_name(folder.name + _SUFFIX)
