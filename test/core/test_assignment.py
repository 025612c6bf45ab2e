"""The assignment against every permutation and against scipy."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from emotional_dan_ros.core.assignment import assign


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_pair(shape: tuple[int, int]) -> None:
    assert assign(np.zeros(shape)) == []


def test_the_greedy_choice_is_not_the_best_one() -> None:
    assert assign(np.array([[1.0, 2.0], [2.0, 9.0]])) == [(0, 1), (1, 0)]


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5),
        elements=st.floats(-10, 10, allow_subnormal=False),
    )
)
def test_total_cost_is_the_least_of_all_permutations(cost: np.ndarray) -> None:
    pairs = assign(cost)
    rows, columns = cost.shape if cost.shape[0] <= cost.shape[1] else cost.T.shape
    wide = cost if cost.shape[0] <= cost.shape[1] else cost.T
    best = min(sum(wide[i, p[i]] for i in range(rows)) for p in permutations(range(columns), rows))
    assert len(pairs) == rows
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == rows
    assert sum(cost[i, j] for i, j in pairs) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("shape", [(20, 20), (7, 30), (30, 7)])
def test_total_cost_is_that_of_scipy(shape: tuple[int, int]) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    cost = np.random.default_rng(sum(shape)).uniform(0, 1, shape)
    rows, columns = optimize.linear_sum_assignment(cost)
    assert sum(cost[i, j] for i, j in assign(cost)) == pytest.approx(cost[rows, columns].sum())
