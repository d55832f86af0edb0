"""What a decoder's masks and its training cost: ``python -m zsxai.benchmarks.measure.decoder_costs``.

CPU time on one thread in interleaved pairs, as in :mod:`zsxai.benchmarks.measure.speed`. Costs depend on no weights, so
that where no decoder comes with the model an untrained one of the same size is measured; the caption says which.

* ``mask:<domain>``: from a waveform to a mask on its grid, the prompt embedded already, against one bare forward, from
  the waveform to its embedding;
* ``mask-in-model:<domain>``: the same up to log-odds on the decoder's own cells;
* ``ten-prompts:<domain>``: masks for ten prompts against the mask for one;
* ``explain:<domain>``: the whole ``zsxai.explain`` against the four forwards that it needs (the clip, masked in and out
  in one batch, heard again) and the prompt's embedding;
* ``four-forwards:<domain>``: the same against four bare forwards, one after the other;
* ``ten-prompts:gradcam``: relevance of GradCAM for ten prompts against that for one;
* ``step:<domain>``: a step of the training in its default configuration, sounds read and captions embedded already,
  against the networks alone: as many recordings encoded from the waveform and differentiated to the last map that the
  decoder reads, as many masked ones encoded and differentiated to the mel, batched alike, and the decoder forward and
  backward on maps computed before. The step alone holds drawing and mixing, masks on the grid, masked power and its mel
  with their backward, the losses and Adam;
* ``refine:<steps>``: ``lmac-zs+`` by its number of steps, against one bare forward.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import torch
import typer

import zsxai
from zsxai.benchmarks.measure.costs import PROMPT, PROMPTS, Bench, Row
from zsxai.benchmarks.measure.decoder_training import make_trainer, watch
from zsxai.benchmarks.measure.floors import Bare, decoded_floor, four_forwards
from zsxai.benchmarks.measure.frame import AsJson, ModelName, Only, Repeats, Seconds, app, one_thread
from zsxai.benchmarks.measure.timing import compare
from zsxai.calibration import to_mask
from zsxai.clip import Clip
from zsxai.conditions import evaluating
from zsxai.errors import InputError
from zsxai.hooks import graph_starts_at
from zsxai.lmac_zs.card import DecoderCard
from zsxai.lmac_zs.checkpoint import TrainedDecoder
from zsxai.lmac_zs.decoder import count_parameters
from zsxai.lmac_zs.explainer import LMACZS
from zsxai.lmac_zs.refine import LMACZSPlus
from zsxai.lmac_zs.training.trainer import Trainer, frozen
from zsxai.model import SpectralModel
from zsxai.recording import Recording
from zsxai.spectral import Domain
from zsxai.target import BoundTarget, Similarity

REFINED = (1, 10, 30, 100)
"""Steps of ``lmac-zs+``."""


class DecoderBench(Bench):
    """The rows of the table, each measured when its turn comes.

    Args:
        name: Name of the model.
        seconds: Length of the clip; cut to the model's window.
        repeats: Pairs per row; a fifth of them, three at least, where a row is of many steps.
        decoder: Folder or hub id of a decoder; where None, the one that comes with the model.
        scratch: An empty folder, for an untrained decoder where none comes with the model.
        limit: Limit of ``mask``.
        limit_ten: Limit of ``ten-prompts``.
        limit_ten_gradcam: Limit of ``ten-prompts:gradcam``.
        batch: Recordings in a step of the training.

    Raises:
        InputError: If the model gives no gradients, or the decoder is another model's.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        repeats: int,
        decoder: str | None,
        scratch: Path,
        *,
        limit: float = 2.0,
        limit_ten: float = 2.5,
        limit_ten_gradcam: float = 2.0,
        batch: int = 8,
    ) -> None:
        super().__init__(name, seconds, repeats)
        self.limit = limit
        self.limit_ten = limit_ten
        self.limit_ten_gradcam = limit_ten_gradcam
        self.batch = batch
        self.decoder = decoder
        self.origin = "as named" if decoder else "the model's own"
        if decoder is None and not LMACZS.fits(self.model):
            self.origin = "untrained"
            self.decoder = str(_untrained(self.model, scratch / "decoder"))
        self.explainer = LMACZS(decoder=self.decoder)
        self.trained = self.explainer.load_decoder(self._clips("stft")())

    @property
    def context(self) -> dict[str, str]:
        """What else decides the figures."""
        spec = self.trained.card.decoder
        decoder = f"{self.origin}, {count_parameters(self.trained.decoder):,} parameters, reads {' '.join(spec.maps)}"
        return {"decoder": decoder, "recordings in a step": str(self.batch), **super().context}

    def cases(self) -> dict[str, Callable[[], Row]]:
        """Every case by name."""
        found: dict[str, Callable[[], Row]] = {}
        for domain in get_args(Domain):
            found[f"mask:{domain}"] = partial(self._mask, domain)
            found[f"mask-in-model:{domain}"] = partial(self._mask_in_model, domain)
            found[f"ten-prompts:{domain}"] = partial(self._ten_prompts, domain)
            found[f"explain:{domain}"] = partial(self._explain_by_decoder, domain, "explain")
            found[f"four-forwards:{domain}"] = partial(self._explain_by_decoder, domain, "four-forwards")
            found[f"step:{domain}"] = partial(self._step, domain)
        found["ten-prompts:gradcam"] = partial(self._ten_prompts_of, "gradcam", self.limit_ten_gradcam)
        return found | {f"refine:{steps}": partial(self._refine, steps) for steps in REFINED}

    def _clips(self, domain: Domain) -> Callable[[], Clip]:
        """Clips for which nothing has been computed yet."""
        whole = Recording(self.model, self.waveform, domain=domain)
        return lambda: Clip(self.model, whole.waveform, whole.masking, whole.stft)

    def _bound(self, prompts: int) -> list[BoundTarget]:
        return [Similarity(prompt=prompt).bind(self.model) for prompt in PROMPTS[:prompts]]

    def _masks(self, domain: Domain, prompts: int) -> Callable[[], object]:
        """From a waveform to masks on its grid."""
        fresh, targets = self._clips(domain), self._bound(prompts)

        def masks() -> object:
            clip = fresh()
            placed = clip.place(self.explainer.relevance(clip, targets))
            return [to_mask(one, clip.grid.in_band, self.explainer.calibration) for one in placed]

        return masks

    def _mask(self, domain: Domain) -> Row:
        pairs = compare(self._masks(domain, 1), self.bare.forward, self.repeats)
        return Row(f"mask:{domain}", "one bare forward", self.limit, "ms", pairs)

    def _mask_in_model(self, domain: Domain) -> Row:
        fresh, targets = self._clips(domain), self._bound(1)
        pairs = compare(lambda: self.explainer.relevance(fresh(), targets), self.bare.forward, self.repeats)
        return Row(f"mask-in-model:{domain}", "one bare forward", None, "ms", pairs)

    def _ten_prompts(self, domain: Domain) -> Row:
        pairs = compare(self._masks(domain, len(PROMPTS)), self._masks(domain, 1), self.repeats)
        return Row(f"ten-prompts:{domain}", "the mask for one", self.limit_ten, "ms", pairs)

    def _explain_by_decoder(self, domain: Domain, case: str) -> Row:
        explain = partial(zsxai.explain, self.waveform, PROMPT, sample_rate=self.model.sample_rate, model=self.model)
        floors: dict[str, tuple[str, Callable[[Bare], None]]] = {
            "explain": ("its four forwards, and the prompt", decoded_floor),
            "four-forwards": ("four bare forwards", four_forwards),
        }
        against, floor = floors[case]
        pairs = compare(
            partial(explain, explainer=self.explainer, domain=domain), partial(floor, self.bare), self.repeats
        )
        return Row(f"{case}:{domain}", against, 1.15, "ms", pairs)

    def _step(self, domain: Domain) -> Row:
        trainer = make_trainer(self.model, {"domain": domain, "batch": self.batch})
        with evaluating(self.model), frozen(self.model):
            floor = StepFloor(trainer)
            pairs = compare(trainer._update, floor, self.repeats)
        return Row(f"step:{domain}", floor.description, None, "ms", pairs)

    def _refine(self, steps: int) -> Row:
        explainer = LMACZSPlus(decoder=self.decoder, steps=steps)
        fresh, targets = self._clips("stft"), self._bound(1)
        few = max(3, self.repeats // 5) if steps > 1 else self.repeats
        pairs = compare(lambda: explainer.relevance(fresh(), targets), self.bare.forward, few)
        return Row(f"refine:{steps}", "one bare forward", None, "ms", pairs)


class StepFloor:
    """The networks that a step runs, in plain torch: the encoder on what the step encodes, and the decoder.

    Args:
        trainer: One of its steps is made, to note what goes into the networks.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.model = trainer.model
        self.decoder = trainer.decoder
        self.last = trainer.spec.maps[-1]
        self.autocast = trainer._autocast
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        handle = self.decoder.register_forward_pre_hook(
            lambda _, positional, named: calls.append((positional, named)), with_kwargs=True
        )
        with watch(trainer) as (_, self.encoded):
            trainer._update()
        handle.remove()
        self.positional, self.named = calls[0]
        draw = trainer._draw(trainer.step, 0)
        self.waveforms = draw.waveforms.to(self.model.device)
        self.prompt = trainer.corpus.captions.embedding[draw.own[0]]
        self.groups = len(trainer.config.objective.pairs(draw).caption) // len(draw.own)
        with torch.no_grad():
            self.mel = self.model.features(self.waveforms).mel.float()

    @property
    def description(self) -> str:
        """What it runs, for the table."""
        plain = [str(count) for count, graph in self.encoded if not graph]
        masked = [str(count) for count, graph in self.encoded if graph]
        return (
            f"{' + '.join(plain)} recordings forward, {self.groups} x back to {self.last}; {' + '.join(masked)} masked "
            "ones forward and back to the mel; the decoder forward and back"
        )

    def __call__(self) -> None:
        """Run them."""
        for count, graph in self.encoded:
            if graph:
                self._to_the_mel(count)
            else:
                self._to_the_last_map(count)
        with self.autocast():
            log_odds, evidence = self.decoder(*self.positional, **self.named)
        whole = torch.stack([log_odds.sum(), *(e.sum() for e in evidence)]).sum()
        torch.autograd.grad(whole, list(self.decoder.parameters()), allow_unused=True)

    def _to_the_last_map(self, count: int) -> None:
        with torch.no_grad():
            features = self.model.features(self.waveforms[:count])
        with graph_starts_at(self.model.taps[self.last]), self.autocast():
            encoding = self.model.encode(features)
        values = next(m.values for m in encoding.feature_maps if m.name == self.last)
        score = (encoding.embedding.float() @ self.prompt).sum()
        for _ in range(self.groups):
            torch.autograd.grad(score, values, retain_graph=True)

    def _to_the_mel(self, count: int) -> None:
        leaf = self.mel[torch.arange(count) % len(self.mel)].requires_grad_()
        features = self.model.features_from_mel(leaf)
        with self.autocast():
            embedding = self.model.encode(features).embedding
        torch.autograd.grad((embedding.float() @ self.prompt).sum(), leaf)


def _untrained(model: SpectralModel, folder: Path) -> Path:
    """Save a decoder of the default size as it is before its first step."""
    ours = model.card.weights_sha256
    if ours is None:
        raise InputError(f"{model.card.name} gives no hash of its weights: no decoder can belong to it")
    trainer = make_trainer(model, {"batch": 2})
    config = trainer.config
    card = DecoderCard(
        model=model.card.name,
        model_sha256=ours,
        domain=config.domain,
        scale=config.scale,
        decoder=trainer.spec,
        training={},
    )
    return TrainedDecoder(trainer.decoder, card).save(folder)


@one_thread()
def decoder_costs(
    model: ModelName = "tiny",
    decoder: Annotated[str | None, typer.Option(help="Folder or hub id; the model's own, or an untrained one.")] = None,
    repeats: Repeats = 15,
    seconds: Seconds = 5.0,
    batch: Annotated[int, typer.Option(min=2, help="Recordings in a training step.")] = 8,
    limit: Annotated[float, typer.Option(help="Of mask; 1.3 is wanted of a full-size HTS-AT.")] = 2.0,
    limit_ten: Annotated[float, typer.Option(help="Of ten-prompts.")] = 2.5,
    limit_ten_gradcam: Annotated[
        float, typer.Option(help="Of ten-prompts:gradcam; 1.5 is wanted of a full-size HTS-AT.")
    ] = 2.0,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Measure a decoder's masks and its training against the bare networks."""
    with tempfile.TemporaryDirectory() as scratch:
        bench = DecoderBench(
            model,
            seconds,
            repeats,
            decoder,
            Path(scratch),
            limit=limit,
            limit_ten=limit_ten,
            limit_ten_gradcam=limit_ten_gradcam,
            batch=batch,
        )
        bench.show(only, as_json)


if __name__ == "__main__":
    app(decoder_costs)()
