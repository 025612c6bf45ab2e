"""Repetition: how far a passenger's frames tell the same thing again.

Evidence of independent frames adds up; that of frames that show one and the same error does not. Which it
is can be measured: successive values that are drawn anew differ by twice their variance, repeated ones by
nothing (the ratio of von Neumann 1941).
"""

from __future__ import annotations

import numpy as np

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.labels import NUM_EMOTIONS

#: Variance of the probabilities (summed over emotions) that is presumed at first sight, all of it repeated.
VARIANCE = 0.05


class Repetition:
    """Variance and mean squared difference of successive probabilities, a row for each passenger."""

    def __init__(self, capacity: int) -> None:
        self._before = np.zeros((capacity, NUM_EMOTIONS))
        self._variance = np.full(capacity, VARIANCE)
        self._anew = np.zeros(capacity)

    def clear(self, row: int, first: Floats) -> None:
        """Start a row with a new passenger's first probabilities (7,)."""
        self._before[row] = first
        self._variance[row] = VARIANCE
        self._anew[row] = 0.0

    def update(self, rows: Rows, probabilities: Floats, slow: Floats, rate: Floats) -> Floats:
        """Take in a frame's probabilities (m, 7).

        Args:
            rows: (m,) passengers of the frame.
            probabilities: (m, 7).
            slow: (m, 7), slow means.
            rate: (m,) share with which slow means take in new values.

        Returns:
            (m,), 0..1: 1 where frames repeat each other, 0 where each is drawn anew.
        """
        spread = np.square(probabilities - slow).sum(axis=1)
        change = 0.5 * np.square(probabilities - self._before[rows]).sum(axis=1)
        self._before[rows] = probabilities
        variance, anew = self._variance[rows], self._anew[rows]
        variance += rate * (spread - variance)
        anew += rate * (change - anew)
        self._variance[rows], self._anew[rows] = variance, anew
        result: Floats = np.clip(1.0 - anew / np.maximum(variance, 1e-12), 0.0, 1.0)
        return result
