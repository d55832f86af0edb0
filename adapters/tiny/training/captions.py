"""Wording of the classes: what the model is taught and what is held out, read from ``captions.toml``."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

UNHEARD = (
    "cow",
    "crow",
    "rain",
    "thunderstorm",
    "laughing",
    "snoring",
    "vacuum cleaner",
    "glass breaking",
    "helicopter",
    "church bells",
)
"""Classes that ``--zero-shot`` leaves out of the training; fixed beforehand, a mix of all five groups of ESC-50."""


@dataclass(frozen=True)
class Captions:
    """The wording.

    Attributes:
        templates: Sentences with one ``{}``.
        phrases: Trained phrases of every class.
        held_out: Phrases of every class that training never sees, neither the audio's nor the text tower's.
        others: Phrases of sounds that are in no clip.
    """

    templates: tuple[str, ...]
    phrases: dict[str, tuple[str, ...]]
    held_out: dict[str, tuple[str, ...]]
    others: tuple[str, ...]

    def captions(self, label: str) -> list[str]:
        """Every trained caption of a class: each phrase in each template."""
        return [t.format(p) for p in self.phrases[label] for t in self.templates]

    @property
    def other_captions(self) -> list[str]:
        """Captions of other sounds, in six of the templates: they are many enough."""
        return [t.format(p) for p in self.others for t in self.templates[:6]]

    @cached_property
    def held_out_normal(self) -> frozenset[str]:
        """The held-out phrases, normalised."""
        return frozenset(normal(p) for phrases in self.held_out.values() for p in phrases)

    def is_held_out(self, text: str) -> bool:
        """True where a text is a held-out phrase, whole or inside a template."""
        flat = f" {normal(text)} "
        return any(f" {phrase} " in flat for phrase in self.held_out_normal)


def normal(text: str) -> str:
    """Lower-case words without punctuation, articles and doubled spaces: what makes two phrases the same."""
    words = re.sub(r"[^\w\s]", " ", text.lower()).split()
    return " ".join(w for w in words if w not in {"a", "an", "the"})


def load_captions() -> Captions:
    """Read ``captions.toml``, which lies beside this file."""
    data = tomllib.loads(Path(__file__).with_name("captions.toml").read_text(encoding="utf-8"))
    classes = data["classes"]
    return Captions(
        tuple(data["templates"]),
        {name: tuple(c["phrases"]) for name, c in classes.items()},
        {name: tuple(c["held_out"]) for name, c in classes.items()},
        tuple(data["others"]),
    )
