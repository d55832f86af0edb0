"""Pools: models that are each judged on a part of the data, as one model in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import zsxai
from tests.benchmarks.frames import Shelf, cell, interval, row, stored
from tests.benchmarks.frames import suite as made_up
from tests.toys import ConvToy
from zsxai import InputError, benchmarks
from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.facts import write_caption
from zsxai.benchmarks.analyse.result import Result
from zsxai.benchmarks.report import write_report
from zsxai.benchmarks.run.plan import Cell, Library, Settings, plan
from zsxai.benchmarks.run.runner import choose
from zsxai.benchmarks.run.suite import ModelSpec, Suite, load_models, load_suite
from zsxai.data import load_dataset
from zsxai.registry import MODELS


def fold(model: str, number: int, **changes: Any) -> dict[str, Any]:
    return {"name": model, "pool": "both", "data": {"sounds": {"folds": [number]}}} | changes


TWINS = [fold("toy-1", 1), fold("toy-2", 2)]
SUITE: dict[str, Any] = {
    "name": "toy",
    "data": {"sounds": {"reader": "synthetic", "options": {"clips_per_class": 2, "seconds": 1.0}}},
    "models": TWINS,
    "explainers": ["saliency"],
    "tasks": [{"kind": "faithfulness", "data": ["sounds"], "budgets": [], "heard": False}],
    "headline": {"task": "faithfulness", "metric": "faithfulness"},
    "batch": 4,
}


@pytest.fixture(autouse=True)
def toys() -> Iterator[None]:
    for number in (1, 2):
        made = ConvToy()
        made.head.weight = torch.nn.Parameter(made.head.weight * (3 - 2 * number), requires_grad=False)
        made.card = made.card.model_copy(update={"weights_sha256": str(number) * 64})
        zsxai.register_model(f"toy-{number}", made)
    yield
    for number in (1, 2):
        MODELS.unregister(f"toy-{number}")


def pooled(explainers: dict[str, Sequence[float]], **about: Any) -> Result:
    """Two models of a pool, each on half of the clips: two clips a recording, or mixtures of two recordings."""
    cells: dict[Cell, Any] = {}
    for name, values in explainers.items():
        for half, model in enumerate(("one", "two")):
            own = list(enumerate(values))[half * len(values) // 2 :][: len(values) // 2]
            mixed = about["task"] == "two-sounds"
            sources = {i: (f"{i}a", f"{i}b") if mixed else (str(i // 2 * 2),) for i, _ in own}
            metric = "weighted-auc" if mixed else "faithfulness"
            rows = [row(f"clip-{i}", {metric: value}, sources=sources[i]) for i, value in own]
            key = f"{name} {model}"
            weights = {"model": {"name": model, "weights": half * "f" + "0"}}
            cells[cell(key, name, model=model, pool="both", **about)] = stored(key, rows, description=weights)
    models = [{"name": m, "pool": "both", "data": {"esc50": {"folds": [k]}}} for k, m in enumerate(("one", "two"), 1)]
    tasks = [{"kind": about["task"], "data": ["esc50"]}]
    headline = {"task": about["task"], "metric": metric}
    chosen = made_up(list(explainers), models=models, tasks=tasks, headline=headline)
    return Result(chosen, {"roots": {}}, list(cells), Shelf(cells.values()))  # type: ignore[arg-type]


FIRST = [0.9, 0.7, 0.4, 0.6, 0.2, 0.4, 0.8, 0.5]
SECOND = [0.1, 0.3, 0.4, 0.2, 0.3, 0.1, 0.1, 0.2]
"""Clips of four recordings, two of them before each model; pooled means .5625 and .2125."""


@pytest.mark.parametrize(
    ("task", "metric", "sources", "test", "share"),
    [
        ("faithfulness", "faithfulness", [str(i // 2 * 2) for i in range(8)], "Wilcoxon", 1.0),
        ("two-sounds", "weighted-auc", [(f"{i}a", f"{i}b") for i in range(8)], "pigeonhole t", 6.5 / 8),
    ],
)
def test_a_pool_is_one_model_over_all_recordings(
    task: str, metric: str, sources: list[Any], test: str, share: float
) -> None:
    made = pooled({"gradcam": FIRST, "occlusion": SECOND}, task=task)
    table = made.table(metrics=[metric])
    assert set(zip(table.index.get_level_values("data"), table.index.get_level_values("model"), strict=True)) == {
        ("esc50", "both")
    }
    lines = table.droplevel([n for n in table.index.names if n != "explainer"])[metric]
    for name, values, mean in (("gradcam", FIRST, 0.5625), ("occlusion", SECOND, 0.2125)):
        assert lines.loc[name].tolist() == pytest.approx(interval(values, sources, draws=500))
        assert (lines.loc[name, "mean"], lines.loc[name, "n"]) == (pytest.approx(mean), 8)
    (found,) = made.compare("gradcam", "occlusion", metric).to_dict("records")
    wanted = interval([a - b for a, b in zip(FIRST, SECOND, strict=True)], sources, draws=500)
    assert [found[name] for name in Interval._fields[1:]] == pytest.approx(wanted[1:])
    assert (found["difference"], found["share"], found["test"]) == (pytest.approx(0.35), share, test)
    if test == "Wilcoxon":  # four recordings, all better: two of the sixteen patterns of signs are as far out
        assert found["p"] == pytest.approx(2 / 16)
    assert made.ranks(metric)["rank"].tolist() == [1.0, 2.0]


def test_a_caption_says_what_the_models_were_judged_on() -> None:
    made = pooled({"gradcam": FIRST}, task="faithfulness")
    for at in (None, made.blocks[0].at):
        text = write_caption(made, at)
        assert "esc50 (esc50, folds [1] before one, folds [2] before two)" in text
        assert "one (0) of both, two (f0) of both" in text
        assert "8 items from 4 recordings" in text


def test_every_model_has_its_part_of_the_data() -> None:
    chosen = load_suite({**SUITE, "models": [*TWINS, "tiny"]})
    parts = {model.title: Library(chosen, Settings({})).dataset("sounds", model.title) for model in chosen.models}
    assert {name: {clip.fold for clip in part.clips} for name, part in parts.items()} == {
        "toy-1": {1},
        "toy-2": {2},
        "tiny": {1, 2},
    }
    assert chosen.data_of("sounds", "toy-1").options == {"clips_per_class": 2, "seconds": 1.0, "folds": [1]}
    assert chosen.data_of("sounds").options == chosen.data["sounds"].options


def test_a_pool_changes_no_key() -> None:
    def keys(models: Sequence[Any], options: dict[str, Any]) -> list[str]:
        data = {"sounds": {"reader": "synthetic", "options": {"clips_per_class": 2, "seconds": 1.0} | options}}
        return [c.key for c in plan(load_suite({**SUITE, "models": models, "data": data}), Settings({}, limit=4))]

    assert keys(TWINS, {}) == keys(["toy-1"], {"folds": [1]}) + keys(["toy-2"], {"folds": [2]})


def test_cells_of_before_there_were_pools_are_read() -> None:
    assert Cell.from_json(cell("k").to_json()[:-1]) == cell("k")


def test_a_pool_runs_resumes_and_is_shown(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = benchmarks.run_suite(SUITE, out, models=["toy-1"])
    whole = benchmarks.run_suite(SUITE, out)
    assert len(whole.stored) == 2 * len(first.stored) == 2 * 5 * 2, "five explainers on two units before each model"
    alone = [benchmarks.run_suite({**SUITE, "models": [m]}, tmp_path / m["name"]).rows() for m in TWINS]
    together = whole.rows()
    assert len(together) == sum(map(len, alone))
    for rows in alone:
        mine = together[together["item"].isin(rows["item"])].reset_index(drop=True)
        assert mine[rows.columns].equals(rows)
    page = write_report(out, audio=False).read_text(encoding="utf-8")
    assert "models: both" in page
    assert "could not be explained again" not in page
    assert "something has changed since" not in page, "each example is explained by the model that was judged on it"


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        (
            [fold("toy-1", 1), fold("toy-2", 1)],
            "of the pool 'both' are both judged on church-bells-000, .* and 3 more",
        ),
        ([fold("toy-1", 1), fold("toy-2", 2, data={})], "'toy-1' and 'toy-2' of the pool 'both' are both judged on"),
        ([fold("toy-1", 3)], "no clip in fold 3"),
        ([fold("toy-1", 1, data={"rest": {}})], "unknown data set 'rest': the suite has sounds"),
        ([fold("toy-1", 1, data={"sounds": {"seconds": 0}})], "seconds is a number"),
        ([fold("toy-1", 1), fold("toy-2", 2, label="both", pool=None)], "two models are called 'both'"),
        ([fold("toy-1", 1, pool="")], "at least 1 character"),
    ],
)
def test_what_is_refused(models: list[Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        plan(load_suite({**SUITE, "models": models}), Settings({}))
    assert "\n" not in str(caught.value)


def test_other_classes_in_one_pool_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from zsxai.data.synthetic import Synthetic

    inner = Synthetic.__init__

    def widened(self: Synthetic, **options: Any) -> None:
        inner(self, **options)
        self.labels = [*self.labels, f"class {options['folds'][0]}"]

    monkeypatch.setattr(Synthetic, "__init__", widened)
    with pytest.raises(InputError, match="are not asked about the same classes of 'sounds'"):
        plan(load_suite(SUITE), Settings({}))


def titles(suite: Suite) -> list[str]:
    return [model.title for model in suite.models]


def test_models_are_chosen_by_title_pool_and_file(tmp_path: Path) -> None:
    assert choose(SUITE, ["toy-2"]).models == (ModelSpec(**TWINS[1]),)
    assert titles(choose(SUITE, ["both", "tiny"])) == ["toy-1", "toy-2", "tiny"]
    assert titles(choose("two-sounds", ["twins", "tiny"])) == ["tiny-twin:1", "tiny-twin:2", "tiny-twin:3", "tiny"]
    assert choose("two-sounds", ["tiny"]) == load_suite("two-sounds")
    file = tmp_path / "mine.toml"
    file.write_text('models = ["a", { name = "b", pool = "p" }]', encoding="utf-8")
    assert [model.row for model in choose(SUITE, [str(file)]).models] == ["a", "p"]
    file.write_text("models = []", encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.toml: models"):
        choose(SUITE, [str(file)])
    with pytest.raises(InputError, match=r"no pool 'nowhere\.toml': one of twins, or a TOML file"):
        choose(SUITE, ["nowhere.toml"])
    assert choose("paper-us8k", ["tiny"]).models == (ModelSpec(name="tiny"),)
    with pytest.raises(InputError, match="unknown data set 'esc50'"):
        choose("paper-us8k", ["twins"])


def test_a_pool_without_a_data_set_and_a_paper_suite_with_other_data() -> None:
    chosen = choose("paper-esc50", ["twins"], ["ljspeech"])
    assert list(chosen.models[0].data) == ["esc50"]
    both = {**SUITE, "data": {**SUITE["data"], "more": {"reader": "synthetic"}}}
    both["tasks"] = [{**SUITE["tasks"][0], "data": ["sounds", "more"]}]
    assert load_suite(both).without("sounds").models[0].data == {}
    values = load_suite("paper-us8k").model_dump()
    values["models"] = [{"name": "tiny", "data": {"us8k": {"labels": "plain"}}}]
    with pytest.raises(InputError, match="labels without their underscores"):
        load_suite(values)


def test_twins_share_no_recording(esc50: Path) -> None:
    parts = [load_dataset("esc50", str(esc50), **model.data["esc50"]) for model in load_models("twins")]
    recordings = [{clip.source for clip in part.clips} for part in parts]
    assert len(set.union(*recordings)) == sum(map(len, recordings))
    assert sum(len(part.clips) for part in parts) == 1024
