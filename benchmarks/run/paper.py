"""The protocol of LMAC-ZS's evaluation (arXiv 2405.17615, section 4): a suite whose name says ``paper`` keeps to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zsxai.benchmarks.run.suite import Suite

PROMPTING = {"template": "this is the sound of {}", "explained": "predicted", "softmax": "unscaled"}


def departures(suite: Suite) -> list[str]:
    """Settings of a suite that are not the paper's, in words; none where all are."""
    asked = suite.prompting.model_dump()
    found = [f"{name} = {asked[name]!r} for {value!r}" for name, value in PROMPTING.items() if asked[name] != value]
    if suite.prompting.target != "similarity":
        found.append(f"target = {suite.prompting.target!r} for 'similarity'")
    specs = [suite.data_of(key, model.title) for key in suite.data for model in suite.models]
    us8k = [spec for spec in specs if spec.reader == "urbansound8k"]
    if any(spec.options.get("labels") != "as-written" for spec in us8k):
        found.append("labels without their underscores")
    return found + [text for task in suite.tasks for text in task.departures()]
