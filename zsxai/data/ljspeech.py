"""LJ Speech, as speech to mix into other clips.

K. Ito, L. Johnson, "The LJ Speech Dataset", 2017.
"""

from __future__ import annotations

from pathlib import Path

from zsxai.data.checks import Reader, complete, existing_folder
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError


class LJSpeech(Reader):
    """Utterances of LJ Speech, in the order of its list; all of one class, ``speech``.

    A clip's source is the chapter that it was cut from (``LJ001``).

    Args:
        root: Folder with ``metadata.csv`` (id|text|normalised text) and ``wavs/<id>.wav``.
        limit: Keep the first so many; all by default. The released L-MAC code takes 10,000.

    Raises:
        InputError: If the layout is not found, or files are missing.
    """

    labels = ("speech",)

    def __init__(self, root: str | Path, limit: int | None = None) -> None:
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise InputError(f"limit is a whole number, 1 or more, not {limit!r}")
        self.root = existing_folder(root, "LJ Speech")
        table = self.root / "metadata.csv"
        if not table.is_file():
            raise InputError(f"no LJ Speech at {self.root}: looked for {table} and {self.root / 'wavs'}")
        try:
            lines = table.read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            raise InputError(f"{table} is no text in UTF-8: {error}") from error
        # No CSV: quotation marks belong to the text.
        rows = [line.split("|") for line in lines if line.strip()]
        wrong = next((row for row in rows if len(row) != 3 or not row[0]), None)
        if wrong is not None:
            raise InputError(f"{table}: a line reads id|text|normalised text, not {'|'.join(wrong)[:60]!r}")
        clips = [
            LabelledClip(name, "speech", name.partition("-")[0], path=self.root / "wavs" / f"{name}.wav")
            for name, *_ in rows[:limit]
        ]
        self.clips = complete(clips, f"LJ Speech at {self.root}")
