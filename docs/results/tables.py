"""Tables of the pages beside this file, from runs: ``python docs/results/tables.py RUN...``."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from zsxai.benchmarks.analyse.formatting import choose_digits, format_interval
from zsxai.benchmarks.analyse.markup import get_interval
from zsxai.benchmarks.analyse.result import Result
from zsxai.errors import InputError

FIGURES = {
    "faithfulness": [
        ["foil-wins:removed-at-25", "drop-at-25", "gain-at-25", "removed-at-25"],
        ["drop-at-25-energy", "gain-at-25-energy", "removed-at-25-energy"],
        ["average-increase", "average-drop", "average-gain", "faithfulness", "input-fidelity"],
        ["sparseness", "complexity", "mask-mean", "kept-energy", "audibility"],
    ],
    "two-sounds": [["weighted-auc", "contrastive-auc"], ["pointing", "delta-energy"]],
    "prompts": [["mask-mean-right", "mask-mean-wrong", "mask-mean-ratio", "similarity-correlation", "right-is-largest"]],
    "concepts": [
        ["concept-accuracy", "concept-agreement", "concept-words", "concept-groups", "words-say", "concept-kkt"],
        ["stability-noise", "stability-shift", "concept-removal"],
    ],
    "concept-mixtures": [
        ["both-sources", "both-absent", "both-prompts", "source-removal", "group-size", "largest-group"],
        ["weighted-auc"],
    ],
    "concept-retrieval": [["recall-at-1", "average-precision-at-10"]],
    "concept-tagging": [["average-precision", "class-f1"]],
    "presence": [["presence-heard", "presence-refused", "presence-auc", "presence-auc-hardest"]],
    "located": [["weighted-auc", "foil-at-25", "located-share", "heard-share"]],
    "scenes": [["outside", "window-recall"]],
    "absent": [["absent-mask-mean", "present-mask-mean", "absent-shown", "present-shown", "made-up", "present-heard"]],
}  # fmt: skip
STRATA = {
    "presence": ["present", "correct", "misheard", "drawn", "hardest", "outside", "noise", "silence"],
    "located": ["located", "weakly-located", "not-located", "not-heard", None],
    "two-sounds": ["alone", "both-heard", None],
    "concept-mixtures": ["alone", None],
    "concept-retrieval": ["audio-to-text", "text-to-audio"],
}
RATIOS = {
    "absent-mask-mean": ("absent-mask-mean", "present-mask-mean", "absent / present mask mean"),
    "both-sources": ("both-sources", "both-prompts", "both sources / both prompts"),
}
VARIANTS = ["own", "rolled", "binary", "binary-energy", "times-similarity", "plain"]
PLACE = ["model", "contamination", "domain", "scale"]


def say(line: str = "") -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


def digits(task: str, figure: str) -> int:
    """Areas under curves lie close together, and so do shares of clips that stay right."""
    close = task in {"two-sounds", "presence", "located", "scenes"} or figure in {"concept-accuracy", "concept-agreement", "both-sources"}
    return 3 if close else choose_digits(task, figure)


def columns(names: Sequence[str]) -> str:
    """Head of a Markdown table."""
    return f"| explainer | {' | '.join(names)} | n |\n|{'---|' * (len(names) + 2)}"


def places(found: Any) -> Iterator[tuple[str, Any]]:
    """Lines of a table by where they were measured."""
    for place, lines in found.groupby(PLACE, sort=False):
        yield ", ".join(map(str, place)), lines


def show_figures(result: Result, task: str, figures: list[str], variant: str, stratum: str | None) -> None:
    """Print a table for every place, and where there is one, a ratio of two means."""
    try:
        found = result.table(task, figures, variant=variant, stratum=stratum)
    except InputError:
        return  # this run lacks a figure, or the variant
    shown = {c for t in result.suite.tasks if t.kind == task for c in t.calibrations}
    for place, lines in places(found):
        say(f"\n**{task}, {place}, {variant}{f', {stratum}' if stratum else ''}**\n\n{columns(figures)}")
        for index, line in lines.iterrows():
            name = dict(zip(found.index.names, index, strict=True))
            title = (
                f"{name['explainer']} ({name['calibration']})" if name["calibration"] in shown else name["explainer"]
            )
            cells = [format_interval(get_interval(line, f), digits(task, f)) for f in figures]
            say(f"| {title} | {' | '.join(cells)} | {int(line[(figures[0], 'n')])} |")
    for over, under, title in (RATIOS[f] for f in figures if f in RATIOS):
        ratio = result.ratio(over, under, task, variant, stratum)
        for place, lines in places(ratio):
            say(f"\n**{title}, {place}, {variant}{f', {stratum}' if stratum else ''}**\n")
            for index, line in lines.iterrows():
                name = dict(zip(ratio.index.names, index, strict=True))
                who = f"{name['explainer']} ({name['calibration']})" if name["calibration"] else name["explainer"]
                say(f"- {who}: {line['mean']:.3f} [{line['low']:.3f}, {line['high']:.3f}]")


def show_coverage(result: Result) -> None:
    """Print the mean weighted AUC of the prompts whose location is the strongest, by the part of them."""
    rows = result.rows()
    judged = rows[(rows["task"] == "located") & (rows["variant"] == "own")]
    for name, of_one in judged.groupby("explainer", sort=False):
        surest = of_one[["weighted-auc", "location"]].dropna().sort_values("location", ascending=False)["weighted-auc"]
        parts = [f"{part:.0%} {surest.iloc[: int(len(surest) * part)].mean():.3f}" for part in (0.25, 0.5, 0.75, 1.0)]
        say(f"\n- coverage, {name}: {', '.join(parts)}, n {len(surest)}")


def show_differences(found: Any) -> None:
    """Print each explainer less the one it is compared with; ``*`` where Holm's p over the whole family is under .05."""
    for place, lines in found.groupby(["task", *PLACE], sort=False):
        metrics = list(dict.fromkeys(lines["metric"]))
        say(f"\n**{', '.join(map(str, place))}, less {lines['second'].iloc[0]}**\n\n{columns(metrics)}")
        for name, of_one in lines.groupby("first", sort=False):
            cells = []
            for _, line in of_one.iterrows():
                n = digits(place[0], line["metric"])
                text = f"{line['difference']:.{n}f} [{line['low']:.{n}f}, {line['high']:.{n}f}]"
                cells.append(text + ("*" if line["p_holm"] < 0.05 else ""))
            say(f"| {name} | {' | '.join(cells)} | {int(of_one['n'].iloc[0])} |")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", help="folders of runs")
    parser.add_argument("--against", help="explainer that every other is compared with by the headline, in its stratum")
    options = parser.parse_args()
    for folder in options.runs:
        result = Result.load(folder)
        say(f"\n## {folder}: {len(result.failures)} failures, {len(result.missing)} cells missing")
        for task in dict.fromkeys(s.task for s in result.samples):
            for stratum in STRATA.get(task, [None]):
                for figures in FIGURES.get(task, []):
                    for variant in VARIANTS:
                        show_figures(result, task, figures, variant, stratum)
        if any(s.task == "located" for s in result.samples):
            show_coverage(result)
        if result.suite.comparisons.metrics:
            show_differences(result.comparisons())
        if options.against:
            head = result.suite.headline
            for other in dict.fromkeys(result.rows()["explainer"]):
                if other != options.against:
                    metrics = list(dict.fromkeys([head.metric, *result.suite.comparisons.metrics]))
                    found = result.compare(options.against, other, metrics, head.stratum)
                    say(f"\n**{options.against} less {other}, {head.stratum}**\n")
                    for _, line in found.iterrows():
                        say(
                            f"- {line['domain']}, {line['metric']}: {line['difference']:.3f} [{line['low']:.3f}, {line['high']:.3f}], p {line['p']:.4f}, n {line['n']}"
                        )


if __name__ == "__main__":
    main()
