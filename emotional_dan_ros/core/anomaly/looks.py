"""Looks: how each passenger's face has looked to the network before, and whether their looks recur.

A network that misreads an ordinary face misreads it in the same way each time it comes back. So the looks
at which a passenger dwells (places in the space of probabilities) are remembered with the number of visits.
A look is judged by how much more often this passenger has it than ordinary people do. For a passenger whose
looks recur that is a mixture of what was seen of them and of anybody's looks (the predictive distribution of
a Dirichlet process): the more visits, the more surprising is a look that is new. For one whose looks do not
recur (a mask of changing light, an identity mixed up by the tracker) it says nothing. Which of the two a
passenger is, is decided by the looks themselves: each new dwelling is better foretold by one or the other.
"""

from __future__ import annotations

import numpy as np

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.anomaly.output_model import SPREAD, OutputModel, alike
from emotional_dan_ros.core.anomaly.passenger_config import LooksConfig
from emotional_dan_ros.core.labels import NUM_EMOTIONS

#: Looks remembered of each passenger.
PLACES = 16
#: Visits remembered of each passenger; beyond that the old ones count ever less.
MOST_VISITS = 100.0
#: Beyond this distance from where it began, a dwelling is over.
ELSEWHERE = 2.0 * SPREAD
#: Dwellings this close are visits to the same place.
SAME = 1.5 * SPREAD
#: Added to how common a look is among ordinary faces: of fewer than this share the sample says nothing.
RAREST = 0.003
#: Visits before a passenger's looks can be told to recur.
FEWEST_VISITS = 2.0
#: Bound of the log-odds that looks recur, so that a passenger can still change.
MOST_SURE = 5.0
#: Log-odds at first sight: most passengers are one person.
AT_FIRST_SIGHT = 2.0
#: How often what is seen is held to be unexpected, when judging whether looks recur: such looks prove nothing.
UNEXPECTED_SHARE = 0.1


class Looks:
    """Places, visits and whether they recur, a row for each passenger.

    Args:
        config: settings.
        learning_in_anomaly: share of a visit that counts where something unexpected was seen, 0..1.
        outputs: how common looks are.
        expected: float64 (7,), emotion shares of ordinary passengers.
        unexpected: float64 (7,), weights of unexpected emotions in what may come instead.
        capacity: most passengers.
    """

    def __init__(
        self,
        config: LooksConfig,
        learning_in_anomaly: float,
        outputs: OutputModel,
        expected: Floats,
        unexpected: Floats,
        capacity: int,
    ) -> None:
        self._config = config
        self._learning_in_anomaly = learning_in_anomaly
        self._outputs = outputs
        self._expected = expected
        self._unexpected = UNEXPECTED_SHARE * unexpected
        self._places = np.zeros((capacity, PLACES, NUM_EMOTIONS))
        self._visits = np.zeros((capacity, PLACES))
        self._total = np.zeros(capacity)
        self._log_odds = np.full(capacity, AT_FIRST_SIGHT)
        # The dwelling that goes on: its mean look, its length, the most suspicious it has been.
        self._dwelling = np.zeros((capacity, NUM_EMOTIONS))
        self._dwelt_s = np.zeros(capacity)
        self._suspicion = np.zeros(capacity)

    def configure(self, config: LooksConfig, learning_in_anomaly: float) -> None:
        """Go on with other settings; looks stay."""
        self._config = config
        self._learning_in_anomaly = learning_in_anomaly

    def clear(self, row: int, first: Floats) -> None:
        """Start a row with a new passenger's first probabilities (7,)."""
        self._visits[row] = 0.0
        self._total[row] = 0.0
        self._log_odds[row] = AT_FIRST_SIGHT
        self._dwelling[row] = first
        self._dwelt_s[row] = 0.0
        self._suspicion[row] = 0.0

    def recurring(self, rows: Rows) -> Floats:
        """Return (m,), 0..1: how sure it is that these passengers' looks recur."""
        result: Floats = 1.0 / (1.0 + np.exp(-self._log_odds[rows]))
        return result

    def strictness(self, rows: Rows) -> Floats:
        """Return (m,) how much stronger evidence must be: above 1 where it is not sure that looks recur."""
        unsure = self._config.unsure_factor
        result: Floats = unsure + self.recurring(rows) * (1.0 - unsure)
        return result

    def update(self, rows: Rows, probabilities: Floats, fast: Floats, weight_s: Floats, suspicion: Floats) -> Floats:
        """Take in a frame's probabilities and fast means (m, 7).

        Args:
            rows: (m,) passengers of the frame.
            probabilities: (m, 7), which are judged: on its way from one look to another the mean passes others.
            fast: (m, 7), in which dwelling is recognised.
            weight_s: (m,) seconds that each state stands for, times its quality.
            suspicion: (m,) evidence over threshold so far, 0..1.

        Returns:
            (m,) > 0: how many times as often as ordinary people these passengers look like this; 1 where
            nothing is known.
        """
        moved2 = np.square(fast - self._dwelling[rows]).sum(axis=1)
        over = (moved2 > ELSEWHERE**2) | (self._dwelt_s[rows] >= self._config.longest_s)
        if over.any():
            ended = rows[over]
            self._remember(ended[self._dwelt_s[ended] >= self._config.shortest_s])
            self._dwelling[ended] = fast[over]
            self._dwelt_s[ended] = 0.0
            self._suspicion[ended] = 0.0
        dwelt_s = self._dwelt_s[rows] + weight_s
        share = weight_s / np.maximum(dwelt_s, 1e-9)
        self._dwelling[rows] += share[:, None] * (fast - self._dwelling[rows])
        self._dwelt_s[rows] = dwelt_s
        self._suspicion[rows] = np.maximum(self._suspicion[rows], suspicion)
        sure = self.recurring(rows)
        result: Floats = sure * self._usualness(rows, probabilities) + 1.0 - sure
        return result

    def _usualness(self, rows: Rows, looks: Floats) -> Floats:
        """Return (m,) how many times as often as others a passenger looks like this, if their looks recur."""
        near = alike(np.square(self._places[rows] - looks[:, None]).sum(axis=2))
        total = self._total[rows]
        seen = (near * self._visits[rows]).sum(axis=1) / np.maximum(total, 1.0)
        new = self._config.new_looks / (self._config.new_looks + total)
        result: Floats = new + (1.0 - new) * seen / (self._outputs.commonness(looks) + RAREST)
        return result

    def _remember(self, rows: Rows) -> None:
        """Count the dwellings of some passengers as visits."""
        if not len(rows):
            return
        looks = self._dwelling[rows]
        foretold = self._usualness(rows, looks)
        likelihoods = self._outputs.likelihoods(looks)
        expected, unexpected = likelihoods @ self._expected, likelihoods @ self._unexpected
        log_ratio = np.log((unexpected + foretold * expected) / (unexpected + expected))
        told = np.where(self._total[rows] >= FEWEST_VISITS, log_ratio, 0.0)
        self._log_odds[rows] = np.clip(self._log_odds[rows] + told, -MOST_SURE, MOST_SURE)

        visits, each = self._visits[rows], np.arange(len(rows))
        distance2 = np.where(visits > 0.0, np.square(self._places[rows] - looks[:, None]).sum(axis=2), np.inf)
        nearest = distance2.argmin(axis=1)
        strange = distance2[each, nearest] > SAME**2
        chosen = np.where(strange, visits.argmin(axis=1), nearest)  # the one least visited gives way
        counts = 1.0 - (1.0 - self._learning_in_anomaly) * self._suspicion[rows]
        before = np.where(strange, 0.0, visits[each, chosen])
        share = counts / np.maximum(before + counts, 1e-9)
        old = self._places[rows, chosen]
        self._places[rows, chosen] = np.where(strange[:, None], looks, old + share[:, None] * (looks - old))
        visits[each, chosen] = before + counts
        total = self._total[rows] + counts
        kept = np.minimum(MOST_VISITS / total, 1.0)
        self._visits[rows] = visits * kept[:, None]
        self._total[rows] = total * kept


def allowing_for(usualness: Floats, level: Floats) -> Floats:
    """Return (m,) levels, 0..1, with odds divided by how usual the look is of the passenger."""
    result: Floats = level / (level + (1.0 - level) * usualness)
    return result
