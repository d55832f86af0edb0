"""Training a decoder: one loop for one CPU, one GPU or many, which resumes exactly where it was stopped.

Nothing random outlives a step: the recordings, mixtures and captions of a batch are drawn from a generator keyed by
seed, step and number of the batch. A checkpoint is therefore the weights, the optimiser and the number of the step, and
an update is the same however many processes share its batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from zsxai.calibration import STEEPNESS
from zsxai.conditions import evaluating
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError, ZsxaiError
from zsxai.lmac_zs.card import domains_of
from zsxai.lmac_zs.cells import Sounds
from zsxai.lmac_zs.decoder import Decoder, select_maps
from zsxai.lmac_zs.gradient import encode_with_evidence
from zsxai.lmac_zs.training.build import build_decoder
from zsxai.lmac_zs.training.config import TrainingConfig, read_phrases
from zsxai.lmac_zs.training.corpus import Corpus
from zsxai.lmac_zs.training.diagnostics import Diagnostics, Validation
from zsxai.lmac_zs.training.draw import Draw
from zsxai.lmac_zs.training.logs import Progress, Report
from zsxai.lmac_zs.training.objectives import Situation
from zsxai.lmac_zs.training.processes import Processes
from zsxai.lmac_zs.training.state import load_state, save_state
from zsxai.model import SpectralModel
from zsxai.spectral import Domain

STATE = "state.ckpt"
"""File of the checkpoint in the folder of a training."""


class DivergedError(ZsxaiError):
    """The loss is no longer a finite number; the message says what to try."""


class Trainer:
    """One training of one decoder.

    Args:
        model: Frozen and in eval mode while it is trained on.
        clips: To train on.
        held_out: For the diagnostics.
        config: Everything else.
        out: Folder of the checkpoint; None keeps none.

    Raises:
        InputError: If the data or the configuration do not fit the model.
    """

    def __init__(
        self,
        model: SpectralModel,
        clips: Sequence[LabelledClip],
        held_out: Sequence[LabelledClip],
        config: TrainingConfig,
        out: Path | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self.out = out
        phrases = read_phrases(config.phrases)
        self.corpus = Corpus(model, clips, config.templates, phrases)
        if model.logit_scale is None and config.objective.name == "contrastive":
            raise InputError(
                f"{model.card.name} gives no logit scale: at a scale of 1 all captions are nearly alike, and there is "
                "nothing to learn from; set logit_scale on the model"
            )
        self.processes = Processes(model.device, config.accumulate)
        halved = _uses_bfloat16(config, model.device)
        self._autocast = partial(torch.autocast, model.device.type, dtype=torch.bfloat16, enabled=halved)
        self.steps = config.updates(len(self.corpus.clips))
        self.validation = None
        if held_out:
            self.validation = Validation(Corpus(model, held_out, config.templates, phrases), config)
        alone = {"mix": 0.0, "noise": 0.0, "nothing": 0.0}
        self._drawing = config if config.objective.mixing else config.model_copy(update=alone)
        with evaluating(model), frozen(model):
            first = self._draw(0, 0).waveforms
            self.decoder, self.cells = build_decoder(model, first, self.corpus.captions.texts[0], config)
        self.spec = self.decoder.spec
        self.optimiser = torch.optim.Adam(self.decoder.parameters(), lr=config.rate)
        # What a checkpoint must have been trained with to be resumed.
        self._identity = {
            **config.model_dump(mode="json", exclude={"data", "validation", "validate_every", "checkpoint_every"}),
            "phrases": phrases and sorted(self.corpus.captions.texts),
            "model": model.card.weights_sha256,
            "clips": [clip.name for clip in self.corpus.clips],
        }
        self.step = 0
        self.asked = 0
        """Signal that asked this process to stop after the current step; 0 where none did."""
        self.stopping = 0
        """Signal that all processes stop for."""
        self.diagnostics: Diagnostics | None = None
        """Of the last step, where they were measured at it."""
        if out is not None and (out / STATE).is_file():
            self.step = load_state(out / STATE, self.decoder, self.optimiser, self._identity)
        self.processes.spread(self.decoder)

    def run(self, *reports: Report) -> Decoder:
        """Train to the end, from the checkpoint where there is one.

        Args:
            *reports: Called after every step, in the first process.

        Returns:
            The decoder, in eval mode.

        Raises:
            DivergedError: If the loss is not finite.
        """
        with evaluating(self.model), frozen(self.model):
            while not self._must_stop() and self.step < self.steps:
                terms = self._update()
                self.step += 1
                if self.processes.first:
                    self._finish_step(terms, reports)
            if self.stopping and self.processes.first:
                self._save()
            self.processes.wait()
        return self.decoder.eval()

    def _finish_step(self, terms: dict[str, float], reports: Sequence[Report]) -> None:
        """Measure, report and save, each where it is due."""
        last = self.step == self.steps
        self.diagnostics = None
        if self.validation is not None and (last or self.step % self.config.validate_every == 0):
            self.diagnostics = self.diagnose()
        loss = sum(value for name, value in terms.items() if name != "mask")
        for report in reports:
            report(Progress(self.step, self.steps, loss, terms, self.diagnostics))
        if last or self.step % self.config.checkpoint_every == 0:
            self._save()

    def _save(self) -> None:
        if self.out is not None:
            save_state(self.out / STATE, self.decoder, self.optimiser, self.step, self._identity)

    def _must_stop(self) -> bool:
        """Whether any process was asked to stop: all must leave the loop at the same step."""
        self.stopping = self.processes.greatest(self.asked)
        return self.stopping > 0

    def diagnose(self) -> Diagnostics:
        """The diagnostics of the decoder as it is now.

        Raises:
            InputError: If nothing was held out.
        """
        if self.validation is None:
            raise InputError("no recordings were held out for diagnostics: name validation data, or held_out above 0")
        with evaluating(self.model):
            return self.validation(self.decoder, self.cells[self.validation.domain])

    def _update(self) -> dict[str, float]:
        """One update of the weights; returns the terms of the loss, and the mean of all masks."""
        config = self.config
        rate = config.rate * rate_at(self.step / self.steps, config.warm_up, config.schedule)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        parts = self.processes.share
        total: dict[str, float] = {}
        domains = domains_of(config.domain)
        for part in parts:
            domain = domains[(self.step * config.accumulate + part) % len(domains)]
            terms, mask = self._terms(self._draw(self.step, part), domain)
            torch.autograd.backward(torch.stack(list(terms.values())).sum() / len(parts))
            for name, value in {**terms, "mask": mask}.items():
                total[name] = total.get(name, 0.0) + float(value.detach()) / len(parts)
        total = self.processes.average(total)
        if not all(map(math.isfinite, total.values())):
            raise DivergedError(self._explain_divergence(total))
        self.processes.average_gradients(self.decoder)
        clip_grad_norm_(self.decoder.parameters(), config.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return total

    def _explain_divergence(self, terms: dict[str, float]) -> str:
        broken = ", ".join(name for name, value in terms.items() if name != "mask" and not math.isfinite(value))
        saved = self.out is not None and (self.out / STATE).is_file()
        kept = f"; the checkpoint of an earlier step lies in {self.out}" if saved else ""
        return (
            f"the loss is not finite at step {self.step + 1} ({broken}): lower rate ({self.config.rate:g}) or "
            f"clip_norm ({self.config.clip_norm:g}), or say precision = 'float32'{kept}"
        )

    def _draw(self, step: int, part: int) -> Draw:
        return self.corpus.draw((self.config.seed, step, part), self._drawing)

    def _terms(self, draw: Draw, domain: Domain) -> tuple[dict[str, Tensor], Tensor]:
        """The terms of the loss, and the mean of all masks."""
        model, config, device, captions = self.model, self.config, self.model.device, self.corpus.captions
        sounds = Sounds.of(model, draw.waveforms.to(device), domain, config.scale)
        sounds = replace(sounds, autocast=self._autocast)
        pairs = config.objective.pairs(draw)
        bank = captions.embedding[draw.bank]
        # Pairs lie recording by recording, once for every group of captions.
        groups = captions.embedding[pairs.caption].view(-1, len(draw.own), captions.embedding.shape[1])
        with self._autocast():
            encoding, gradients = encode_with_evidence(model, sounds.features, self.spec, list(groups))
            maps = select_maps(encoding.feature_maps, self.spec.maps)
            text, of = captions.encode(pairs.caption), pairs.of.to(device)
            log_odds, evidence = self.decoder(maps, text, of, bank, torch.cat(gradients))
        # Masks of zeros and ones have no gradient: they get there step by step.
        steepness = 1.0 + (STEEPNESS[config.calibration] - 1.0) * self.step / self.steps
        masks = self.cells[domain].mask(log_odds.float(), steepness)
        situation = Situation(
            sounds=sounds,
            embedding=encoding.embedding.float(),
            pairs=pairs,
            masks=masks,
            evidence=[e.float() for e in evidence],
            text=captions.embedding[pairs.caption],
            beside=captions.embedding[pairs.beside],
            bank=bank,
            same=captions.same(pairs.caption, draw.bank, config.same_above),
            same_beside=captions.same(pairs.beside, draw.bank, config.same_above)
            | captions.same(pairs.third, draw.bank, config.same_above),
            scale=model.logit_scale or 1.0,
            done=self.step / self.steps,
        )
        return config.objective.terms(situation), masks.detach().mean()


@contextmanager
def frozen(model: SpectralModel) -> Iterator[None]:
    """Within, a model's weights need no gradient and are laid out for fast convolutions; after it, all is as before."""
    parameters = [p for root in model.modules() for p in root.parameters()]
    before = [(p, p.requires_grad, p.data) for p in parameters]
    try:
        for p in parameters:
            p.requires_grad_(False)
            if p.ndim == 4:
                # A sixth faster on CPUs; the numbers are the same but for rounding.
                p.data = p.data.to(memory_format=torch.channels_last)
        yield
    finally:
        for p, required, data in before:
            p.data = data
            p.requires_grad_(required)


def rate_at(done: float, warm_up: float, schedule: str) -> float:
    """Part of the peak learning rate: a linear rise, then a cosine to 3 %, or constant."""
    if done < warm_up:
        return max(0.02, done / warm_up)
    if schedule == "constant":
        return 1.0
    fraction = (done - warm_up) / (1.0 - warm_up)
    return 0.03 + 0.97 * 0.5 * (1.0 + math.cos(math.pi * fraction))


def _uses_bfloat16(config: TrainingConfig, device: torch.device) -> bool:
    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return config.precision == "bf16"
