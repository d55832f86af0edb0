"""What the headers of sound files say of their length, against what was read.

libsndfile believes headers: it reads no further than they say, and says nothing where it reads less. So FLAC's length
is blanked and MP3's corrected before it sees them, and what is left out is told from Ogg's pages and from its own log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from mmap import mmap

MAX_CLAIM = 2**35
"""Samples from which on a length is damage, or what writers put down who know none: nine days at 44,100 Hz."""
_UNKNOWN_BYTES = 0x7FFF0000
"""Lengths from here on (2 GiB) are what writers into a pipe put down, who know none."""
_OGG_RATES = {b"OpusHead": None, b"\x01vorbis": 12, b"\x7fFLAC": 27}
"""Where the first packet has the rate that its granule positions count in: 48,000 Hz in Opus."""
_MP3_BITRATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_PADDING = 3
"""Frames of an MP3 file that may be padding, which decoders leave out."""
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


@dataclass(frozen=True)
class Lengths:
    """What a file is said to hold.

    Attributes:
        patch: A place in the file and the bytes that libsndfile is to see there; None where it may see the file itself.
        size: Bytes of the file that libsndfile is to see.
        seconds: Length that the file claims; None where it is unknown.
        why: What is wrong with it, as far as that can be seen.
    """

    patch: tuple[int, bytes] | None = None
    size: int | None = None
    seconds: float | None = None
    why: str = ""


Encoded = bytes | mmap
"""What a file holds, in memory or mapped from it."""


def lengths_of(data: Encoded) -> Lengths:
    """Look into an Ogg, FLAC or MP3 file; others claim nothing here."""
    start = _id3_size(data)
    if data[:4] == b"OggS":
        return _ogg(data)
    if data[start : start + 4] == b"fLaC":
        return _flac(data, start)
    return _mp3(data, start)


def cut_in_log(log: str) -> float | None:
    """Part of its sound that a file of the RIFF kind still holds, from libsndfile's log; None where it is whole."""
    for name in ("data|SSND|Data Size", "riff|Riff size"):
        for said, there in re.findall(rf"^\s*(?:{name})\s*: (\d+) \(should be (\d+)\)", log, re.MULTILINE):
            if int(there) < int(said) < _UNKNOWN_BYTES:
                return int(there) / int(said)
    return None


def _id3_size(data: Encoded) -> int:
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    return 10 + sum((byte & 127) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))


def _flac(data: Encoded, start: int) -> Lengths:
    info = data[start + 8 : start + 26]
    if len(info) < 18:
        return Lengths()
    rate = int.from_bytes(info[10:13]) >> 4
    samples = int.from_bytes(info[13:18]) & (2**36 - 1)
    # The length is the last 36 bits; 0 is unknown, and is read to the end.
    blank = bytes([info[13] & 0xF0, 0, 0, 0, 0])
    # An ID3v1 tag, 128 bytes that some programs write behind it, is no damage.
    end = len(data) - 128 if data[-128:-125] == b"TAG" else len(data)
    seconds = samples / rate if rate and 0 < samples < MAX_CLAIM else None
    return Lengths((start + 21, blank), end, seconds)


def _mp3(data: Encoded, start: int) -> Lengths:
    tag = next((at for at in (data.find(t, start, start + 4096) for t in (b"Xing", b"Info")) if at >= 0), -1)
    if tag < 0 or not data[tag + 7 : tag + 8] or not data[tag + 7] & 1:
        return Lengths()
    said = int.from_bytes(data[tag + 8 : tag + 12])
    found, rate, each = _count_frames(data, start)
    found -= 1  # the one that carries the tag
    seconds = max(0, said - _MP3_PADDING) * each / rate if rate and said * each < MAX_CLAIM else None
    if found <= said + 1 and seconds is not None:  # no more than it says: nothing is left out
        return Lengths(seconds=seconds)
    return Lengths((tag + 8, max(found, 0).to_bytes(4)), len(data), seconds)


def _count_frames(data: Encoded, at: int) -> tuple[int, int, int]:
    """Frames of an MP3 file, its rate, and the samples of a frame."""
    count = rate = each = 0
    while 0 <= at < len(data) - 4:
        head = int.from_bytes(data[at : at + 4])
        version, layer, bitrate, rates = head >> 19 & 3, head >> 17 & 3, head >> 12 & 15, head >> 10 & 3
        if head >> 21 != 0x7FF or version == 1 or layer != 1 or bitrate in (0, 15) or rates == 3:
            at = data.find(b"\xff", at + 1)
            continue
        here, samples = _MP3_RATES[version][rates], 1152 if version == 3 else 576
        rate, each = rate or here, each or samples
        at += samples // 8 * _MP3_BITRATES[3 if version == 3 else 2][bitrate] * 1000 // here + (head >> 9 & 1)
        count += at <= len(data)
    return count, rate, each


@dataclass
class _Link:
    """One of the recordings that an Ogg file holds in a row."""

    serial: bytes
    rate: int
    granule: int = 0
    skip: int = 0
    ended: bool = False


def _ogg(data: Encoded) -> Lengths:
    links: list[_Link] = []
    starting = False
    at, whole = 0, True
    while (at := data.find(b"OggS", at)) >= 0 and at + 27 <= len(data):
        body = at + 27 + data[at + 26]
        end = body + sum(data[at + 27 : body])
        if end > len(data):
            whole = False
            break
        kind, serial = data[at + 5], data[at + 14 : at + 18]
        granule = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
        if kind & 2:
            link = _first_page(data[body:end], serial)
            if link and (not starting or not links):
                links.append(link)
            starting = True
        else:
            starting = False
            if links and links[-1].serial == serial:
                links[-1].granule = max(links[-1].granule, granule)
                links[-1].ended = links[-1].ended or bool(kind & 4)
        at = end
    known = links and all(link.granule < MAX_CLAIM for link in links)
    seconds = sum(max(0, link.granule - link.skip) / link.rate for link in links) if known else None
    why = ""
    if len(links) > 1:
        why = f"the Ogg file holds {len(links)} recordings in a row, of which the first is read"
    elif links and not (links[0].ended and whole):
        why = "the Ogg file has no end: it is cut"
    return Lengths(seconds=seconds, why=why)


def _first_page(packet: bytes, serial: bytes) -> _Link | None:
    for magic, place in _OGG_RATES.items():
        if packet.startswith(magic):
            if place is None:
                return _Link(serial, 48_000, skip=int.from_bytes(packet[10:12], "little"))
            raw = packet[place : place + 4]
            rate = int.from_bytes(raw[:3]) >> 4 if magic == b"\x7fFLAC" else int.from_bytes(raw, "little")
            return _Link(serial, rate) if rate else None
    return None
