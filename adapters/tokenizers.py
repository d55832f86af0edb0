"""What the adapters of transformers-based models share: tokenizers, unit rows, quiet loading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging as hf_logging

from zsxai.errors import InputError, first_line
from zsxai.hub import LOAD_ERRORS, resolve
from zsxai.prompt import note_unknown

TOKENIZER_FILES = ["config.json", "tokenizer*.json", "vocab.*", "merges.txt", "*tokens*.json"]


def tokenizer_for(file: Path, named: str | None, published: str, model: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint that is one file: the named one, the one beside the file, or the published one.

    Args:
        file: ``<stem>.tokenizer/`` beside it is looked at first, then the folder it is in.
        named: Folder or hub id, or None.
        published: Hub id.
        model: Its name, for errors.

    Raises:
        InputError: If there is none.
    """
    beside = next(filter(_has_tokenizer, (file.with_suffix(".tokenizer"), file.parent)), None)
    if named or beside:
        return load_tokenizer(named or beside or published)
    try:
        return load_tokenizer(published)
    except InputError as error:
        raise InputError(
            f"{model} needs a tokenizer, and {published!r} cannot be had from the Hugging Face hub: download it "
            f"elsewhere ('hf download {published}') and give its folder as tokenizer=<folder>"
        ) from error


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json", "vocab.txt"))


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder, or from the hub.

    Args:
        name: Folder or hub id.

    Raises:
        InputError: If there is none.
    """
    folder = name if isinstance(name, Path) else resolve(str(name), TOKENIZER_FILES)[0]
    if not _has_tokenizer(folder):
        raise InputError(
            f"{str(folder)!r} has no tokenizer: give tokenizer=<hub id or folder> that the model was trained with"
        )
    try:
        with quiet():
            found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise InputError(f"cannot load the tokenizer {str(folder)!r}: {first_line(error)}") from error
    return cast("PreTrainedTokenizerBase", found)


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, config: Any, model: str) -> None:
    """See that a tokenizer can be the one of a text tower: another one gives plausible scores that mean nothing.

    Args:
        tokenizer: Anybody's tokenizer.
        config: Config of the text tower, with ``vocab_size`` and ``pad_token_id``.
        model: Its name, for errors.

    Raises:
        InputError: If it cannot.
    """
    if len(tokenizer) > config.vocab_size:
        raise InputError(
            f"{model}: the tokenizer has {len(tokenizer)} tokens and the model {config.vocab_size}: "
            "give the model's own"
        )
    if tokenizer.pad_token_id != config.pad_token_id:
        raise InputError(
            f"{model}: the tokenizer pads with token {tokenizer.pad_token_id} and the model with "
            f"{config.pad_token_id}: give the model's own"
        )


def tokenize(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], most: int, model: str, device: torch.device
) -> dict[str, Tensor]:
    """Prompts as a batch of ids, padded to the longest.

    Args:
        tokenizer: The model's.
        prompts: At least one.
        most: Tokens that the text tower takes.
        model: Its name, for errors.
        device: Where the ids go.

    Returns:
        What the tokenizer gives, ``(P, L)`` each, among it ``attention_mask``.

    Raises:
        InputError: If there is no prompt, or one is longer than the text tower takes; nothing is cut silently.
    """
    if not prompts:
        raise InputError("no prompts: give at least one")
    tokens = tokenizer(
        list(prompts), padding=True, padding_side="right", truncation=False, verbose=False, return_tensors="pt"
    ).to(device)
    lengths = cast("Tensor", tokens["attention_mask"]).sum(dim=1)
    if int(lengths.max()) > most:
        longest = prompts[int(lengths.argmax())]
        raise InputError(
            f"the prompt '{longest[:40]}...' has {int(lengths.max())} tokens and {model} takes {most}: shorten it"
        )
    return cast("dict[str, Tensor]", dict(tokens))


def prompt_notes(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], model: str) -> tuple[str, ...]:
    """What to say of prompts that hold tokens which a tokenizer does not know, or which mean no word to it.

    Args:
        tokenizer: The model's.
        prompts: P prompts.
        model: Its name.
    """
    notes = []
    for prompt in prompts:
        ids = tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"]
        special = sorted({tokenizer.decode([i]) for i in ids if i in tokenizer.all_special_ids})
        if unknown := ids.count(tokenizer.unk_token_id):
            notes.append(note_unknown(prompt, unknown, len(ids), model))
        elif special:
            notes.append(f"{model} reads {', '.join(map(repr, special))} in {prompt!r} as marks, not as words")
    return tuple(notes)


def unit(projected: Tensor) -> Tensor:
    """Rows of length 1, in float32 where a model computes in half precision: what reads them knows no such type."""
    return nn.functional.normalize(projected.float() if projected.itemsize < 4 else projected, dim=-1)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' advice and bars off stderr while a local folder loads; all is restored after."""
    settings: Any = hf_logging
    verbosity = settings.get_verbosity()
    # transformers 4.57 has no such hook, and no bar for a checkpoint in one file.
    set_bar_hook = getattr(settings, "set_tqdm_hook", lambda _hook: None)
    before = set_bar_hook(lambda _bar, args, kwargs: settings.EmptyTqdm(*args, **kwargs))
    settings.set_verbosity_error()
    try:
        yield
    finally:
        settings.set_verbosity(verbosity)
        set_bar_hook(before)
