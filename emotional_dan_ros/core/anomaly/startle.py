"""Startle: surprise or fear that rises from low to high within a second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.anomaly.kind_config import StartleConfig
from emotional_dan_ros.core.anomaly.looks import allowing_for
from emotional_dan_ros.core.labels import Emotion


class StartleWatch:
    """Remembers when each passenger's fast estimate was last low.

    Attributes:
        level: float64 (capacity,), the sum of the watched emotions in the fast estimate, 0..1, less where this
            look is usual of the passenger.
        low_ns: int64 (capacity,), when it was last at or below ``config.low``.
    """

    def __init__(self, config: StartleConfig, capacity: int) -> None:
        self.configure(config)
        self.level = np.zeros(capacity)
        self.low_ns = np.zeros(capacity, dtype=np.int64)
        self._was_low = np.zeros(capacity, dtype=bool)

    def configure(self, config: StartleConfig) -> None:
        """Go on with other settings."""
        self._config = config
        self.emotions = np.array([Emotion[name.upper()] for name in config.emotions], dtype=np.intp)

    def clear(self, row: int) -> None:
        """Forget a row's passenger; a rise needs a low first."""
        self.level[row] = 0.0
        self._was_low[row] = False

    def update(self, rows: Rows, fast: Floats, usualness: Floats, stamp_ns: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Take in a frame's fast estimates (m, 7) and how usual (m,) they are of each passenger.

        Returns:
            (m,) levels, and (m,) whether each was low within the last ``rise_s``.
        """
        level = allowing_for(usualness, fast[:, self.emotions].sum(axis=1))
        self.level[rows] = level
        low = level <= self._config.low
        self.low_ns[rows] = np.where(low, stamp_ns, self.low_ns[rows])
        self._was_low[rows] |= low
        recent = (stamp_ns - self.low_ns[rows]) * 1e-9 <= self._config.rise_s
        return level, self._was_low[rows] & recent
