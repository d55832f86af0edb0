"""Training of the audio encoder against fixed caption embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from zsxai.adapters.tiny.audio import AudioEncoder
from zsxai.adapters.tiny.training.augment import Augment, Strength
from zsxai.adapters.tiny.training.checkpoint import load_checkpoint, save_checkpoint
from zsxai.adapters.tiny.training.precision import fast


@dataclass(frozen=True)
class Texts:
    """Embedded captions, centred and unit.

    Attributes:
        by_class: One ``(n, D)`` per class, in the order of the labels; the class's own name comes first.
        named: How many of the first captions of a class say its own name.
        others: ``(m, D)`` captions that are never right.
    """

    by_class: tuple[Tensor, ...]
    others: Tensor
    named: int = 1

    def draw(self, generator: torch.Generator, each: int, others: int) -> Tensor:
        """Random captions: ``each`` of every class in order, then ``others``; ``(classes * each + others, D)``.

        The first of each class says its own name: that is what most prompts are like.
        """
        rows = []
        for captions in self.by_class:
            chosen = torch.randint(len(captions), (each,), generator=generator)
            chosen[0] %= self.named
            rows.append(captions[chosen])
        rows.append(self.others[torch.randint(len(self.others), (others,), generator=generator)])
        return torch.cat(rows)


@dataclass(frozen=True)
class Recipe:
    """Numbers of the training.

    Attributes:
        epochs: Passes over the clips.
        batch: Clips a step.
        rate: Peak learning rate of the one-cycle schedule.
        decay: Weight decay.
        captions: Captions of every class a step.
        others: Captions of other sounds a step.
        nothing: Part of the clips replaced by noise or silence, to which no caption is nearer than another.
        lengths: Frames of crops; few sizes, since every new one costs the convolutions a set-up.
        average: Decay of the running average of the weights, which is what ships.
        whole_from: Part of the epochs after which clips are whole.
        unmixed_from: Part of the epochs after which clips are not mixed.
        strength: Augmentation.
    """

    epochs: int = 320
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.02
    captions: int = 4
    others: int = 40
    nothing: float = 0.02
    lengths: tuple[int, ...] = (128, 160, 192, 224, 256)
    average: float = 0.997
    whole_from: float = 0.9
    unmixed_from: float = 0.93
    strength: Strength = field(default_factory=Strength)


@dataclass(frozen=True)
class Progress:
    """What a step reports: ``step`` of ``steps``, the ``loss``, and the ``epoch`` it ends (None inside one)."""

    step: int
    steps: int
    loss: float
    epoch: int | None


def rate_at(done: float, peak: float) -> float:
    """One cycle: linear from a 25th over the first fifth, then a cosine to nothing."""
    if done < 0.2:
        return peak * (0.04 + 0.96 * done / 0.2)
    return peak * 0.5 * (1 + math.cos(math.pi * (done - 0.2) / 0.8))


def contrastive_loss(logits: Tensor, right: Tensor) -> Tensor:
    """Soft-target cross entropy over the captions, and half of it over the clips.

    Args:
        logits: ``(B, C)`` clips x captions.
        right: ``(B, C)`` how right each caption is; rows sum to 1.
    """
    to_text = -(right * logits.log_softmax(dim=1)).sum(dim=1).mean()
    mass = right.sum(dim=0)
    heard = mass > 0
    wanted = right[:, heard] / mass[heard]
    # A caption counts by how much of it the batch holds.
    to_audio = -((wanted * logits[:, heard].log_softmax(dim=0)).sum(dim=0) * mass[heard]).sum() / mass.sum()
    return to_text + 0.5 * to_audio


def right_captions(labels: Tensor, partner: Tensor, share: Tensor, classes: int, each: int, others: int) -> Tensor:
    """Targets ``(B, classes * each + others)`` of clips that mix their class with their partner's."""
    by_class = nn.functional.one_hot(labels, classes).float()
    mixed = share[:, None] * by_class + (1 - share)[:, None] * by_class[partner]
    spread = mixed.repeat_interleave(each, dim=1) / each
    return torch.cat([spread, spread.new_zeros(len(labels), others)], dim=1)


def fit(
    clips: Tensor,
    labels: Tensor,
    texts: Texts,
    out: Path,
    *,
    recipe: Recipe,
    seed: int = 0,
    resume: bool = False,
    report: Callable[[Progress, AudioEncoder], None] | None = None,
) -> AudioEncoder:
    """Train an encoder; resumable, the same numbers whether interrupted or not.

    Args:
        clips: ``(n, n_mels, N)`` decibels.
        labels: ``(n,)`` class of each clip.
        texts: Captions.
        out: Folder of the checkpoint ``audio.ckpt``.
        recipe: Numbers.
        seed: Seed of weights, order and augmentation.
        resume: Go on from the checkpoint, where there is one.
        report: Called after every step, with the averaged encoder.

    Returns:
        The averaged encoder, in eval mode and frozen.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, averaged = AudioEncoder(), AudioEncoder()
        sample = clips.float()
        model.mean.copy_(sample.mean(dim=(0, 2)))
        model.std.copy_(sample.std(dim=(0, 2)))
        averaged.load_state_dict(model.state_dict())
        averaged.requires_grad_(False).eval()
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
        at, start = out / "audio.ckpt", 0
        if resume and at.is_file():
            state = load_checkpoint(at)
            model.load_state_dict(state["model"])
            averaged.load_state_dict(state["averaged"])
            optimiser.load_state_dict(state["optimiser"])
            start = int(state["epoch"])
        for epoch in range(start, recipe.epochs):
            _epoch(epoch, model, averaged, optimiser, clips, labels, texts, recipe, seed, report)
            save_checkpoint(
                at,
                {
                    "model": model.state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "epoch": epoch + 1,
                },
            )
    return averaged


def _epoch(
    epoch: int,
    model: AudioEncoder,
    averaged: AudioEncoder,
    optimiser: torch.optim.Optimizer,
    clips: Tensor,
    labels: Tensor,
    texts: Texts,
    recipe: Recipe,
    seed: int,
    report: Callable[[Progress, AudioEncoder], None] | None,
) -> None:
    # Random numbers start anew each epoch, so that a resumed run draws what an unbroken one would.
    torch.manual_seed(seed * 100003 + epoch)
    generator = torch.Generator().manual_seed(seed * 100003 + epoch)
    augment = Augment(generator, recipe.strength)
    part = epoch / recipe.epochs
    whole, mixing = part >= recipe.whole_from, part < recipe.unmixed_from
    order = torch.randperm(len(clips), generator=generator)
    per_epoch = len(clips) // recipe.batch
    model.train()
    for i in range(per_epoch):
        step = epoch * per_epoch + i
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step / (per_epoch * recipe.epochs), recipe.rate)
        chosen = order[i * recipe.batch : (i + 1) * recipe.batch]
        length = clips.shape[2]
        if not whole:
            length = recipe.lengths[int(torch.randint(len(recipe.lengths), (1,), generator=generator))]
        heard, partner, share = augment(clips[chosen].float(), length, whole=whole, mixing=mixing)
        captions = texts.draw(generator, recipe.captions, recipe.others)
        right = right_captions(labels[chosen], partner, share, len(texts.by_class), recipe.captions, recipe.others)
        empty = torch.rand(len(chosen), generator=generator) < recipe.nothing
        if bool(empty.any()):
            heard[empty] = augment.nothing(int(empty.sum()), length)
            right[empty] = 1.0 / right.shape[1]
        inputs = heard[:, None].contiguous(memory_format=torch.channels_last)
        with fast():
            embedding = model(inputs)[0]
        logits = model.log_scale.exp() * embedding @ captions.T
        loss = contrastive_loss(logits, right)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        average(averaged, model, min(recipe.average, (1 + step) / (10 + step)))
        if report is not None:
            done = epoch if i == per_epoch - 1 else None
            report(Progress(step + 1, per_epoch * recipe.epochs, float(loss.detach()), done), averaged)


@torch.no_grad()
def average(into: nn.Module, of: nn.Module, keep: float) -> None:
    """Running average of parameters and of batch statistics."""
    for mine, new in zip(into.state_dict().values(), of.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(new, 1 - keep)
        else:
            mine.copy_(new)
