"""Sudden change: CUSUM of the log-likelihood ratio against the passenger's own baseline.

With l_k the likelihood of an output when emotion k is shown (`output_model`), the likelihood ratio of emotion
shares a against shares b is sum(a l) / sum(b l). The baseline b is the passenger's own as far as frames are drawn
anew: the shares under which they are most likely, found as they come by stochastic expectation maximisation (the
mean of the outputs would blur them by the network's doubts, and costs a good part of the evidence). What comes
instead is unknown, so several alternatives are followed side by side: each unexpected emotion, the two pairs
that people and networks confuse most, and all alike, shown for given shares of the time with the baseline in the
rest. The strongest counts (a generalised likelihood ratio).

Real faces are not independent draws. Evidence is gathered per second, not per frame. It is forgotten with a
time constant as far as frames repeat each other (`repetition`), because a lasting error is still one error.
And looks that this passenger has more often than others (`looks`) are that much more likely under the baseline.
"""

from __future__ import annotations

import numpy as np

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.anomaly.kind_config import SuddenChangeConfig
from emotional_dan_ros.core.labels import NUM_EMOTIONS, Emotion

#: Smallest share of an emotion in a baseline: bounds the evidence of one look at log(1 / FLOOR).
FLOOR = 0.001
#: Share at which an emotion that is never unexpected counts in the baseline at least, so that the first smile of
#: a passenger after a long neutral time is no news.
ALWAYS_EXPECTED = 0.2
#: Pairs that people and networks alike confuse most; faces waver between them.
CONFUSED = ((Emotion.SURPRISE, Emotion.FEAR), (Emotion.DISGUST, Emotion.ANGER))
#: Even frames that are drawn anew are forgotten this much of the speed of repeated ones.
LEAST_FORGETTING = 0.005


class ChangeEvidence:
    """Evidence for a change, a row for each passenger, a column for each alternative.

    Attributes:
        evidence: float64 (capacity, alternatives), nats, at least 0.
        onset_ns: int64 (capacity, alternatives), when the evidence last left 0: the most likely time of
            the change.
        shares: float64 (capacity, 7), the passengers' baselines, rows sum to 1.
        alternatives: float64 (7, ratios), how much of each emotion an alternative consists of.
    """

    def __init__(self, config: SuddenChangeConfig, prior_shares: Floats, capacity: int) -> None:
        self._prior_shares = prior_shares
        self.shares = np.tile(np.maximum(prior_shares, FLOOR), (capacity, 1))
        self.evidence = np.zeros((capacity, 0))
        self.configure(config)

    def configure(self, config: SuddenChangeConfig) -> None:
        """Go on with other settings; baselines stay, and evidence too unless there are other alternatives."""
        self._config = config
        self.emotions = np.array([Emotion[name.upper()] for name in config.emotions], dtype=np.intp)
        self._always = np.full(NUM_EMOTIONS, ALWAYS_EXPECTED)
        self._always[self.emotions] = 0.0
        self.alternatives = _alternatives(self.emotions)
        self._strength = np.repeat(np.asarray(config.strengths), self.alternatives.shape[1])
        shape = (len(self.evidence), len(self._strength))
        if self.evidence.shape != shape:
            self.evidence = np.zeros(shape)
            self.onset_ns = np.zeros(shape, dtype=np.int64)

    def clear(self, row: int, stamp_ns: int) -> None:
        """Forget a row's passenger."""
        self.evidence[row] = 0.0
        self.onset_ns[row] = stamp_ns
        self.shares[row] = np.maximum(self._prior_shares, FLOOR)

    def update(
        self,
        rows: Rows,
        likelihoods: Floats,
        weight_s: Floats,
        forgotten_s: Floats,
        repetition: Floats,
        usualness: Floats,
        rate: Floats,
        stamp_ns: int,
        cap: Floats,
    ) -> Floats:
        """Take in a frame.

        Args:
            rows: (m,) passengers of the frame.
            likelihoods: (m, 7), of the outputs under each emotion, up to a factor for each row.
            weight_s: (m,) seconds that each state stands for, times its quality.
            forgotten_s: (m,) seconds of forgetting since the passenger was seen before.
            repetition: (m,), 0..1, how far frames repeat each other.
            usualness: (m,) how many times as often as others the passenger looks like this.
            rate: (m,) share with which baselines take in new values.
            stamp_ns: of the frame.
            cap: (m,) evidence does not grow beyond this, so that an end is not put off for long.

        Returns:
            (m,) the strongest evidence of each passenger, nats.
        """
        config = self._config
        shares = self.shares[rows]
        joint = shares * likelihoods
        likely = joint / joint.sum(axis=1, keepdims=True)
        # A look that lasts would soon be taken for the passenger's nature; those are judged by `looks`.
        learnt = rate * (1.0 - repetition)
        self.shares[rows] = np.maximum(shares + learnt[:, None] * (likely - shares), FLOOR)
        under_baseline = (np.maximum(shares, self._always) * likelihoods).sum(axis=1) * usualness
        ratios = (likelihoods / under_baseline[:, None]) @ self.alternatives
        gain = np.log1p(self._strength * (np.tile(ratios, len(config.strengths)) - 1.0))

        forgetting = np.maximum(repetition, LEAST_FORGETTING) / config.memory_s
        before = self.evidence[rows] * np.exp(-forgotten_s * forgetting)[:, None]
        after = np.clip(before + (weight_s / config.evidence_s)[:, None] * gain, 0.0, cap[:, None])
        self.onset_ns[rows] = np.where(before > 0.0, self.onset_ns[rows], stamp_ns)
        self.evidence[rows] = after
        strongest: Floats = after.max(axis=1)
        return strongest

    def onset_of(self, row: int) -> int:
        """Return the stamp at which the strongest evidence of a row began."""
        return int(self.onset_ns[row, int(np.argmax(self.evidence[row]))])


def _alternatives(emotions: Rows) -> Floats:
    """Return weights (7, alternatives), columns sum to 1: each emotion, pairs of them, and last all of them."""
    pairs = [pair for pair in CONFUSED if set(pair) <= set(emotions)]
    groups = [*((emotion,) for emotion in emotions), *pairs, tuple(emotions)]
    weights = np.zeros((NUM_EMOTIONS, len(groups)))
    for column, group in enumerate(groups):
        weights[list(group), column] = 1.0 / len(group)
    return weights
