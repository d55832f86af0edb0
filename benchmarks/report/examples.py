"""The clips on which the best explainer did best and worst, explained again so that one can look and listen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.extremes import Extremes, choose_extremes
from zsxai.benchmarks.analyse.formatting import choose_digits, format_number
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.report.cells import Plot
from zsxai.benchmarks.run.figures import split_figure
from zsxai.benchmarks.tasks import runner_of
from zsxai.regions import say_regions
from zsxai.show.parts import excerpt, wav
from zsxai.show.raster import paint, raster, rgb_png

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result
    from zsxai.benchmarks.run.plan import Library
    from zsxai.benchmarks.tasks.base import Item
    from zsxai.explanation import Explanation
    from zsxai.model import ZeroShotModel

SECONDS = 8.0
NEAR = 1e-3
"""A cosine that differs by more from the stored one is of another computation."""


@dataclass(frozen=True)
class Sound:
    """A player: what it plays, and the sound."""

    name: str
    wav: bytes


@dataclass(frozen=True)
class Example:
    """A clip explained again.

    Attributes:
        kind: ``Best`` or ``Worst``.
        item: Name of the clip.
        prompt: What was asked for.
        figures: What came out, in a sentence.
        picture: The spectrogram, in colour where it is kept; None where the clip was not explained again.
        sounds: What can be listened to.
    """

    kind: str
    item: str
    prompt: str
    figures: str = ""
    picture: Plot | None = None
    sounds: tuple[Sound, ...] = ()


@dataclass(frozen=True)
class Examples:
    """Best and worst clips of the headline.

    Attributes:
        explainer: The best explainer; empty where there is none.
        note: What is shown, or why nothing is.
        of: What the note speaks of: texts of the run.
        clips: The best first.
    """

    explainer: str
    note: str
    of: str = ""
    clips: tuple[Example, ...] = ()


def make_examples(result: Result, *, audio: bool = True) -> Examples:
    """Make best and worst clips of the headline; or say why there are none."""
    chosen = choose_extremes(result)
    if chosen is None:
        return Examples("", "The headline has no explainer with a valid value, so there is none.")
    rows = [("Best", row) for _, row in chosen.best.iterrows()] + [("Worst", row) for _, row in chosen.worst.iterrows()]
    named = tuple(Example(kind, row["item"], row["prompt"]) for kind, row in rows)
    if any(chosen.explainer in task.configurations for task in result.suite.tasks):
        return Examples(chosen.explainer, "It explains by no mask: there is nothing to draw.", clips=named)
    try:
        clips = _explain_all(result, chosen, rows, audio)
    except Exception as error:  # whatever data or model lack, the rest of the page stands
        why = _hide_paths(result, " ".join(f"{type(error).__name__}: {error}".split()))
        return Examples(chosen.explainer, "The clips could not be explained again for this page:", why, named)
    note = (
        "It has the best headline; on these clips it did best and worst. They were chosen by the figure alone and "
        "explained again when this page was written. In colour: what is kept; grey: what is left."
    )
    return Examples(chosen.explainer, note, f"{chosen.block.task}: {chosen.block.short}", clips)


def _explain_all(result: Result, chosen: Extremes, rows: Sequence[tuple[str, Any]], audio: bool) -> tuple[Example, ...]:
    from zsxai.benchmarks.run.plan import Library, Settings

    library = Library(result.suite, Settings(**result.settings))
    load = lru_cache(maxsize=1)(library.model)
    return tuple(_make_example(library, load, chosen, row, kind, audio) for kind, row in rows)


def _make_example(
    library: Library, load: Callable[[str], ZeroShotModel], chosen: Extremes, row: Any, kind: str, audio: bool
) -> Example:
    label, item = _find_item(library, chosen.block, row["item"])
    model, classes = load(label), library.dataset(chosen.block.at["data"], label).labels
    sound = _read_sound(library, chosen.block, item, model.sample_rate)
    made = _explain(library, model, chosen, row["prompt"], classes, sound)
    metric = library.suite.headline.metric
    control, base = split_figure(metric)
    digits = choose_digits(chosen.block.task, base)
    value = format_number(float(row[base]), digits)
    ahead = f" ({control}: {format_number(float(row[base] - row['_ahead']), digits)})" if control else ""
    known = find_reading(chosen.block.task, base)
    stored = float(row.get("similarity", np.nan))
    near = not np.isfinite(stored) or library.suite.prompting.target != "similarity" or abs(made.score - stored) < NEAR
    differs = "" if near else f" The cosine differs from the stored one ({stored:.4f}): something has changed since."
    words = say_regions(made.regions())
    figures = (
        f"{known.symbol} {value}{ahead}; {made.unit} {made.score:.3f}, kept {made.score_in:.3f}, removed "
        f"{made.score_out:.3f}; mask mean {made.mask_mean:.2f}; heard: {words}.{differs}"
    )
    sounds = _make_sounds(made) if audio else ()
    return Example(kind, item.name, row["prompt"], figures, _draw(made, words), sounds)


def _find_item(library: Library, block: Block, name: str) -> tuple[str, Item]:
    """Find an item by its name, and the label of the model that was judged on it."""
    number, contamination = _find_numbers(library, block)
    setting = (number, block.at["data"], contamination, block.at["seed"])
    labels = [model.title for model in library.suite.models if model.row == block.at["model"]]
    return next((label, i) for label in labels for i in library.items(*setting, label) if i.name == name)


def _find_numbers(library: Library, block: Block) -> tuple[int, int]:
    """Find the index of the task in the suite, and of the contamination in the task."""
    for number, task in enumerate(library.suite.tasks):
        labels = [c.label for c in task.contaminations]
        fits = task.kind == block.task and block.at["data"] in task.data and block.at["contamination"] in labels
        if fits and block.domain in task.domains and block.scale in task.scales:
            return number, labels.index(block.at["contamination"])
    raise LookupError("the suite does not hold the setting")


def _read_sound(library: Library, block: Block, item: Item, rate: int) -> NDArray[Any]:
    """Read what the model was given."""
    number, contamination = _find_numbers(library, block)
    task = library.suite.tasks[number]
    mixed = task.contaminations[contamination]
    return runner_of(task.kind).sound(task, item, mixed, block.at["seed"], rate).waveform


def _explain(
    library: Library,
    model: ZeroShotModel,
    chosen: Extremes,
    prompt: str,
    classes: Sequence[str],
    sound: NDArray[Any],
) -> Explanation:
    import zsxai
    from zsxai.plugins import load_explainer
    from zsxai.spectral import Domain, Scale

    named = next(e for e in library.suite.all_explainers if e.title == chosen.explainer)
    explainer = load_explainer(named.name, **{**named.options, "calibration": chosen.calibration})
    prompting = library.suite.prompting
    others = [x for x in classes if x != prompt]
    return zsxai.explain(
        sound,
        prompt,
        sample_rate=model.sample_rate,
        model=model,
        explainer=explainer,
        among=[prompt, *others] if prompting.target == "probability" else (),
        template=prompting.template,
        domain=cast(Domain, chosen.block.domain),
        scale=cast(Scale, chosen.block.scale),
        seed=chosen.block.at["seed"],
        progress=False,
    )


def _draw(made: Explanation, words: str) -> Plot:
    pixels = raster(made, columns=600)
    png = rgb_png(paint(pixels.level(), pixels.worn(dimmed=made.verdict is not None and not made.verdict.believable)))
    caption = f"0-{made.seconds:.1f} s, 0-{made.sample_rate / 2000:g} kHz (mel axis)"
    return Plot(png, f"Spectrogram, in colour where the explanation keeps it: {words}.", caption)


def _make_sounds(made: Explanation) -> tuple[Sound, ...]:
    sounds = (("explanation", made.audio), ("residue", made.residue), ("as the model heard it", made.original))
    part = excerpt([sound for _, sound in sounds], made.sample_rate, made.seconds / 2, SECONDS)
    return tuple(Sound(name, wav(sound, part)) for name, sound in sounds)


def _hide_paths(result: Result, text: str) -> str:
    """Replace folders of the machine that wrote the page: it is handed on, and they are private."""
    for key, root in (result.settings.get("roots") or {}).items():
        text = text.replace(str(root), f"<{key}>")
    return text
