"""What each passenger usually shows, and what they show now: a slow and a fast mean over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.passenger_config import BaselineConfig
from emotional_dan_ros.core.labels import NUM_EMOTIONS

Rows = NDArray[np.intp]
Floats = NDArray[np.float64]


class Baselines:
    """Slow and fast estimates of the emotion probabilities, a row for each passenger.

    Both are means over time, weighted by quality: a state stands for the time since the one before, at
    most ``max_gap_s``. The slow one starts at the prior, which counts as ``prior_s`` of watching, is a
    plain mean as long as little was seen and forgets with ``slow_s`` later.

    Attributes:
        slow: float64 (capacity, 7), rows sum to 1.
        fast: float64 (capacity, 7), rows sum to 1.
        watched_s: float64 (capacity,), quality-weighted seconds that the passenger has been seen.
    """

    def __init__(self, config: BaselineConfig, prior: Floats, capacity: int) -> None:
        self._config = config
        self._prior = prior
        self.slow = np.tile(prior, (capacity, 1))
        self.fast = np.full((capacity, NUM_EMOTIONS), 1.0 / NUM_EMOTIONS)
        self.watched_s = np.zeros(capacity)

    def configure(self, config: BaselineConfig) -> None:
        """Go on with other settings; what is known of passengers stays."""
        self._config = config

    def clear(self, row: int, first: Floats) -> None:
        """Start a row with a new passenger's first probabilities (7,)."""
        self.slow[row] = self._prior
        self.fast[row] = first
        self.watched_s[row] = 0.0

    def learning_rate(self, rows: Rows, weight_s: Floats, suspicion: Floats) -> Floats:
        """Return the share, 0..1, with which slow means take in the new values.

        Args:
            rows: (m,) passengers of the frame.
            weight_s: (m,) seconds that each state stands for, times its quality.
            suspicion: (m,) evidence over threshold, 0..1: the more, the less is learnt.
        """
        config = self._config
        horizon_s = np.minimum(self.watched_s[rows] + config.prior_s, config.slow_s)
        return 1.0 - np.exp(-self.learnt_s(weight_s, suspicion) / horizon_s)

    def learnt_s(self, weight_s: Floats, suspicion: Floats) -> Floats:
        """Return (m,) how much of ``weight_s`` is learnt from, arguments as for `learning_rate`."""
        return weight_s * (1.0 - (1.0 - self._config.learning_in_anomaly) * suspicion)

    def update(self, rows: Rows, probabilities: Floats, weight_s: Floats, rate: Floats) -> None:
        """Take in a frame's probabilities (m, 7); ``rate`` as `learning_rate` gave it."""
        slow = self.slow[rows]
        self.slow[rows] = slow + rate[:, None] * (probabilities - slow)
        fast = self.fast[rows]
        share = 1.0 - np.exp(-weight_s / self._config.fast_s)
        self.fast[rows] = fast + share[:, None] * (probabilities - fast)
        self.watched_s[rows] += weight_s

    def strictness(self, rows: Rows) -> Floats:
        """Return (m,) how much stronger evidence must be: above 1 while a passenger is new."""
        new = self.watched_s[rows] < self._config.warmup_s
        return np.where(new, self._config.warmup_factor, 1.0)
