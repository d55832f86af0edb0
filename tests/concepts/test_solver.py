"""The solver against scikit-learn's Lasso, against answers known beforehand, and at its edges."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import Lasso
from torch.nn.functional import normalize

from zsxai.concepts.solver import Solver, penalty_of_alpha
from zsxai.errors import InputError


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def lasso(atoms: torch.Tensor, rows: torch.Tensor, alpha: float) -> torch.Tensor:
    fitted = Lasso(alpha=alpha, positive=True, fit_intercept=False, tol=1e-12, max_iter=100_000)
    return torch.from_numpy(fitted.fit(atoms.numpy().T, rows.numpy().T).coef_)


def objective(atoms: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor, penalty: float) -> torch.Tensor:
    return (rows - weights @ atoms).square().sum(dim=1) + penalty * weights.sum(dim=1)


@pytest.mark.parametrize("penalty", [0.4, 0.2, 0.05, 0.005])
@pytest.mark.parametrize("common", [0.0, 1.5], ids=["random", "crowded"])
def test_it_is_the_minimum_that_lasso_finds(penalty: float, common: float) -> None:
    atoms = normalize(unit(200, 32) + common * unit(1, 32, seed=5), dim=1)
    rows = normalize(unit(7, 32, seed=1) + common * unit(1, 32, seed=5), dim=1)
    found, reference = Solver(atoms).decompose(rows, penalty), lasso(atoms, rows, penalty / 64)
    torch.testing.assert_close(found.objective, objective(atoms, rows, found.weights, penalty))
    assert (found.objective - objective(atoms, rows, reference, penalty)).max() < 1e-9
    assert found.kkt.max() < 1e-9
    assert found.gap.max() < 1e-9
    assert (found.weights - reference).abs().max() < 1e-5


def test_orthogonal_words_are_cosines_less_half_the_penalty() -> None:
    solver = Solver(torch.eye(4))
    found = solver.decompose(torch.tensor([[0.8, 0.6, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0]]), 0.2)
    torch.testing.assert_close(found.weights[0], torch.tensor([0.7, 0.5, 0.0, 0.0], dtype=torch.float64))
    assert not found.weights[1].any()


def test_words_begin_under_twice_the_largest_cosine() -> None:
    solver, rows = Solver(unit(50, 8)), unit(3, 8, seed=2)
    largest = solver.largest_penalty(rows)
    torch.testing.assert_close(largest, 2 * (rows @ unit(50, 8).T).amax(dim=1))
    assert solver.decompose(rows, largest * 1.001).counts.tolist() == [0, 0, 0]
    assert solver.decompose(rows, largest * 0.999).counts.tolist() == [1, 1, 1]


def test_what_no_word_is_drawn_to_stays_empty() -> None:
    solver, away = Solver(torch.tensor([[1.0, 0.0], [0.8, 0.6]])), torch.tensor([[-1.0, 0.0]])
    assert solver.largest_penalty(away).item() == 0
    assert not solver.decompose(away, 0.0).weights.any()
    assert not solver.decompose_to_count(away, 3).weights.any()


@pytest.mark.parametrize("count", [1, 3, 10])
def test_about_so_many_words(count: int) -> None:
    solver, rows = Solver(unit(200, 32)), unit(40, 32, seed=3)
    found = solver.decompose_to_count(rows, count)
    assert found.counts.max() <= count
    assert (found.counts == count).double().mean() > 0.9
    again = solver.decompose(rows, found.penalty)
    torch.testing.assert_close(found.weights, again.weights)
    assert found.kkt.max() < 1e-9


def test_a_start_changes_nothing_but_the_way() -> None:
    solver, rows = Solver(unit(100, 16)), unit(5, 16, seed=4)
    first = solver.decompose(rows, 0.1)
    torch.testing.assert_close(
        solver.decompose(rows, 0.05, start=first.weights).weights, solver.decompose(rows, 0.05).weights
    )


def test_a_path_is_its_penalties_one_by_one() -> None:
    solver, rows = Solver(unit(100, 16)), unit(5, 16, seed=4)
    penalties = [0.4, 0.2, 0.1]
    for penalty, found in zip(penalties, solver.path(rows, penalties), strict=True):
        torch.testing.assert_close(found.weights, solver.decompose(rows, penalty).weights)


def test_two_words_of_one_embedding_share_a_weight() -> None:
    atoms = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = Solver(atoms).decompose(torch.tensor([[0.6, 0.8]]), 0.1)
    assert found.weights[0, :2].sum().item() == pytest.approx(0.55)
    assert found.weights[0, 2].item() == pytest.approx(0.75)
    assert found.kkt.item() < 1e-9


def test_more_words_than_dimensions_at_no_penalty() -> None:
    atoms, rows = unit(300, 10), unit(4, 10, seed=6)
    found = Solver(atoms).decompose(rows, 0.0)
    assert found.objective.max() < 1e-9
    assert found.kkt.max() < 1e-6


def test_rows_do_not_depend_on_their_company() -> None:
    solver, rows = Solver(unit(150, 24)), unit(200, 24, seed=7)
    together = solver.decompose(rows, 0.1).weights
    torch.testing.assert_close(together[130:131], solver.decompose(rows[130:131], 0.1).weights, rtol=0, atol=1e-9)


def test_alpha_of_lasso_on_rows_as_they_are() -> None:
    atoms, rows = unit(60, 16), unit(2, 16, seed=8)
    raw = lasso(3 * atoms, 5 * rows, 0.1)
    found = Solver(atoms).decompose(rows, penalty_of_alpha(0.1, 16, audio_norm=5, text_norm=3))
    torch.testing.assert_close(found.weights, raw * 3 / 5, rtol=0, atol=1e-6)


@pytest.mark.parametrize("penalty", [-0.1, float("nan"), float("inf")])
def test_a_penalty_is_a_number_from_0(penalty: float) -> None:
    with pytest.raises(InputError, match="finite number of 0 or more"):
        Solver(unit(5, 4)).decompose(unit(1, 4), penalty)


def test_rows_of_another_dimension() -> None:
    with pytest.raises(InputError, match="not of one dimension"):
        Solver(unit(5, 4)).decompose(unit(1, 3), 0.1)


def test_more_words_than_dimensions_are_not_looked_for() -> None:
    concepts, rows = unit(40, 8), unit(3, 8, seed=1)
    solver = Solver(concepts)
    found = solver.decompose_to_count(rows, 40)
    torch.testing.assert_close(found.penalty, solver.largest_penalty(rows) * 1e-4)
    assert (found.counts <= 8).all()
    assert (found.gap < 1e-9).all()
