"""``zsxai.timeline``: when in a recording a model hears prompts."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.api import model_of
from zsxai.audio.stream import open_sound
from zsxai.checks import real_number
from zsxai.clip import batches, join_up
from zsxai.conditions import evaluating, plain_torch
from zsxai.devices import Device, device_name
from zsxai.errors import InputError
from zsxai.files import as_path
from zsxai.memory import BatchSize
from zsxai.model import ZeroShotModel, check_rows
from zsxai.precision import dtype_name
from zsxai.progress import track
from zsxai.prompt import check_prompts, embed_prompts, find_template
from zsxai.timelines.overview import BLOCK, Overview
from zsxai.timelines.timeline import Given, Timeline, TimelineProvenance
from zsxai.timelines.windows import Cut, cut_of, cut_windows
from zsxai.verdict.presence import Listener
from zsxai.verdict.reference import Reference, load_reference
from zsxai.versions import versions


@plain_torch()
def timeline(
    audio: object,
    prompts: str | Iterable[str],
    *,
    sample_rate: int | None = None,
    model: object = "tiny",
    template: str | Iterable[str] | None = None,
    hop: float | None = None,
    device: Device = "auto",
    dtype: str | torch.dtype | None = None,
    batch_size: int | None = None,
    reference: object | None = None,
    progress: bool | None = None,
) -> Timeline:
    """Score every window of a recording for prompts: one forward a window, no explanation.

    The recording is read as a stream and may have any length: a window and a block of it are held at a time.

    Args:
        audio: As :func:`zsxai.explain` takes.
        prompts: One prompt or several.
        sample_rate: Samples per second of an array.
        model: A name or a model object.
        template: As :func:`zsxai.explain` takes.
        hop: Seconds from one window to the next; None takes the model's overlap, so that windows are those of an
            explanation.
        device: A torch device for a model given by name; ``auto`` takes a GPU where there is one.
        dtype: As :func:`zsxai.explain` takes it.
        batch_size: Windows per forward; halved once, with a note, where memory does not hold so many.
        reference: Reference figures of the model, or a file of them (``zsxai reference``); its own where None.
        progress: Show a bar; None shows one on a terminal.

    Returns:
        Cosines, and where the model can embed the bank of everyday sounds the evidence that it hears each prompt.

    Raises:
        InputError: If anything about the input is wrong; one line that says what to do.
    """
    asked = check_prompts([prompts] if isinstance(prompts, str) else prompts)
    if not asked:
        raise InputError("the list of prompts is empty: say what to listen for")
    if twice := next((prompt for prompt, n in Counter(asked).items() if n > 1), None):
        raise InputError(f"the prompt {twice!r} is given twice")
    wanted = None if hop is None else real_number(hop, "hop", 0.0)
    size = BatchSize(batch_size)
    figures = reference if reference is None or isinstance(reference, Reference) else load_reference(as_path(reference))
    loaded = model_of(model, device, dtype)
    cut = cut_of(loaded, wanted)
    with open_sound(audio, sample_rate) as sound, evaluating(loaded), torch.no_grad():
        around = find_template(template, loaded)
        text = embed_prompts(loaded, asked, around).embedding
        scored = _Scores(loaded, text, Listener(loaded, figures, progress=progress))
        heard = _Heard(sound.blocks(loaded.sample_rate, BLOCK), loaded.sample_rate)
        samples = None if sound.seconds is None else round(sound.seconds * loaded.sample_rate)
        total = None if samples is None else 1 + max(0, -(-(samples - cut.window - cut.tail) // cut.step))
        windows = track(cut_windows(heard, cut), total, "listening", progress)
        for batch in join_up(windows, size.size, lambda one, other: len(one[1]) == len(other[1])):
            scored.add(batch, size)
        halved = [size.note] if size.note else []
        notes = (*sound.notes, *loaded.prompt_notes(asked), *scored.notes, *halved)
        provenance = TimelineProvenance(
            model=model if isinstance(model, str) else loaded.card.name,
            model_card=loaded.card.model_dump(mode="json"),
            template=around,
            batch_size=size.size,
            device=device_name(loaded.device),
            dtype=dtype_name(loaded),
            reference=scored.reference,
            audio_name=sound.name,
            audio_sha256=heard.sha256.hexdigest(),
            audio_sample_rate=sound.sample_rate,
            audio_channels=sound.channels,
            versions=versions(),
            warnings=notes,
        )
    found = scored.finish(heard, cut, provenance, tuple(asked))
    found._given = Given(None if hasattr(audio, "read") else audio, sample_rate, model, device, dtype, figures)
    return found


class _Heard:
    """Blocks as they go by: counted, hashed and drawn."""

    def __init__(self, blocks: Iterable[NDArray[Any]], sample_rate: int) -> None:
        self._blocks = blocks
        self.samples = 0
        self.sha256 = hashlib.sha256()
        self.overview = Overview(sample_rate)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for block in self._blocks:
            self.samples += len(block)
            self.sha256.update(np.ascontiguousarray(block, dtype="<f4").data)
            self.overview.add(block)
            yield block


class _Scores:
    """Numbers of windows, batch by batch."""

    def __init__(self, model: ZeroShotModel, text: Tensor, listener: Listener) -> None:
        self._model, self._text, self._listener = model, text, listener
        self._rows = text.float().cpu().numpy()
        self._starts: list[int] = []
        self._cosines: list[NDArray[Any]] = []
        self._heard: list[NDArray[Any]] = []  # (2, B, P): evidence and level

    @property
    def reference(self) -> str:
        figures = self._listener.reference
        return "" if figures is None else figures.data

    @property
    def notes(self) -> Iterator[str]:
        if self._listener.bank is None:
            yield f"nothing says from which cosine on this model hears a prompt: {self._listener.problem}"
        elif self._listener.reference is None:
            yield "presence is by a bank of everyday sounds alone: zsxai reference makes figures of this model"
        elif not self._listener.reference.is_useful:
            yield f"this model does not tell sounds that are there from others on {self.reference}"

    def add(self, batch: list[tuple[int, NDArray[Any]]], size: BatchSize) -> None:
        self._starts += [start for start, _ in batch]
        before, sounds = size.note, np.stack([samples for _, samples in batch])
        rows = size.run(lambda most: torch.cat([self._embed(sounds[part]) for part in batches(len(sounds), most)]))
        if size.note != before:
            warnings.warn(size.note, stacklevel=2)
        check_rows(rows, len(batch), self._model.card.name, "clips")
        self._cosines.append((rows @ self._text.T).float().cpu().numpy())
        if self._listener.bank is None:
            return
        windows = rows.float().cpu().numpy()
        heard = [self._listener.ask(windows, prompt).windows for prompt in self._rows]
        numbers = [[(one.evidence, one.level) for one in of_prompt] for of_prompt in heard]
        self._heard.append(np.array(numbers, np.float32).transpose(2, 1, 0))

    def _embed(self, sounds: NDArray[Any]) -> Tensor:
        return self._model.embed_audio(torch.from_numpy(sounds).to(self._model.device))

    def finish(self, heard: _Heard, cut: Cut, provenance: TimelineProvenance, prompts: tuple[str, ...]) -> Timeline:
        nothing = np.zeros((2, 0, len(prompts)), np.float32)
        evidence, levels = np.concatenate([nothing, *self._heard], axis=1)
        side_by_side = max(1.0, heard.samples / cut.window)
        return Timeline(
            prompts=prompts,
            sample_rate=self._model.sample_rate,
            samples=heard.samples,
            window=cut.window,
            step=cut.step,
            logit_scale=self._model.logit_scale,
            bar=None if self._listener.bank is None else self._listener.bar(side_by_side),
            provenance=provenance,
            starts=np.array(self._starts),
            cosines=np.concatenate(self._cosines),
            evidence=evidence,
            levels=levels,
            overview=heard.overview.power,
        )
