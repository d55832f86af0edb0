"""What all measurements share: names, one thread, tables, JSON, exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
import torch
from threadpoolctl import threadpool_info
from typer.testing import CliRunner, Result

from zsxai.benchmarks.measure.checkpoints import BACKENDS
from zsxai.benchmarks.measure.decoder_backends import DEFAULT
from zsxai.benchmarks.measure.frame import AsJson, Only, Table, app, choose, measure_each, one_thread, read_data, show
from zsxai.errors import InputError


def test_names_are_exact_or_parts() -> None:
    assert choose(BACKENDS, None) == list(BACKENDS)
    assert choose(BACKENDS, DEFAULT) == list(DEFAULT)
    assert choose(BACKENDS, ["hf"]) == ["hf"]
    assert choose(BACKENDS, ["msclap", "msclap-2023"]) == ["msclap-2022", "msclap-2023"]
    assert choose(BACKENDS, ["fused"]) == [name for name in BACKENDS if "fused" in name]
    with pytest.raises(InputError, match="'clip' is in none of: hf; "):
        choose(BACKENDS, ["hf", "clip"])


def test_one_thread_is_one_thread_here_and_in_children_and_ends() -> None:
    before = (dict(os.environ), torch.get_num_threads(), [pool["num_threads"] for pool in threadpool_info()])
    with one_thread():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENBLAS_NUM_THREADS"] == "1"
        assert torch.get_num_threads() == 1
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert (dict(os.environ), torch.get_num_threads(), [pool["num_threads"] for pool in threadpool_info()]) == before


def test_data_is_named_as_elsewhere() -> None:
    assert read_data("esc50=some=where", "1,2") == ("esc50", "some=where", {"folds": [1, 2]})
    assert read_data("synthetic", None) == ("synthetic", None, {})
    with pytest.raises(InputError, match="--folds takes whole numbers, such as 1,2, not 'three'"):
        read_data("esc50=x", "three")


@pytest.fixture
def run() -> Callable[..., Result]:
    """A measurement of two cases; ``nine`` is over its limit."""

    @one_thread()
    def measurement(only: Only = None, as_json: AsJson = False) -> None:
        cases = {"one": lambda: 1, "nine": lambda: 9}
        values = measure_each(cases, only, lambda value: f"{value} ms")
        rows = [(name, f"{value} ms") for name, value in values.items()]
        table = Table(("case", "cost"), rows, {"threads": 1, "torch": "2"})
        show(table, {"rows": values}, as_json, met=max(values.values()) < 5)

    return lambda *words: CliRunner().invoke(app(measurement), list(words))


def test_a_table_is_markdown_with_its_context_below(run: Callable[..., Result]) -> None:
    done = run("--only", "one")
    assert done.exit_code == 0
    assert done.stdout == "| case | cost |\n| ---- | ---- |\n| one  | 1 ms |\n\nthreads 1, torch 2\n"
    assert "one: 1 ms" in done.stderr


def test_json_says_when_and_on_which_commit(run: Callable[..., Result]) -> None:
    record = json.loads(run("--only", "one", "--json").stdout)
    assert record.keys() == {"date", "commit", "rows"}
    assert record["rows"] == {"one": 1}


def test_a_missed_limit_ends_with_1_and_a_mistake_is_one_line_and_2(run: Callable[..., Result]) -> None:
    assert run().exit_code == 1
    wrong = run("--only", "ten")
    assert wrong.exit_code == 2
    assert wrong.output == "--only 'ten' is in none of: one; nine\n"
