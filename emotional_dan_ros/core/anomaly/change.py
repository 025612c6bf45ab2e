"""Sudden change: CUSUM of the log-likelihood ratio against the passenger's own baseline.

For a network whose outputs p are calibrated, the likelihood ratio of a face under emotion shares a
against shares b is sum(a p) / sum(b p) (Bayes' rule, equal class priors). The baseline b is the
passenger's own: the shares under which their faces are most likely, found as they come by stochastic
expectation maximisation (the mean of p would blur them by the network's doubts, and costs a good part of
the evidence). What comes instead is unknown, so several alternatives are followed side by side: each
unexpected emotion, each pair of them (networks and faces waver between two), and all of them alike, shown
for given shares of the time with the baseline in the rest. The strongest counts (a generalised likelihood
ratio).

Real faces are not independent draws. An ordinary face that the network always misreads becomes part of
the shares: at their maximum of likelihood the mean of p_k / sum(b p) is at most 1 for every emotion k, as
it must be for a true likelihood ratio. Evidence is gathered per second, not per frame, because frames of
one face share their error. And it is forgotten with a time constant, because a lasting error is still one
error.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.anomaly.config import SuddenChangeConfig
from emotional_dan_ros.core.labels import NUM_EMOTIONS, Emotion

#: Smallest share of an emotion in a baseline: bounds the evidence of one look at log(1 / FLOOR).
FLOOR = 0.003
#: Share at which an emotion that is never unexpected counts in the baseline at least, so that the first smile of
#: a passenger after a long neutral time is no news.
ALWAYS_EXPECTED = 0.5


class ChangeEvidence:
    """Evidence for a change, a row for each passenger, a column for each alternative.

    Attributes:
        evidence: float64 (capacity, alternatives), nats, at least 0.
        onset_ns: int64 (capacity, alternatives), when the evidence last left 0: the most likely time of
            the change.
        shares: float64 (capacity, 7), the passengers' baselines, rows sum to 1.
    """

    def __init__(self, config: SuddenChangeConfig, prior_shares: Floats, capacity: int) -> None:
        self._config = config
        self._prior_shares = prior_shares
        self.emotions = np.array([Emotion[name.upper()] for name in config.emotions], dtype=np.intp)
        self._always = np.full(NUM_EMOTIONS, ALWAYS_EXPECTED)
        self._always[self.emotions] = 0.0
        #: (emotions, ratios): how much of each emotion an alternative consists of.
        self._shares_of = _alternatives(len(self.emotions))
        self._strength = np.repeat(np.asarray(config.strengths), self._shares_of.shape[1])
        self.num_alternatives = len(self._strength)
        self.shares = np.tile(np.maximum(prior_shares, FLOOR), (capacity, 1))
        self.evidence = np.zeros((capacity, self.num_alternatives))
        self.onset_ns = np.zeros((capacity, self.num_alternatives), dtype=np.int64)

    def clear(self, row: int, stamp_ns: int) -> None:
        """Forget a row's passenger."""
        self.evidence[row] = 0.0
        self.onset_ns[row] = stamp_ns
        self.shares[row] = np.maximum(self._prior_shares, FLOOR)

    def update(
        self,
        rows: Rows,
        probabilities: Floats,
        weight_s: Floats,
        forgotten_s: Floats,
        familiar_s: Floats,
        rate: Floats,
        stamp_ns: int,
        cap: Floats,
    ) -> Floats:
        """Take in a frame.

        Args:
            rows: (m,) passengers of the frame.
            probabilities: (m, 7).
            weight_s: (m,) seconds that each state stands for, times its quality.
            forgotten_s: (m,) seconds of forgetting since the passenger was seen before.
            familiar_s: (m,) seconds that the passenger has looked like this before.
            rate: (m,) share with which baselines take in new values.
            stamp_ns: of the frame.
            cap: (m,) evidence does not grow beyond this, so that an end is not put off for long.

        Returns:
            (m,) the strongest evidence of each passenger, nats.
        """
        config = self._config
        shares = self.shares[rows]
        likelihoods = shares * probabilities
        likely = likelihoods / likelihoods.sum(axis=1, keepdims=True)
        self.shares[rows] = np.maximum(shares + rate[:, None] * (likely - shares), FLOOR)
        under_baseline = (np.maximum(shares, self._always) * probabilities).sum(axis=1, keepdims=True)
        under_baseline *= 1.0 + familiar_s[:, None] / config.familiar_s
        ratios = (probabilities[:, self.emotions] / under_baseline) @ self._shares_of
        gain = np.log1p(self._strength * (np.tile(ratios, len(config.strengths)) - 1.0))

        before = self.evidence[rows] * np.exp(-forgotten_s / config.memory_s)[:, None]
        after = np.clip(before + (weight_s / config.evidence_s)[:, None] * gain, 0.0, cap[:, None])
        self.onset_ns[rows] = np.where(before > 0.0, self.onset_ns[rows], stamp_ns)
        self.evidence[rows] = after
        strongest: NDArray[np.float64] = after.max(axis=1)
        return strongest

    def onset_of(self, row: int) -> int:
        """Return the stamp at which the strongest evidence of a row began."""
        return int(self.onset_ns[row, int(np.argmax(self.evidence[row]))])


def _alternatives(count: int) -> Floats:
    """Return shares (count, alternatives), columns sum to 1: each emotion, each pair, all alike."""
    sizes = sorted({1, min(2, count), count})
    groups = [list(group) for size in sizes for group in combinations(range(count), size)]
    shares = np.zeros((count, len(groups)))
    for column, group in enumerate(groups):
        shares[group, column] = 1.0 / len(group)
    return shares
