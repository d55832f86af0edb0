"""What a decoder is trained on: recordings with captions, drawn step by step from a seed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.fill import fill
from zsxai.lmac_zs.training.vary import varied
from zsxai.model import SpectralModel, TextEncoding, evaluating

CACHE_BYTES = 2 * 2**30
"""Sound, and token states, kept in memory, so that small data sets are read once."""
FEWEST_GROUPS = 3
"""Classes or captioned clips: one heard, one it is mixed with, one that is foreign to both."""
_EMBED = 64


@dataclass(frozen=True, eq=False)
class Draw:
    """The recordings and captions of one step.

    Attributes:
        sounds: ``(B, T)`` filled windows, at their level in :attr:`waveforms`.
        others: ``(B, T)`` what each is mixed with; 0 where it is not.
        own: ``(B,)`` caption of each.
        partner: ``(B,)`` caption of the clip that it was mixed with, or would have been.
        mixed: ``(B,)`` bool.
        foreign: ``(B,)`` caption of none of its sounds.
        bank: ``(K,)`` captions told apart from one another: those above, and others drawn besides.
    """

    sounds: Tensor
    others: Tensor
    own: Tensor
    partner: Tensor
    mixed: Tensor
    foreign: Tensor
    bank: Tensor

    @property
    def waveforms(self) -> Tensor:
        """``(B, T)`` the recordings, mixtures among them."""
        return self.sounds + self.others


class Corpus:
    """Clips and captions of a data set before one model.

    Captions of one group mean the same: a class of a data set with classes, a clip of one with sentences. Captions that
    are longer than the model reads are left out, and clips that have no other.

    Args:
        model: Hears the clips and reads the captions.
        clips: Of one or more data sets.
        templates: Around every class name (and phrase); sentences are taken as they are.
        phrases: Further wording of classes, by class name.

    Attributes:
        too_long: Captions left out.

    Raises:
        InputError: If there are fewer than three groups: nothing is left to be foreign.
    """

    def __init__(
        self,
        model: SpectralModel,
        clips: Sequence[LabelledClip],
        templates: Sequence[str],
        phrases: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.model = model
        said = {_key(c): list(c.captions) or _worded(c.label, templates, phrases or {}) for c in clips}
        embedded = self._embed(list(dict.fromkeys(text for texts in said.values() for text in texts)))
        self.too_long = sum(text not in embedded for texts in said.values() for text in texts)
        readable = {key: [t for t in texts if t in embedded] for key, texts in said.items()}
        names = [key for key, texts in readable.items() if texts]
        if embedded == {} and said:
            raise InputError(f"all {self.too_long} captions are too long for {model.card.name}: shorten them")
        if len(names) < FEWEST_GROUPS:
            raise InputError(f"the data hold {len(names)} classes or captioned clips: training takes three or more")
        number = {key: group for group, key in enumerate(names)}
        self.clips = [clip for clip in clips if _key(clip) in number]
        self.group = np.array([number[_key(clip)] for clip in self.clips])
        self.texts = [text for key in names for text in readable[key]]
        self.group_of = np.repeat(np.arange(len(names)), [len(readable[key]) for key in names])
        self.captions = [np.flatnonzero(self.group_of == group).tolist() for group in range(len(names))]
        self.embedding = torch.stack([embedded[text] for text in self.texts])
        self._sounds: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._bytes = 0

    def _embed(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Embeddings of the texts that the model can read."""
        found: dict[str, Tensor] = {}
        with evaluating(self.model), torch.no_grad():
            for at in range(0, len(texts), _EMBED):
                part = texts[at : at + _EMBED]
                try:
                    found.update(zip(part, self.model.embed_text(part), strict=True))
                except InputError:  # one of them is too long
                    for text in part:
                        with suppress(InputError):
                            found[text] = self.model.embed_text([text])[0]
        return found

    def prompts(self, captions: Tensor) -> TextEncoding:
        """Captions ``(n,)`` as the model reads them, token states among it; kept where all of them are little."""
        if self._kept is not None:
            return self._kept.rows(captions)
        different, at = torch.unique(captions, return_inverse=True)
        with torch.no_grad():
            return self.model.encode_text([self.texts[i] for i in different.tolist()]).rows(at.to(self.model.device))

    @cached_property
    def _kept(self) -> TextEncoding | None:
        with evaluating(self.model), torch.no_grad():
            one = self.model.encode_text([max(self.texts, key=len)])
            if one.tokens is not None and one.tokens.numel() * 4 * len(self.texts) > CACHE_BYTES:
                return None
            parts = [self.texts[at : at + _EMBED] for at in range(0, len(self.texts), _EMBED)]
            return joined([self.model.encode_text(part) for part in parts])

    def same(self, captions: Tensor, others: Tensor, above: float) -> Tensor:
        """Which captions mean the same: those of one group, and those whose cosine is ``above`` or more.

        Args:
            captions: ``(n,)``; -1 stands for none.
            others: ``(K,)``.
            above: Cosine.

        Returns:
            ``(n, K)`` bool.
        """
        group = torch.from_numpy(self.group_of)
        alike = self.embedding[captions] @ self.embedding[others].T >= above
        return (group[captions][:, None] == group[others][None]).to(alike.device) | alike

    def sound(self, index: int) -> NDArray[np.float32]:
        """One clip at the model's rate, ``(T,)``."""
        if index in self._sounds:
            self._sounds.move_to_end(index)
            return self._sounds[index]
        read = np.asarray(self.clips[index].read().at(self.model.sample_rate), dtype=np.float32)
        self._sounds[index] = read
        self._bytes += read.nbytes
        while self._bytes > CACHE_BYTES and len(self._sounds) > 1:
            self._bytes -= self._sounds.popitem(last=False)[1].nbytes
        return read

    def window(self, index: int, samples: int, rng: np.random.Generator | None, vary: float = 0.0) -> Tensor:
        """One window of a clip, ``(samples,)``: another stretch, turned round in time, for every draw.

        Args:
            index: Of the clip.
            samples: In the window.
            rng: Draws the stretch and the turn; None takes the beginning, as it is.
            vary: Part of the draws that are of another speed and colour (:func:`zsxai.lmac_zs.training.vary.varied`).
        """
        sound = self.sound(index)
        if rng is not None and rng.random() < vary:
            sound = varied(sound, self.model.sample_rate, rng)
        if len(sound) > samples:
            start = 0 if rng is None else int(rng.integers(len(sound) - samples + 1))
            sound = sound[start : start + samples]
        if rng is not None:
            sound = np.roll(sound, int(rng.integers(len(sound))))
        rule = self.model.audio_spec.fill
        return fill(torch.from_numpy(sound.copy())[None], "zero" if rule == "none" else rule, samples)[0]

    def draw(
        self, key: Sequence[int], batch: int, samples: int, mix: float, bank: int, level: float, vary: float = 0.0
    ) -> Draw:
        """The recordings of one step.

        Args:
            key: What the draw hangs on: seed, step, process.
            batch: Clips.
            samples: In a window.
            mix: Part of the clips that are mixed with a partner of another group.
            bank: Captions told apart, at least.
            level: Most decibels that a partner is louder or softer, by active power.
            vary: Part of the clips that are varied (:func:`zsxai.lmac_zs.training.vary.varied`).
        """
        rng = np.random.default_rng(list(key))
        chosen = self._unlike(rng.permutation(len(self.clips)), batch)
        group = self.group[chosen]
        windows = torch.stack([self.window(int(i), samples, rng, vary) for i in chosen])
        mixed = torch.from_numpy(rng.random(batch) < mix)
        gain = 10.0 ** (rng.uniform(-level, level, batch) / 20.0)
        power = torch.tensor([active_power(w) for w in windows])
        beside = torch.roll(windows, -1, dims=0)
        factor = torch.from_numpy(gain).float() * (power / torch.roll(power, -1).clamp(min=1e-20)).sqrt()
        others = torch.where(mixed[:, None], factor[:, None] * beside, 0.0)
        peak = (windows + others).abs().amax(dim=1, keepdim=True).clamp(min=1.0)
        own = np.array([rng.choice(self.captions[g]) for g in group])
        partner = np.array([rng.choice(self.captions[g]) for g in np.roll(group, -1)])
        foreign = np.array(
            [self._foreign(rng, (int(a), int(b))) for a, b in zip(group, np.roll(group, -1), strict=True)]
        )
        told = list(dict.fromkeys([*own.tolist(), *partner.tolist(), *foreign.tolist()]))
        besides = rng.permutation(len(self.captions))
        told += [int(rng.choice(self.captions[int(g)])) for g in besides[: max(0, bank - len(told))]]
        told = list(dict.fromkeys(told))
        as_tensor = torch.from_numpy
        return Draw(
            windows / peak,
            others / peak,
            as_tensor(own),
            as_tensor(partner),
            mixed,
            as_tensor(foreign),
            torch.tensor(told, dtype=torch.long),
        )

    def _unlike(self, order: NDArray[np.int_], count: int) -> NDArray[np.int_]:
        """The first clips of as many groups as there are; neighbours are never of one group."""
        taken: list[int] = []
        seen: set[int] = set()
        for i in order.tolist():
            if int(self.group[i]) not in seen:
                taken.append(i)
                seen.add(int(self.group[i]))
            if len(taken) == count:
                break
        rows = [taken[i % len(taken)] for i in range(count)]
        if (count - 1) % len(taken) == 0:  # the last one's neighbour is the first
            rows[-1] = taken[1]
        return np.array(rows)

    def _foreign(self, rng: np.random.Generator, heard: tuple[int, int]) -> int:
        while True:
            group = int(rng.integers(len(self.captions)))
            if group not in heard:
                return int(rng.choice(self.captions[group]))


def joined(parts: Sequence[TextEncoding]) -> TextEncoding:
    """Prompts of several encodings as one, token states padded to the longest."""
    embedding = torch.cat([part.embedding for part in parts])
    if any(part.tokens is None or part.token_mask is None for part in parts):
        return TextEncoding(embedding)
    longest = max(part.tokens.shape[1] for part in parts if part.tokens is not None)

    def padded(values: Tensor) -> Tensor:
        out = values.new_zeros(len(values), longest, *values.shape[2:])
        out[:, : values.shape[1]] = values
        return out

    tokens = torch.cat([padded(part.tokens) for part in parts if part.tokens is not None])
    return TextEncoding(embedding, tokens, torch.cat([padded(p.token_mask) for p in parts if p.token_mask is not None]))


def active_power(waveform: Tensor) -> float:
    """Mean power of those 250 equal parts (20 ms of a window of 5 s) that are within 40 dB of the loudest."""
    size = max(1, len(waveform) // 250)
    power = waveform[: len(waveform) // size * size].reshape(-1, size).square().mean(dim=1)
    return float(power[power >= 1e-4 * power.max()].mean())


def _key(clip: LabelledClip) -> str:
    """What captions of one meaning share."""
    return f"clip {clip.name}" if clip.captions else f"class {clip.label}"


def _worded(label: str, templates: Sequence[str], phrases: Mapping[str, Sequence[str]]) -> list[str]:
    return [template.replace("{}", said) for said in (label, *phrases.get(label, ())) for template in templates]
