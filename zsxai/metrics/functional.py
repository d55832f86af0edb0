"""Metrics as pure batched functions: one value per clip, so that intervals can be drawn over recordings.

Probabilities come from :func:`probabilities` with a stated scale and are softmaxed once. (The published recipe
softmaxes twice for Average Drop, which turns a true drop of 50 % into about 26 %.)
Nothing is dropped: a value that cannot be computed is NaN, and :func:`summarise` counts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


def probabilities(cosines: ArrayLike, logit_scale: float) -> Values:
    """``softmax(logit_scale * cosine)`` over the label set.

    Args:
        cosines: ``(..., C)``.
        logit_scale: The model's own; 1 is the literal softmax of arXiv 2405.17615, eq. 9 (nearly flat).

    Returns:
        ``(..., C)``, rows sum to 1.
    """
    logits = logit_scale * np.asarray(cosines, dtype=np.float64)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


ROUNDING = 1e-4
"""Relative error of a probability from batched float32 forwards: the same sound in another batch moves it by less."""


def average_increase(p: ArrayLike, p_in: ArrayLike) -> Values:
    """``100 [p_in > p]`` per clip (arXiv 2405.17615, eq. 11), a rise by less than 1e-4 of p not counted.

    Counted bit for bit, a mask of ones, which changes nothing, rises on half of the clips by rounding alone. ``(B,)``
    probabilities of a class on the clip and on the masked-in clip, as in what follows.
    """
    whole, kept = _pair(p, p_in)
    return np.where(np.isnan(whole) | np.isnan(kept), np.nan, 100.0 * (kept > whole * (1.0 + ROUNDING)))


def average_drop(p: ArrayLike, p_in: ArrayLike) -> Values:
    """``100 max(0, p - p_in) / p`` per clip, in [0, 100] (arXiv 2405.17615, eq. 12); NaN where p is 0."""
    whole, kept = _pair(p, p_in)
    return ratio(100.0 * np.maximum(0.0, whole - kept), whole)


def average_drop_double_softmax(all_p: ArrayLike, all_p_in: ArrayLike, target: ArrayLike) -> Values:
    """:func:`average_drop` as the published recipe codes it: of probabilities that are softmaxed again.

    Args:
        all_p: ``(B, C)`` probabilities of all classes on the clip.
        all_p_in: ``(B, C)`` on the masked-in clip.
        target: ``(B,)`` index of the explained class.
    """
    column = np.asarray(target)[:, None]
    again = (np.take_along_axis(probabilities(p, 1.0), column, axis=1)[:, 0] for p in (all_p, all_p_in))
    return average_drop(*again)


def average_gain(p: ArrayLike, p_in: ArrayLike) -> Values:
    """``100 max(0, p_in - p) / (1 - p)`` per clip, in [0, 100] (arXiv 2405.17615, eq. 13); NaN where p is 1."""
    whole, kept = _pair(p, p_in)
    return ratio(100.0 * np.maximum(0.0, kept - whole), 1.0 - whole)


def faithfulness(p: ArrayLike, p_out: ArrayLike) -> Values:
    """``p - p_out`` per clip, in [-1, 1]: what removing the explanation costs (arXiv 2405.17615, eq. 10)."""
    whole, left = _pair(p, p_out)
    return whole - left


def listening_gap(p_in: ArrayLike, p_heard: ArrayLike) -> Values:
    """``|p_in - p_heard|`` per clip, in [0, 1]: how far what is heard is from the mask that was scored.

    Absolute, so that clips which gain and clips which lose do not cancel in the mean; ``p_heard`` says which it is.
    """
    scored, heard = _pair(p_in, p_heard)
    return np.asarray(np.abs(scored - heard))


def input_fidelity(predicted: ArrayLike, predicted_in: ArrayLike) -> Values:
    """``[class of the masked-in clip = class of the clip]`` per clip, 0 or 1 (arXiv 2405.17615, eq. 14)."""
    same: Values = (np.asarray(predicted) == np.asarray(predicted_in)).astype(np.float64)
    return same


def heard_rows(masks: Sequence[ArrayLike] | NDArray[Any], in_band: ArrayLike) -> Iterator[NDArray[Any]]:
    """The rows of each of B masks ``(F, N)`` that the model hears; N may differ from mask to mask."""
    rows = np.asarray(in_band, dtype=bool)
    for mask in masks:
        array = np.asarray(mask)
        yield array if rows.all() else array[rows]


def mask_mean(masks: Sequence[ArrayLike] | NDArray[Any], in_band: ArrayLike) -> Values:
    """Mean of B masks ``(F, N)`` over the rows that the model hears, ``(B,)``; NaN where it hears none."""
    heard = heard_rows(masks, in_band)
    return np.array([m.mean(dtype=np.float64) if m.size else np.nan for m in heard], dtype=np.float64)


def kept_energy(power: ArrayLike, gain: ArrayLike, in_band: ArrayLike) -> Values:
    """Part of the in-band power that a mask keeps, ``(B,)`` in [0, 1]; NaN where there is none.

    Args:
        power: ``(B, F, N)`` or ``(F, N)``.
        gain: ``(B, F, N)`` power gain of the masks (``Masking.gain``).
        in_band: ``(F,)`` bool.
    """
    return ratio(*energies(power, gain, in_band).T)


def energies(power: ArrayLike, gain: ArrayLike, in_band: ArrayLike) -> Values:
    """In-band power that a mask keeps, and all of it, ``(B, 2)``; of the same arguments as :func:`kept_energy`."""
    rows = np.asarray(in_band, dtype=bool)
    heard = np.asarray(power, dtype=np.float64)[..., rows, :]
    kept = np.asarray(gain, dtype=np.float64)[:, rows] * heard
    return np.stack([kept.sum(axis=(1, 2)), np.broadcast_to(heard.sum(axis=(-2, -1)), len(kept))], axis=1)


INSIDE = 0.5
"""A cell at or above it lies in the region that a mask keeps."""
AUDIBLE = 10.0**-0.6
"""A power gain at or above it is heard: 6 dB under the recording."""
_ONCE_MORE = 1.0 - 1e-5
"""What is carried from mel bands to bins is rounded: a gain at the bound stays at it."""


def audibility(power: ArrayLike, gain: ArrayLike) -> Values:
    """Part of the power that each of B masks keeps which is within 6 dB of the recording, ``(B,)`` in [0, 1].

    Args:
        power: ``(F, N)`` of the recording.
        gain: ``(B, F, N)`` power gain of the masks.

    Returns:
        NaN where nothing is kept.
    """
    return ratio(*audible_power(power, gain).T)


def audible_power(power: ArrayLike, gain: ArrayLike) -> Values:
    """The power of :func:`audibility` that is heard, and all that is kept, ``(B, 2)``."""
    gains = np.asarray(gain, dtype=np.float64)
    kept = (gains * np.asarray(power, dtype=np.float64)).reshape(len(gains), -1)
    heard = gains.reshape(len(gains), -1) >= AUDIBLE * _ONCE_MORE
    return np.stack([(kept * heard).sum(axis=1), kept.sum(axis=1)], axis=1)


class Summary(NamedTuple):
    """Mean of the valid values, and how many there were.

    Attributes:
        mean: NaN where none is valid.
        n: Values given.
        n_invalid: NaN or infinite ones among them.
    """

    mean: float
    n: int
    n_invalid: int


def summarise(values: ArrayLike) -> Summary:
    """Mean of per-clip values with the invalid ones counted, never filled."""
    array = np.asarray(values, dtype=np.float64)
    valid = np.isfinite(array)
    return Summary(float(array[valid].mean()) if valid.any() else float("nan"), array.size, int((~valid).sum()))


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Values, Values]:
    return np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)


def ratio(over: Values, under: Values) -> Values:
    """``over / under`` where ``under`` is positive, NaN elsewhere."""
    quotient: Values = np.divide(over, under, out=np.full(np.shape(over), np.nan), where=under > 0)
    return quotient
