"""The clips on which the best explainer did best and worst, explained again so that one can look and listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.blocks import Block, blocks_of
from zsxai.benchmarks.analyse.export import digits_of, fixed
from zsxai.benchmarks.analyse.reading import reading, split
from zsxai.benchmarks.tasks import runner_of
from zsxai.show.html import Html, data_uri, join, tag, untrusted
from zsxai.show.parts import excerpt, flac
from zsxai.show.raster import paint, raster, rgb_png

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result
    from zsxai.benchmarks.run.plan import Library
    from zsxai.benchmarks.tasks.base import Item
    from zsxai.explanation import Explanation
    from zsxai.model import ZeroShotModel

EACH = 2
"""Best clips, and as many worst."""
SECONDS = 8.0
NEAR = 1e-3
"""A cosine that differs by more from the stored one is of another computation."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Clips of one explainer in one block.

    Attributes:
        block: Where.
        explainer: Label.
        calibration: Of its masks.
        best: Rows, the best first.
        worst: Rows, the worst first.
    """

    block: Block
    explainer: str
    calibration: str
    best: DataFrame
    worst: DataFrame


def section(result: Result, *, audio: bool = True) -> Html:
    """Best and worst clips of the headline; or why there are none."""
    title = tag("h2", "Examples", id="examples")
    chosen = choose(result)
    if chosen is None:
        return tag("section", title, tag("p", "The headline has no explainer with a valid value, so there is none."))
    try:
        shown = _shown(result, chosen, audio)
    except Exception as error:  # whatever data or model lack, the rest of the page stands
        why = _without_paths(result, " ".join(f"{type(error).__name__}: {error}".split()))
        said = "The clips could not be explained again for this page: "
        return tag("section", title, tag("p", said, untrusted(why)), _list(chosen))
    note = join(
        "Clips on which ",
        tag("strong", untrusted(chosen.explainer)),
        f", the explainer with the best headline, did best and worst ({chosen.block.task}: ",
        untrusted(chosen.block.short),
        "). They were chosen by the figure alone and explained again when this page was written. In colour: what the "
        "mask keeps; grey: what it leaves.",
    )
    return tag("section", title, tag("p", note, class_="quiet"), *shown)


def choose(result: Result) -> Chosen | None:
    """Which clips: those of the best explainer in the headline's first setting, by the headline's figure."""
    headline = result.suite.headline
    for block in blocks_of(result, headline.task, seed=result.suite.seeds[0]):
        better = reading(headline.task, headline.metric).better
        sign = -1.0 if better == "lower" else 1.0
        means: dict[str, float] = {}
        groups = block.rows(stratum=headline.stratum)
        for name, group in groups.items():
            found = block.interval(group, headline.metric)
            if not block.is_control(name) and found is not None and np.isfinite(found.mean):
                means[name] = sign * found.mean
        if means:
            name = max(means, key=lambda n: means[n])
            group = groups[name].assign(_order=sign * _margin(block, groups[name], headline.metric))
            base = split(headline.metric)[1]
            group["_ahead"] = group["_order"] * (-1.0 if reading(headline.task, base).better == "lower" else 1.0)
            ranked = group[np.isfinite(group["_order"])].sort_values(["_order", "item", "prompt"], ascending=False)
            count = min(EACH, len(ranked) // 2) or min(1, len(ranked))
            worst = ranked[::-1].head(count) if len(ranked) > 1 else ranked.iloc[:0]
            return Chosen(block, group["explainer"].iloc[0], group["calibration"].iloc[0], ranked.head(count), worst)
    return None


def _margin(block: Block, group: DataFrame, metric: str) -> NDArray[Any]:
    """The figure itself; for wins, which are ties by the dozen, by how much."""
    control, base = split(metric)
    if not control:
        return block.sample.values(group, [metric])[:, 0]
    other = block.rows(control)
    name = next(n for n, g in other.items() if g["explainer"].iloc[0] == group["explainer"].iloc[0])
    theirs = other[name].set_index("unit")[base].reindex(group["unit"]).to_numpy(dtype=np.float64)
    sign = -1.0 if reading(block.task, base).better == "lower" else 1.0
    found: NDArray[Any] = sign * (group[base].to_numpy(dtype=np.float64) - theirs)
    return found


def _shown(result: Result, chosen: Chosen, audio: bool) -> list[Html]:
    from zsxai.benchmarks.run.plan import Library, Settings

    library = Library(result.suite, Settings(**result.settings))
    model = library.model(chosen.block.at["model"])
    return [
        _example(library, model, chosen, row, kind, audio)
        for kind, rows in (("Best", chosen.best), ("Worst", chosen.worst))
        for _, row in rows.iterrows()
    ]


def _example(library: Library, model: ZeroShotModel, chosen: Chosen, row: Any, kind: str, audio: bool) -> Html:
    item = next(i for i in _items(library, chosen.block) if i.name == row["item"])
    sound = _sound(library, chosen.block, item, model.sample_rate)
    made = _explain(library, model, chosen, row["prompt"], sound)
    metric = library.suite.headline.metric
    control, base = split(metric)
    digits = digits_of(chosen.block.task, base)
    value = fixed(float(row[base]), digits)
    ahead = f" ({control}: {fixed(float(row[base] - row['_ahead']), digits)})" if control else ""
    known = reading(chosen.block.task, base)
    stored = float(row.get("similarity", np.nan))
    near = not np.isfinite(stored) or library.suite.prompting.target != "similarity" or abs(made.score - stored) < NEAR
    differs = "" if near else f" The cosine differs from the stored one ({stored:.4f}): something has changed since."
    words = "; ".join(map(str, made.regions())) or "nowhere above one half"
    return tag(
        "div",
        tag("h3", f"{kind}: ", untrusted(item.name), ", asked for “", untrusted(row["prompt"]), "”"),
        tag(
            "p",
            f"{known.symbol} {value}{ahead}; {made.unit} {made.score:.3f}, kept "
            f"{made.score_in:.3f}, removed {made.score_out:.3f}; mask mean {made.mask_mean:.2f}; mask: {words}."
            f"{differs}",
            class_="quiet small number",
        ),
        _picture(made, words),
        _players(made) if audio else "",
        class_="example",
    )


def _items(library: Library, block: Block) -> list[Item]:
    number, contamination = _numbers(library, block)
    return library.items(number, block.at["data"], contamination, block.at["seed"])


def _numbers(library: Library, block: Block) -> tuple[int, int]:
    """Index of the task in the suite, and of the contamination in the task."""
    for number, task in enumerate(library.suite.tasks):
        labels = [c.label for c in task.contaminations]
        fits = task.kind == block.task and block.at["data"] in task.data and block.at["contamination"] in labels
        if fits and block.domain in task.domains and block.scale in task.scales:
            return number, labels.index(block.at["contamination"])
    raise LookupError("the suite does not hold the setting")


def _sound(library: Library, block: Block, item: Item, rate: int) -> NDArray[Any]:
    """What the model was given."""
    number, contamination = _numbers(library, block)
    task = library.suite.tasks[number]
    mixed = task.contaminations[contamination]
    return runner_of(task.kind).sound(task, item, mixed, block.at["seed"], rate).waveform


def _explain(library: Library, model: ZeroShotModel, chosen: Chosen, prompt: str, sound: NDArray[Any]) -> Explanation:
    import zsxai
    from zsxai.plugins import load_explainer
    from zsxai.spectral import Domain, Scale

    named = next(e for e in library.suite.all_explainers if e.title == chosen.explainer)
    explainer = load_explainer(named.name, **{**named.options, "calibration": chosen.calibration})
    prompting = library.suite.prompting
    others = [x for x in library.dataset(chosen.block.at["data"]).labels if x != prompt]
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


def _picture(made: Explanation, words: str) -> Html:
    pixels = raster(made, columns=600)
    return tag(
        "figure",
        tag(
            "img",
            src=data_uri("image/png", rgb_png(paint(pixels.level(), pixels.mask))),
            alt=f"Spectrogram with the mask in colour. The mask lies at: {words}.",
            class_="spectrogram",
        ),
        tag("figcaption", f"0-{made.seconds:.1f} s, 0-{made.sample_rate / 2000:g} kHz (mel axis)"),
    )


def _players(made: Explanation) -> Html:
    sounds = (("explanation", made.audio), ("residue", made.residue), ("as the model heard it", made.original))
    part = excerpt([sound for _, sound in sounds], made.sample_rate, made.seconds / 2, SECONDS)
    cards = [
        tag(
            "div",
            tag("h3", name),
            tag(
                "audio",
                controls=True,
                preload="metadata",
                src=data_uri("audio/flac", flac(sound, part)),
                aria_label=f"{name} of {made.prompt}",
            ),
            class_="player",
        )
        for name, sound in sounds
    ]
    return tag("div", *cards, class_="players")


def _list(chosen: Chosen) -> Html:
    names = [("Best", chosen.best), ("Worst", chosen.worst)]
    items = [
        tag("li", f"{kind}: ", untrusted(row["item"]), ", asked for “", untrusted(row["prompt"]), "”")
        for kind, rows in names
        for _, row in rows.iterrows()
    ]
    return tag("ul", *items)


def _without_paths(result: Result, text: str) -> str:
    """A page is handed on; folders of the machine that wrote it are nobody's business."""
    for key, root in (result.settings.get("roots") or {}).items():
        text = text.replace(str(root), f"<{key}>")
    return text
