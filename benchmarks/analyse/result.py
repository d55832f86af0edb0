"""What a run found: rows, tables, comparisons, ranks, plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from zsxai.benchmarks.analyse.frame import INDEX, Record, StoredCell, figure_names, frame, pandas, strata_of
from zsxai.benchmarks.analyse.reading import CONTROLS_OF_A_MASK, WINS, names_of, split
from zsxai.benchmarks.analyse.statistics import holm
from zsxai.benchmarks.analyse.tables import Pair, Sample, comparison_table, rank_table, samples, table
from zsxai.benchmarks.folder import read_record
from zsxai.benchmarks.run.suite import Suite, load_suite
from zsxai.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.blocks import Block
    from zsxai.benchmarks.run.plan import Cell, Settings

_INDEX = list(INDEX)


class CellStore(Protocol):
    """What a result needs of a store."""

    def read(self, keys: Iterable[str]) -> Iterable[StoredCell]:
        """Cells that are there."""


class Result:
    """A finished run, or as much of one as its store holds.

    Args:
        suite: What was run.
        settings: Where the data were.
        cells: All cells of the plan, in its order; measured or not.
        store: Where measured cells lie.
    """

    def __init__(
        self,
        suite: Suite,
        settings: Settings | Mapping[str, Any],
        cells: Sequence[Cell] | Sequence[Record],
        store: CellStore,
    ) -> None:
        self.suite = suite
        self.settings: dict[str, Any] = dict(settings if isinstance(settings, Mapping) else vars(settings))
        self.records = tuple(c if isinstance(c, Record) else Record.of(c, suite) for c in cells)
        self.store = store
        self._metrics: dict[str, list[str]] = {}

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The last run of a folder; needs neither its data nor its models.

        Raises:
            InputError: If the folder holds no run, or one that cannot be read.
        """
        from zsxai.benchmarks.run.store import Store

        found = read_record(Path(folder))
        records = [Record.from_json(cell) for cell in found["cells"]]
        return cls(load_suite(found["suite"]), found["settings"], records, Store(folder))

    @cached_property
    def stored(self) -> dict[str, StoredCell]:
        """Measured cells by key, in the order of the plan."""
        keys = list(dict.fromkeys(record.key for record in self.records))
        found = {cell.key: cell for cell in self.store.read(keys)}
        return {key: found[key] for key in keys if key in found}

    @property
    def missing(self) -> list[Record]:
        """Planned cells that the store does not hold."""
        return [record for record in self.records if record.key not in self.stored]

    @cached_property
    def _rows(self) -> DataFrame:
        return frame(self.records, self.stored.values())

    def rows(self) -> DataFrame:
        """A line per clip, explainer, kind of mask and variant: see :func:`~zsxai.benchmarks.analyse.frame.frame`."""
        return self._rows.copy()

    @cached_property
    def samples(self) -> list[Sample]:
        """Rows by setting, each with its draws of recordings."""
        return samples(self._rows, self.suite.draws)

    @cached_property
    def blocks(self) -> list[Block]:
        """Rows by setting and kind of mask, as plots show them."""
        from zsxai.benchmarks.analyse.blocks import all_blocks

        return all_blocks(self)

    @property
    def failures(self) -> DataFrame:
        """What explainers raised: a line per item, and one with an empty item per unit that failed as a whole."""
        lines = []
        for record in dict.fromkeys(self.records):
            cell = self.stored.get(record.key)
            for failure in cell.failures if cell else ():
                items = 1 if failure.item or cell is None else len(cell.description.get("items", ()))
                lines.append({**record.columns, "item": failure.item, "items": items, "error": failure.error})
        columns = [*(name for name in INDEX if name != "calibration"), "item", "items", "error"]
        made: DataFrame = pandas().DataFrame(lines, columns=columns)
        return made

    def timings(self) -> DataFrame:
        """Process CPU seconds and clips encoded by explainer; never part of a table of figures."""
        lines = []
        for record in dict.fromkeys(self.records):
            cell = self.stored.get(record.key)
            if cell is not None:
                items = len({row.item for row in cell.rows})
                forwards = {f"forwards ({name})": count for name, count in cell.forwards.items()}
                lines.append({**record.columns, "items": items, "seconds": cell.seconds, **forwards})
        by = [name for name in INDEX if name != "calibration"]
        made: DataFrame = pandas().DataFrame(lines, columns=None if lines else [*by, "items", "seconds"])
        return made.groupby(by, sort=False).sum(numeric_only=True).fillna(0)

    def is_control(self, explainer: str) -> bool:
        """Whether a label is that of a blind control."""
        return explainer in {e.title for e in self.suite.all_explainers if e.name in self.suite.controls}

    def metrics(self, task: str) -> list[str]:
        """Figures that tables of a task show: its metrics, then wins over an explainer's own controls."""
        if task not in self._metrics:
            self._metrics[task] = self._shown(task)
        return list(self._metrics[task])

    def _shown(self, task: str) -> list[str]:
        rows = self._rows[self._rows["task"] == task]
        there = set().union(*rows["measured"]) if len(rows) else set()
        asked = [t.metrics or names_of(task) for t in self.suite.tasks if t.kind == task]
        found = [name for name in dict.fromkeys(n for names in asked for n in names) if name in there]
        variants = set(rows["variant"])
        bases = dict.fromkeys(
            split(name)[1]
            for name in (
                *([self.suite.headline.metric] if self.suite.headline.task == task else []),
                *self.suite.comparisons.metrics,
            )
        )
        controls = [c for c in CONTROLS_OF_A_MASK if c in variants]
        return found + [f"{c}{WINS}{base}" for base in bases if base in there for c in controls]

    def table(
        self,
        task: str | None = None,
        metrics: Sequence[str] | None = None,
        variant: str = "own",
        stratum: str | None = None,
        macro: bool = False,
    ) -> DataFrame:
        """Means with 95 % intervals by bootstrap over recordings; seeds, calibrations and kinds of masks stay apart.

        Args:
            task: Kind of task; all where None.
            metrics: Names of metrics or raw figures (``p_in``), ``foil-wins:<metric>``, ``rolled-wins:<metric>``;
                :meth:`metrics` where None.
            variant: ``own``, or the name of a control made from the explainer, an oracle, a level of a cascade.
            stratum: Only rows of it.
            macro: Mean over classes of class means.

        Returns:
            Index :data:`~zsxai.benchmarks.analyse.frame.INDEX`; columns ``(figure, mean | low | high | n | n_invalid)``.

        Raises:
            InputError: If there is no such task, figure, variant or stratum in the run.
        """
        chosen = self._of_task(task)
        self._check(chosen, metrics, variant, stratum)
        by_task = {s.task: list(metrics) if metrics is not None else self.metrics(s.task) for s in chosen}
        return table(chosen, by_task or {"": metrics or ()}, variant, stratum, macro)

    def compare(
        self, first: str, second: str, metric: str | Sequence[str] | None = None, stratum: str | None = None
    ) -> DataFrame:
        """Two explainers on the same rows; Holm's correction runs over the lines of this call.

        Args:
            first: Label of an explainer.
            second: Label of another.
            metric: Figure, or several; the suite's comparisons and its headline where None.
            stratum: Only rows of it.

        Returns:
            See :func:`~zsxai.benchmarks.analyse.tables.comparison_table`; ``p_holm`` is corrected.

        Raises:
            InputError: If an explainer or a figure is not in the run.
        """
        known = list(dict.fromkeys(self._rows["explainer"]))
        for name in (first, second):
            if name not in known:
                raise InputError(f"no explainer {name!r} in the run: it has {', '.join(known)}")
        if metric is None:
            metrics = list(dict.fromkeys([self.suite.headline.metric, *self.suite.comparisons.metrics]))
        else:
            metrics = [metric] if isinstance(metric, str) else list(metric)
        self._check(self.samples, metrics if metric is not None else None, "own", stratum)
        found = comparison_table(self.samples, [Pair(first, second, name) for name in metrics], stratum)
        return _corrected(found)

    def comparisons(self) -> DataFrame:
        """The family of tests that the suite names beforehand; Holm's correction runs over all of it."""
        named = self.suite.comparisons
        there = list(dict.fromkeys(self._rows["explainer"]))
        against = named.against
        couples = [(x, against) for x in there if x != against] if against else list(combinations(there, 2))
        pairs = [Pair(first, second, name) for name in named.metrics for first, second in couples]
        return _corrected(comparison_table(self.samples, pairs))

    def ranks(self, metric: str | None = None, task: str | None = None, stratum: str | None = None) -> DataFrame:
        """Ranks with 95 % intervals; the headline's where no metric is named.

        Ranks are over explainers that run with the suite's first seed.
        """
        headline = self.suite.headline
        if metric is None:
            metric, task, stratum = headline.metric, headline.task, headline.stratum
        chosen = [s for s in self._of_task(task) if s.at["seed"] == self.suite.seeds[0]]
        self._check(chosen, [metric], "own", stratum)
        return rank_table(chosen, metric, stratum)

    def headline(self) -> DataFrame:
        """The one figure that the suite is about: mean, interval, counts and rank of every explainer."""
        headline = self.suite.headline
        found = self.table(headline.task, [headline.metric], stratum=headline.stratum)[headline.metric]
        where = self.ranks()[["rank", "rank_mean", "rank_low", "rank_high"]]
        return found.join(where)

    def plot(self, kind: str = "intervals", **options: Any) -> Figure:
        """A matplotlib figure, made without pyplot.

        Args:
            kind: ``intervals``, or a plot of one of the suite's tasks.
            **options: What the plot takes, such as ``task`` and ``metrics``.

        Raises:
            InputError: If the kind is unknown, or the run has nothing to plot.
        """
        from zsxai.benchmarks.report.plots import draw

        return draw(self, kind, **options)

    def _of_task(self, task: str | None) -> list[Sample]:
        if task is None:
            return self.samples
        there = list(dict.fromkeys(s.task for s in self.samples))
        if self.samples and task not in there:
            raise InputError(f"no rows of a task {task!r}: the run has {', '.join(there)}")
        return [s for s in self.samples if s.task == task]

    def _check(
        self, chosen: Sequence[Sample], metrics: Sequence[str] | None, variant: str, stratum: str | None
    ) -> None:
        """Only what no row of the run has is an error; what one setting lacks is a line less."""
        rows = self._rows
        if not len(rows):
            return
        figures = set(figure_names(rows))
        for name in metrics or ():
            control, base = split(name)
            if base not in figures or (control and control not in CONTROLS_OF_A_MASK):
                raise InputError(f"no figure {name!r} in the run: it has {', '.join(sorted(figures))}")
        variants = list(dict.fromkeys(v for s in chosen for v in s.rows["variant"].unique()))
        if variants and variant not in variants:
            raise InputError(f"no variant {variant!r} in the run: it has {', '.join(variants)}")
        if stratum is not None and stratum not in strata_of(rows):
            known = ", ".join(strata_of(rows)) or "none"
            raise InputError(f"no stratum {stratum!r} in the run: it has {known}")


def _corrected(found: DataFrame) -> DataFrame:
    return found.assign(p_holm=holm(found["p"].to_numpy(dtype="float64")))
