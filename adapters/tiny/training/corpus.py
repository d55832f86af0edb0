"""Texts for the distillation of the text tower: generated, seeded, without the held-out phrases."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from pathlib import Path

from zsxai.adapters.tiny.training.captions import Captions


def _choose_words(vocabulary: Sequence[str]) -> list[str]:
    """Whole words of the vocabulary, long enough to mean something."""
    return [w for w in vocabulary if len(w) > 2 and w.isascii() and w.isalpha()]


def generate(captions: Captions, vocabulary: Sequence[str], count: int, seed: int) -> list[str]:
    """Make texts.

    A third are frames filled with sounds, places and any word of the vocabulary; a third are captions with words
    exchanged; a third join halves of two captions. So the tower reads every word, and words about sounds most often.

    Args:
        captions: Wording of the classes; its held-out phrases never come out.
        vocabulary: Tokens of the tokenizer.
        count: Texts wanted.
        seed: Seed of the generator.

    Returns:
        Distinct texts.
    """
    rng = random.Random(seed)
    data = tomllib.loads(Path(__file__).with_name("corpus.toml").read_text(encoding="utf-8"))
    frames = data["frames"]
    sources, verbs, places, manners = (data[k].split() for k in ("sources", "verbs", "places", "manners"))
    words = _choose_words(vocabulary)
    bag = list(words)
    rng.shuffle(bag)
    known = [p for phrases in captions.phrases.values() for p in phrases] + list(captions.others)
    out: dict[str, None] = {}

    def word() -> str:
        # Drawn without replacement, so that every word of the vocabulary comes.
        nonlocal bag
        if not bag:
            bag = list(words)
            rng.shuffle(bag)
        return bag.pop()

    def framed() -> str:
        return str(rng.choice(frames)).format(
            n=rng.choice(sources),
            o=rng.choice(sources),
            v=rng.choice(verbs),
            p=rng.choice(places),
            m=rng.choice(manners),
            w=word(),
            x=word(),
            y=word(),
        )

    def exchanged() -> str:
        parts = rng.choice(known).split()
        pool = rng.choice((sources, verbs, places, manners, words))
        parts[rng.randrange(len(parts))] = rng.choice(pool)
        return rng.choice(captions.templates).format(" ".join(parts))

    def joined() -> str:
        first, second = rng.choice(known).split(), rng.choice(known).split()
        text = " ".join(first[: rng.randint(1, len(first))] + second[rng.randrange(len(second)) :])
        return rng.choice(captions.templates).format(text)

    kinds = (framed, exchanged, joined)
    for turn in range(20 * count):
        if len(out) == count:
            break
        text = kinds[turn % 3]() if turn % 6 else framed()
        if not captions.is_held_out(text):
            out[text] = None
    return list(out)
