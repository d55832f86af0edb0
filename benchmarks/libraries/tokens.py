"""Tokenizers trained on a few sentences, in the files of the real ones."""

from __future__ import annotations

import json
from pathlib import Path

PROMPTS = ("a dog barking", "This is the sound of rain falling on a tin roof.", "Wind", "a clock ticks; a door slams")
_SENTENCES = [*PROMPTS, "the sound of a dog", "a car passes by", "birds sing in the wood", "water runs from a tap"]
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def save_tokenizer(folder: Path) -> None:
    """Train a RoBERTa tokenizer on a few sentences and save it."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        _SENTENCES, vocab_size=500, min_frequency=1, special_tokens=_SPECIAL, show_progress=False
    )
    trained.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizerFast"}))
    RobertaTokenizerFast.from_pretrained(folder).save_pretrained(folder)
