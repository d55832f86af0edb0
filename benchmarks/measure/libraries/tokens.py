"""Tokenizers trained on a few sentences, in the files of the real ones."""

from __future__ import annotations

import json
import re
import string
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


def save_bert_tokenizer(folder: Path) -> None:
    """Save a lower-casing WordPiece tokenizer as BERT's, of a few words and all letters; ``[PAD]`` is token 0."""
    from transformers import AutoTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    # Not trained: the trainer of WordPiece breaks ties by chance.
    letters = string.ascii_lowercase + string.digits
    words = sorted(set(re.findall(r"[a-z]{2,}", " ".join(_SENTENCES).lower())))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries = [*special, *string.punctuation, *letters, *(f"##{letter}" for letter in letters), *words]
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizerFast"}))
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)


def save_gpt2_tokenizer(folder: Path) -> None:
    """Train a byte-level BPE tokenizer as GPT-2's: ``!`` is token 0 and part of others, ``<|endoftext|>`` the last."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import AutoTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    trained = ByteLevelBPETokenizer()
    loud = ["stop !!", "watch out!!"] * 5
    trained.train_from_iterator([*_SENTENCES, *loud], vocab_size=500, min_frequency=1, show_progress=False)
    trained.add_special_tokens(["<|endoftext|>"])
    trained.save_model(str(folder))
    (folder / "vocab.json").write_text(json.dumps(trained.get_vocab(with_added_tokens=True)))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2TokenizerFast"}))
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
