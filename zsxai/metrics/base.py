"""What a metric is, and what it reads: one row per clip (or per pair and prompt), whatever measured it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from numpy.typing import NDArray

from zsxai.errors import InputError
from zsxai.metrics.functional import Values

Array = NDArray[Any]

PROBABILITIES = {"p", "p_in", "p_out", "p_heard"}
"""Fields of :class:`MaskedScores` that a lone explanation has where it explains a probability."""


@dataclass(frozen=True, eq=False)
class BudgetCurve:
    """Probabilities along a budget: the best cells kept, or removed.

    Attributes:
        budgets: ``(K,)`` rising, in (0, 1): part of the cells (or of the energy) that is kept or removed.
        p_kept: ``(B, K)`` with only the best part.
        p_removed: ``(B, K)`` with all but the best part.
        p_nothing: ``(B,)`` with every cell masked: where insertion starts and deletion ends.
    """

    budgets: Array
    p_kept: Array
    p_removed: Array
    p_nothing: Array


@dataclass(frozen=True, eq=False)
class MaskedScores:
    """A class, and what masks do to its probability. What was not measured is None.

    Attributes:
        p: ``(B,)`` probability of the explained class on the clip; None for a lone explanation of a cosine.
        p_in: ``(B,)`` masked in.
        p_out: ``(B,)`` masked out.
        p_heard: ``(B,)`` on the rendered explanation, encoded again.
        all_p: ``(B, C)`` of all classes on the clip.
        all_p_in: ``(B, C)`` masked in.
        target: ``(B,)`` index of the explained class in the C.
        masks: B masks ``(F, N)`` in [0, 1]; recordings of unlike lengths have unlike N.
        in_band: ``(F,)`` bool: rows that the model hears; all metrics of masks look at these alone.
        kept_energy: ``(B,)``.
        audibility: ``(B,)`` (:func:`zsxai.scoring.audibility`).
        by_area: Curve over the part of the cells.
        by_energy: Curve over the part of the energy.
    """

    p: Array | None = None
    p_in: Array | None = None
    p_out: Array | None = None
    p_heard: Array | None = None
    all_p: Array | None = None
    all_p_in: Array | None = None
    target: Array | None = None
    masks: tuple[Array, ...] | None = None
    in_band: Array | None = None
    kept_energy: Array | None = None
    audibility: Array | None = None
    by_area: BudgetCurve | None = None
    by_energy: BudgetCurve | None = None


@dataclass(frozen=True, eq=False)
class MixtureMaps:
    """Maps of mixtures of two known sounds, one row per mixture and prompt, on STFT bins.

    Attributes:
        relevance: B maps ``(F, N)`` for the row's prompt, raw.
        relevance_other: The same explainer's maps for the other prompt.
        masks: B masks ``(F, N)`` in [0, 1] for the row's prompt.
        masks_other: For the other prompt.
        target: B powers ``(F, N)`` of the row's own sound.
        other: Powers of the other sound.
        mixture: Powers of the mixture.
        cells: B bool ``(F, N)``: loud enough to count, and heard by the model.
        estimate: B waveforms ``(T,)``: the explanation as sound; None where it was not rendered.
        sound: B waveforms ``(T,)`` of the row's own sound, within the model's band.
        heard: B waveforms ``(T,)`` of the mixture, within the model's band.
    """

    relevance: tuple[Array, ...]
    relevance_other: tuple[Array, ...]
    masks: tuple[Array, ...]
    masks_other: tuple[Array, ...]
    target: tuple[Array, ...]
    other: tuple[Array, ...]
    mixture: tuple[Array, ...]
    cells: tuple[Array, ...]
    estimate: tuple[Array, ...] | None = None
    sound: tuple[Array, ...] | None = None
    heard: tuple[Array, ...] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgedMaps(MixtureMaps):
    """Maps of mixtures with the verdict on each, and evidence that the verdict never saw.

    Attributes:
        called_heard: ``(B,)`` 1 where the verdict says that the prompt is heard, else 0.
        called_located: ``(B,)`` 1 where it says that it is heard and located, else 0.
        removed: ``(B,)`` cosine of the prompt with the best quarter of the cells of its own map removed.
        removed_foil: ``(B,)`` the same cosine with the best quarter of the other prompt's map removed.
    """

    called_heard: Array
    called_located: Array
    removed: Array
    removed_foil: Array


@dataclass(frozen=True, eq=False)
class HeardPrompts:
    """Prompts asked of recordings, one row each, and how strongly they are heard. What was not measured is None.

    The evidence of prompts that are there is given for all recordings of a data set, each beside that of absent ones.

    Attributes:
        heard: ``(B,)`` 1 where a prompt that is there counts as heard, else 0.
        refused: ``(B,)`` 1 where a prompt that is not there does not count as heard, else 0.
        present: ``(B,)`` evidence for a prompt that is there.
        drawn: ``(B, K)`` evidence for absent prompts of the same recording, drawn at random; NaN where there are fewer.
        hardest: ``(B, H)`` for the absent ones that are the most similar to it.
    """

    heard: Array | None = None
    refused: Array | None = None
    present: Array | None = None
    drawn: Array | None = None
    hardest: Array | None = None


@dataclass(frozen=True, eq=False)
class SceneMaps:
    """Masks of scenes in which a sound is in known places, one row per scene.

    Attributes:
        masks: B masks ``(F, N)`` in [0, 1].
        places: B bool ``(K, N)``: the frames of each of the K places that have the sound.
        in_band: ``(F,)`` bool.
    """

    masks: tuple[Array, ...]
    places: tuple[Array, ...]
    in_band: Array


@dataclass(frozen=True, eq=False)
class PromptMaps:
    """Masks of one clip for several prompts.

    Attributes:
        masks: B arrays ``(P, F, N)`` in [0, 1].
        similarity: ``(B, P)`` cosine of clip and prompt.
        kinds: ``(P,)`` of "right" (one, first), "wrong" and "paraphrase", alike for all clips.
        in_band: ``(F,)`` bool.
    """

    masks: tuple[Array, ...]
    similarity: Array
    kinds: tuple[str, ...]
    in_band: Array


@dataclass(frozen=True, eq=False)
class AbsentMaps:
    """Masks for prompts whose sound is not in the clip, one row per clip and absent prompt, beside the one that is.

    The level of absence of a prompt is a high quantile of its cosines with recordings that do not hold its sound.

    Attributes:
        masks: B masks ``(F, N)`` in [0, 1] for the row's absent prompt.
        masks_present: For the prompt that is present in the same clip.
        in_band: ``(F,)`` bool.
        similarity: ``(B,)`` cosine of the clip and the absent prompt.
        similarity_in: ``(B,)`` with only the absent prompt's mask kept.
        level: ``(B,)`` level of absence of the absent prompt, a cosine.
        silence: ``(B,)`` cosine of the absent prompt with every cell masked.
        similarity_in_present: ``(B,)`` cosine of the present prompt with only its own mask kept.
        level_present: ``(B,)`` level of absence of the present prompt.
        silence_present: ``(B,)`` cosine of the present prompt with every cell masked.
    """

    masks: tuple[Array, ...]
    masks_present: tuple[Array, ...]
    in_band: Array
    similarity: Array
    similarity_in: Array
    level: Array
    silence: Array
    similarity_in_present: Array
    level_present: Array
    silence_present: Array


@dataclass(frozen=True, eq=False)
class RandomisedMaps:
    """Maps of a model and of the same model with weights drawn anew.

    Attributes:
        maps: B masks ``(F, N)`` of the model as it is.
        randomised: B masks ``(F, N)`` of the randomised one.
        in_band: ``(F,)`` bool.
    """

    maps: tuple[Array, ...]
    randomised: tuple[Array, ...]
    in_band: Array


@dataclass(frozen=True, eq=False)
class ConceptScores:
    """Clips written as mixes of concepts, and what a model makes of the mixes. What was not measured is None.

    Attributes:
        label: ``(B,)`` index of the clip's class.
        predicted: ``(B,)`` index of the class nearest to the mix; -1 where there are no concepts.
        predicted_dense: ``(B,)`` index of the class nearest to the embedding itself.
        counts: ``(B,)`` words in use.
        groups: ``(B,)`` concepts: words in use, near-synonyms as one.
        cosine: ``(B,)`` of the embedding and the mix, where they are decomposed.
        kkt: ``(B,)`` optimality residual.
        weights: ``(B, n)`` of all words.
        weights_noise: ``(B, n)`` of the clip under noise.
        weights_shift: ``(B, n)`` of the clip, shifted.
        p: ``(B,)`` probability of the predicted class, from the mix.
        p_removed: ``(B,)`` without its strongest concept.
        p_other: ``(B,)`` less a random other of its concepts at the strongest one's weight; NaN where there is none.
    """

    label: Array
    predicted: Array
    predicted_dense: Array
    counts: Array | None = None
    groups: Array | None = None
    cosine: Array | None = None
    kkt: Array | None = None
    weights: Array | None = None
    weights_noise: Array | None = None
    weights_shift: Array | None = None
    p: Array | None = None
    p_removed: Array | None = None
    p_other: Array | None = None


@dataclass(frozen=True, eq=False)
class MixtureConcepts:
    """Mixtures of two known sounds as mixes of concepts, one row per mixture and sound that is taken out of it.

    A concept is of the class that a table gives its strongest word that is in the table; classes are indices.

    Attributes:
        sources: ``(B, 2)`` classes of the two sounds.
        absent: ``(B, 2)`` two classes that are not in the mixture.
        first: ``(B, K)`` classes of the first concepts, -1 for one without a class; where nothing is decomposed, the
            classes whose prompts are the nearest.
        nearest: ``(B, K)`` classes whose prompts are nearest to the embedding.
        sizes: B arrays of the numbers of words of those concepts.
        removed: ``(B,)`` class of the sound that is taken out.
        weights: ``(B, C)`` weight of every class's words in the mixture.
        weights_rest: ``(B, C)`` in what is left without the sound.
    """

    sources: Array
    absent: Array
    first: Array
    nearest: Array
    sizes: tuple[Array, ...] | None = None
    removed: Array | None = None
    weights: Array | None = None
    weights_rest: Array | None = None


@dataclass(frozen=True, eq=False)
class RetrievedAnswers:
    """Queries among all recordings, or all captions, of a data set (:func:`zsxai.concepts.scores.retrieve`).

    Attributes:
        recall_at_1: ``(B,)`` 1 where the first that is found answers the query, else 0.
        average_precision_at_10: ``(B,)`` over the first ten that are found.
    """

    recall_at_1: Array
    average_precision_at_10: Array


@dataclass(frozen=True, eq=False)
class TaggedClasses:
    """Classes of which a clip may have several, one row per class, over all clips of a data set.

    Attributes:
        average_precision: ``(B,)`` (:func:`zsxai.concepts.scores.average_precision`).
        right: ``(B,)`` clips of the class that were given it.
        given: ``(B,)`` clips that were given the class.
        having: ``(B,)`` clips of the class.
    """

    average_precision: Array
    right: Array
    given: Array
    having: Array


E = TypeVar("E")
"""Type of the evidence."""


@dataclass(frozen=True, kw_only=True)
class Metric(Generic[E]):
    """A figure: how to compute it from evidence, and how to read it.

    Attributes:
        name: In the registry.
        symbol: Column head.
        summary: One sentence.
        better: Which way is better; ``neither`` for figures that only set others in context.
        bounds: Range.
        evidence: Type of the evidence that it reads.
        needs: Fields of the evidence that it reads, all measured.
        compute: Function of the fields in ``needs``, one argument each, in that order.
        reference: Equation or source.
        gamed_by: What scores well without explaining anything.
        sensitive_to: What changes it besides the explanation.
        formula: Markdown.
        invalid: When a value is NaN.
    """

    name: str
    symbol: str
    summary: str
    better: Literal["higher", "lower", "neither"]
    bounds: tuple[float, float]
    evidence: type[E]
    needs: tuple[str, ...]
    compute: Callable[..., Values]
    reference: str
    gamed_by: str
    sensitive_to: str = ""
    formula: str = ""
    invalid: str = "a value that it reads is not a number"

    def __call__(self, evidence: E) -> Values:
        """One value per row, ``(B,)``; NaN where it cannot be computed.

        Raises:
            InputError: If the evidence is of another type, or lacks what the metric reads.
        """
        if not isinstance(evidence, self.evidence):
            raise InputError(f"{self.name} reads {self.evidence.__name__}, not {type(evidence).__name__}")
        fields = {name: getattr(evidence, name) for name in self.needs}
        missing = self.lacking(evidence)
        if missing:
            of_cosine = getattr(evidence, "p", 0) is None and PROBABILITIES & set(missing)
            remedy = ": explain with among=[...] to get probabilities" if of_cosine else ""
            raise InputError(f"{self.name} needs {', '.join(missing)}, which was not measured{remedy}")
        return self.compute(*fields.values())

    def lacking(self, evidence: E) -> list[str]:
        """Fields that the metric reads and that were not measured."""
        return [name for name in self.needs if getattr(evidence, name) is None]
