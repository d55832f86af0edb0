"""A concept explanation: what a model hears in a recording, in words; saves, loads, verifies itself, and plots."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, InstanceOf, PrivateAttr, field_validator, model_validator

from zsxai.concepts.centring import Centring
from zsxai.concepts.vocabulary import Vocabulary
from zsxai.errors import InputError, unknown
from zsxai.explanation import LOUDEST, Array, Explanation, Name
from zsxai.files import as_path
from zsxai.prompt import Template
from zsxai.saved import hash_fields
from zsxai.value import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zsxai.concepts.saved import Saved
    from zsxai.report import Report

Weight = Annotated[float, Field(ge=0)]


class Concept(Value):
    """Words of one meaning, under the strongest of them.

    Attributes:
        name: The strongest word.
        words: Word to weight, strongest first; 0 for words that only windows have.
    """

    name: str
    words: dict[str, Weight]

    @property
    def weight(self) -> float:
        """Sum of the weights."""
        return sum(self.words.values())

    def __str__(self) -> str:
        others = [word for word, weight in self.words.items() if weight and word != self.name]
        return f"{self.weight:.3f} {self.name}" + (f" ({', '.join(others)})" if others else "")


class ConceptWindow(Value):
    """What a stretch of the recording is decomposed into, with the penalty of the whole.

    Attributes:
        start: Seconds.
        stop: Seconds.
        words: Word to weight, strongest first.
        cosine: As :attr:`ConceptExplanation.cosine`, of this stretch.
    """

    start: float
    stop: float
    words: dict[str, Weight]
    cosine: float


class ConceptProvenance(Value):
    """Everything that can change a number.

    Attributes:
        model: Name the model was loaded by, or its card's.
        model_card: Licence, sources, hash.
        centring: Card of the centring: kind, model, data, hashes.
        template: Template around the words, if any; words go in bare where there is none.
        k: Words at most that were asked for; None where a penalty was.
        grouped: Text cosine from which on words are one concept.
        batch_size: Clips per forward.
        audio_name: File name, or ``array``.
        audio_sha256: Hash of the samples the model heard (mono, at its rate).
        audio_sample_rate: Rate as given.
        audio_channels: Channels as given.
        versions: Versions of the libraries that compute.
        warnings: What a reader should know before trusting the figures.
    """

    model: Name
    model_card: dict[str, Any]
    centring: dict[str, Any]
    template: Template
    k: int | None
    grouped: float
    batch_size: int = Field(gt=0)
    audio_name: Name
    audio_sha256: str
    audio_sample_rate: int = Field(gt=0)
    audio_channels: int = Field(gt=0)
    versions: dict[str, str]
    warnings: tuple[Name, ...] = ()


def words_say(count: int, said: float) -> str:
    """How much so many words say: ``1 word says 20%``, ``2 words say 30%``."""
    return f"{count_in_words(count, 'word')} say{'s' if count == 1 else ''} {said:.0%}"


def count_in_words(number: int, what: str) -> str:
    """A number of things: ``1 word``, ``2 words``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class ConceptExplanation(Value):
    """An embedding of a recording as a sparse non-negative mix of words.

    Minimised is ``||C'w - z||^2 + penalty * sum(w)`` over w >= 0, where z is the unit embedding of the recording and C
    has one unit row per word, both centred as the provenance says (arXiv 2504.14076, section III).

    Attributes:
        concepts: Groups of near-synonyms, strongest first; none where the penalty leaves no word.
        passing: Groups that only windows have: heard for a while, and not in the whole.
        penalty: On the sum of the weights (lambda), on SpLiCE's scale: a word enters where its cosine with what is
            left exceeds half of it.
        largest_penalty: From here on there are no words.
        cosine: Cosine of the embedding and its mix of words, both centred. Its square is the part that the words say.
            0 where there are none.
        residual: ``||C'w - z||^2``, from 0 to 1.
        kkt: Optimality residual: how far the weights are from the conditions of a minimum, in units of the penalty.
        windows: Words over time.
        vocabulary: The words that could be said.
        sample_rate: Of :attr:`original`.
        provenance: Everything that can change a number.
        sounds: What was listened to: an explanation of a concept against the others, one for each of the first
            concepts.
        original: ``(T,)`` float32: what the model heard.
        embedding: ``(D,)`` float64: unit embedding of the recording, the mean over its windows.
        reconstruction: ``(D,)`` float64: the mix of words in the model's own space, a unit row.
        centring: What was taken off embeddings and words.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    concepts: tuple[Concept, ...]
    passing: tuple[Concept, ...] = ()
    penalty: float = Field(ge=0)
    largest_penalty: float = Field(ge=0)
    cosine: float
    residual: float = Field(ge=0)
    kkt: float = Field(ge=0)
    windows: tuple[ConceptWindow, ...] = ()
    vocabulary: Vocabulary
    sample_rate: int = Field(gt=0)
    provenance: ConceptProvenance
    sounds: Annotated[tuple[Explanation, ...], Field(exclude=True, repr=False)] = ()
    original: Array
    embedding: Array
    reconstruction: Array
    centring: Annotated[InstanceOf[Centring], Field(exclude=True, repr=False)]

    _sha256: dict[str, str] = PrivateAttr(default_factory=dict)
    _saved: Saved | None = PrivateAttr(default=None)

    @field_validator("original", "embedding", "reconstruction")
    @classmethod
    def _read_only(cls, value: NDArray[Any], info: Any) -> NDArray[Any]:
        frozen = np.array(value, dtype=np.float32 if info.field_name == "original" else np.float64)
        frozen.flags.writeable = False
        return frozen

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse arrays and words that no explanation can have."""
        if self.original.ndim != 1 or not self.original.size or not np.abs(self.original).max() <= LOUDEST:
            raise ValueError(f"the recording is not a row of samples up to {LOUDEST:g}")
        if self.embedding.ndim != 1 or self.embedding.shape != self.reconstruction.shape:
            raise ValueError("embedding and reconstruction are not two rows of one length")
        known = set(self.vocabulary.words)
        strange = [word for c in (*self.concepts, *self.passing) for word in c.words if word not in known]
        if strange:
            raise ValueError(f"{strange[0]!r} is no word of the vocabulary")
        if len(self.sounds) > len(self.concepts):
            raise ValueError("there are more sounds than concepts")
        return self

    def model_post_init(self, context: object) -> None:
        """Remember what the fields are now: :meth:`verify` names those that change."""
        self._sha256 = hash_fields(self.model_dump(mode="json"))

    @property
    def weights(self) -> Mapping[str, float]:
        """Word to weight, largest first."""
        found = [pair for concept in self.concepts for pair in concept.words.items() if pair[1] > 0]
        return MappingProxyType(dict(sorted(found, key=lambda pair: -pair[1])))

    @property
    def groups(self) -> tuple[Concept, ...]:
        """Near-synonyms under their strongest word, strongest first: :attr:`concepts` by what they are."""
        return self.concepts

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.original) / self.sample_rate

    @property
    def said(self) -> float:
        """Part of the embedding that the words say, from 0 to 1: the squared :attr:`cosine`."""
        return self.cosine**2

    def over_time(self) -> tuple[tuple[Concept, ...], NDArray[Any]]:
        """Concepts, those of the whole and those that pass, and their weights in every window, ``(K, W)``."""
        rows = (*self.concepts, *self.passing)
        weights = [[sum(w.words.get(word, 0.0) for word in c.words) for w in self.windows] for c in rows]
        return rows, np.array(weights, dtype=np.float64).reshape(len(rows), len(self.windows))

    def find(self, name: str) -> Concept:
        """The concept with a word, or the strongest with that word in a phrase: ``dog`` finds *dog yips*.

        Raises:
            InputError: If there is none.
        """
        for holds in (lambda word: word == name, lambda word: name in word.split()):
            for concept in self.concepts:
                if any(map(holds, concept.words)):
                    return concept
        raise InputError(unknown("concept", str(name), list(self.weights)))

    def __getitem__(self, name: str) -> Explanation:
        """The sound of a concept (:meth:`find`): the explanation of where it is heard.

        Raises:
            InputError: If there is none, or it was not listened to.
        """
        concept = self.find(name)
        at = self.concepts.index(concept)
        if at >= len(self.sounds):
            asked = f"listen={at + 1}" if self.sounds else "listen=True"
            raise InputError(f"{concept.name!r} was not listened to: explain_concepts(..., {asked})")
        return self.sounds[at]

    @cached_property
    def unclaimed(self) -> NDArray[Any]:
        """What no word claims, as sound, ``(T,)`` float32: the recording where every mask keeps little.

        Raises:
            InputError: If nothing was listened to.
        """
        if not self.sounds:
            raise InputError("nothing was listened to: explain_concepts(..., listen=True)")
        import torch

        from zsxai.spectral import render

        first = self.sounds[0]
        most = torch.from_numpy(np.max([sound.mask for sound in self.sounds], axis=0))
        waveform = torch.from_numpy(first.original.copy())
        audio: NDArray[Any] = render(first.transform, first.masking, waveform, most, residue=True).numpy()
        audio.flags.writeable = False
        return audio

    def describe(self) -> str:
        """A few lines in words: concepts with their weights, how much they say, and what to know first."""
        lines = [f"{self.provenance.audio_name}: {words_say(len(self.weights), self.said)} of what is heard"]
        lines += [f"  {concept}" for concept in self.concepts]
        if not self.concepts:
            lines.append("  nothing")
        lines += [f"  note: {warning}" for warning in self.provenance.warnings]
        return "\n".join(lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConceptExplanation):
            return NotImplemented
        arrays = ("original", "embedding", "reconstruction")
        same = all(np.array_equal(getattr(self, a), getattr(other, a)) for a in arrays)
        return same and self.sounds == other.sounds and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash((self.provenance.audio_sha256, self.vocabulary.sha256, self.penalty))

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        first = ", ".join(f"{c.name} {c.weight:.2f}" for c in self.concepts[:3])
        return f"ConceptExplanation({self.provenance.audio_name!r}: {first or 'nothing'}; says {self.said:.0%})"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the words over time, or their bars where there are no windows.

        Args:
            ax: Axes to draw on; a new figure where None.
        """
        from zsxai.show.concepts_plot import plot_concepts

        return plot_concepts(self, ax)

    def _repr_html_(self) -> str:
        from zsxai.show.concepts import notebook_html

        return notebook_html(self)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the whole folder: record, arrays, the recording, picture and page, and a folder per sound.

        Args:
            folder: Written beside itself and renamed, so that it is whole or absent.
            overwrite: Replace a folder that a concept explanation was saved to before.

        Returns:
            The folder.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        from zsxai.concepts.saved import write_folder

        return write_folder(self, as_path(folder), overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path) -> ConceptExplanation:
        """Read a folder that :meth:`save` wrote.

        Raises:
            InputError: If it is no such folder, or was damaged.
        """
        from zsxai.concepts.saved import read_folder

        return read_folder(cls, Explanation, as_path(folder))

    def verify(self, model: object | None = None) -> Report:
        """Check the record against its own arrays, and decompose again with the model.

        Args:
            model: The model, where it was an object; loaded by its recorded name where None.
        """
        from zsxai.concepts.verify import verify

        return verify(self, model)
