"""The tables of ``docs/results/lmac-zs.md`` from its runs: ``python docs/results/lmac-zs/tables.py runs/bench-*``."""

import sys
from typing import Any

from zsxai.benchmarks.analyse.formatting import choose_digits, format_interval
from zsxai.benchmarks.analyse.markup import get_interval
from zsxai.benchmarks.analyse.result import Result

FIGURES = {
    "faithfulness": [
        ["foil-wins:removed-at-25", "drop-at-25", "gain-at-25", "removed-at-25"],
        ["drop-at-25-energy", "gain-at-25-energy", "removed-at-25-energy"],
        ["average-increase", "average-drop", "average-gain", "faithfulness", "input-fidelity", "sparseness", "complexity", "mask-mean"],
    ],
    "two-sounds": [["weighted-auc", "contrastive-auc", "pointing"]],
    "prompts": [["mask-mean-right", "mask-mean-wrong", "mask-mean-ratio", "similarity-correlation", "right-is-largest"]],
}  # fmt: skip


def digits(task: str, figure: str) -> int:
    """Areas under curves lie close together."""
    return 3 if task == "two-sounds" else choose_digits(task, figure)


def show(folder: str) -> None:
    """Print the tables of one run, and its comparisons."""
    result = Result.load(folder)
    for task in dict.fromkeys(s.task for s in result.samples):
        for figures in FIGURES[task]:
            for variant in ("own", "rolled"):
                try:
                    found = result.table(task, figures, variant=variant)
                except Exception as error:
                    if variant == "own":
                        sys.stdout.write(f"\n{folder} {task} {figures}: {error}\n")
                    continue
                if variant == "rolled" and "average-drop" not in figures:
                    continue
                names = list(found.index.names)
                places = found.reset_index().groupby(["contamination", "domain", "scale"], sort=False).groups
                for place in places:
                    sys.stdout.write(f"\n**{folder}: {task}, {', '.join(map(str, place))}, {variant}**\n\n")
                    sys.stdout.write(f"| explainer | {' | '.join(figures)} |\n|{'---|' * (len(figures) + 1)}\n")
                    for index, line in found.iterrows():
                        at = dict(zip(names, index, strict=True))
                        if (at["contamination"], at["domain"], at["scale"]) != tuple(place):
                            continue
                        cells = [format_interval(get_interval(line, f), digits(task, f)) for f in figures]
                        sys.stdout.write(f"| {at['explainer']} | {' | '.join(cells)} |\n")
    if result.suite.comparisons.metrics:
        _compared(result.comparisons())


def _compared(found: Any) -> None:
    """Each explainer less the one it is compared with, ``*`` where Holm's p over the whole family is under .05."""
    for place, rows in found.groupby(["task", "contamination", "domain", "scale"], sort=False):
        metrics = list(dict.fromkeys(rows["metric"]))
        sys.stdout.write(f"\n**{', '.join(map(str, place))}, less {rows['second'].iloc[0]}**\n\n")
        sys.stdout.write(f"| explainer | {' | '.join(metrics)} |\n|{'---|' * (len(metrics) + 1)}\n")
        for name in dict.fromkeys(rows["first"]):
            by_metric = rows[rows["first"] == name].set_index("metric")
            cells = []
            for metric in metrics:
                line = by_metric.loc[metric]
                n = digits(place[0], metric)
                text = f"{line['difference']:.{n}f} [{line['low']:.{n}f}, {line['high']:.{n}f}]"
                cells.append(text + ("*" if line["p_holm"] < 0.05 else ""))
            sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    for each in sys.argv[1:]:
        show(each)
