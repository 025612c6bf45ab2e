"""Pair the rows of a small cost matrix with its columns at the least total cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assign(cost: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Solve the linear assignment problem (Hungarian method, shortest augmenting paths, O(n^3)).

    Written in numpy for matrices of a few dozen faces, so that the package does not depend on scipy.

    Args:
        cost: (N, M), finite.

    Returns:
        min(N, M) pairs (row, column), by row; every row and column occurs at most once.
    """
    matrix = np.asarray(cost, dtype=np.float64)
    if matrix.size == 0:
        return []
    if matrix.size == 1:  # one passenger is the usual case
        return [(0, 0)]
    if matrix.shape[0] > matrix.shape[1]:
        return sorted((row, column) for column, row in assign(matrix.T))

    rows, columns = matrix.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for start in range(rows):
        # Dijkstra over columns: the cheapest chain of re-assignments that gives `start` a column.
        distance = np.full(columns, np.inf)
        came_from = np.full(columns, -1)
        done = np.zeros(columns, dtype=bool)
        row, so_far, last = start, 0.0, -1
        while True:
            reduced = so_far + matrix[row] - row_price[row] - column_price
            shorter = ~done & (reduced < distance)
            distance[shorter] = reduced[shorter]
            came_from[shorter] = last
            last = int(np.argmin(np.where(done, np.inf, distance)))
            so_far = float(distance[last])
            done[last] = True
            if row_of[last] < 0:
                break
            row = int(row_of[last])
        # Prices keep every reduced cost non-negative and those of the pairs zero.
        passed = done & (row_of >= 0)
        row_price[start] += so_far
        row_price[row_of[passed]] += so_far - distance[passed]
        column_price[done] -= so_far - distance[done]
        while last >= 0:
            previous = int(came_from[last])
            row_of[last] = start if previous < 0 else row_of[previous]
            last = previous
    return sorted((int(row_of[column]), column) for column in range(columns) if row_of[column] >= 0)
