"""Data sets of Hugging Face's ``datasets``, as objects or from disk."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from functools import partial
from importlib import import_module
from numbers import Integral
from pathlib import Path
from typing import Any

from zsxai.data.checks import Reader, complete, existing_folder, whole_number
from zsxai.data.clip import LabelledClip, tidy_label
from zsxai.errors import InputError, MissingExtraError


class HuggingFace(Reader):
    """Clips of a loaded ``datasets.Dataset``, or of an object with its ``features``, ``column_names`` and ``[...]``.

    Audio is read when a clip is, at the rate that it was stored in: a column of encoded files is read as files, so
    neither torchcodec nor a resampling set on the column is used. A clip's name is its row number.

    Args:
        dataset: One split.
        audio: Column of the sound: files, ``{"array", "sampling_rate"}``, or a decoder with ``get_all_samples()``.
        label: Column of the class or caption; underscores are read as blanks. Classes are those of its ``ClassLabel``
            where it has one, those that occur otherwise.
        source: Column with the recording that a clip was cut from; by default each row is its own.
        fold: Column with the fold; by default 0.

    Raises:
        InputError: If it is no such object, a column is not there, or a row has no label.
    """

    def __init__(
        self,
        dataset: Any,
        audio: str = "audio",
        label: str = "label",
        source: str | None = None,
        fold: str | None = None,
    ) -> None:
        if isinstance(dataset, Mapping):
            raise InputError(f"choose one split of the data set: it has {', '.join(map(repr, dataset))}")
        if not all(hasattr(dataset, name) for name in ("features", "column_names", "__getitem__", "__len__")):
            raise InputError(
                f"a {type(dataset).__name__} is no datasets.Dataset; one that streams is loaded whole first"
            )
        for column in (audio, label, source, fold):
            if column is not None and column not in dataset.column_names:
                raise InputError(f"the data set has no column {column!r}: it has {', '.join(dataset.column_names)}")
        if hasattr(dataset, "with_format"):  # plain Python objects, whatever the caller set
            dataset = dataset.with_format(None)
        classes = getattr((dataset.features or {}).get(label), "names", None)
        count = len(dataset)
        texts = [_text(value, classes, label, row) for row, value in enumerate(dataset[label])]
        names = [f"{row:0{len(str(max(count - 1, 0)))}}" for row in range(count)]
        sources = names if source is None else [str(value) for value in dataset[source]]
        folds = [0] * count if fold is None else [whole_number(value, fold, "the data set") for value in dataset[fold]]
        raw = _undecoded(dataset, audio)
        self.clips = complete(
            [
                LabelledClip(names[row], texts[row], sources[row], folds[row], audio=partial(_sound, raw, row, audio))
                for row in range(count)
            ],
            "the data set",
        )
        self.labels = sorted({_words(name) for name in classes} if classes else set(texts))


def load(
    root: str | Path,
    split: str | None = None,
    audio: str = "audio",
    label: str = "label",
    source: str | None = None,
    fold: str | None = None,
) -> HuggingFace:
    """Read what ``Dataset.save_to_disk`` wrote; options as :class:`HuggingFace` has them.

    Args:
        root: The folder.
        split: Which split, where the folder holds several.
        audio: Column of the sound.
        label: Column of the class or caption.
        source: Column of the recording.
        fold: Column of the fold.

    Raises:
        InputError: If the folder holds no such data set.
        MissingExtraError: If ``datasets`` is not installed.
    """
    folder = existing_folder(root, "saved data set")
    try:
        datasets: Any = import_module("datasets")
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the data set 'hugging-face' needs {error.name!r}: pip install datasets") from error
    try:
        found = datasets.load_from_disk(str(folder))
    except FileNotFoundError as error:
        raise InputError(f"no data set at {folder}: looked for what Dataset.save_to_disk writes") from error
    if split is not None:
        if not isinstance(found, Mapping) or split not in found:
            there = ", ".join(map(repr, found)) if isinstance(found, Mapping) else "none"
            raise InputError(f"the data set at {folder} has no split {split!r}: it has {there}")
        found = found[split]
    return HuggingFace(found, audio, label, source, fold)


def _words(label: str) -> str:
    return tidy_label(label.replace("_", " "))


def _text(value: Any, classes: Sequence[str] | None, column: str, row: int) -> str:
    if classes and isinstance(value, Integral):
        if not 0 <= int(value) < len(classes):
            raise InputError(f"row {row} of the data set has no label: {column!r} is {value}")
        value = classes[int(value)]
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"row {row} of the data set has no text in {column!r}: {value!r}")
    return _words(value)


def _undecoded(dataset: Any, column: str) -> Any:
    feature = (dataset.features or {}).get(column)
    if is_dataclass(feature) and not isinstance(feature, type) and getattr(feature, "decode", False):
        return dataset.cast_column(column, replace(feature, decode=False))
    return dataset


def _sound(dataset: Any, row: int, column: str) -> Any:
    """What :func:`zsxai.audio.read_audio` takes."""
    value = dataset[row][column]
    if isinstance(value, Mapping) and "array" not in value:
        if value.get("bytes") is not None:
            return io.BytesIO(value["bytes"])
        if value.get("path") is not None:
            return value["path"]
    if hasattr(value, "get_all_samples"):
        samples = value.get_all_samples()
        return {"array": samples.data, "sampling_rate": samples.sample_rate}
    return value
