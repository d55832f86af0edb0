"""``check_explainer``: what an explainer must keep to before any model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai import api
from zsxai.black_box import as_model
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.explanation import Explanation
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.plugins import load_explainer, load_model
from zsxai.report import Report
from zsxai.target import Similarity
from zsxai.testing.black_box import BandEnergies
from zsxai.testing.run import Entry, Failed, Skipped, raised, run
from zsxai.testing.state import SEED, differences, mix, restored, seed_generators, snapshot

PROMPTS = ("a dog barking", "rain")
_SECONDS = 0.8
_MAP, _SCORE = 1e-3, 1e-5
"""How far two explanations that must agree may lie apart: maps and masks, relative to their span; scores."""
_SCORES = ("score", "score_in", "score_out", "score_heard", "similarity")


@dataclass(frozen=True)
class Subject:
    """An explainer before a model.

    Attributes:
        explainer: What is checked.
        model: What it explains.
        prompts: Two that the model tells apart.
    """

    explainer: Explainer
    model: ZeroShotModel
    prompts: tuple[str, ...] = PROMPTS

    @cached_property
    def carried(self) -> None:
        """Nothing, where the model can carry the explainer.

        Raises:
            Skipped: If the model is a black box and the explainer needs gradients.
        """
        if self.explainer.card.needs_gradients and not isinstance(self.model, SpectralModel):
            raise Skipped(f"it needs gradients and {self.model.card.name} is a black box: give a model that has them")
        # One whose trained weights are named is checked with them, whatever comes with the model.
        if not self.explainer.fits(self.model) and not self.explainer.weights(self.model):
            raise Skipped(f"it does not fit {self.model.card.name}: it brings nothing that was trained for it")

    def explain(self, prompt: Any = None, **options: Any) -> Any:
        """Explain the test clip for a prompt; for the first where None."""
        _ = self.carried
        options = {"model": self.model, "progress": False, **options}
        return api.explain(
            sound(options["model"]),
            self.prompts[0] if prompt is None else prompt,
            explainer=self.explainer,
            sample_rate=options["model"].sample_rate,
            **options,
        )

    @cached_property
    def plain(self) -> Explanation:
        """The explanation of the first prompt without any options."""
        found: Explanation = self.explain()
        return found


def sound(model: ZeroShotModel) -> NDArray[Any]:
    """Two tones, one after the other, over faint noise, ``(T,)`` float32 at the model's rate."""
    rate = model.sample_rate
    time = np.arange(round(min(_SECONDS, model.audio_spec.window or _SECONDS) * rate)) / rate
    early = time < 0.4 * time[-1]
    high, low = np.sin(2 * np.pi * min(3000, 0.2 * rate) * time), np.sin(2 * np.pi * 440 * time)
    mixed = np.where(early, 0.1 * high, 0.3 * low) + 0.01 * np.random.default_rng(0).standard_normal(len(time))
    made: NDArray[Any] = mixed.astype(np.float32)
    return made


def apart(one: Explanation, other: Explanation) -> str:
    """In what two explanations differ that must agree up to rounding; empty where they agree."""
    if one.relevance.shape != other.relevance.shape:
        return f"shapes {one.relevance.shape} and {other.relevance.shape}"
    for name in ("relevance", "mask"):
        found = _off(getattr(one, name), getattr(other, name))
        if not found <= _MAP:
            return f"the {name} by {found:.1e} of its span (at most {_MAP:.0e})"
    for name in _SCORES:
        off = abs(getattr(one, name) - getattr(other, name))
        if off > _SCORE:
            return f"{name} by {off:.1e} (at most {_SCORE:.0e})"
    return ""


def _off(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Greatest difference of two maps as a part of what the first spans; NaN equals itself."""
    if np.array_equal(one, other, equal_nan=True):
        return 0.0
    return float(np.abs(one - other).max()) / (float(np.abs(one).max()) or 1.0)


def card(subject: Subject) -> str:
    """The explainer says what it is, what it needs and what it costs."""
    made = getattr(subject.explainer, "card", None)
    if made is None:
        raise Failed("the class has no card: set card = ExplainerCard(...)")
    blank = [name for name in ("summary", "forwards", "backwards", "reference") if not getattr(made, name).strip()]
    if blank:
        raise Failed(f"card.{blank[0]} is blank ('none' and '0' are answers)")
    if not subject.explainer.name:
        raise Failed("the class has no name: set name, so that a record can say who explained")
    needs = "needs gradients" if made.needs_gradients else "needs no gradients"
    return f"{subject.explainer.name}, {needs}, {'deterministic' if made.deterministic else 'draws by seed'}"


def maps_fit(subject: Subject) -> str:
    """Relevance and mask lie on the clip's cells, finite, the mask in [0, 1] and 0 outside the band."""
    domains = [("stft", "log")]
    if isinstance(subject.model, SpectralModel):
        domains.append(("mel", "gain"))
    shapes = []
    for domain, scale in domains:
        e: Explanation = subject.plain if domain == "stft" else subject.explain(domain=domain, scale=scale)
        where = f"on {domain} ({scale})"
        if not e.mask.shape == e.relevance.shape == e.grid.shape:
            raise Failed(f"{where}: relevance {e.relevance.shape}, mask {e.mask.shape}, grid {e.grid.shape}")
        if not np.array_equal(e.original, sound(subject.model)):
            raise Failed(f"{where}: the samples of the clip were changed in place: work on a clone")
        broken = int((~np.isfinite(e.relevance)).sum())
        if broken:
            raise Failed(f"{where}: the relevance of {broken} of {e.relevance.size} cells is not finite")
        if not e.relevance.any():
            raise Failed(f"{where}: the relevance is zero everywhere, on a clip of two tones")
        if not 0 <= e.mask.min() <= e.mask.max() <= 1 or e.mask[~e.grid.in_band].any():
            raise Failed(f"{where}: the mask leaves [0, 1], or is not 0 outside the band")
        scores = [getattr(e, name) for name in (*_SCORES, "mask_mean", "kept_energy")]
        if not np.isfinite(scores).all() or not np.isfinite(e.audio).all():
            raise Failed(f"{where}: a score or the audio is not finite")
        if e.audio.shape != e.original.shape or e.residue.shape != e.original.shape:
            raise Failed(f"{where}: audio has {e.audio.shape} samples, the clip {e.original.shape}")
        if e.provenance.calibration != subject.explainer.calibration:
            raise Failed(f"{where}: the record says calibration {e.provenance.calibration!r}")
        shapes.append(f"{e.grid.shape} {where}")
    return f"{', '.join(shapes)}: finite, mask mean {subject.plain.mask_mean:.3f}"


def same_seed(subject: Subject) -> str:
    """The same clip, prompt and seed give the same explanation, bit for bit."""
    first = subject.plain
    # The checks start with the global generators at one state: here they are elsewhere.
    seed_generators(SEED + 1)
    again = subject.explain()
    off = _off(first.relevance, again.relevance)
    if off:
        raise Failed(
            f"two calls with one seed differ by {off:.1e} of the map's span: draw from clip.generator(name), never "
            "from a global generator"
        )
    if first != again:
        raise Failed("two calls with one seed give equal maps and unlike records")
    return "two calls are equal bit for bit"


def seeds(subject: Subject) -> str:
    """Another seed gives another map, or the same one, as the card says."""
    first, other = subject.plain, subject.explain(seed=1)
    off = _off(first.relevance, other.relevance)
    if subject.explainer.card.deterministic:
        if off > _MAP:
            raise Failed(f"card.deterministic is True and seed 1 differs from seed 0 by {off:.1e} of the map's span")
        return f"seed 1 gives the map of seed 0 (within {off:.1e}), as the card says"
    if off == 0.0:
        raise Failed(
            "card.deterministic is False and seed 1 gives exactly the map of seed 0: use clip.generator, or say True"
        )
    return f"seed 1 differs from seed 0 by {off:.1e} of the map's span, as the card says"


def company(subject: Subject) -> str:
    """Prompts explained together get what each gets alone."""
    pair: Sequence[Explanation] = subject.explain(list(subject.prompts))
    alone = (subject.plain, subject.explain(subject.prompts[1]))
    for prompt, together, single in zip(subject.prompts, pair, alone, strict=True):
        found = apart(single, together)
        if found:
            raise Failed(f"{prompt!r} together with the other prompt differs in {found}: relevance() mixes its targets")
    blind = np.array_equal(pair[0].relevance, pair[1].relevance)
    return f"together as alone; {'note: the map is blind to the prompt' if blind else 'the map depends on the prompt'}"


def batch_size(subject: Subject) -> str:
    """The batch size bounds memory and changes nothing else."""
    found = apart(subject.plain, subject.explain(batch_size=1))
    if found:
        raise Failed(
            f"batch_size=1 differs from the default in {found}: draw per item, and take no statistics over a batch"
        )
    return "batch_size=1 gives what the default gives"


class Failing(Similarity):
    """A target that fails in the forward, or only once somebody wants a gradient."""

    late: bool = False

    def value(self, cosines: Tensor, logit_scale: float | None) -> Tensor:
        """Raise, or give a value whose backward raises."""
        if not self.late:
            raise PlantedError
        found: Tensor = _FailsBackward.apply(cosines[:, 0])  # type: ignore[no-untyped-call]
        return found


class PlantedError(Exception):
    """What :class:`Failing` raises."""


class _FailsBackward(torch.autograd.Function):
    @staticmethod
    def forward(_context: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(_context: Any, *_gradients: Tensor) -> Tensor:
        raise PlantedError


def left_as_found(subject: Subject) -> str:
    """The model is left as it was, also where the forward or the backward raises."""
    _ = subject.plain
    prompt = subject.prompts[0]
    runs: dict[str, Any] = {"explaining": prompt, "a forward that raises": Failing(prompt=prompt)}
    card = subject.explainer.card
    backwards = card.backwards.strip()
    # One that needs feature maps and no gradient (Score-CAM) is honest about it there.
    if card.needs_gradients and card.differentiates_target and backwards != "0":
        runs["a backward that raises"] = Failing(prompt=prompt, late=True)
    for name, target in runs.items():
        with restored(subject.model):
            mix(subject.model)
            before = snapshot(subject.model)
            fell, found = False, ""
            try:
                found = apart(subject.plain, subject.explain(target))
            except PlantedError:
                fell = True
            changed = differences(before, snapshot(subject.model))
        if changed:
            more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            raise Failed(f"after {name}: {changed[0]}{more}")
        if name == "explaining" and found:
            raise Failed(
                f"a model of which some modules train and some weights want gradients is explained otherwise: {found}"
            )
        if "forward" in name and not fell:
            raise Failed("an error raised by the target is swallowed: let exceptions pass")
        if "backward" in name and not fell:
            raise Failed(
                f"card.backwards is {backwards!r} and no gradient of the target was asked for (say '0'), or its error "
                "is swallowed"
            )
    return f"after {', '.join(runs)}: as before"


def saved_and_verified(subject: Subject) -> str:
    """An explanation survives saving, and verifies itself."""
    with tempfile.TemporaryDirectory() as scratch:
        again = Explanation.load(subject.plain.save(Path(scratch) / "saved"))
    if again != subject.plain:
        raise Failed("what is loaded is not what was saved: options must survive JSON (model_dump(mode='json'))")
    report = again.verify(subject.model)
    if not report:
        first = next(c for c in report.checks if not c.ok)
        raise Failed(f"verify: {first.name}: {first.detail}")
    return f"loaded equal, {len(report.checks)} figures verified"


def black_box(subject: Subject) -> str:
    """Before a model without gradients it works, or is refused in one line, as its card says."""
    box = as_model(BandEnergies())
    try:
        found = Subject(subject.explainer, box).plain if not subject.explainer.card.needs_gradients else None
        if found is None:
            api.explain(sound(box), PROMPTS[0], sample_rate=box.sample_rate, model=box, explainer=subject.explainer)
    except InputError as error:
        if not subject.explainer.card.needs_gradients:
            raise Failed(f"card.needs_gradients is False and a black box is refused: {error}") from error
        if "\n" in str(error):
            raise Failed("a black box is refused in more than one line") from error
        return "refused in one line, as the card says"
    except Exception as error:
        raise Failed(
            f"before a black box: {raised(error)}; say card.needs_gradients = True, or use clip.embed_masked"
        ) from error
    if found is None:
        raise Failed("card.needs_gradients is True and a black box is explained all the same")
    if not np.isfinite(found.relevance).all():
        raise Failed("before a black box the relevance is not finite")
    return "explains a black box, as the card says"


CHECKS: tuple[Entry[Subject], ...] = (
    Entry("card", card),
    Entry("left as found", left_as_found),
    Entry("maps fit", maps_fit),
    Entry("same seed", same_seed, ("maps fit",)),
    Entry("seeds", seeds, ("same seed",)),
    Entry("prompts in company", company, ("same seed",)),
    Entry("batch size", batch_size, ("same seed",)),
    Entry("saved and verified", saved_and_verified, ("maps fit",)),
    Entry("black box", black_box, ("maps fit",)),
)
"""Every check of an explainer, in order."""


def check_explainer(
    explainer: object,
    model: object = "tiny",
    *,
    options: Mapping[str, Any] | None = None,
    prompts: Sequence[str] = PROMPTS,
    progress: bool | None = None,
) -> Report:
    """Check that an explainer keeps to what every explainer promises, before one model and before a black box.

    Args:
        explainer: A name or an :class:`~zsxai.Explainer`.
        model: A name or a model object. The model is left as it was.
        options: Options of the explainer.
        prompts: Two or more that the model tells apart; the first two are taken.
        progress: Show a bar; None shows one on a terminal.

    Returns:
        A report; ``raise_if_failed()`` makes it a test.

    Raises:
        InputError: If either cannot be loaded, or there are fewer than two prompts.
    """
    if len(set(prompts)) < 2:
        raise InputError(f"an explainer is checked on two unlike prompts, not {list(prompts)}")
    subject = Subject(load_explainer(explainer, **(options or {})), load_model(model), tuple(prompts[:2]))

    @contextmanager
    def around(_entry: Entry[Subject]) -> Iterator[None]:
        with restored(subject.model):
            seed_generators(SEED)
            yield

    label = f"checking {subject.explainer.name or type(subject.explainer).__name__}"
    return run(CHECKS, subject, around, label=label, progress=progress)
