"""Which explainer is ahead on the headline, by what, and how sure: in one order of lines, and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zsxai.benchmarks.analyse.blocks import Block, find_blocks
from zsxai.benchmarks.analyse.bootstrap import Interval, has_mean
from zsxai.benchmarks.analyse.formatting import NOTHING, choose_digits, format_interval, format_number
from zsxai.benchmarks.analyse.reading import Reading, find_reading
from zsxai.benchmarks.analyse.tables import Pair, tabulate_comparisons

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

FEW = 20
"""Recordings; a bootstrap of fewer is too sure of itself."""


class Part(NamedTuple):
    """A part of a sentence.

    Attributes:
        text: The words.
        is_name: Whether it is a name from the run, which a page sets apart.
    """

    text: str
    is_name: bool = False


Sentence = tuple[Part, ...]


@dataclass(frozen=True)
class Line:
    """An explainer in the headline.

    Attributes:
        name: As tables name it.
        explainer: Label.
        calibration: Calibration of its masks.
        figure: Mean and interval; None where nothing was measured.
        is_control: Whether it is a blind control.
        rank: 1 is the best, ties share their mean rank; NaN where it has none.
        place: The rank in words, ``2`` or ``3=``; a dash where it has none.
        first: Share of the bootstrap's draws in which it is first, ties sharing the draw; NaN where it has no rank.
    """

    name: str
    explainer: str
    calibration: str
    figure: Interval | None
    is_control: bool
    rank: float = float("nan")
    place: str = NOTHING
    first: float = float("nan")


@dataclass(frozen=True, eq=False)
class Standing:
    """The headline in one setting and kind of mask.

    Attributes:
        block: The setting.
        lines: Explainers and controls, the best first; in the suite's order where they have no ranks.
        common: Rows that are valid for every explainer, over which ranks are.
        recordings: Recordings behind the lines.
        ranked: Whether one way is better.
    """

    block: Block
    lines: tuple[Line, ...]
    common: int
    recordings: int
    ranked: bool

    @property
    def reading(self) -> Reading:
        """How to read the figure."""
        chosen = self.block.result.suite.headline
        return find_reading(chosen.task, chosen.metric)

    @property
    def digits(self) -> int:
        """Decimals of the figure."""
        chosen = self.block.result.suite.headline
        return choose_digits(chosen.task, chosen.metric)

    @cached_property
    def leader(self) -> Line | None:
        """The best explainer that is no control."""
        return next((line for line in self._entrants if not line.is_control), None)

    @cached_property
    def _entrants(self) -> list[Line]:
        return [line for line in self.lines if has_mean(line.figure)]

    @cached_property
    def _gaps(self) -> dict[str, Interval]:
        """How much better the leader is than each other line, paired."""
        leader = self.leader
        if leader is None:
            return {}
        chosen = self.block.result.suite.headline
        others = [line for line in self._entrants if line.explainer != leader.explainer]
        pairs = [Pair(leader.explainer, name, chosen.metric) for name in dict.fromkeys(o.explainer for o in others)]
        found = tabulate_comparisons([self.block.sample], pairs, chosen.stratum)
        found = found[(found["domain"] == self.block.domain) & (found["scale"] == self.block.scale)]
        found = found[found["calibration"] == leader.calibration]
        by_pair = {(each["second"], each["second_calibration"]): each for each in found.to_dict("records")}
        sign = -1.0 if self.reading.better == "lower" else 1.0
        known = [(line, by_pair.get((line.explainer, line.calibration))) for line in others]
        return {line.name: _turn(each, sign) for line, each in known if each is not None}

    def has_lead(self, name: str) -> bool:
        """Whether no explainer of another name has a better rank."""
        return self.leader is not None and any(o.name == name and o.rank == self.leader.rank for o in self.lines)

    def write(self) -> list[Sentence]:
        """Write who is ahead, by what, and how sure that is."""
        leader = self.leader
        if not self.ranked:
            return []
        if leader is None:
            text = "Only blind controls have a valid value." if self._entrants else "No explainer has a valid value."
            return [(Part(text),)]
        if np.isnan(leader.rank):
            return [(Part("No row is valid for every explainer, so there are no ranks."),)]
        sentences = [self._write_lead(leader), self._write_control(leader), self._write_certainty(leader)]
        return [sentence for sentence in sentences if sentence]

    def _write_lead(self, leader: Line) -> Sentence:
        rivals = [line for line in self._entrants if not line.is_control and line is not leader]
        figure = f"{self.reading.symbol}, {self._format(leader.figure)}"
        name = Part(leader.name, is_name=True)
        if not rivals:
            return (name, Part(f" is the only explainer measured: {figure}."))
        second = rivals[0]
        gap = self._gaps.get(second.name)
        rival, mean = Part(second.name, is_name=True), self._mean(second)
        if gap is None:
            return (name, Part(f" has the best {figure}; the runner-up is "), rival, Part(f" ({mean})."))
        if gap.low > 0:
            ahead = Part(f" is ahead in {figure}: {self._format(gap)} better than the runner-up, ")
            return (name, ahead, rival, Part(f" ({mean})."))
        alike = [Part(r.name, is_name=True) for r in rivals[1:] if self._is_open(r)]
        more = (Part(", nor from "), *_list(alike)) if alike else ()
        leads = Part(f" has the best {figure}, but the clips do not tell it apart from ")
        if second.rank == leader.rank:
            leads = Part(f" is no better than others in {figure}: the clips do not tell it apart from ")
        return (name, leads, rival, Part(f" ({mean}; difference {self._format(gap)})"), *more, Part("."))

    def _write_control(self, leader: Line) -> Sentence:
        control = next((line for line in self._entrants if line.is_control), None)
        if control is None:
            return (Part("No control was measured beside it."),)
        name, mean, gap = Part(control.name, is_name=True), self._mean(control), self._gaps.get(control.name)
        if gap is None:
            return (Part("The best blind control is "), name, Part(f" ({mean})."))
        if gap.low > 0:
            return (Part(f"It is {self._format(gap)} better than the best blind control, "), name, Part(f" ({mean})."))
        if gap.high < 0:
            worse = self._format(Interval(-gap.mean, -gap.high, -gap.low, gap.n, gap.n_invalid))
            return (Part(f"It is {worse} worse than a blind control, "), name, Part(f" ({mean})."))
        difference = f" ({mean}; difference {self._format(gap)})."
        return (Part("The clips do not tell it apart from the best blind control, "), name, Part(difference))

    def _write_certainty(self, leader: Line) -> Sentence:
        if self.recordings < 2:
            return (Part("There is one recording only, which says nothing of others."),)
        share, draws = format_share(leader.first), self.block.result.suite.draws
        text = f"It comes first of all {len(self._entrants)} in {share} of {draws:,} resamples of the "
        text += f"{self.recordings} recordings; differences are paired, intervals 95 %."
        found = leader.figure
        if found is not None and self.common != found.n - found.n_invalid:
            text += f" Ranks are over the {self.common} rows valid for all."
        if self.recordings < FEW:
            text += " So few recordings make the intervals too narrow."
        return (Part(text),)

    def _is_open(self, line: Line) -> bool:
        gap = self._gaps.get(line.name)
        return gap is not None and not (gap.low > 0 or gap.high < 0)

    def _format(self, found: Interval | None) -> str:
        return NOTHING if found is None else format_interval(found._replace(n_invalid=0), self.digits)

    def _mean(self, line: Line) -> str:
        return NOTHING if line.figure is None else format_number(line.figure.mean, self.digits)


def find_standings(result: Result) -> list[Standing]:
    """Find the headline in every setting and kind of mask that has it, in the order of the plan; the first seed's."""
    chosen = result.suite.headline
    if not result.has_headline():
        return []
    ranked = find_reading(chosen.task, chosen.metric).better != "neither"
    ranks = result.ranks() if ranked else None
    blocks = find_blocks(result, chosen.task, seed=result.suite.seeds[0])
    found = [_stand(block, ranks) for block in blocks]
    return [each for each in found if any(line.figure is not None for line in each.lines)]


def write_plainly(sentence: Sentence) -> str:
    """Write a sentence as text."""
    return "".join(part.text for part in sentence)


def count_leads(standings: Sequence[Standing]) -> Sentence:
    """Write in how many settings the first one's leader is first, where there are several."""
    leader = standings[0].leader if standings else None
    if leader is None or len(standings) < 2 or not standings[0].ranked:
        return ()
    count = sum(each.has_lead(leader.name) for each in standings)
    text = f" has the best mean of the explainers, or shares it, in {count} of {len(standings)} settings."
    return (Part(leader.name, is_name=True), Part(text))


def _stand(block: Block, ranks: DataFrame | None) -> Standing:
    chosen = block.result.suite.headline
    found, common = [], 0
    groups = block.rows(stratum=chosen.stratum)
    units = np.unique(np.concatenate([group["unit"].to_numpy() for group in groups.values()] or [np.empty(0, int)]))
    behind = np.unique(block.sample.resampling.recordings_of(units))
    for name, group in groups.items():
        at = {**block.at, "explainer": group["explainer"].iloc[0], "calibration": group["calibration"].iloc[0]}
        figure = block.interval(group, chosen.metric)
        line = Line(name, at["explainer"], at["calibration"], figure, block.is_control(name))
        key = None if ranks is None else tuple(at[level] for level in ranks.index.names)
        if ranks is not None and key in ranks.index:
            each = ranks.loc[key]
            line = Line(**{**vars(line), "rank": float(each["rank"]), "first": float(each["first"])})
            common = int(each["rank_n"])
        found.append(line)
    every = [line.rank for line in found]
    placed = [Line(**{**vars(line), "place": _place(line.rank, every)}) for line in found]
    placed.sort(key=lambda line: line.rank if np.isfinite(line.rank) else np.inf)
    recordings = int((behind < block.sample.resampling.recordings).sum())  # beyond them: what fills up short rows
    return Standing(block, tuple(placed), common, recordings, ranks is not None)


def _place(rank: float, every: Sequence[float]) -> str:
    """A whole number: those tied share the best of their places, marked."""
    if not np.isfinite(rank):
        return NOTHING
    tied = sum(rank == other for other in every)
    return f"{rank - (tied - 1) / 2:.0f}" + ("=" if tied > 1 else "")


def _turn(each: dict[str, Any], sign: float) -> Interval:
    low, high = sorted((sign * each["low"], sign * each["high"]))
    return Interval(sign * each["difference"], low, high, int(each["n"]), int(each["n_invalid"]))


def _list(names: Sequence[Part]) -> list[Part]:
    found = [part for name in names for part in (Part(", "), name)][1:]
    if len(names) > 1:
        found[-2] = Part(" or ")
    return found


def format_share(share: float) -> str:
    """Write a share of the resamples: what is not quite all or nothing is not written as that."""
    if not np.isfinite(share):
        return NOTHING
    if 0.995 <= share < 1:
        return ">99 %"
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
