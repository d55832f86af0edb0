"""A concept explanation as a folder: written whole, and read with nothing in it that this library could not write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from zsxai.audio import fingerprint
from zsxai.audio.wav import read_wav, wav_bytes
from zsxai.files import whole_folder
from zsxai.saved import FILES as SOUND_FILES
from zsxai.saved import hash_fields, hash_file, read_record, reading
from zsxai.saved import read_folder as read_sound
from zsxai.value import Value

if TYPE_CHECKING:
    from zsxai.concepts.centring import Centring
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.explanation import Explanation

FORMAT = 1
"""Version of the saved folder; a loader refuses what it does not know."""
MOST_SOUNDS = 20
"""Concepts that can be listened to."""
RECORD, ARRAYS, ORIGINAL, UNCLAIMED = "concepts.json", "concepts.safetensors", "original.wav", "unclaimed.wav"
ALWAYS = (RECORD, ARRAYS, ORIGINAL, "concepts.png", "index.html")
FILES = (*ALWAYS, UNCLAIMED, *(f"sounds/{n}/{name}" for n in range(1, MOST_SOUNDS + 1) for name in SOUND_FILES))
"""What a saved concept explanation may hold; the first marks it as one."""


class Envelope(Value):
    """What a record holds beside the fields of the explanation.

    Attributes:
        format: :data:`FORMAT`.
        sha256: Hash of every field (:func:`zsxai.saved.hash_fields`), made when the explanation was.
        files: Hash of every other file of the folder.
        sounds: Number of concepts that were listened to.
    """

    format: Literal[1]
    sha256: dict[str, str]
    files: dict[str, str]
    sounds: int = Field(ge=0)


@dataclass(frozen=True)
class Saved:
    """Where an explanation was read from, and what the record there says of the folder."""

    folder: Path
    envelope: Envelope


def write_folder(explanation: ConceptExplanation, folder: Path, *, overwrite: bool = False) -> Path:
    """Write a whole concept explanation.

    Args:
        explanation: What to write.
        folder: Where; its parents are made.
        overwrite: Replace a folder that holds a saved one and nothing else, or nothing at all.

    Raises:
        InputError: If the folder exists and may not be replaced, or cannot be made.
    """
    with whole_folder(folder, FILES, overwrite=overwrite) as draft:
        write_files(explanation, draft)
    return folder


def write_files(explanation: ConceptExplanation, folder: Path) -> None:
    """Write the files of a concept explanation into a folder that exists."""
    from safetensors.numpy import save

    from zsxai.show.concepts import page_html
    from zsxai.show.folder import write_files as write_sound

    e = explanation
    arrays = {"embedding": e.embedding, "reconstruction": e.reconstruction}
    arrays |= {f"centring.{name}": array.float().numpy() for name, array in e.centring.arrays.items()}
    (folder / ARRAYS).write_bytes(save({name: np.ascontiguousarray(value) for name, value in arrays.items()}))
    (folder / ORIGINAL).write_bytes(wav_bytes(e.original, e.sample_rate))
    for number, sound in enumerate(e.sounds, 1):
        place = folder / "sounds" / str(number)
        place.mkdir(parents=True)
        write_sound(sound, place)
    if e.sounds:
        (folder / UNCLAIMED).write_bytes(wav_bytes(e.unclaimed, e.sample_rate))
    _write_png(e, folder / "concepts.png")
    (folder / "index.html").write_bytes(page_html(e, beside=True).encode())
    files = {name: hash_file(folder / name) for name in FILES[1:] if (folder / name).is_file()}
    record = {"format": FORMAT, **e.model_dump(mode="json"), "sha256": e._sha256, "files": files}
    text = json.dumps({**record, "sounds": len(e.sounds)}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / RECORD).write_bytes(f"{text}\n".encode())


def _write_png(explanation: ConceptExplanation, path: Path) -> None:
    from zsxai.show.concepts_plot import plot_concepts
    from zsxai.show.plot import bare_figure, write_drawing

    figure = bare_figure()
    write_drawing(path, figure, lambda: plot_concepts(explanation, figure.add_subplot()), bbox_inches="tight")


def read_folder(kind: type[ConceptExplanation], of_sounds: type[Explanation], folder: Path) -> ConceptExplanation:
    """Read what :func:`write_folder` wrote.

    Args:
        kind: The class.
        of_sounds: The class of its sounds.
        folder: What its ``save`` wrote.

    Raises:
        InputError: If it is no such folder, or was damaged.
    """
    with reading(folder, (RECORD, ARRAYS, ORIGINAL), "concept explanation"):
        return _read(kind, of_sounds, folder)


def _read(kind: type[ConceptExplanation], of_sounds: type[Explanation], folder: Path) -> ConceptExplanation:
    from safetensors.numpy import load_file

    data = read_record(folder / RECORD, FORMAT)
    if not isinstance(data.get("provenance"), dict):
        raise ValueError(f"{RECORD} has no provenance")
    fields = {name: data.pop(name) for name in kind.model_fields if name in data and name != "sounds"}
    envelope = Envelope.model_validate(data)
    if lost := envelope.sha256.keys() ^ hash_fields(fields).keys():
        raise ValueError(f"{RECORD} has lost or gained {', '.join(sorted(lost))}")
    arrays = load_file(folder / ARRAYS)
    original, rate = read_wav(folder / ORIGINAL)
    if fingerprint(original) != fields["provenance"]["audio_sha256"]:
        raise ValueError(f"{ORIGINAL} is not the audio that was explained (its hash differs)")
    # Whatever the record says of a sound is in the sound's own folder: none may be left out, none added.
    listed = {f"sounds/{n + 1}/{SOUND_FILES[0]}" for n in range(min(envelope.sounds, MOST_SOUNDS + 1))}
    if listed != {name for name in envelope.files if name.endswith(f"/{SOUND_FILES[0]}")}:
        raise ValueError(f"{RECORD} counts {envelope.sounds} sounds, and lists the files of others")
    loaded = kind(
        **fields,
        original=original,
        embedding=arrays.pop("embedding"),
        reconstruction=arrays.pop("reconstruction"),
        centring=_centring(fields["provenance"]["centring"], arrays),
        sounds=tuple(read_sound(of_sounds, folder / "sounds" / str(n + 1)) for n in range(envelope.sounds)),
    )
    if rate != loaded.sample_rate:
        raise ValueError(f"{ORIGINAL} has {rate} samples per second, not {loaded.sample_rate}")
    loaded._sha256, loaded._saved = envelope.sha256, Saved(folder.absolute(), envelope)
    return loaded


def _centring(card: dict[str, Any], arrays: dict[str, Any]) -> Centring:
    import torch

    from zsxai.concepts.centring import Centring

    tensors = {name.removeprefix("centring."): torch.from_numpy(value).double() for name, value in arrays.items()}
    found = Centring(arrays=tensors, **{name: value for name, value in card.items() if name != "sha256"})
    if found.sha256 != card["sha256"]:
        raise ValueError(f"{ARRAYS} does not hold the centring of the record (its hash differs)")
    return found
