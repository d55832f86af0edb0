"""Fine-tuning of one linear layer on embeddings: what is decomposed is then H z in place of z.

The paper (arXiv 2504.14076, section III) trains H, (D, D) from random numbers, so that the cosine of H z with the class
prompt of its recording is high, and decomposes H z with the same words. Optimiser, rate, length and negatives are not
given there. Ours is Adam on all rows at once. ``cosine`` is the paper's loss: it never pushes a recording away from a
wrong class, and one direction near all prompts already does well by it. ``cross-entropy`` over the class prompts, the
default, is the loss that the classification is judged by.

H z lies where texts lie. Decompose it without centring: means of recordings are not its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from zsxai.checks import one_of, whole_number
from zsxai.conditions import plain_torch
from zsxai.errors import InputError, first_line
from zsxai.files import as_path, whole_file
from zsxai.model import ZeroShotModel
from zsxai.names import printable

Loss = Literal["cross-entropy", "cosine"]
Start = Literal["identity", "random"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
STARTS: tuple[Start, ...] = get_args(Start)
EPOCHS, RATE = 100, 1e-3
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class LinearLayer:
    """One linear layer on the embeddings of one model.

    Attributes:
        weight: ``(D, D)`` float32.
        model: Name of the model.
        weights_sha256: Hash of its weights; None where it gives none.
        data: What it was trained on, in words.
        data_sha256: Hash of the embeddings, labels and class prompts that it was trained on.
        loss: ``cross-entropy`` or ``cosine``.
        start: ``identity`` or ``random``.
        seed: Seed of the random start.
        epochs: Steps, each on all rows.
        rate: Adam's.
        logit_scale: Factor on cosines in the cross-entropy.
        losses: The loss before the first step and after the last.
    """

    weight: Tensor
    model: str
    weights_sha256: str | None
    data: str
    data_sha256: str
    loss: Loss
    start: Start
    seed: int
    epochs: int
    rate: float
    logit_scale: float
    losses: tuple[float, float]

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Embeddings ``(B, D)`` through the layer, unit rows ``(B, D)`` float64.

        Raises:
            InputError: If they are of another size.
        """
        rows = embeddings.detach().cpu().double()
        if rows.ndim != 2 or rows.shape[1] != len(self.weight):
            raise InputError(f"the layer takes embeddings (B, {len(self.weight)}), not {tuple(rows.shape)}")
        return torch.nn.functional.normalize(rows @ self.weight.double().T, dim=1)

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return hashlib.sha256(self.weight.contiguous().numpy().tobytes()).hexdigest()

    @property
    def card(self) -> dict[str, Any]:
        """Everything but the weights, with their hash."""
        names = [name for name in self.__dataclass_fields__ if name != "weight"]
        return {**{name: getattr(self, name) for name in names}, "sha256": self.sha256}

    def check(self, model: ZeroShotModel) -> None:
        """See that it was trained on embeddings of a model.

        Raises:
            InputError: If it was trained on another's.
        """
        if not model.card.is_of(self.model, self.weights_sha256):
            raise InputError(
                f"the linear layer was trained for {self.model} ({str(self.weights_sha256)[:12]}), not for "
                f"{model.card.name} ({str(model.card.weights_sha256)[:12]}): train one with fit_linear"
            )

    def save(self, path: str | Path) -> Path:
        """Write one safetensors file, its card in the header; returns the path.

        Raises:
            InputError: If it cannot be written.
        """
        from safetensors.torch import save_file

        place = as_path(path)
        with whole_file(place) as draft:
            save_file(
                {"weight": self.weight.contiguous()},
                draft,
                metadata={"zsxai-linear": json.dumps({"format": _FORMAT, **self.card})},
            )
        return place


@plain_torch()
def fit_linear(
    model: ZeroShotModel,
    embeddings: Tensor,
    labels: Sequence[int] | Tensor,
    class_text: Tensor,
    *,
    data: str,
    loss: Loss = "cross-entropy",
    start: Start = "identity",
    seed: int = 0,
    epochs: int = EPOCHS,
    rate: float = RATE,
) -> LinearLayer:
    """Train a linear layer so that recordings come near the prompts of their classes.

    Args:
        model: Whose embeddings they are; the cross-entropy is of its ``logit_scale`` times the cosines.
        embeddings: ``(N, D)`` of recordings; never of those that are to be judged.
        labels: ``(N,)`` numbers of their classes, rows of ``class_text``.
        class_text: ``(P, D)`` embeddings of the class prompts.
        data: What the recordings are, in words.
        loss: ``cross-entropy`` over the class prompts, or ``cosine``, the paper's: one less the mean cosine with the
            own prompt.
        start: ``identity``, the model as it is, which few recordings cannot spoil; or ``random`` as the paper has it:
            uniform within 1 / sqrt(D), as torch begins a linear layer.
        seed: Seed of the random start, from a generator of its own.
        epochs: Steps, each on all rows.
        rate: Adam's.

    Raises:
        InputError: If shapes, labels or options do not fit, or the training ends in no numbers.
    """
    one_of(loss, LOSSES, "loss")
    one_of(start, STARTS, "start")
    steps = whole_number(epochs, "epochs", 1)
    number = whole_number(seed, "the seed", 0)
    rows, text = (_unit(each.detach().cpu().float()) for each in (embeddings, class_text))
    wanted = torch.as_tensor(labels).detach().cpu()
    if rows.ndim != 2 or text.ndim != 2 or rows.shape[1] != text.shape[1] or wanted.shape != (len(rows),):
        raise InputError(
            f"embeddings (N, D), labels (N,) and class prompts (P, D) are expected, not {tuple(rows.shape)}, "
            f"{tuple(wanted.shape)} and {tuple(text.shape)}"
        )
    if not len(rows) or wanted.is_floating_point() or not 0 <= int(wanted.min()) <= int(wanted.max()) < len(text):
        raise InputError(f"labels are whole numbers from 0 to {len(text) - 1}, one for each recording, one at least")
    if not rate > 0:
        raise InputError(f"rate is a number above 0, not {rate}")
    scale, size = model.logit_scale or 1.0, rows.shape[1]
    if start == "identity":
        first = torch.eye(size)
    else:
        first = torch.empty(size, size).uniform_(-1, 1, generator=torch.Generator().manual_seed(number)) / size**0.5
    weight, targets = first.requires_grad_(), wanted.long()

    def lose() -> Tensor:
        mapped = _unit(rows @ weight.T)
        if loss == "cosine":
            return 1 - (mapped * text[targets]).sum(dim=1).mean()
        return torch.nn.functional.cross_entropy(scale * mapped @ text.T, targets)

    optimiser = torch.optim.Adam([weight], lr=rate)
    before = float(lose().detach())
    for _ in range(steps):
        optimiser.zero_grad()
        lose().backward()  # type: ignore[no-untyped-call]  # torch's
        optimiser.step()
    after = float(lose().detach())
    if not bool(weight.isfinite().all()):
        raise InputError(f"the training ended in no numbers: lower the rate, {rate}")
    digest = hashlib.sha256(b"".join(part.contiguous().numpy().tobytes() for part in (rows, targets, text)))
    return LinearLayer(
        weight=weight.detach(),
        model=model.card.name,
        weights_sha256=model.card.weights_sha256,
        data=data,
        data_sha256=digest.hexdigest(),
        loss=loss,
        start=start,
        seed=number,
        epochs=steps,
        rate=float(rate),
        logit_scale=float(scale),
        losses=(before, after),
    )


def load_linear(path: str | Path, model: ZeroShotModel) -> LinearLayer:
    """Read what :meth:`LinearLayer.save` wrote.

    Raises:
        InputError: If it is no such file, was damaged, or was trained for another model.
    """
    from safetensors import SafetensorError, safe_open

    place = as_path(path)
    shown = printable(place)
    if not place.is_file():
        raise InputError(f"no linear layer at {shown}: no such file")
    try:
        with safe_open(place, framework="pt") as file:
            card = json.loads((file.metadata() or {})["zsxai-linear"])
            weight = file.get_tensor("weight")
        if card.pop("format") != _FORMAT or weight.ndim != 2:
            raise ValueError("another format")
        digest = card.pop("sha256")
        found = LinearLayer(weight=weight, **{**card, "losses": tuple(card["losses"])})
        if found.sha256 != digest:
            raise ValueError("its hash differs")
    except (ValueError, KeyError, TypeError, SafetensorError, OSError) as error:
        raise InputError(f"{shown} holds no linear layer of zsxai: {first_line(error)}") from error
    found.check(model)
    return found


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)
