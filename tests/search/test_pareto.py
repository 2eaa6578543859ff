"""Dominance, hypervolume and thinning against definitions applied one pair or cell at a time."""

from __future__ import annotations

import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.search import pareto
from tests.budget import some


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


def brute_force(losses: np.ndarray) -> np.ndarray:
    """[N] by the definition, with all duplicates."""
    return np.array([not any(dominates(other, row) for other in losses) for row in losses])


@st.composite
def tables(draw: st.DrawFn, most_rows: int = 40, most_columns: int = 5) -> np.ndarray:
    """Small integers, so that ties and duplicates are common."""
    columns = draw(st.integers(1, most_columns))
    rows = draw(st.integers(0, most_rows))
    grid = draw(st.integers(1, 8))
    values = draw(
        st.lists(
            st.lists(st.integers(0, grid), min_size=columns, max_size=columns),
            min_size=rows,
            max_size=rows,
        )
    )
    return np.array(values, dtype=np.float64).reshape(rows, columns)


@given(tables())
@settings(max_examples=some(150), deadline=None)
def test_non_dominated_equals_the_definition(losses: np.ndarray) -> None:
    expected = brute_force(losses)
    assert pareto.non_dominated(losses, duplicates=True).tolist() == expected.tolist()
    firsts = [
        bool(keep) and not any((losses[:i] == losses[i]).all(axis=1))
        for i, keep in enumerate(expected)
    ]
    assert pareto.non_dominated(losses).tolist() == firsts


@given(tables(), st.integers(0, 40), st.integers(1, 30))
@settings(max_examples=some(150), deadline=None)
def test_beaten_is_what_some_row_is_nowhere_larger_than(
    both: np.ndarray, cut: int, compared: int
) -> None:
    losses, front = both[:cut], both[cut:]
    expected = [any((row <= loss).all() for row in front) for loss in losses]
    with mock.patch.object(pareto, "COMPARED", compared):
        assert pareto.beaten(losses, front).tolist() == expected


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_many_rows_cross_the_blocks(columns: int) -> None:
    random = np.random.default_rng(columns)
    losses = np.round(random.exponential(size=(1500, columns)), 2)
    losses[::7] = losses[3]
    assert (pareto.non_dominated(losses, duplicates=True) == brute_force(losses)).all()


def test_unknown_losses_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        pareto.non_dominated(np.array([[0.0, np.nan]]))


@given(tables(most_columns=3), st.integers(0, 30))
@settings(deadline=None)
def test_layers_are_peeled_whole(losses: np.ndarray, at_least: int) -> None:
    found = pareto.layers(losses, at_least).tolist()
    left = list(range(len(losses)))
    expected: list[int] = []
    while left and len(expected) < at_least:
        front = [i for i, keep in zip(left, brute_force(losses[left]), strict=True) if keep]
        expected += front
        left = [i for i in left if i not in front]
    assert found == expected


@given(tables(most_rows=10, most_columns=3))
@settings(max_examples=some(60), deadline=None)
def test_hypervolume_counts_unit_cells(losses: np.ndarray) -> None:
    """Rows and reference are integers, so the volume is a number of unit cells."""
    reference = [7] * losses.shape[1]
    cells = itertools.product(range(7), repeat=losses.shape[1])
    covered = sum(any((row <= cell).all() for row in losses) for cell in map(np.array, cells))
    assert pareto.hypervolume(losses, reference) == pytest.approx(covered, abs=1e-9)


def test_hypervolume_of_four_objectives_is_refused() -> None:
    with pytest.raises(ValueError, match="one to three"):
        pareto.hypervolume(np.zeros((1, 4)), [1.0] * 4)


@given(tables(most_rows=25, most_columns=3), st.integers(1, 12), st.data())
@settings(max_examples=some(60), deadline=None)
def test_thinning_is_the_greedy_choice_by_hypervolume(
    losses: np.ndarray, at_most: int, data: st.DataObject
) -> None:
    losses = losses[pareto.non_dominated(losses)]
    if not len(losses):
        return
    always = [data.draw(st.integers(0, len(losses) - 1))]
    kept = pareto.thin(losses, at_most, always)
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert len(kept) == min(at_most, len(losses))
    if len(losses) <= at_most:
        return
    assert kept.tolist() == greedy(losses, at_most, always)


def greedy(losses: np.ndarray, at_most: int, always: list[int]) -> list[int]:
    """The documented choice, with a full hypervolume for every candidate."""
    span = np.ptp(losses, axis=0)
    columns = span > 0
    scaled = ((losses - losses.min(axis=0)) / np.where(columns, span, 1))[:, columns]
    reference = [1.1] * scaled.shape[1]
    chosen = list(always)
    for objective in range(losses.shape[1]):
        order = [objective, *range(losses.shape[1])]
        best = min(range(len(losses)), key=lambda i: (*losses[i][order], i))
        if best not in chosen:
            chosen.append(best)
    chosen = chosen[:at_most]
    while len(chosen) < at_most:
        rest = [i for i in range(len(losses)) if i not in chosen]
        volume = {i: round(pareto.hypervolume(scaled[[*chosen, i]], reference), 10) for i in rest}
        chosen.append(min(rest, key=lambda i: (-volume[i], i)))
    return sorted(chosen)


def test_thinning_keeps_the_knee_and_the_extremes() -> None:
    x = np.linspace(0, 1, 101)
    losses = np.column_stack([x, (1 - x) ** 8])
    kept = pareto.thin(losses, 3)
    assert kept[0] == 0
    assert kept[-1] == 100
    assert 5 < kept[1] < 50
