"""The recordings of a training: read from data sets, some of them held out."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from zsxai.data import LabelledClip, load_dataset
from zsxai.errors import InputError
from zsxai.lmac_zs.training.captions import FEWEST_GROUPS
from zsxai.lmac_zs.training.config import DataSpec, TrainingConfig

Specs = dict[str, DataSpec]
"""Data sets by name."""


def find_data(config: TrainingConfig, roots: Mapping[str, str]) -> tuple[Specs, Specs]:
    """Find where the data to train on lie, and those held out.

    Args:
        config: Names the data sets.
        roots: Folders of data sets, in place of the configuration's.
    """

    def at(spec: DataSpec, root: str | None) -> DataSpec:
        return spec.model_copy(update={"root": root})

    trained_on = {name: at(spec, roots.get(name) or spec.root) for name, spec in config.data.items()}
    # A validation set of one name with a data set trained on lies in the same place unless it names another.
    return trained_on, {name: at(spec, spec.root or roots.get(name)) for name, spec in config.validation.items()}


def read_data(trained_on: Specs, held_out: Specs, part: float) -> tuple[list[LabelledClip], list[LabelledClip]]:
    """Read the clips to train on and those held out.

    Args:
        trained_on: Data sets to train on.
        held_out: Data sets for the diagnostics alone.
        part: Part of the recordings that is held out where there are none.

    Raises:
        InputError: If there is no data set, or one cannot be read.
    """
    clips = read_clips(trained_on)
    return (clips, read_clips(held_out)) if held_out else split(clips, part)


def read_clips(data: Mapping[str, DataSpec]) -> list[LabelledClip]:
    """Read the clips of several data sets; where there are several, a clip's name begins with that of its data set.

    Raises:
        InputError: If there is no data set, or one cannot be read.
    """
    if not data:
        raise InputError("nothing to train on: name data, such as --data sounds.csv or --data esc50=ESC-50-master")
    clips: list[LabelledClip] = []
    for name, spec in data.items():
        read = load_dataset(spec.reader, spec.root, **spec.options).clips
        clips += read if len(data) == 1 else [replace(clip, name=f"{name}/{clip.name}") for clip in read]
    return clips


def split(clips: Sequence[LabelledClip], part: float) -> tuple[list[LabelledClip], list[LabelledClip]]:
    """Hold out a part of the recordings, the same ones on every machine; clips of one recording stay together.

    Where the part holds fewer than three classes or captions there is nothing to distinguish, and none are held out.
    """
    chosen = [zlib.crc32(clip.source.encode()) < part * 2**32 for clip in clips]
    held_out = [clip for clip, held in zip(clips, chosen, strict=True) if held]
    if len({clip.label for clip in held_out}) < FEWEST_GROUPS:
        return list(clips), []
    return [clip for clip, held in zip(clips, chosen, strict=True) if not held], held_out


def describe_clips(clips: Sequence[LabelledClip]) -> dict[str, Any]:
    """Counts of clips and recordings and a hash of their names, for the decoder's card."""
    names = sorted(clip.name for clip in clips)
    return {
        "clips": len(clips),
        "recordings": len({clip.source for clip in clips}),
        "folds": sorted({clip.fold for clip in clips}),
        "names_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
    }
