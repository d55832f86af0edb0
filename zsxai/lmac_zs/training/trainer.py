"""Training a decoder: one loop for one CPU, one GPU or many, which goes on exactly where it was stopped.

Nothing random outlives a step: recordings, mixtures and captions of a step are drawn from a generator keyed by seed,
step and process. A checkpoint is therefore the weights, the optimiser and the number of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from pydantic import ValidationError
from torch import Tensor, nn

from zsxai.clip import make_grid
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError, ZsxaiError, first_problem
from zsxai.lmac_zs.cells import Cells, Sounds
from zsxai.lmac_zs.decoder import Decoder, DecoderSpec
from zsxai.lmac_zs.gradient import evidence as gradient_evidence
from zsxai.lmac_zs.training.config import TrainingConfig, read_phrases
from zsxai.lmac_zs.training.corpus import Corpus, Draw
from zsxai.lmac_zs.training.diagnostics import Diagnostics, Validation, maps_of
from zsxai.lmac_zs.training.objectives import Situation
from zsxai.lmac_zs.training.state import load_state, save_state
from zsxai.model import SpectralModel, evaluating


class DivergedError(ZsxaiError):
    """The loss is no number any more; the message says what to try."""


@dataclass(frozen=True)
class Progress:
    """What a step reports.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Sum of the terms.
        terms: Weighted parts of the loss, and ``mask``, the mean of all masks.
        diagnostics: Where they were measured at this step.
    """

    step: int
    steps: int
    loss: float
    terms: dict[str, float]
    diagnostics: Diagnostics | None = None

    def record(self) -> dict[str, float]:
        """One line of a log."""
        found = {"step": self.step, "loss": self.loss, **self.terms}
        if self.diagnostics is not None:
            found |= {f"validation/{name}": value for name, value in self.diagnostics.record().items()}
        return found


Report = Callable[[Progress], None]


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
        window = model.audio_spec.window_samples
        self.samples = window or round(config.seconds * model.sample_rate)
        phrases = read_phrases(config.phrases)
        self.corpus = Corpus(model, clips, config.templates, phrases)
        if model.logit_scale is None and config.objective.name == "contrastive":
            raise InputError(
                f"{model.card.name} gives no logit scale: at a scale of 1 all captions are nearly alike, and there is "
                "nothing to learn from; set logit_scale on the model"
            )
        # Its precision and accumulation are of the whole process; ours are of this training.
        self.accelerator = Accelerator(cpu=model.device.type == "cpu")
        halved = _in_bfloat16(config, model.device)
        self._autocast = partial(torch.autocast, model.device.type, dtype=torch.bfloat16, enabled=halved)
        self.steps = config.updates(len(self.corpus.clips), self.accelerator.num_processes)
        self.validation = None
        if held_out:
            self.validation = Validation(
                Corpus(model, held_out, config.templates, phrases),
                config.domain,
                config.scale,
                self.samples,
                config.validation_clips,
                config.bank,
                config.same_above,
            )
        with evaluating(model), frozen(model):
            decoder, self.cells = self._made()
        self.spec = decoder.spec
        self.optimiser = torch.optim.Adam(decoder.parameters(), lr=config.rate)
        self.step = 0
        self.stopping: int | None = None
        """Signal that asked to stop after the step under way."""
        if out is not None and (out / STATE).is_file():
            self.step = load_state(out / STATE, decoder, self.optimiser, self._identity())
        self.decoder, self.optimiser = self.accelerator.prepare(decoder, self.optimiser)

    def _made(self) -> tuple[Decoder, Cells]:
        """A decoder before its first step: sized by the model, drawn from the seed, standardised on the first draw."""
        config, model = self.config, self.model
        first = self._draw(0, 0)
        sounds = Sounds.of(model, first.waveforms.to(model.device), config.domain, config.scale)
        with torch.no_grad():
            feature_maps = model.encode(sounds.features).feature_maps
            text = model.encode_text([self.corpus.texts[0]])
        known = [m.name for m in feature_maps]
        names = config.decoder.maps or tuple(known[-len(config.decoder.widths) :])
        if unknown := [name for name in names if name not in known]:
            raise InputError(f"{model.card.name} has no feature map {unknown[0]!r}: it has {', '.join(known)}")
        maps = maps_of(feature_maps, names)
        spec = decoder_spec(config, names, [m.shape[1] for m in maps], text.embedding.shape[1], text.tokens)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            decoder = Decoder(spec).to(model.device)
        decoder.standardise(maps)
        source = next(m.grid for m in feature_maps if m.name == names[0])
        onto = make_grid(model.front_end.spec, config.domain, self.samples)
        return decoder, Cells(source, onto, model.device)

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must have been trained with to be gone on from."""
        frozen = self.config.model_dump(
            mode="json", exclude={"data", "validation", "validate_every", "checkpoint_every"}
        )
        return {
            **frozen,
            "phrases": read_phrases(self.config.phrases) and sorted(self.corpus.texts),
            "model": self.model.card.weights_sha256,
            "clips": [clip.name for clip in self.corpus.clips],
        }

    def run(self, report: Report | None = None) -> Decoder:
        """Train to the end, from the checkpoint where there is one.

        Args:
            report: Told after every step, on the main process.

        Returns:
            The decoder, in eval mode.

        Raises:
            DivergedError: If the loss is not finite.
        """
        with evaluating(self.model), frozen(self.model):
            while self.step < self.steps and not self._asked_to_stop():
                terms = self._update()
                self.step += 1
                if not self.accelerator.is_main_process:
                    continue
                last = self.step == self.steps
                found = None
                if self.validation is not None and (last or self.step % self.config.validate_every == 0):
                    found = self.diagnose()
                if report is not None:
                    loss = sum(value for name, value in terms.items() if name != "mask")
                    report(Progress(self.step, self.steps, loss, terms, found))
                if self.out is not None and (last or self.step % self.config.checkpoint_every == 0):
                    save_state(self.out / STATE, self.bare, self.optimiser, self.step, self._identity())
            if self.out is not None and self.stopping is not None and self.accelerator.is_main_process:
                save_state(self.out / STATE, self.bare, self.optimiser, self.step, self._identity())
            self.accelerator.wait_for_everyone()
        return self.bare.eval()

    def _asked_to_stop(self) -> bool:
        """Whether any process was: all must leave the loop at the same step."""
        if self.accelerator.num_processes > 1:
            flag = torch.tensor([int(self.stopping or 0)], device=self.accelerator.device)
            self.stopping = int(self.accelerator.gather(flag).max()) or None
        return self.stopping is not None

    @property
    def bare(self) -> Decoder:
        """The decoder without what spreads it over devices."""
        decoder: Decoder = self.accelerator.unwrap_model(self.decoder)
        return decoder

    def diagnose(self) -> Diagnostics:
        """The diagnostics as the decoder stands.

        Raises:
            InputError: If nothing was held out.
        """
        if self.validation is None:
            raise InputError("no recordings were held out for diagnostics: name validation data, or held_out above 0")
        with evaluating(self.model):
            return self.validation(self.model, self.bare, self.cells)

    def _update(self) -> dict[str, float]:
        config = self.config
        rate = config.rate * rate_at(self.step / self.steps, config.warm_up, config.schedule)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        total: dict[str, float] = {}
        for part in range(config.accumulate):
            last = part == config.accumulate - 1
            with nullcontext() if last else self.accelerator.no_sync(self.decoder):
                terms, mask = self._terms(self._draw(self.step, part))
                loss = torch.stack(list(terms.values())).sum()
                if not bool(torch.isfinite(loss)):
                    raise DivergedError(self._why(terms))
                self.accelerator.backward(loss / config.accumulate)
            for name, value in {**terms, "mask": mask}.items():
                total[name] = total.get(name, 0.0) + float(value.detach()) / config.accumulate
        self.accelerator.clip_grad_norm_(self.decoder.parameters(), config.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return total

    def _why(self, terms: dict[str, Tensor]) -> str:
        broken = ", ".join(name for name, value in terms.items() if not bool(torch.isfinite(value)))
        there = self.out is not None and (self.out / STATE).is_file()
        kept = f"; the checkpoint of an earlier step lies in {self.out}" if there else ""
        return (
            f"the loss is not finite at step {self.step + 1} ({broken}): lower rate ({self.config.rate:g}) or "
            f"clip_norm ({self.config.clip_norm:g}), or say precision = 'float32'{kept}"
        )

    def _draw(self, step: int, part: int) -> Draw:
        config = self.config
        key = (config.seed, step, part, self.accelerator.process_index)
        mix = config.mix if config.objective.mixing else 0.0
        return self.corpus.draw(key, config.batch, self.samples, mix, config.bank, config.level, config.vary)

    def _terms(self, draw: Draw) -> tuple[dict[str, Tensor], Tensor]:
        model, config, device, corpus = self.model, self.config, self.model.device, self.corpus
        sounds = Sounds.of(model, draw.waveforms.to(device), config.domain, config.scale)
        sounds = replace(sounds, computing=self._autocast)
        pairs = config.objective.pairs(draw)
        bank = corpus.embedding[draw.bank]
        # Pairs lie recording by recording, once for every group of captions.
        groups = corpus.embedding[pairs.caption].view(-1, len(draw.own), corpus.embedding.shape[1])
        with self._autocast():
            encoding, gradients = gradient_evidence(model, sounds.features, self.spec.maps[-1], list(groups))
            maps = maps_of(encoding.feature_maps, self.spec.maps)
            text, of = corpus.prompts(pairs.caption), pairs.of.to(device)
            log_odds, evidence = self.decoder(maps, text, of, bank, torch.cat(gradients))
        masks = self.cells.mask(log_odds.float())
        situation = Situation(
            sounds=sounds,
            embedding=encoding.embedding.float(),
            pairs=pairs,
            masks=masks,
            evidence=[e.float() for e in evidence],
            text=corpus.embedding[pairs.caption],
            beside=corpus.embedding[pairs.beside],
            bank=bank,
            same=corpus.same(pairs.caption, draw.bank, config.same_above),
            same_beside=corpus.same(pairs.beside, draw.bank, config.same_above),
            scale=model.logit_scale or 1.0,
            done=self.step / self.steps,
        )
        return config.objective.terms(situation), masks.detach().mean()


STATE = "state.ckpt"
"""File of the checkpoint in the folder of a training."""


def decoder_spec(
    config: TrainingConfig, names: Sequence[str], channels: Sequence[int], text_dim: int, tokens: Tensor | None
) -> DecoderSpec:
    """The decoder's numbers for a model.

    Raises:
        InputError: If there are not as many maps as widths.
    """
    choice = config.decoder
    if len(names) != len(choice.widths):
        raise InputError(f"the decoder reads {len(names)} maps and has {len(choice.widths)} widths: {choice.widths}")
    try:
        return DecoderSpec(
            maps=tuple(names),
            channels=tuple(channels),
            widths=choice.widths,
            text_dim=text_dim,
            token_dim=None if tokens is None else tokens.shape[2],
            conditioning="pooled" if tokens is None else choice.conditioning,
        )
    except ValidationError as error:
        raise InputError(f"decoder.{first_problem(error, DecoderSpec.model_fields)}") from error


@contextmanager
def frozen(model: SpectralModel) -> Iterator[None]:
    """Within, a model's weights want no gradient and lie as convolutions like them; then all is as it was."""
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
        for p, wanted, data in before:
            p.data = data
            p.requires_grad_(wanted)


def rate_at(done: float, warm_up: float, schedule: str) -> float:
    """Part of the peak learning rate: a linear rise, then a cosine to 3 %, or constant."""
    if done < warm_up:
        return max(0.02, done / warm_up)
    if schedule == "constant":
        return 1.0
    over = (done - warm_up) / (1.0 - warm_up)
    return 0.03 + 0.97 * 0.5 * (1.0 + math.cos(math.pi * over))


def _in_bfloat16(config: TrainingConfig, device: torch.device) -> bool:
    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return config.precision == "bf16"


def parameters(module: nn.Module) -> int:
    """Number of trained weights."""
    return sum(p.numel() for p in module.parameters())
