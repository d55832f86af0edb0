"""MACS: scenes of TAU Urban Acoustic Scenes 2019, two to five captions each.

I. Martín-Morató, A. Mesaros, "Diversity and Bias in Audio Captioning Datasets", DCASE Workshop 2021.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zsxai.data.checks import Reader, complete, existing_folder
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.registry import DATASETS


class MACS(Reader):
    """Clips of MACS, in the order of the file names; labelled by the first caption.

    A clip's source is the place where it was recorded, city and number (``lisbon-1000``): the clips of a place were cut
    from the few minutes recorded there.

    Args:
        root: Folder with ``MACS.yaml`` and the audio of TAU Urban Acoustic Scenes 2019 (development) in ``audio/``, or
            where its archives unpack, in ``TAU-urban-acoustic-scenes-2019-development/audio/``.

    Raises:
        InputError: If the layout is not found, a sentence is empty, or files are missing.
        MissingExtraError: If PyYAML is not installed.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = existing_folder(root, "MACS")
        table = self.root / "MACS.yaml"
        folders = [self.root / "audio", self.root / "TAU-urban-acoustic-scenes-2019-development" / "audio"]
        if not table.is_file():
            raise InputError(f"no MACS at {self.root}: looked for {table} and {' or '.join(map(str, folders))}")
        audio = next((folder for folder in folders if folder.is_dir()), folders[0])
        clips = []
        for name, captions in sorted(_captions(table).items()):
            clips.append(LabelledClip(name, captions[0], _place(name, table), path=audio / name, captions=captions))
        self.clips = complete(clips, f"MACS at {self.root}")
        self.labels = sorted({clip.label for clip in clips})


def _captions(table: Path) -> dict[str, tuple[str, ...]]:
    """The sentences of every file."""
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise DATASETS.missing("macs", error) from error
    try:
        # The same loader in C, where PyYAML was built with it: seconds instead of a minute.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content: Any = yaml.load(table.read_text(encoding="utf-8-sig"), Loader=loader)  # noqa: S506
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{table} is no YAML file in UTF-8: {' '.join(str(error).split())}") from error
    try:
        said = [(str(file["filename"]), [a["sentence"] for a in file["annotations"]]) for file in content["files"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{table} is no list of 'files' with 'filename' and 'annotations' with 'sentence'") from error
    found: dict[str, tuple[str, ...]] = {}
    for name, sentences in said:
        if name in found:
            raise InputError(f"{table} names {name} twice")
        if not sentences or not all(isinstance(s, str) and s.strip() for s in sentences):
            raise InputError(f"{table}: a sentence about {name} is empty, or there is none")
        found[name] = tuple(s.strip() for s in sentences)
    return found


def _place(name: str, table: Path) -> str:
    parts = name.split("-")
    if len(parts) != 5:
        form = "<scene>-<city>-<place>-<segment>-<device>.wav"
        raise InputError(f"{table}: {name!r} is not named as TAU Urban Acoustic Scenes is, {form}")
    return f"{parts[1]}-{parts[2]}"
