"""Reading a saved explanation: bounded, and nothing that this library could not have written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray
from pydantic import ValidationError

from zsxai.arrays import is_mapped, map_tensors
from zsxai.audio import fingerprint, read_audio
from zsxai.audio.wav import read_wav
from zsxai.errors import InputError
from zsxai.files import check_folder
from zsxai.names import printable
from zsxai.regions import Region
from zsxai.value import Value

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

FORMAT = 4
"""Version of the saved folder; a loader refuses what it does not know."""

RECORD, ARRAYS, ORIGINAL = "explanation.json", "mask.safetensors", "original.wav"
Sounds = Literal["wav", "flac", "none"]
SOUNDS: dict[Sounds, tuple[str, ...]] = {
    "wav": ("explanation.wav", "residue.wav"),
    "flac": ("explanation.flac", "residue.flac"),
    "none": (),
}
"""How what is kept and what is left are saved as sound: as they are, in 24 bits, or not at all."""
_BESIDE = (ARRAYS, ORIGINAL, "explanation.png", "index.html")
FILES = (RECORD, *SOUNDS["wav"], *_BESIDE)
"""What a saved explanation holds, if nothing else is asked for; the first marks it as one."""
REPLACEABLE = (*FILES, *SOUNDS["flac"])
"""What it may hold."""
_KINDS = [{*_BESIDE, *sounds} for sounds in SOUNDS.values()]

_RECORD_BYTES = 2**26
"""More than the windows of a month."""


class Envelope(Value):
    """What a record holds beside the fields of the explanation.

    Attributes:
        format: :data:`FORMAT`.
        unit: Unit of the scores, as the target has it.
        regions: Where the mask lies, as the mask has it.
        sha256: Hash of every field (:func:`hash_fields`), made when the explanation was.
        files: Hash of every other file of the folder.
    """

    format: Literal[4]
    unit: str
    regions: tuple[Region, ...]
    sha256: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True)
class Saved:
    """Where an explanation was read from, and what the record there says of the folder."""

    folder: Path
    envelope: Envelope


def hash_fields(record: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of every field of a record, those of its provenance one by one, as canonical JSON.

    No signature: whoever changes a field can change its hash too. It names what changed by accident or in haste.

    Args:
        record: Fields of an explanation, ready for JSON.
    """
    flat = {name: value for name, value in record.items() if name != "provenance"}
    flat |= {f"provenance.{name}": value for name, value in record["provenance"].items()}
    return {name: hashlib.sha256(_canonical(value)).hexdigest() for name, value in flat.items()}


def hash_file(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse, before any work, a folder that :meth:`Explanation.save` would refuse after it.

    Raises:
        InputError: If it exists and may not be replaced, or cannot be made.
    """
    check_folder(folder, REPLACEABLE, overwrite=overwrite)


def sounds_in(files: Iterable[str]) -> list[str]:
    """Which files of a saved explanation are sounds of its mask."""
    return [name for name in files if any(name in names for names in SOUNDS.values())]


def read_sound(path: Path) -> tuple[NDArray[Any], int]:
    """Read a sound of a mask: ``(T,)`` float32 and the samples per second.

    Raises:
        ValueError: If it is none of ours.
    """
    if path.suffix == ".wav":
        return read_wav(path)
    try:
        sound = read_audio(path)
    except InputError as error:
        raise ValueError(f"{error}") from error
    return sound.waveform, sound.sample_rate


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def read_folder(kind: type[Explanation], folder: Path) -> Explanation:
    """Read a folder that an explanation was saved to.

    Args:
        kind: The class.
        folder: What its ``save`` wrote.

    Raises:
        InputError: If it is no such folder, or was damaged.
    """
    with reading(folder, (RECORD, ARRAYS, ORIGINAL), "explanation"):
        return _read(kind, folder)


@contextmanager
def reading(folder: Path, needed: Sequence[str], what: str) -> Iterator[None]:
    """Within, a saved folder is read: what is missing or wrong there is one line.

    Args:
        folder: The folder.
        needed: Files without which it is none; the first is its record.
        what: What was saved there.

    Raises:
        InputError: If a file is missing, or reading fails.
    """
    from safetensors import SafetensorError

    shown = printable(folder)
    try:
        for name in needed:
            if not (folder / name).is_file():
                problem = "is no file" if (folder / name).exists() else "is missing"
                raise InputError(f"{shown} is no saved {what}: {name} {problem}")
        yield
        return
    except ValidationError as error:
        reason = _first_problem(error)
    except InputError:
        raise
    except RecursionError:
        reason = f"{needed[0]} is nested too deep"
    except KeyError as error:
        reason = f"{error} is missing, or stands where it cannot"
    except (ValueError, TypeError, OverflowError, OSError, SafetensorError) as error:
        reason = f"{error}"
    raise InputError(f"{shown} holds a damaged {what}: {printable(reason)}")


def _first_problem(error: ValidationError) -> str:
    # A front end is tried as either kind, and the other one's fields are strange to the first: what else is wrong?
    problems = error.errors()
    problem = next((p for p in problems if p["type"] != "extra_forbidden"), problems[0])
    where, words = ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"unknown field {where!r}"
    return f"{where}: {words}" if where else words


def _read(kind: type[Explanation], folder: Path) -> Explanation:
    data = read_record(folder / RECORD, FORMAT)
    fields = {name: data.pop(name) for name in kind.model_fields if name in data}
    envelope = Envelope.model_validate(data)
    if not isinstance(fields.get("provenance"), dict):
        raise ValueError(f"{RECORD} has no provenance")
    lost = envelope.sha256.keys() ^ hash_fields(fields).keys()
    if lost:
        raise ValueError(f"{RECORD} has lost or gained {', '.join(sorted(lost))}")
    if set(envelope.files) not in _KINDS:
        raise ValueError(f"{RECORD} lists other files than {', '.join(FILES[1:])}")
    arrays = _read_arrays(folder / ARRAYS)
    original, rate = read_wav(folder / ORIGINAL)
    # Of what is large only a part may ever be looked at: verify reads it whole.
    if not is_mapped(original) and fingerprint(original) != fields["provenance"]["audio_sha256"]:
        raise ValueError(f"{ORIGINAL} is not the audio that was explained (its hash differs)")
    relevance = arrays["relevance"]
    if not is_mapped(relevance) and fingerprint(relevance) != fields["provenance"]["relevance_sha256"]:
        raise ValueError(f"{ARRAYS} does not hold the relevance that was found (its hash differs)")
    loaded = kind(**fields, **arrays, original=original)
    if rate != loaded.sample_rate:
        raise ValueError(f"{ORIGINAL} has {rate} samples per second, not {loaded.sample_rate}")
    loaded._sha256, loaded._saved = envelope.sha256, Saved(folder.absolute(), envelope)
    return loaded


def read_record(path: Path, newest: int) -> dict[str, Any]:
    """The record of a saved folder, bounded in size.

    Args:
        path: The file.
        newest: The format that is known.

    Raises:
        InputError: If it has another format.
        ValueError: If it is no record.
    """
    if path.stat().st_size > _RECORD_BYTES:
        raise ValueError(f"{path.name} is larger than any record")

    def refuse(constant: str) -> None:
        raise ValueError(f"{path.name} holds {constant}, which is no number")

    data = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    if not isinstance(data, dict):
        raise ValueError(f"{path.name} holds a {type(data).__name__}, not a record")
    found = data.get("format")
    if type(found) is int and found != newest:
        advice = "an older zsxai, explain again" if found < newest else "a newer zsxai, upgrade"
        raise InputError(f"{printable(path.parent)} has format {found}, not {newest}: saved by {advice}")
    return data


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    arrays = map_tensors(path)
    if sorted(arrays) != ["frequencies", "mask", "relevance", "times"]:
        raise ValueError(f"{ARRAYS} holds {', '.join(sorted(arrays)) or 'nothing'}")
    kinds = {name: arrays[name].dtype.name for name in ("mask", "relevance")}
    if set(kinds.values()) != {"float32"}:
        raise ValueError(f"{ARRAYS} holds {kinds}, where both are float32")
    return {name: arrays[name] for name in kinds}
