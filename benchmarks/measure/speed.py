"""What explanations cost beside their bare forwards and backwards: ``python -m zsxai.benchmarks.measure.speed``.

Every cost is CPU time on one thread, measured in interleaved pairs with its floor; a ratio is the median over the
pairs, with a bootstrap interval. Times of a machine that does other work besides are of no use; such ratios are.

* ``relevance:<explainer>``: the explainer on a fresh clip, against its forwards and backwards in plain torch
  (:mod:`zsxai.benchmarks.measure.floors`);
* ``one-forward:gradcam``: GradCAM against one bare forward, from waveform to embedding;
* ``ten-prompts:gradcam``: its relevance for ten prompts against that for one;
* ``explain:<explainer>``: ``zsxai.explain`` against the explainer's forwards and backwards, the clip's own where they
  are not that, three forwards more and the prompt;
* ``memory:``: peak memory of integrated gradients over 200 steps against 50, in batches of 8 and in one batch;
* ``process:``: ``zsxai explain`` as a whole process against importing torch and numpy, and one forward.
"""

from __future__ import annotations

from zsxai.benchmarks.measure.costs import Bench
from zsxai.benchmarks.measure.frame import AsJson, ModelName, Only, Repeats, Seconds, app, one_thread


@one_thread()
def speed(
    model: ModelName = "tiny", repeats: Repeats = 25, seconds: Seconds = 5.0, only: Only = None, as_json: AsJson = False
) -> None:
    """Measure explanations against the bare forwards and backwards they need."""
    Bench(model, seconds, repeats).show(only, as_json)


if __name__ == "__main__":
    app(speed)()
