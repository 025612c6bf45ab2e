"""Sustained negative: anger, disgust, fear and sadness together above a level for a time."""

from __future__ import annotations

import numpy as np

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.anomaly.kind_config import SustainedNegativeConfig
from emotional_dan_ros.core.anomaly.looks import allowing_for
from emotional_dan_ros.core.labels import Emotion


class SustainedWatch:
    """Measures for how long each passenger's smoothed negative sum has been above the level.

    Attributes:
        level: float64 (capacity,), smoothed sum of the watched emotions, 0..1, less where looks are usual of
            the passenger.
        above_s: float64 (capacity,), seconds without a break above the level.
        since_ns: int64 (capacity,), when that time began.
    """

    def __init__(self, config: SustainedNegativeConfig, capacity: int) -> None:
        self.configure(config)
        self.level = np.zeros(capacity)
        self.above_s = np.zeros(capacity)
        self.since_ns = np.zeros(capacity, dtype=np.int64)
        self._above = np.zeros(capacity, dtype=bool)

    def configure(self, config: SustainedNegativeConfig) -> None:
        """Go on with other settings."""
        self._config = config
        self.emotions = np.array([Emotion[name.upper()] for name in config.emotions], dtype=np.intp)

    def clear(self, row: int, first: Floats) -> None:
        """Start a row with a new passenger's first probabilities (7,)."""
        self.level[row] = float(first[self.emotions].sum())
        self.above_s[row] = 0.0
        self._above[row] = False

    def update(
        self,
        rows: Rows,
        probabilities: Floats,
        usualness: Floats,
        weight_s: Floats,
        gap_s: Floats,
        needed: Floats,
        stamp_ns: int,
    ) -> tuple[Floats, Floats]:
        """Take in a frame.

        Args:
            rows: (m,) passengers of the frame.
            probabilities: (m, 7).
            usualness: (m,) how many times as often as others each passenger looks like this.
            weight_s: (m,) seconds that each state stands for, times its quality.
            gap_s: (m,) seconds that each state stands for.
            needed: (m,) level that counts as high for each passenger.
            stamp_ns: of the frame.

        Returns:
            (m,) levels and (m,) seconds above.
        """
        now = allowing_for(usualness, probabilities[:, self.emotions].sum(axis=1))
        before = self.level[rows]
        level = before + (1.0 - np.exp(-weight_s / self._config.smoothing_s)) * (now - before)
        self.level[rows] = level
        above = level > needed
        lasting = above & self._above[rows]
        self._above[rows] = above
        self.since_ns[rows] = np.where(lasting, self.since_ns[rows], stamp_ns)
        # Time in which nothing could be trusted does not count.
        above_s = np.where(lasting, self.above_s[rows] + np.where(weight_s > 0.0, gap_s, 0.0), 0.0)
        self.above_s[rows] = above_s
        return level, above_s
