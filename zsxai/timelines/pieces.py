"""Pieces of a recording, read again: to be heard on a page, and to be explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.audio.sound import Sound
from zsxai.audio.stream import open_sound
from zsxai.errors import InputError
from zsxai.progress import track
from zsxai.timelines.overview import BLOCK
from zsxai.timelines.peaks import ExplainedPeak, Peak
from zsxai.written import clock

if TYPE_CHECKING:
    from zsxai.timelines.timeline import Timeline

LONGEST = 60.0
"""Seconds of a piece that is explained at most."""


def read_pieces(
    audio: object, sample_rate: int | None, rate: int, spans: Sequence[tuple[int, int]]
) -> list[NDArray[Any]]:
    """Read parts of a recording as the model heard them; blocks behind the last are not read.

    Args:
        audio: The recording.
        sample_rate: Samples per second of an array.
        rate: The model's.
        spans: Start and end of each part, samples at the model's rate.
    """
    found = [np.zeros(stop - start, np.float32) for start, stop in spans]
    last = max((stop for _, stop in spans), default=0)
    with open_sound(audio, sample_rate) as sound:
        first = 0
        for block in sound.blocks(rate, BLOCK):
            for piece, (start, stop) in zip(found, spans, strict=True):
                low, high = max(start, first), min(stop, first + len(block))
                if low < high:
                    piece[low - start : high - start] = block[low - first : high - first]
            first += len(block)
            if first >= last:
                break
    return found


def explain_peaks(
    timeline: Timeline, peaks: Sequence[Peak], *, audio: object, model: object, options: Mapping[str, Any]
) -> list[ExplainedPeak]:
    """See :meth:`zsxai.timelines.timeline.Timeline.explain_peaks`."""
    from zsxai.api import explain

    made, given = timeline.provenance, timeline._given
    if audio is None and (given is None or given.audio is None):
        raise InputError("the recording is not at hand: give audio=")
    source, rate = (audio, None) if audio is not None or given is None else (given.audio, given.sample_rate)
    known = model if model is not None else made.model if given is None else given.model
    usual: dict[str, Any] = {"template": made.template}
    if given is not None:
        usual |= {"device": given.device, "dtype": given.dtype, "reference": given.reference}
    spans = [_span(peak, timeline) for peak in peaks]
    pieces = read_pieces(source, rate, timeline.sample_rate, spans)
    found = []
    parts = zip(peaks, pieces, spans, strict=True)
    for peak, piece, (start, stop) in track(parts, len(peaks), "explaining", options.get("progress")):
        seconds = start / timeline.sample_rate
        at = f"{clock(seconds)} to {clock(stop / timeline.sample_rate)}"
        sound = Sound(
            piece,
            timeline.sample_rate,
            made.audio_channels,
            f"{made.audio_name}, {at}",
            (f"this is {at} of {made.audio_name}: its times count from {seconds:.3f} s",),
        )
        found.append(
            ExplainedPeak(
                peak, seconds, explain(sound, peak.prompt, model=known, **{**usual, **options, "progress": False})
            )
        )
    return found


def _span(peak: Peak, timeline: Timeline) -> tuple[int, int]:
    start, stop = peak.start, peak.stop
    if stop - start > LONGEST:
        start = min(max(start, peak.at - LONGEST / 2), stop - LONGEST)
        stop = start + LONGEST
    return round(start * timeline.sample_rate), min(round(stop * timeline.sample_rate), timeline.samples)
