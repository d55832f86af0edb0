"""Backends for tests: real library classes with random weights, saved as users' checkpoints are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zsxai.benchmarks.measure.libraries.hf import random_checkpoint, random_model


def tiny_hf_folder(folder: Path, **options: Any) -> Path:
    """A Hugging Face CLAP of 0.3 million random parameters, with feature extractor and tokenizer."""
    return random_checkpoint(folder, "tiny", **options)


def full_hf_model() -> Any:
    """A random ``ClapModel`` of the full configuration, 153 million parameters."""
    return random_model("full")
