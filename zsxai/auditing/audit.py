"""What an audit found: frozen, typed; says itself, saves and loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError

from zsxai.auditing.cue import PARTS_OF_SOUND, Place
from zsxai.auditing.rule import drives
from zsxai.errors import InputError, first_problem
from zsxai.files import as_path, whole_folder
from zsxai.names import printable
from zsxai.value import Value
from zsxai.written import align, as_csv, per_cent

RECORD, TABLE, PAGE = "audit.json", "table.csv", "index.html"
FILES = (RECORD, TABLE, PAGE)
"""What a saved folder holds; the first marks it as one."""
FORMAT = "zsxai-audit-1"


class Mean(Value):
    """A mean over recordings with the ends of its 95 % interval, which are None where there are fewer than two."""

    mean: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + ("" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]")


class Curve(Value):
    """Means of a row of shares, with the ends of their intervals; all empty where nothing was found."""

    mean: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class Curves(Value):
    """Where it lies, over hertz or over seconds.

    Attributes:
        evidence: Shares of the evidence.
        power: Shares of the recordings' power.
        level: Shares of their level above the floor: what a map gives that knows nothing of the label.
    """

    evidence: Curve
    power: Curve
    level: Curve


class Cue(Value):
    """A part of the sound in which a class may have a cue that is none of the class's own.

    Attributes:
        label: The class.
        place: Where it lies.
        share: Part of the evidence that lies in it; of a tone or a click, part of the recordings that have it.
        own: What evidence that knows nothing of the label would have there at most; 0 of a tone or a click.
        others: Share in other classes: their mean; of a tone or a click the most that one has.
        holding: Recordings that have it.
        recordings: Recordings of the class.
        fall: How far the score falls without it; None where that was not measured.
        elsewhere: How far scores of other classes fall without it.
        p: The p value of the difference of both, corrected.
        unmet: Conditions of the rule that it does not meet (:mod:`zsxai.auditing.rule`); none where it is named.
    """

    label: str
    place: Place
    share: float
    own: float
    others: float
    holding: int
    recordings: int
    fall: Mean | None = None
    elsewhere: Mean | None = None
    p: float | None = None
    unmet: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether the rule names it."""
        return not self.unmet

    @property
    def of_model(self) -> bool:
        """Whether it is evidence that lies there, or what recordings share, whatever the model makes of it."""
        return self.place.kind in PARTS_OF_SOUND

    @property
    def drives(self) -> bool:
        """Whether the score was found to rest on it."""
        if self.fall is None or self.elsewhere is None or self.p is None:
            return False
        return drives(self.fall.mean, self.elsewhere.mean, self.p)

    @property
    def judged(self) -> str:
        """What was found of the score, in words."""
        if self.drives:
            return "the score rests on it"
        if self.fall is None or self.elsewhere is None or self.p is None:
            return "not measured"
        more = self.fall.mean > max(self.elsewhere.mean, 0.0)
        return f"perhaps by chance (p {self.p:.2g})" if more else "the score does not rest on it"

    def __str__(self) -> str:
        where, many = str(self.place), f"{self.holding} of {self.recordings} recordings"
        if self.of_model:
            said = f"{per_cent(self.share)} of the evidence lies in {where}, in {many}"
            rest = f"in other classes {per_cent(self.others)} lies there, by loudness {per_cent(self.own)} would"
        else:
            sound = "a steady narrow sound at" if self.place.kind == "tone" else "a short sound"
            said = f"{many} share {sound} {where}"
            rest = f"of another class {per_cent(self.others)} at most"
        if self.fall is None or self.elsewhere is None:
            return f"{self.label}: {said}; {rest}"
        turned = "lowers" if self.fall.mean >= 0 else "raises"
        changed = f"removing it {turned} the score by {_size(self.fall)}, in other classes by {self.elsewhere.mean:.3f}"
        return f"{self.label}: {said}; {changed}: {self.judged}; {rest}"


class Outlier(Value):
    """A clip that differs from its class.

    Attributes:
        name: In its data set.
        label: Its class.
        score: Of its label.
        distance: Of its evidence from the class's mean, over hertz and over time, from 0 to 1; None without evidence.
        why: ``profile``, ``score``, or both.
    """

    name: str
    label: str
    score: float
    distance: float | None
    why: tuple[str, ...]


class ClassAudit(Value):
    """A class.

    Attributes:
        label: Its name, which is the prompt.
        clips: How many were explained.
        recordings: That they were cut from.
        blank: Clips without any evidence.
        score: Of its label.
        seconds: Mean length.
        hertz: Over :attr:`Audit.band_edges`.
        time: Over equal parts of a clip.
        after: Over absolute time, bins of :attr:`Audit.bin_seconds`.
        silence: Share of the evidence in frames 40 dB or more under the loudest.
        silent_time: Share of such frames.
        start: Share of the evidence in the first 5 %.
        end: In the last.
        outside: Outside the annotated time, where that is known.
        cues: Named or not.
        outliers: Clips that differ most.
    """

    label: str
    clips: int
    recordings: int
    blank: int
    score: Mean
    seconds: float
    hertz: Curves
    time: Curves
    after: Curves
    silence: Mean | None
    silent_time: Mean
    start: Mean | None
    end: Mean | None
    outside: Mean | None
    cues: tuple[Cue, ...]
    outliers: tuple[Outlier, ...]

    def cue(self, kind: str) -> Cue | None:
        """The cue of a kind, where one was looked for."""
        return next((cue for cue in self.cues if cue.place.kind == kind), None)


class SkippedClip(Value):
    """A recording that could not be read or explained, and why."""

    name: str
    error: str


class Audit(Value):
    """What :func:`zsxai.audit` found.

    Attributes:
        title: Name of the data.
        classes: In the order of their names.
        skipped: Recordings that were passed over.
        band_edges: Hertz.
        bin_seconds: Of absolute time.
        unit: Unit of the scores.
        model: Name.
        weights_sha256: Hash of the weights, where it is known.
        explainer: Name.
        options: Options of the explainer.
        template: Around the labels.
        annotations: Name of the file of annotations, if any.
        seed: Of whatever was drawn.
        limit: Clips of a class at most.
        versions: Versions of the libraries that compute.
    """

    title: str
    classes: tuple[ClassAudit, ...]
    skipped: tuple[SkippedClip, ...]
    band_edges: tuple[float, ...]
    bin_seconds: float
    unit: str
    model: str
    weights_sha256: str | None
    explainer: str
    options: dict[str, Any]
    template: tuple[str, ...]
    annotations: str | None
    seed: int
    limit: int | None
    versions: dict[str, str]

    _excerpts: dict[str, bytes] = PrivateAttr(default_factory=dict)

    @property
    def cues(self) -> tuple[Cue, ...]:
        """Cues that the rule names, those that the score rests on first."""
        found = [cue for one in self.classes for cue in one.cues if cue.named]
        return tuple(sorted(found, key=lambda cue: not cue.drives))

    def __eq__(self, other: object) -> bool:
        """Whether the records are the same, with players or without."""
        return self.model_dump() == other.model_dump() if isinstance(other, Audit) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.title, self.model, self.weights_sha256, self.explainer, self.seed))

    def __str__(self) -> str:
        found = "\n".join(map(str, self.cues)) or "No cue is named."
        return f"{found}\n{_write_text(self.rows())}"

    def rows(self) -> list[dict[str, str | int | float | None]]:
        """A row of figures for every class."""
        return [_row(one) for one in self.classes]

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder with the record as JSON, the table as CSV and a page.

        The page plays a few seconds of the clips that differ most; of an audit that was loaded it has no players.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        from zsxai.show.audit import page_html

        place = as_path(folder)
        with whole_folder(place, FILES, overwrite=overwrite) as draft:
            record = {"format": FORMAT, **self.model_dump(mode="json")}
            text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
            (draft / RECORD).write_bytes(f"{text}\n".encode())
            (draft / TABLE).write_bytes(_write_csv(self.rows()).encode())
            (draft / PAGE).write_bytes(page_html(self, self._excerpts).encode())
        return place

    @classmethod
    def load(cls, folder: str | Path) -> Audit:
        """Read a folder that :meth:`save` wrote.

        Raises:
            InputError: If it is no such folder, or was damaged.
        """
        path = as_path(folder) / RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(record, dict) or record.pop("format", None) != FORMAT:
                raise InputError(f"{printable(path)} is no audit of this version")
            return cls.model_validate(record)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            reason = first_problem(error, cls.model_fields) if isinstance(error, ValidationError) else error
            raise InputError(f"cannot read the audit {printable(path)}: {reason}") from error


def _size(fall: Mean) -> str:
    """The size of a change with its interval, in the direction that is said in words."""
    if fall.low is None or fall.high is None:
        return f"{abs(fall.mean):.3f}"
    low, high = (fall.low, fall.high) if fall.mean >= 0 else (-fall.high, -fall.low)
    return f"{abs(fall.mean):.3f} [{low:.3f}, {high:.3f}]"


def _row(one: ClassAudit) -> dict[str, str | int | float | None]:
    band = one.cue("band")
    row: dict[str, str | int | float | None] = {
        "class": one.label,
        "clips": one.clips,
        "recordings": one.recordings,
        "blank": one.blank,
    }
    figures = {
        "score": one.score,
        "start": one.start,
        "end": one.end,
        "silence": one.silence,
        "silent_time": one.silent_time,
        "outside": one.outside,
    }
    for name, figure in figures.items():
        row |= {name: None, f"{name}_low": None, f"{name}_high": None}
        if figure is not None:
            row |= {name: figure.mean, f"{name}_low": figure.low, f"{name}_high": figure.high}
    row["band_low_hz"], row["band_high_hz"] = (band.place.low, band.place.high) if band else (None, None)
    row["band"], row["band_own"], row["band_others"] = (band.share, band.own, band.others) if band else (None,) * 3
    row["band_fall"] = band.fall.mean if band is not None and band.fall is not None else None
    row["named"] = "; ".join(str(cue.place) for cue in one.cues if cue.named)
    return row


def _write_csv(rows: list[dict[str, str | int | float | None]]) -> str:
    lines = ([f"{value:.6g}" if isinstance(value, float) else value for value in row.values()] for row in rows)
    return as_csv([rows[0], *lines])


def _write_text(rows: list[dict[str, str | int | float | None]]) -> str:
    """The figures that fit on a line."""
    heads = ("class", "clips", "score", "start", "end", "silence", "outside", "band", "where", "named")
    lines: list[tuple[str, ...]] = [heads]
    for row in rows:
        shares = [_part(row[name]) for name in ("start", "end", "silence", "outside", "band")]
        low, high = row["band_low_hz"], row["band_high_hz"]
        where = (
            str(Place(kind="band", low=float(low), high=float(high))) if low is not None and high is not None else ""
        )
        score = f"{row['score']:.3f}"
        lines.append((str(row["class"]), str(row["clips"]), score, *shares, where, str(row["named"])))
    return "\n".join(align(lines))


def _part(value: str | float | None) -> str:
    return "" if value is None else per_cent(float(value))
