"""Data sets: clips with labels, read from the layouts that people have them in, and a synthetic one."""

from __future__ import annotations

from zsxai.data.clip import Dataset, LabelledClip
from zsxai.data.loading import load_dataset

__all__ = ["Dataset", "LabelledClip", "load_dataset"]
