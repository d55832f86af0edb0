import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from tests.benchmarks.frames import VERSIONS, Shelf, cell, interval, realistic, result, row, stored, suite
from zsxai.benchmarks.analyse.bootstrap import Interval
from zsxai.benchmarks.analyse.export import export, write, write_log_line
from zsxai.benchmarks.analyse.facts import collect_facts, write_caption
from zsxai.benchmarks.analyse.formatting import format_interval
from zsxai.benchmarks.analyse.frame import build_frame
from zsxai.benchmarks.analyse.result import Result
from zsxai.benchmarks.run.folder import write_record
from zsxai.benchmarks.run.plan import Cell, PlannedCell, Settings, Unit
from zsxai.benchmarks.run.store import Store
from zsxai.benchmarks.run.worker import Measured
from zsxai.benchmarks.tasks.base import Failure, Row
from zsxai.errors import InputError


def ff(values: Sequence[float], variant: str = "own") -> list[Row]:
    return [
        row(f"clip-{i}", {"faithfulness": v}, variant=variant, strata={"correct": i % 2 == 0})
        for i, v in enumerate(values)
    ]


def found(made: Result, explainer: str, figure: str, **options: object) -> Interval:
    table = made.table(metrics=[figure], **options)  # type: ignore[arg-type]
    (line,) = table.xs(explainer, level="explainer")[figure].to_dict("records")
    return Interval(**line)


def test_table_holds_means_intervals_and_counts() -> None:
    values = [0.1, 0.5, float("nan"), 0.9]
    made = result({"gradcam": ff(values), "constant": ff([0.2] * 4)})
    ours = found(made, "gradcam", "faithfulness")
    np.testing.assert_allclose(ours, interval(values, [f"clip-{i}" for i in range(4)], draws=500))
    assert (ours.n, ours.n_invalid) == (4, 1)
    assert found(made, "constant", "faithfulness")[:3] == pytest.approx((0.2, 0.2, 0.2))
    table = made.table()
    assert list(table.index.names)[:3] == ["task", "data", "contamination"]
    assert list(table["faithfulness"].columns) == ["mean", "low", "high", "n", "n_invalid"]


def test_wins_over_a_control_count_ties_half() -> None:
    made = result({"gradcam": ff([0.5, 0.5, 0.1, 0.4]) + ff([0.4, 0.5, 0.2, float("nan")], "foil")})
    wins = found(made, "gradcam", "foil-wins:faithfulness")
    assert (wins.mean, wins.n, wins.n_invalid) == (0.5, 4, 1)
    assert "foil-wins:faithfulness" in made.metrics("faithfulness")
    assert "rolled-wins:faithfulness" not in made.metrics("faithfulness")
    with pytest.raises(InputError, match="no figure 'foil-wins:average-drop'"):
        made.table(metrics=["foil-wins:average-drop"])


def test_failed_items_count_as_invalid() -> None:
    made = result(
        {"gradcam": ff([0.1, 0.2, 0.3, 0.4]), "occlusion": ff([0.5, 0.6])},
        {"occlusion": [Failure("clip-2", "RuntimeError: no"), Failure("clip-3", "RuntimeError: no")]},
    )
    lost = found(made, "occlusion", "faithfulness")
    assert (lost.mean, lost.n, lost.n_invalid) == (pytest.approx(0.55), 4, 2)
    assert found(made, "occlusion", "faithfulness", stratum="correct").n == 2
    assert made.failures["item"].tolist() == ["clip-2", "clip-3"]
    paired = made.compare("gradcam", "occlusion", "faithfulness").iloc[0]
    assert (paired["n"], paired["n_invalid"]) == (4, 2)
    assert paired["difference"] == pytest.approx(-0.4)


def test_a_unit_that_failed_loses_all_its_items() -> None:
    made = result({"gradcam": ff([0.1, 0.2, 0.3])}, {"occlusion": [Failure("", "MemoryError: much")]})
    lost = found(made, "occlusion", "faithfulness")
    assert np.isnan(lost.mean)
    assert (lost.n, lost.n_invalid) == (3, 3)
    assert made.failures["items"].tolist() == [3]
    assert made.rows()["sources"].map(len).eq(1).all()


def test_a_run_of_failures_alone_has_tables() -> None:
    made = result({}, {"gradcam": [Failure("clip-0", "RuntimeError: no")]})
    assert len(made.failures) == 1
    assert made.table().empty or not made.table().to_numpy().any()
    assert made.comparisons().empty
    empty = Result(suite(), {"roots": {}}, [cell("a")], Shelf([]))
    assert len(empty.missing) == 1
    assert empty.table().empty
    assert empty.headline().empty
    assert empty.timings().empty


def test_a_figure_that_a_variant_lacks_is_not_invalid() -> None:
    own = [
        row("a", {"faithfulness": 0.1, "heard-probability": 0.3}),
        row("b", {"faithfulness": 0.2, "heard-probability": 0.1}),
    ]
    foil = [row(name, {"faithfulness": 0.1}, variant="foil") for name in "ab"]
    made = result({"gradcam": own + foil})
    assert found(made, "gradcam", "heard-probability").n == 2
    lacking = found(made, "gradcam", "heard-probability", variant="foil")
    assert (lacking.n, lacking.n_invalid) == (0, 0)


def test_macro_and_strata() -> None:
    rows = [
        row("a", {"faithfulness": 1.0}),
        row("b", {"faithfulness": 1.0}),
        row("c", {"faithfulness": 0.0}, label="cat"),
    ]
    made = result({"gradcam": rows})
    assert found(made, "gradcam", "faithfulness", macro=True).mean == 0.5
    assert found(made, "gradcam", "faithfulness").mean == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="no stratum 'correct' in the run: it has none"):
        made.table(stratum="correct")
    assert found(result({"gradcam": ff([1.0, 3.0, 5.0])}), "gradcam", "faithfulness", stratum="correct").mean == 3.0


def test_mixtures_pair_by_prompt() -> None:
    rows = [
        row(
            f"pair-{i}",
            {"auc": 0.5 + (0.1 * i if prompt == "dog" else -0.1 * i)},
            prompt=prompt,
            sources=(f"a{i}", f"b{i}"),
        )
        for i in range(4)
        for prompt in ("dog", "cat")
    ]
    about = {"task": "two-sounds"}
    made = Result(
        suite(tasks=[{"kind": "two-sounds", "data": ["esc50"]}], headline={"task": "two-sounds", "metric": "auc"}),
        {"roots": {}},
        [cell("k", **about)],
        Shelf([stored("k", rows)]),
    )
    blind = found(made, "gradcam", "auc")
    assert (blind.n, blind.n_invalid) == (8, 0)
    np.testing.assert_allclose(blind[:3], 0.5, atol=1e-12)


def test_ranks_carry_their_uncertainty() -> None:
    rng = np.random.default_rng(0)
    clear, near = rng.normal(0.8, 0.05, 40), rng.normal(0.30, 0.2, 40)
    made = result(
        {"gradcam": ff(clear), "occlusion": ff(near), "constant": ff([0.0] * 40), "random": ff([0.0] * 40)},
        headline={"task": "faithfulness", "metric": "faithfulness"},
    )
    ranks = made.ranks().droplevel([n for n in made.ranks().index.names if n != "explainer"])
    assert ranks["rank"].to_dict() == {"gradcam": 1.0, "occlusion": 2.0, "constant": 3.5, "random": 3.5}
    assert ranks["first"].to_dict() == {"gradcam": 1.0, "occlusion": 0.0, "constant": 0.0, "random": 0.0}
    assert list(made.headline().columns) == [*Interval._fields, "rank", "first"]
    alike = result(
        {"gradcam": ff(near), "occlusion": ff(near[::-1])}, headline={"task": "faithfulness", "metric": "faithfulness"}
    )
    assert alike.ranks()["rank"].tolist() == [1.5, 1.5]
    assert alike.ranks()["first"].tolist() == pytest.approx([0.5, 0.5], abs=0.07)
    assert alike.ranks()["first"].sum() == pytest.approx(1.0)
    with pytest.raises(InputError, match="neither way is better"):
        result({"gradcam": [row("a", {"mask-mean": 0.1})]}).ranks("mask-mean")


def test_seeds_stay_apart() -> None:
    cells = [cell("a", "random", seed=0), cell("b", "random", seed=1)]
    made = Result(
        suite(seeds=[0, 1]), {"roots": {}}, cells, Shelf([stored("a", ff([0.1] * 3)), stored("b", ff([0.9] * 3))])
    )
    table = made.table(metrics=["faithfulness"])
    assert table.index.get_level_values("seed").tolist() == [0, 1]
    assert table["faithfulness", "mean"].tolist() == pytest.approx([0.1, 0.9])


def test_holm_runs_over_the_family() -> None:
    rng = np.random.default_rng(0)
    rows = {
        name: ff(rng.normal(mean, 0.3, 20)) for name, mean in (("gradcam", 0.3), ("occlusion", 0.2), ("constant", 0.0))
    }
    made = result(rows, comparisons={"metrics": ["faithfulness"]})
    family = made.comparisons()
    assert family[["first", "second"]].to_numpy().tolist() == [
        ["gradcam", "occlusion"],
        ["gradcam", "constant"],
        ["occlusion", "constant"],
    ]
    smallest = family["p"].idxmin()
    assert family.loc[smallest, "p_holm"] == pytest.approx(min(1.0, 3 * family.loc[smallest, "p"]))
    alone = made.compare("gradcam", "constant", "faithfulness")
    assert alone["p_holm"].tolist() == alone["p"].tolist()
    against = result(rows, comparisons={"metrics": ["faithfulness"], "against": "constant"}).comparisons()
    assert against["second"].tolist() == ["constant", "constant"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.table(task="prompts"), "no rows of a task 'prompts': the run has faithfulness"),
        (lambda r: r.table(metrics=["auc"]), "no figure 'auc' in the run: it has faithfulness"),
        (lambda r: r.table(variant="oracle"), "no variant 'oracle' in the run: it has own"),
        (lambda r: r.compare("gradcam", "lime"), "no explainer 'lime' in the run: it has gradcam"),
        (lambda r: r.plot("pie"), "no plot 'pie'"),
        (lambda r: r.plot("budgets"), "nothing to plot"),
        (lambda r: r.plot(colour="red"), "not by 'colour'"),
    ],
)
def test_what_is_not_there_is_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(result({"gradcam": ff([0.1, 0.2])}))  # type: ignore[operator]


def test_the_same_thing_measured_twice_is_an_error() -> None:
    cells = [cell("a"), cell("b")]
    made = Result(suite(), {"roots": {}}, cells, Shelf([stored("a", ff([0.1])), stored("b", ff([0.1]))]))
    with pytest.raises(InputError, match="measured 'gradcam' twice on 'clip-0'"):
        made.table()


def test_timings_are_apart() -> None:
    made = result({"gradcam": ff([0.1, 0.2])})
    (line,) = made.timings().to_dict("records")
    assert line == {"items": 2, "seconds": 1.0, "forwards (harness)": 9, "forwards (explainer)": 3}
    assert "seconds" not in made.rows().columns


def test_frame_types() -> None:
    rows = [
        row("a", {"faithfulness": 0.5, "snr_met": None, "area:kept": [0.1, 0.2]}, strata={"correct": True}),
        row("b", {}),
    ]
    made = build_frame([cell("k"), cell("k"), cell("absent")], [stored("k", rows)])
    assert made["item"].tolist() == ["a", "b"]
    assert made["faithfulness"].dtype == made["snr_met"].dtype == np.float64
    assert made["stratum:correct"].tolist() == [True, False]
    assert made["area:kept"].tolist()[0] == [0.1, 0.2]
    assert made["sources"].tolist() == [("a",), ("b",)]


def test_cells_go_through_json() -> None:
    one = cell("k", "occlusion", contamination="same-set, 3 dB")
    assert Cell.from_json(json.loads(json.dumps(one.to_json()))) == one
    with pytest.raises(InputError, match="run the suite again"):
        Cell.from_json(["k", "faithfulness"])


def test_a_run_is_read_back_from_its_folder(tmp_path: Path) -> None:
    chosen = suite(["gradcam"])
    unit = Unit(0, "tiny", "esc50", 0, 0, 0, 3)
    cells = [
        PlannedCell(**vars(cell("key-1")), unit=unit, description={"items": [], "versions": VERSIONS}),
        PlannedCell(**vars(cell("key-2", "constant")), unit=unit, description={"items": []}),
    ]
    settings = Settings(roots={"esc50": "somewhere"}, limit=3)
    write_record(tmp_path, chosen, settings, cells)
    with Store(tmp_path, write=True) as store:
        store.put([(cells[0], Measured(ff([0.1, 0.2, float("nan")]), [], 1.0, {"harness": 3}))])
    made = Result.load(tmp_path)
    assert [r.key for r in made.missing] == ["key-2"]
    lively = Result(chosen, vars(settings), cells, Store(tmp_path))
    pd.testing.assert_frame_equal(made.table(), lively.table())
    assert found(made, "gradcam", "faithfulness").n_invalid == 1
    with pytest.raises(InputError, match=r"holds no suite\.json"):
        Result.load(tmp_path / "nothing")


def test_exports_say_what_they_stand_on(tmp_path: Path) -> None:
    made = result({"grad_cam & co": ff([0.1, 0.2, float("nan")]), "constant": ff([0.3] * 3)})
    files = {path.name: path for path in export(made, tmp_path)}
    assert set(files) == {
        "about.json",
        "table.csv",
        "table.parquet",
        "table.tex",
        "table.md",
        "comparisons.csv",
        "rows.parquet",
    }
    about = json.loads(files["about.json"].read_text())
    assert about == json.loads(json.dumps(collect_facts(made)))
    assert about["data"] == {"esc50": {"reader": "esc50", "options": {"folds": [4]}}}
    assert (about["settings"][0]["items"], about["settings"][0]["recordings"]) == (3, 3)
    assert about["versions"] == [VERSIONS]
    assert about["calibrations"]["constant"] == ["unit-max"]
    assert json.loads(parquet.read_schema(files["table.parquet"]).metadata[b"zsxai"]) == about
    table = pd.read_csv(files["table.csv"])
    assert table["faithfulness:n_invalid"].tolist() == [1, 0]
    assert table["variant"].tolist() == ["own", "own"]
    assert pd.read_parquet(files["rows.parquet"])["item"].tolist() == [f"clip-{i}" for i in range(3)] * 2
    tex = files["table.tex"].read_text()
    assert r"grad\_cam \& co" in tex
    assert r"FF $\uparrow$" in tex
    for text in (tex, files["table.md"].read_text()):
        for wanted in (
            "1 invalid",
            "unit-max",
            "3 items from 3 recordings",
            "bootstrap over recordings",
            "torch 2.4.0",
            "seed",
        ):
            assert wanted in text
    with pytest.raises(InputError, match="no format 'xlsx'"):
        export(made, tmp_path, ["xlsx"])
    with pytest.raises(InputError, match="no format 'md' of the rows"):
        write(made, tmp_path / "rows.md", "rows")


def test_rows_go_through_csv_bit_for_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(5).tolist()
    made = result(
        {"gradcam": [row(f"clip-{i}", {"faithfulness": v, "area:kept": [v, v / 3]}) for i, v in enumerate(values)]}
    )
    back = pd.read_csv(write(made, tmp_path / "rows.csv", "rows"), float_precision="round_trip")
    assert back["faithfulness"].tolist() == values
    assert [json.loads(v)[1] for v in back["area:kept"]] == [v / 3 for v in values]
    assert json.loads(back["sources"][0]) == ["clip-0"]


def strict(text: str) -> object:
    """JSON as its standard has it, which knows no NaN."""

    def refuse(word: str) -> object:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def test_json_has_no_word_for_what_is_not_finite(tmp_path: Path) -> None:
    made = result(
        {"gradcam": [row("a", {"faithfulness": float("nan"), "area:kept": [0.5, float("nan"), float("inf")]})]},
        headline={"task": "faithfulness", "metric": "faithfulness"},
    )
    line = write_log_line(made)
    assert line.count("\n") == 1
    (figures,) = strict(line)["figures"]  # type: ignore[index]
    assert (figures["mean"], figures["n"], figures["n_invalid"]) == (None, 1, 1)
    back = pd.read_csv(write(made, tmp_path / "rows.csv", "rows"))
    assert strict(back["area:kept"][0]) == [0.5, None, None]


def test_a_caption_names_models_and_what_is_missing() -> None:
    made = realistic(4, draws=100)
    text = write_caption(made)
    for wanted in ("tiny (abcdef012345)", "1 of 60 cells are not measured yet", "Failures: 6", "domain", "folds [4]"):
        assert wanted.lower() in text.lower()


def test_a_store_in_another_order_exports_the_same_bytes(tmp_path: Path) -> None:
    whole = realistic(6, draws=100)
    shuffled = list(whole.store.cells.values())  # type: ignore[attr-defined]
    random.Random(0).shuffle(shuffled)
    again = Result(whole.suite, whole.settings, whole.cells, Shelf(shuffled))
    first, second = (export(r, tmp_path / name) for r, name in ((whole, "a"), (again, "b")))
    assert [p.name for p in first] == [p.name for p in second]
    assert all(one.read_bytes() == two.read_bytes() for one, two in zip(first, second, strict=True))


def test_figures_are_written_with_their_intervals() -> None:
    assert format_interval(Interval(-0.123, -0.2, 0.001, 9, 0)) == "\N{MINUS SIGN}0.12 [\N{MINUS SIGN}0.20, 0.00]"
    assert format_interval(Interval(0.5, 0.4, 0.6, 9, 2)) == "0.50 [0.40, 0.60] (2 invalid)"
    assert format_interval(Interval(0.5, float("nan"), float("nan"), 1, 0)) == "0.50"
    assert format_interval(Interval(float("nan"), float("nan"), float("nan"), 3, 3)) == "none (3 of 3 invalid)"
    assert format_interval(Interval(float("nan"), float("nan"), float("nan"), 0, 0)) == "\N{EN DASH}"


def test_every_plot_draws() -> None:
    made = realistic(4, draws=100)
    for kind in ("intervals", "budgets", "trade-off", "prompts", "randomisation", "two-sounds"):
        figure = made.plot(kind)
        shown = [axes for axes in figure.axes if axes.get_visible()]
        assert shown
        assert all(axes.lines for axes in shown)
    assert len(made.plot("intervals", metrics=["faithfulness"], domain="mel").axes) == 1
