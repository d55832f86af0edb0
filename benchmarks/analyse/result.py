"""What a run found: rows, tables, comparisons, ranks, plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zsxai.benchmarks.analyse.blocks import Block, split_blocks
from zsxai.benchmarks.analyse.frame import INDEX, build_frame, import_pandas, list_figures, list_strata
from zsxai.benchmarks.analyse.reading import find_reading, list_metrics
from zsxai.benchmarks.analyse.sample import Sample, split_settings
from zsxai.benchmarks.analyse.tables import Pair, tabulate, tabulate_comparisons, tabulate_ranks, tabulate_ratio
from zsxai.benchmarks.run.figures import CONTROLS_OF_A_MASK, WINS, split_figure
from zsxai.benchmarks.run.folder import read_record
from zsxai.benchmarks.run.plan import Cell
from zsxai.benchmarks.run.store import Store, Stored
from zsxai.benchmarks.run.suite import Suite, load_suite
from zsxai.concepts.statistics import correct_holm
from zsxai.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_COLUMNS = [name for name in INDEX if name != "calibration"]
"""What distinguishes cells."""


class Result:
    """A finished run, or as much of one as its store holds.

    Args:
        suite: What was run.
        settings: What the run added to it: ``roots`` of the data, ``limit``, ``device``, ``command``.
        cells: All cells of the plan, in its order; measured or not.
        store: Where measured cells lie.
    """

    def __init__(self, suite: Suite, settings: Mapping[str, Any], cells: Sequence[Cell], store: Store) -> None:
        self.suite = suite
        self.settings = dict(settings)
        self.cells = tuple(cells)
        self.store = store
        self._metrics: dict[str, list[str]] = {}

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The last run of a folder; needs neither its data nor its models.

        Raises:
            InputError: If the folder holds no run, or one that cannot be read.
        """
        record = read_record(Path(folder))
        cells = [Cell.from_json(cell) for cell in record["cells"]]
        return cls(load_suite(record["suite"]), record["settings"], cells, Store(folder))

    @cached_property
    def stored(self) -> dict[str, Stored]:
        """Measured cells by key, in the order of the plan."""
        return {found.key: found for found in self.store.read(dict.fromkeys(cell.key for cell in self.cells))}

    @property
    def missing(self) -> list[Cell]:
        """Planned cells that the store does not hold."""
        return [cell for cell in self.cells if cell.key not in self.stored]

    @cached_property
    def _rows(self) -> DataFrame:
        return build_frame(self.cells, self.stored.values())

    def rows(self) -> DataFrame:
        """The rows, as :func:`~zsxai.benchmarks.analyse.frame.build_frame` makes them."""
        return self._rows.copy()

    @cached_property
    def samples(self) -> list[Sample]:
        """Rows by setting, each with its draws of recordings."""
        return split_settings(self._rows, self.suite.draws)

    @cached_property
    def blocks(self) -> list[Block]:
        """Rows by setting and kind of mask, as plots show them."""
        return split_blocks(self)

    @property
    def failures(self) -> DataFrame:
        """What explainers raised: a line per item, and one with an empty item per unit that failed as a whole."""
        lines = []
        for cell, found in self._measured():
            for failure in found.failures:
                items = 1 if failure.item else len(found.description.get("items", ()))
                lines.append({**cell.columns, "item": failure.item, "items": items, "error": failure.error})
        made: DataFrame = import_pandas().DataFrame(lines, columns=[*_COLUMNS, "item", "items", "error"])
        return made

    def timings(self) -> DataFrame:
        """Process CPU seconds and clips encoded by explainer; never part of a table of figures."""
        lines = []
        for cell, found in self._measured():
            items = len({row.item for row in found.rows})
            forwards = {f"forwards ({name})": count for name, count in found.forwards.items()}
            lines.append({**cell.columns, "items": items, "seconds": found.seconds, **forwards})
        made: DataFrame = import_pandas().DataFrame(lines, columns=None if lines else [*_COLUMNS, "items", "seconds"])
        return made.groupby(_COLUMNS, sort=False).sum(numeric_only=True).fillna(0)

    def _measured(self) -> list[tuple[Cell, Stored]]:
        return [(cell, self.stored[cell.key]) for cell in dict.fromkeys(self.cells) if cell.key in self.stored]

    def is_control(self, explainer: str) -> bool:
        """Whether a label is that of a blind control."""
        return explainer in self.suite.blind

    def metrics(self, task: str) -> list[str]:
        """Figures that tables of a task show: its metrics, then wins over an explainer's own controls."""
        if task not in self._metrics:
            self._metrics[task] = self._choose_metrics(task)
        return list(self._metrics[task])

    def _choose_metrics(self, task: str) -> list[str]:
        rows = self._rows[self._rows["task"] == task]
        measured = set().union(*rows["measured"]) if len(rows) else set()
        asked = [t.metrics or list_metrics(task) for t in self.suite.tasks if t.kind == task]
        found = [name for name in dict.fromkeys(n for names in asked for n in names) if name in measured]
        variants = set(rows["variant"])
        bases = dict.fromkeys(
            split_figure(name)[1]
            for name in (
                *([self.suite.headline.metric] if self.suite.headline.task == task else []),
                *self.suite.comparisons.metrics,
            )
        )
        controls = [c for c in CONTROLS_OF_A_MASK if c in variants]
        return found + [f"{c}{WINS}{base}" for base in bases if base in measured for c in controls]

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
            Index :data:`~zsxai.benchmarks.analyse.frame.INDEX`; columns ``(figure, value)``, where the values are
            ``mean``, ``low``, ``high``, ``n`` and ``n_invalid``.

        Raises:
            InputError: If there is no such task, figure, variant or stratum in the run.
        """
        chosen = self._select(task)
        self._check(chosen, metrics, variant, stratum)
        by_task = {s.task: list(metrics) if metrics is not None else self.metrics(s.task) for s in chosen}
        return tabulate(chosen, by_task or {"": metrics or ()}, variant, stratum, macro)

    def ratio(
        self, over: str, under: str, task: str | None = None, variant: str = "own", stratum: str | None = None
    ) -> DataFrame:
        """The mean of one figure over that of another, with 95 % intervals by bootstrap over recordings.

        A mean of ratios depends on the few rows where the second figure is small; a ratio of means does not.

        Args:
            over: Figure.
            under: Figure that it is divided by, on the same rows.
            task: Kind of task; all where None.
            variant: Which masks.
            stratum: Only rows of it.

        Returns:
            Index as of :meth:`table`; columns ``mean``, ``low``, ``high``, ``n`` and ``n_invalid``.

        Raises:
            InputError: If there is no such task, figure, variant or stratum in the run.
        """
        chosen = self._select(task)
        self._check(chosen, [over, under], variant, stratum)
        return tabulate_ratio(chosen, over, under, variant, stratum)

    @cached_property
    def whole_table(self) -> DataFrame:
        """Tables of all variants under one another; ``variant`` is the last level of the index."""
        variants = list(dict.fromkeys(v for sample in self.samples for v in sample.rows["variant"].unique()))
        parts = {v: self.table(variant=v) for v in sorted(variants, key=lambda v: v != "own")}
        made: DataFrame = import_pandas().concat(parts or {"own": self.table()}, names=["variant"])
        return made.reorder_levels([*INDEX, "variant"])

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
            See :func:`~zsxai.benchmarks.analyse.tables.tabulate_comparisons`; ``p_holm`` is corrected.

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
        found = tabulate_comparisons(self.samples, [Pair(first, second, name) for name in metrics], stratum)
        return _correct(found)

    def comparisons(self) -> DataFrame:
        """The family of tests that the suite names beforehand; Holm's correction runs over all of it."""
        named = self.suite.comparisons
        present = list(dict.fromkeys(self._rows["explainer"]))
        against = named.against
        couples = [(x, against) for x in present if x != against] if against else list(combinations(present, 2))
        pairs = [Pair(first, second, name) for name in named.metrics for first, second in couples]
        return _correct(tabulate_comparisons(self.samples, pairs))

    def ranks(self, metric: str | None = None, task: str | None = None, stratum: str | None = None) -> DataFrame:
        """Ranks, and how often each is first in resamples of the recordings; the headline's where no metric is named.

        Ranks are over explainers that run with the suite's first seed.
        """
        headline = self.suite.headline
        if metric is None:
            metric, task, stratum = headline.metric, headline.task, headline.stratum
        chosen = [s for s in self._select(task) if s.at["seed"] == self.suite.seeds[0]]
        self._check(chosen, [metric], "own", stratum)
        return tabulate_ranks(chosen, metric, stratum)

    def headline(self) -> DataFrame:
        """The one figure that the suite is about: mean, interval, counts of every explainer, and rank where it has one.

        Raises:
            InputError: If nothing was measured of it.
        """
        headline = self.suite.headline
        found = self.table(headline.task, [headline.metric], stratum=headline.stratum)[headline.metric]
        if find_reading(headline.task, headline.metric).better == "neither":
            return found
        where = self.ranks()[["rank", "first"]]
        return found.join(where)

    def has_headline(self) -> bool:
        """Whether anything was measured of the figure that the suite is about."""
        base = split_figure(self.suite.headline.metric)[1]
        return base in list_figures(self._rows[self._rows["task"] == self.suite.headline.task])

    def plot(self, kind: str = "intervals", **options: Any) -> Figure:
        """A matplotlib figure, made without pyplot.

        Args:
            kind: ``intervals``, or a plot of one of the suite's tasks.
            **options: What the plot takes, such as ``task`` and ``metrics``.

        Raises:
            InputError: If the kind is unknown, or the run has nothing to plot.
        """
        from zsxai.benchmarks.analyse.plots.draw import draw

        return draw(self, kind, **options)

    def _select(self, task: str | None) -> list[Sample]:
        if task is None:
            return self.samples
        present = list(dict.fromkeys(s.task for s in self.samples))
        if self.samples and task not in present:
            raise InputError(f"no rows of a task {task!r}: the run has {', '.join(present)}")
        return [s for s in self.samples if s.task == task]

    def _check(
        self, chosen: Sequence[Sample], metrics: Sequence[str] | None, variant: str, stratum: str | None
    ) -> None:
        """Only what no row of the run has is an error; what one setting lacks is a line less."""
        rows = self._rows
        if not len(rows):
            return
        figures = set(list_figures(rows))
        for name in metrics or ():
            control, base = split_figure(name)
            if base not in figures or (control and control not in CONTROLS_OF_A_MASK):
                raise InputError(f"no figure {name!r} in the run: it has {', '.join(sorted(figures))}")
        variants = list(dict.fromkeys(v for s in chosen for v in s.rows["variant"].unique()))
        if variants and variant not in variants:
            raise InputError(f"no variant {variant!r} in the run: it has {', '.join(variants)}")
        if stratum is not None and stratum not in list_strata(rows):
            known = ", ".join(list_strata(rows)) or "none"
            raise InputError(f"no stratum {stratum!r} in the run: it has {known}")


def _correct(found: DataFrame) -> DataFrame:
    return found.assign(p_holm=correct_holm(found["p"].to_numpy(dtype="float64")))
