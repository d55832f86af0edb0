"""Distillation of the text tower from its teacher."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from zsxai.adapters.tiny.text import LIMIT, STUDENT, TextTower, centred, embed_ids, pad
from zsxai.adapters.tiny.tokenizer import WordPiece
from zsxai.adapters.tiny.training.captions import Captions
from zsxai.adapters.tiny.training.checkpoint import load_checkpoint, save_checkpoint
from zsxai.adapters.tiny.training.corpus import generate
from zsxai.adapters.tiny.training.precision import fast
from zsxai.adapters.tiny.training.teacher import load_teacher

Tick = Callable[[int, int, float], None]
"""Called with (steps done, steps in all, loss)."""
KEPT_LAYERS = (0, 5)
"""Layers of the teacher that the student starts from."""
BATCH = 128


def all_captions(captions: Captions) -> list[str]:
    """Captions of every class in the order of the classes, then those of other sounds."""
    return [c for label in captions.phrases for c in captions.captions(label)] + captions.other_captions


def teacher_captions(captions: Captions, tokenizer: WordPiece, cache: Path) -> Tensor:
    """The teacher's embeddings of :func:`all_captions`, ``(n, D)`` unit rows, computed once."""
    return _cached(cache / "captions.pt", all_captions(captions), tokenizer)


def new_student(teacher: TextTower, factor: int) -> TextTower:
    """A student that starts as the teacher's outer layers over its word embeddings, cut to ``factor`` axes by SVD."""
    student = TextTower(STUDENT)
    with torch.no_grad():
        words = teacher.words.weight
        _, vectors = torch.linalg.eigh(words.T @ words)
        axes = vectors[:, -factor:]
        student.words.weight.copy_(words @ axes)
        student.get_parameter("widen.weight").copy_(axes)
        student.positions.weight.copy_(teacher.positions.weight[:LIMIT])
        student.norm.load_state_dict(teacher.norm.state_dict())
        for mine, kept in zip(student.layers, KEPT_LAYERS, strict=True):
            mine.load_state_dict(teacher.layers[kept].state_dict())
    return student


def distil(
    captions: Captions,
    tokenizer: WordPiece,
    vocabulary: list[str],
    out: Path,
    cache: Path,
    *,
    texts: int = 48000,
    epochs: int = 4,
    seed: int = 0,
    resume: bool = False,
    tick: Tick | None = None,
) -> tuple[TextTower, Tensor]:
    """Train the student; resumable.

    Args:
        captions: Wording of the classes; trained on beside the generated texts.
        tokenizer: Text to ids.
        vocabulary: Tokens, for the generator.
        out: Folder of the checkpoint ``text.ckpt``.
        cache: Folder of the teacher's embeddings.
        texts: Generated texts.
        epochs: Passes over all texts.
        seed: Seed of texts and order.
        resume: Go on from the last checkpoint, where there is one.
        tick: Called after every step.

    Returns:
        The student and the centre ``(D,)``: the mean embedding of all captions by the student.
    """
    known, made = all_captions(captions), generate(captions, vocabulary, texts, seed)
    rows = [tokenizer.tokenize(t) for t in known + made]
    targets = teacher_captions(captions, tokenizer, cache)
    centre = targets.mean(dim=0)
    wanted = torch.cat([targets, _cached(cache / "generated.pt", made, tokenizer)])
    student = new_student(load_teacher(), STUDENT.factor or STUDENT.width)
    optimiser = torch.optim.AdamW(student.parameters(), lr=1.0, weight_decay=0.01)
    at, start = out / "text.ckpt", 0
    if resume and at.is_file():
        state = load_checkpoint(at)
        student.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["epoch"])
    steps = epochs * math.ceil(len(rows) / BATCH)
    step = start * math.ceil(len(rows) / BATCH)
    for epoch in range(start, epochs):
        for chosen in _batches(rows, seed * 1000 + epoch):
            rate = _rate(step / steps)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = _step(student, optimiser, [rows[i] for i in chosen], wanted[chosen], centre)
            step += 1
            if tick is not None:
                tick(step, steps, loss)
        state = {"model": student.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch + 1}
        save_checkpoint(at, state)
    student.requires_grad_(False).eval()
    return student, embed_ids(student, rows[: len(known)]).mean(dim=0)


def _cached(at: Path, texts: list[str], tokenizer: WordPiece) -> Tensor:
    """The teacher's embeddings of texts, kept in a file with the hash of the texts."""
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    state = load_checkpoint(at) if at.is_file() else {}
    if state.get("key") != key:
        state = {"key": key, "embeddings": embed_ids(load_teacher(), [tokenizer.tokenize(t) for t in texts])}
        save_checkpoint(at, state)
    found: Tensor = state["embeddings"]
    return found


def _batches(rows: list[list[int]], seed: int) -> Iterator[list[int]]:
    """Shuffled batches of rows of like length, so that little is padded."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(len(rows), generator=generator)
    lengths = torch.tensor([len(r) for r in rows])
    order = torch.argsort(lengths + 1.5 * noise)
    batches = [order[i : i + BATCH] for i in range(0, len(rows), BATCH)]
    for i in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[i].tolist()


def _rate(done: float) -> float:
    """Learning rate after a part of the steps: a short warm-up, then a cosine to nothing."""
    peak = 6e-4
    return peak * done / 0.05 if done < 0.05 else peak * 0.5 * (1 + math.cos(math.pi * (done - 0.05) / 0.95))


def _step(
    student: TextTower, optimiser: torch.optim.Optimizer, rows: list[list[int]], wanted: Tensor, centre: Tensor
) -> float:
    """One step on the distance to the teacher, before and after centring: audio meets text in the centred space."""
    ids, mask = pad(rows)
    with fast():
        states = student(ids, mask)[0]
    got = states.float()
    plain = 1 - (got * wanted).sum(dim=-1)
    moved = 1 - (centred(got, centre) * centred(wanted, centre)).sum(dim=-1)
    loss = (plain + moved).mean()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())
