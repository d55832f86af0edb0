"""Explanations that go to a folder as they are made, and work on them that can be interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zsxai.audio import SoundStream, fingerprint
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.explaining import Judging
from zsxai.explanation import Explanation
from zsxai.folders import name_prompts
from zsxai.names import printable
from zsxai.precision import dtype_name
from zsxai.recording import Recording
from zsxai.saved import FORMAT, Sounds, check_place
from zsxai.scratch import Folder, Scratch, unfinished
from zsxai.stretch import SECONDS
from zsxai.target import BoundTarget, Target
from zsxai.versions import versions

_BLOCK = 2**20
"""Samples that are read at a time."""
MOST_SECONDS = 5400.0
"""Longest recording that is explained whole: an hour and a half, some 4 GB of maps and sounds."""


def check_length(name: str, seconds: float) -> None:
    """See that a recording is not too long to be explained whole.

    Raises:
        InputError: If it is.
    """
    if seconds > MOST_SECONDS:
        raise InputError(
            f"{name} is longer than the {MOST_SECONDS / 3600:g} h that are explained whole: zsxai timeline scores it "
            "over time, and with --explain-peaks N explains its strongest parts"
        )


class Keeper:
    """Saves the explanations of one recording; of a long one the work itself lies on disk meanwhile.

    Args:
        out: The folder, or that of a folder for each target.
        targets: What is explained.
        single: Whether the one explanation goes to ``out`` itself.
        overwrite: Replace what was saved there before.
        resume: Go on with what was interrupted.

    Raises:
        InputError: If a folder exists and may not be replaced, or cannot be made.
    """

    def __init__(self, out: Path, targets: Sequence[Target], *, single: bool, overwrite: bool, resume: bool) -> None:
        self.folders = [out] if single else [out / name for name in name_prompts([t.prompt for t in targets])]
        self.overwrite, self.resume = overwrite, resume
        self.work = Folder(unfinished(out))
        self._is_long = False
        for folder in self.folders:
            check_place(folder, overwrite=overwrite)
        if resume and not self.work.folder.is_dir():
            raise InputError(f"nothing to resume: there is no {printable(self.work.folder)}; leave resume out")

    def read(self, stream: SoundStream, sample_rate: int) -> NDArray[Any]:
        """The recording, in memory, or on disk where it is long or nobody knows how long."""
        self._is_long = stream.seconds is None or stream.seconds > SECONDS
        if not self._is_long:
            return stream.read(sample_rate)
        goes_on = self.work.open(resume=self.resume, overwrite=self.overwrite)
        try:
            return self.work.write("original", self._checked(stream, sample_rate))
        except BaseException:
            if not goes_on:  # nothing was done that would be lost
                self.work.remove()
            raise

    @staticmethod
    def _checked(stream: SoundStream, sample_rate: int) -> Iterator[NDArray[Any]]:
        """Blocks of a recording whose header may not say how long it is."""
        samples = 0
        for block in stream.blocks(sample_rate, _BLOCK):
            samples += len(block)
            check_length(stream.name, samples / sample_rate)
            yield block

    def begin(self, recording: Recording, method: Explainer, bound: Sequence[BoundTarget], how: Judging) -> Scratch:
        """Where the work goes.

        Raises:
            InputError: If what is to be resumed was other work.
        """
        if not self._is_long:
            return Scratch()
        card = recording.model.card
        self.work.check(
            {
                "recording": fingerprint(recording.original),
                "model": card.model_dump(mode="json"),
                "explainer": [method.name, method.model_dump(mode="json"), method.weights(recording.model)],
                "prompts": [[b.target.model_dump(mode="json"), b.template] for b in bound],
                "masking": recording.masking.model_dump(mode="json"),
                "seed": recording.seed,
                "batch size": recording.batch_size,
                "dtype": dtype_name(recording.model),
                "verdict": [how.verdict, how.dark_windows, how.reference and how.reference.model_dump(mode="json")],
                "version": [FORMAT, versions()],
            }
        )
        return self.work

    @contextmanager
    def noting(self) -> Iterator[None]:
        """What interrupts the work says that it can go on."""
        try:
            yield
        except KeyboardInterrupt as interrupt:
            if self.work.folder.is_dir():
                interrupt.add_note(f"{printable(self.work.folder)} holds what is done: resume goes on with it")
            raise

    def save(self, explanations: Sequence[Explanation], sounds: Sounds) -> list[Explanation]:
        """Save the explanations, and remove the work; those on disk come back from where they are now."""
        for explanation, folder in zip(explanations, self.folders, strict=True):
            explanation.save(folder, overwrite=self.overwrite, sounds=sounds)
        if not self._is_long:
            return list(explanations)
        self.work.remove()
        return [Explanation.load(folder) for folder in self.folders]
