"""Prompts and the templates around them, as a model reads them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from torch import nn

from zsxai.checks import take_list
from zsxai.errors import InputError
from zsxai.model import SpectralModel, TextEncoding, ZeroShotModel, check_rows
from zsxai.names import printable

Template = str | tuple[str, ...] | None
"""One sentence with a ``{}``, several whose embeddings are averaged, or none."""


ENSEMBLE = ("the sound of {}", "this is a sound of {}", "a recording of {}", "an audio clip of {}", "I can hear {}")
"""Of any model, under the name ``ensemble``; those of one model are its :attr:`ZeroShotModel.templates`."""


def check_prompt(prompt: object) -> str:
    """Refuse what is no prompt.

    Raises:
        InputError: If it is not a string, is blank, or is not text (bytes that are no UTF-8).
    """
    if not isinstance(prompt, str):
        raise InputError(f"a prompt is a string, not {type(prompt).__name__}")
    if any(unicodedata.category(character) == "Cs" for character in prompt):
        raise InputError(f"the prompt '{printable(prompt)}' is no text in this terminal's encoding: use UTF-8")
    # Blanks, and what is neither seen nor read: a zero-width space is no word.
    if all(unicodedata.category(character)[0] in "ZC" for character in prompt):
        raise InputError("the prompt is empty: say what to listen for, such as 'a dog barking'")
    return str(prompt)


def check_prompts(prompts: object, what: str = "prompts") -> list[str]:
    """The prompts of a list, each checked.

    Args:
        prompts: As :func:`zsxai.checks.take_list` takes it.
        what: What they are, for errors.

    Raises:
        InputError: If it is no list of prompts.
    """
    return [check_prompt(prompt) for prompt in take_list(prompts, what)]


def note_unknown(prompt: str, unknown: int, total: int, model: str) -> str:
    """What to say of a prompt some of whose tokens a tokenizer does not know."""
    return f"{model} does not know {unknown} of the {total} tokens of {prompt!r}: it reads something else"


def find_template(template: object, model: ZeroShotModel) -> Template:
    """A template as it is applied.

    Args:
        template: None, a sentence with one ``{}``, a list of such sentences, or a name: ``ensemble``, or one of the
            model's own, such as ``published``.
        model: The model.

    Raises:
        InputError: If it is none of these.
    """
    if template is None:
        return None
    named = {"ensemble": ENSEMBLE, **model.templates}
    if isinstance(template, str) and template in named:
        return _one_or_all(named[template])
    if isinstance(template, str) and "{}" not in template:
        raise InputError(f"{_NO_TEMPLATE}, not {template!r}; by name there are: {', '.join(named)}")
    sentences = [template] if isinstance(template, str) else take_list(template, "template")
    if not sentences:
        raise InputError("the list of templates is empty: give sentences with one {} each, or leave it out")
    return _one_or_all(tuple(_check_sentence(sentence) for sentence in sentences))


def _one_or_all(sentences: tuple[str, ...]) -> Template:
    return sentences[0] if len(sentences) == 1 else sentences


_NO_TEMPLATE = "a template holds one {} for the prompt, such as 'the sound of {}'"


def _check_sentence(sentence: object) -> str:
    if not isinstance(sentence, str) or sentence.count("{}") != 1:
        raise InputError(f"{_NO_TEMPLATE}, not {sentence!r}")
    return check_prompt(sentence)


def fill_template(template: str | None, prompt: str) -> str:
    """Put a prompt into a template such as ``"the sound of {}"``; no template leaves it as it is.

    Raises:
        InputError: If the template has no ``{}``.
    """
    return prompt if template is None else _check_sentence(template).replace("{}", prompt)


def embed_prompts(model: ZeroShotModel, prompts: Sequence[str], template: Template = None) -> TextEncoding:
    """Prompts in a template as a model reads them, with token states where it has any.

    Of several templates the unit embeddings of a prompt are averaged and made unit again, as zero-shot classifiers do
    (Radford et al., 2021, section 3.1.4), and its token states are those of all its sentences, one after the other.

    Args:
        model: The model.
        prompts: P prompts.
        template: From :func:`find_template`.

    Raises:
        InputError: If the model gives another number of rows than prompts, or none that are finite.
    """
    sentences = template if isinstance(template, tuple) else (template,)
    texts = [fill_template(sentence, prompt) for prompt in prompts for sentence in sentences]
    encoding = model.encode_text(texts) if isinstance(model, SpectralModel) else TextEncoding(model.embed_text(texts))
    check_rows(encoding.embedding, len(texts), model.card.name, "prompts")
    if len(sentences) == 1:
        return encoding
    mean = encoding.embedding.reshape(len(prompts), len(sentences), -1).mean(dim=1)
    parts = (encoding.tokens, encoding.token_mask)
    joined = (None if part is None else part.reshape(len(prompts), -1, *part.shape[2:]) for part in parts)
    return TextEncoding(nn.functional.normalize(mean, dim=-1), *joined)
