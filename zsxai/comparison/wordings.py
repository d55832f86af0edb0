"""How far score, verdict and map move with the wording of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from zsxai.comparison.agreement import common_grid, correlation, rastered
from zsxai.comparison.comparison import Wording, Wordings
from zsxai.errors import InputError
from zsxai.explanation import Explanation
from zsxai.prompt import ENSEMBLE, check_prompts, fill_template
from zsxai.target import Probability, Target

TEMPLATES = "templates"
"""Name of the wordings that are made for any prompt: in the sentences of the template ``ensemble``, and alone."""

Paraphrases = str | Iterable[str] | Mapping[str, Iterable[str]] | None
"""What ``compare`` takes."""


def check_wordings(paraphrases: Paraphrases, prompts: Sequence[str], *, bare: bool = False) -> dict[str, list[str]]:
    """The wordings of every prompt that has any.

    Args:
        paraphrases: A list for the one prompt, a mapping from prompts, :data:`TEMPLATES` for every prompt, or None.
        prompts: The prompts of the comparison.
        bare: A prompt alone is another wording of it: the comparison puts it in a template.

    Raises:
        InputError: If it is none of these, or names no prompt of the comparison.
    """
    if paraphrases is None:
        return {}
    if isinstance(paraphrases, str):
        if paraphrases != TEMPLATES:
            raise InputError(f"paraphrases are a list of wordings, or {TEMPLATES!r}, not {paraphrases!r}")
        sentences = [*(["{}"] if bare else []), *ENSEMBLE]
        return {prompt: [fill_template(sentence, prompt) for sentence in sentences] for prompt in prompts}
    if not isinstance(paraphrases, Mapping):
        if len(prompts) != 1:
            raise InputError(f"paraphrases are wordings of one prompt, and there are {len(prompts)}: give one")
        paraphrases = {prompts[0]: paraphrases}
    found = {prompt: check_prompts(wordings, "paraphrases") for prompt, wordings in paraphrases.items()}
    for prompt, wordings in found.items():
        if prompt not in prompts:
            raise InputError(f"paraphrases of {prompt!r}, which is none of the prompts: {', '.join(prompts)}")
        if not wordings:
            raise InputError(f"the list of paraphrases of {prompt!r} is empty")
    return found


def reword(target: Target, wording: str) -> Target:
    """The same target with another prompt, which takes the old one's place in a label set."""
    others = {"among": target.others} if isinstance(target, Probability) else {}
    return target.model_copy(update={"prompt": wording, **others})


def measure_wordings(
    own: Explanation,
    explainer: str,
    model: str,
    texts: Sequence[str],
    explain: Callable[[list[Target]], Sequence[Explanation]],
) -> Wordings:
    """Explain other wordings of a prompt, and hold them beside its own explanation.

    Args:
        own: The prompt's own explanation.
        explainer: Name of its explainer.
        model: Name of its model.
        texts: The wordings.
        explain: Explains targets as ``own`` was explained.
    """
    made = explain([reword(own.target, text) for text in texts])
    grid = common_grid([own])
    mine = rastered(own, grid)
    items = [
        Wording(
            text=text,
            score=e.score,
            difference=e.score - own.score,
            similarity=e.similarity,
            verdict=e.verdict.level if e.verdict else None,
            correlation=correlation(mine, rastered(e, grid)),
        )
        for text, e in zip(texts, made, strict=True)
    ]
    return Wordings(
        prompt=own.prompt,
        explainer=explainer,
        model=model,
        unit=own.unit,
        score=own.score,
        verdict=own.verdict.level if own.verdict else None,
        items=tuple(items),
    )
