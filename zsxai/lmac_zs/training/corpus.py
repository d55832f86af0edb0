"""What a decoder is trained on: recordings with captions, drawn step by step from a seed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.conditions import evaluating
from zsxai.data.clip import LabelledClip
from zsxai.fill import fill
from zsxai.lmac_zs.training.captions import Captions
from zsxai.lmac_zs.training.config import TrainingConfig
from zsxai.lmac_zs.training.draw import Draw
from zsxai.lmac_zs.training.mixing import lay_noise, level_neighbours
from zsxai.lmac_zs.training.vary import vary_sound
from zsxai.model import SpectralModel

CACHE_BYTES = 2 * 2**30
"""Sound kept in memory, so that small data sets are read once."""
NEAREST = 5
"""Groups of absent captions nearest to a recording, one of which is foreign."""


class Corpus:
    """Clips and captions of a data set before one model.

    Captions of one group mean the same: a class of a data set with classes, a clip of one with sentences. Clips whose
    captions are all longer than the model reads are left out.

    Args:
        model: Hears the clips and reads the captions.
        clips: Clips of one or more data sets.
        templates: Around every class name (and phrase); sentences are taken as they are.
        phrases: Further wording of classes, by class name.

    Attributes:
        captions: Those that the model reads.
        clips: Those that have any.
        group: ``(clips,)`` number of each clip's group of captions.

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
        wording = {_key(c): list(c.captions) or _word(c.label, templates, phrases or {}) for c in clips}
        self.captions = Captions(model, wording)
        number = {key: group for group, key in enumerate(self.captions.keys)}
        self.clips = [clip for clip in clips if _key(clip) in number]
        self.group = np.array([number[_key(clip)] for clip in self.clips])
        self._sounds: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._bytes = 0

    def sound(self, index: int) -> NDArray[np.float32]:
        """One clip at the model's rate, ``(T,)``.

        Raises:
            InputError: If it cannot be read, naming the file.
        """
        if index in self._sounds:
            self._sounds.move_to_end(index)
            return self._sounds[index]
        clip = self.clips[index]
        sound = np.asarray(clip.read().at(self.model.sample_rate), dtype=np.float32)
        self._sounds[index] = sound
        self._bytes += sound.nbytes
        while self._bytes > CACHE_BYTES and len(self._sounds) > 1:
            self._bytes -= self._sounds.popitem(last=False)[1].nbytes
        return sound

    def window(self, index: int, samples: int, rng: np.random.Generator | None, vary: float = 0.0) -> Tensor:
        """One window of a clip, ``(samples,)``: another stretch, rotated in time, for every draw.

        Args:
            index: Index of the clip.
            samples: In the window.
            rng: Draws the stretch and the rotation; None takes the beginning, as it is.
            vary: Part of the draws that are of another speed and colour
                (:func:`zsxai.lmac_zs.training.vary.vary_sound`).
        """
        sound = self.sound(index)
        if rng is not None and rng.random() < vary:
            sound = vary_sound(sound, self.model.sample_rate, rng)
        if len(sound) > samples:
            start = 0 if rng is None else int(rng.integers(len(sound) - samples + 1))
            sound = sound[start : start + samples]
        if rng is not None:
            sound = np.roll(sound, int(rng.integers(len(sound))))
        rule = self.model.audio_spec.fill
        return fill(torch.from_numpy(sound.copy())[None], "zero" if rule == "none" else rule, samples)[0]

    def draw(self, key: Sequence[int], config: TrainingConfig) -> Draw:
        """Draw the recordings and captions of one step.

        Args:
            key: What the draw depends on: seed, step, number of the batch.
            config: Decides the number of recordings, their length, how they are varied and mixed, and the bank.
        """
        rng = np.random.default_rng(list(key))
        chosen = self._choose_unlike(rng.permutation(len(self.clips)), config.batch)
        near = np.stack([np.roll(chosen, -k) for k in range(3)])  # each clip, its partner, and a third
        group, by_group = self.group[near], self.captions.by_group
        samples = config.samples(self.model.audio_spec)
        sounds = torch.stack([self.window(int(i), samples, rng, config.vary) for i in chosen])
        mixed, three, noisy, nothing = (
            rng.random(config.batch) < part for part in (config.mix, config.third, config.noise, config.nothing)
        )
        nothing[0] = False  # something is always heard
        mixed &= ~nothing
        three &= mixed & (group[2] != group[0]) & (len(by_group) > 3)
        others = _where(mixed, level_neighbours(sounds, 1, config.level, rng))
        if three.any():
            others += _where(three, level_neighbours(sounds, 2, config.level, rng))
        if noisy.any():
            others += _where(noisy & ~nothing, lay_noise(sounds + others, rng))
        if nothing.any():
            sounds = _where(~nothing, sounds) + _where(nothing, lay_noise(sounds, rng))
        peak = (sounds + others).abs().amax(dim=1, keepdim=True).clamp(min=1.0)
        own, partner, third = (np.array([rng.choice(by_group[g]) for g in row]) for row in group)
        foreign = np.array([self._choose_foreign(rng, clips, config.similar) for clips in near.T])
        bank = list(dict.fromkeys([*own.tolist(), *partner.tolist(), *foreign.tolist()]))
        besides = rng.permutation(len(by_group))[: max(0, config.bank - len(bank))]
        bank = list(dict.fromkeys([*bank, *(int(rng.choice(by_group[int(g)])) for g in besides)]))
        return Draw(
            sounds=sounds / peak,
            others=others / peak,
            own=torch.from_numpy(own),
            heard=torch.from_numpy(~nothing),
            partner=torch.from_numpy(partner),
            mixed=torch.from_numpy(mixed),
            third=torch.from_numpy(np.where(three, third, -1)),
            foreign=torch.from_numpy(foreign),
            bank=torch.tensor(bank, dtype=torch.long),
        )

    def _choose_unlike(self, order: NDArray[np.int_], count: int) -> NDArray[np.int_]:
        """The first clips of as many groups as there are; neighbours are never of one group."""
        chosen: list[int] = []
        seen: set[int] = set()
        for i in order.tolist():
            if int(self.group[i]) not in seen:
                chosen.append(i)
                seen.add(int(self.group[i]))
            if len(chosen) == count:
                break
        rows = [chosen[i % len(chosen)] for i in range(count)]
        if (count - 1) % len(chosen) == 0:  # the last one's neighbour is the first
            rows[-1] = chosen[1]
        return np.array(rows)

    def _choose_foreign(self, rng: np.random.Generator, clips: NDArray[np.int_], similar: float) -> int:
        """A caption of none of the clips' groups; of three groups in all, of neither of the first two's."""
        groups = len(self.captions.by_group)
        present = self.group[clips[: min(len(clips), groups - 1)]]
        absent = np.setdiff1d(np.arange(groups), present)
        if rng.random() < similar:
            nearest = np.argsort(-self._similarity[clips[:2]].max(axis=0)[absent], kind="stable")
            absent = absent[nearest[:NEAREST]]
        return int(rng.choice(self.captions.by_group[int(rng.choice(absent))]))

    @cached_property
    def _similarity(self) -> NDArray[np.float32]:
        """Cosine of every clip with the nearest caption of every group, ``(clips, groups)``."""
        samples = self.model.audio_spec.window_samples
        rows = []
        with evaluating(self.model), torch.no_grad():
            for index in range(len(self.clips)):
                sound = self.sound(index)
                window = self.window(index, samples or len(sound), None)
                rows.append(self.model.embed_audio(window[None].to(self.model.device))[0] @ self.captions.embedding.T)
        cosines = torch.stack(rows).cpu().numpy()
        return np.stack([cosines[:, captions].max(axis=1) for captions in self.captions.by_group], axis=1)


def _where(chosen: NDArray[np.bool_], sounds: Tensor) -> Tensor:
    """``(B, T)`` where chosen, and silence elsewhere."""
    return torch.where(torch.from_numpy(chosen)[:, None], sounds, 0.0)


def _key(clip: LabelledClip) -> str:
    """What captions of one meaning share."""
    return f"clip {clip.name}" if clip.captions else f"class {clip.label}"


def _word(label: str, templates: Sequence[str], phrases: Mapping[str, Sequence[str]]) -> list[str]:
    return [template.replace("{}", words) for words in (label, *phrases.get(label, ())) for template in templates]
