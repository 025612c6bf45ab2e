"""Sudden change: CUSUM of the log-likelihood ratio against the passenger's own baseline.

For a network whose outputs p are calibrated, the likelihood ratio of a face under emotion shares a
against shares b is sum(a p) / sum(b p) (Bayes' rule, equal class priors). The baseline b is the
passenger's own. What comes instead is unknown, so several alternatives are followed side by side: each
unexpected emotion, and all of them alike, shown for given shares of the time with the baseline in the
rest. The strongest counts (a generalised likelihood ratio).

Three things keep it honest on real faces. A true likelihood ratio has mean 1 under the baseline; where a
passenger's own ratio has a larger mean (an ordinary face that the network misreads), it is divided by
that. Evidence is gathered per second, not per frame: frames of one face share their error. And it is
forgotten with a time constant, because a lasting error is still one error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.anomaly.config import SuddenChangeConfig
from emotional_dan_ros.core.labels import NUM_EMOTIONS, Emotion

#: Smallest share of an emotion in a baseline: bounds the evidence of one look at log(1 / FLOOR).
FLOOR = 0.01


class ChangeEvidence:
    """Evidence for a change, a row for each passenger, a column for each alternative.

    Attributes:
        evidence: float64 (capacity, alternatives), nats, at least 0.
        onset_ns: int64 (capacity, alternatives), when the evidence last left 0: the most likely time of
            the change.
    """

    def __init__(self, config: SuddenChangeConfig, capacity: int) -> None:
        self._config = config
        self.emotions = np.array([Emotion[name.upper()] for name in config.emotions], dtype=np.intp)
        #: Columns of the likelihood ratios: each emotion, then all alike.
        self._num_ratios = len(self.emotions) + 1
        self._strength = np.repeat(np.asarray(config.strengths), self._num_ratios)
        self.num_alternatives = len(self._strength)
        self.evidence = np.zeros((capacity, self.num_alternatives))
        self.onset_ns = np.zeros((capacity, self.num_alternatives), dtype=np.int64)
        self._mean_ratio = np.ones((capacity, self._num_ratios))

    def clear(self, row: int, stamp_ns: int) -> None:
        """Forget a row's passenger."""
        self.evidence[row] = 0.0
        self.onset_ns[row] = stamp_ns
        self._mean_ratio[row] = 1.0

    def update(
        self,
        rows: Rows,
        probabilities: Floats,
        baseline: Floats,
        weight_s: Floats,
        elapsed_s: Floats,
        rate: Floats,
        stamp_ns: int,
        cap: Floats,
    ) -> Floats:
        """Take in a frame.

        Args:
            rows: (m,) passengers of the frame.
            probabilities: (m, 7).
            baseline: (m, 7), the passengers' slow means.
            weight_s: (m,) seconds that each state stands for, times its quality.
            elapsed_s: (m,) seconds since the passenger was seen before.
            rate: (m,) share with which slow means take in new values.
            stamp_ns: of the frame.
            cap: (m,) evidence does not grow beyond this, so that an end is not put off for long.

        Returns:
            (m,) the strongest evidence of each passenger, nats.
        """
        config = self._config
        expected = FLOOR + (1.0 - NUM_EMOTIONS * FLOOR) * baseline
        under_baseline = np.einsum("ij,ij->i", expected, probabilities)
        ratios = np.empty((len(rows), self._num_ratios))
        np.divide(probabilities[:, self.emotions], under_baseline[:, None], out=ratios[:, :-1])
        ratios[:, -1] = ratios[:, :-1].mean(axis=1)
        mean = self._mean_ratio[rows]
        calibrated = ratios / np.maximum(mean, 1.0)
        self._mean_ratio[rows] = mean + rate[:, None] * (ratios - mean)
        gain = np.log1p(self._strength * (np.tile(calibrated, len(config.strengths)) - 1.0))

        before = self.evidence[rows] * np.exp(-elapsed_s / config.memory_s)[:, None]
        after = np.clip(before + (weight_s / config.evidence_s)[:, None] * gain, 0.0, cap[:, None])
        self.onset_ns[rows] = np.where(before > 0.0, self.onset_ns[rows], stamp_ns)
        self.evidence[rows] = after
        strongest: NDArray[np.float64] = after.max(axis=1)
        return strongest

    def onset_of(self, row: int) -> int:
        """Return the stamp at which the strongest evidence of a row began."""
        return int(self.onset_ns[row, int(np.argmax(self.evidence[row]))])
