"""Sound files that libsndfile does not write, by PyAV."""

from __future__ import annotations

import io

import numpy as np
import pytest

FORMS = {
    "m4a": ("ipod", "aac"),
    "mp4": ("mp4", "aac"),
    "mov": ("mov", "pcm_s24le"),
    "webm": ("webm", "libopus"),
    "mka": ("matroska", "flac"),
    "alac": ("ipod", "alac"),
    "aac": ("adts", "aac"),
    "wma": ("asf", "wmav2"),
    "avi": ("avi", "pcm_u8"),
    "flv": ("flv", "aac"),
    "ts": ("mpegts", "aac"),
    "wv": ("wv", "wavpack"),
}
"""FFmpeg's container and coding by ending."""
LOSSLESS = {"mov": 24, "mka": 16, "alac": 16, "avi": 8, "wv": 8}
"""Endings of what loses nothing but bits, and how many it keeps."""


def encode(ending: str, samples: np.ndarray, rate: int, *, video: bool = False) -> bytes:
    """``(C, T)`` float32 as a file, whose sound comes behind a picture where it is a video."""
    av = pytest.importorskip("av")
    form, coding = FORMS[ending]
    written = io.BytesIO()
    with av.open(written, "w", format=form) as container:
        if video:
            pictures = container.add_stream("mpeg4", rate=10)
            pictures.width = pictures.height = 32
            pictures.pix_fmt = "yuv420p"
        layout = "mono" if len(samples) == 1 else "stereo"
        stream = container.add_stream(coding, rate=rate)
        stream.bit_rate, stream.layout = 96_000 * len(samples), layout
        if video:
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux([*pictures.encode(picture), *pictures.encode(None)])
        convert = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=rate)
        for at in range(0, samples.shape[1], 4096):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, at : at + 4096]), "fltp", layout)
            frame.sample_rate, frame.pts = rate, at
            for converted in convert.resample(frame):
                container.mux(stream.encode(converted))
        for converted in convert.resample(None):
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return written.getvalue()
