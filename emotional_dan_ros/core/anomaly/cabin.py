"""Several passengers at once: a sign that it is the road, not the person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.anomaly.kind_config import SeveralPassengersConfig


class CabinWatch:
    """Remembers whose evidence for a change is high and since when.

    Attributes:
        high: bool (capacity,), whether a passenger's evidence is above the threshold (with hysteresis).
        share: float64 (capacity,), evidence over threshold.
    """

    def __init__(self, config: SeveralPassengersConfig, end_fraction: float, capacity: int) -> None:
        self.configure(config, end_fraction)
        self.high = np.zeros(capacity, dtype=bool)
        self.share = np.zeros(capacity)
        self._since_ns = np.zeros(capacity, dtype=np.int64)

    def configure(self, config: SeveralPassengersConfig, end_fraction: float) -> None:
        """Go on with other settings."""
        self._config = config
        self._end_fraction = end_fraction

    def clear(self, row: int) -> None:
        """Forget a row's passenger, or that an unseen one's evidence was high."""
        self.high[row] = False

    def update(self, rows: Rows, share: Floats, stamp_ns: int) -> None:
        """Take in a frame: (m,) evidence over what each passenger needs."""
        before = self.high[rows]
        self._since_ns[rows] = np.where(before, self._since_ns[rows], stamp_ns)
        self.high[rows] = (share >= 1.0) | (before & (share >= self._end_fraction))
        self.share[rows] = share

    def together(self, stamp_ns: int) -> NDArray[np.intp]:
        """Return the rows whose evidence became high within the window."""
        recent = (stamp_ns - self._since_ns) * 1e-9 <= self._config.window_s
        return np.flatnonzero(self.high & recent)

    def severity(self, rows: Rows) -> float:
        """Return 0..1: how unlikely it is that each of these passengers is at ease; rises with their number."""
        return float(1.0 - np.prod(1.0 - np.minimum(self.share[rows] / 2.0, 1.0) * 0.6))
