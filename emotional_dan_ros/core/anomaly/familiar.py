"""Familiar faces: what a passenger's face has looked like to the network before, and for how long.

A network that misreads an ordinary face misreads it in the same way each time it comes back. So the places
in the space of probabilities at which a passenger dwells are remembered; evidence that comes from a place
they often were before is worth little. Only what lasts counts: the fast mean is looked at, not single
frames.
"""

from __future__ import annotations

import numpy as np

from emotional_dan_ros.core.anomaly.baseline import Floats, Rows
from emotional_dan_ros.core.labels import NUM_EMOTIONS

#: Places remembered of each passenger.
PLACES = 8
#: How far the probabilities of one face spread while it moves (root mean square of the distance), 0..1.
SPREAD = 0.12


class FamiliarFaces:
    """Places and the seconds spent at them, a row for each passenger."""

    def __init__(self, slow_s: float, capacity: int) -> None:
        self._slow_s = slow_s
        self._places = np.zeros((capacity, PLACES, NUM_EMOTIONS))
        self._spent_s = np.zeros((capacity, PLACES))

    def clear(self, row: int) -> None:
        """Forget a row's passenger."""
        self._spent_s[row] = 0.0

    def update(self, rows: Rows, fast: Floats, weight_s: Floats, learnt_s: Floats) -> Floats:
        """Look up a frame's fast means (m, 7), then remember them.

        Args:
            rows: (m,) passengers of the frame.
            fast: (m, 7).
            weight_s: (m,) seconds that each state stands for, times its quality.
            learnt_s: (m,) how much of these is learnt; less while something is unexpected.

        Returns:
            (m,) seconds spent near there before.
        """
        places, spent_s = self._places[rows], self._spent_s[rows]
        distance2 = np.square(places - fast[:, None]).sum(axis=2)
        near = np.exp(distance2 / (-2.0 * SPREAD**2))
        before_s = (near * spent_s).sum(axis=1)
        # The nearest place moves towards what is seen; if none is near, the one least visited gives way.
        each = np.arange(len(rows))
        nearest = np.where(spent_s > 0.0, distance2, np.inf).argmin(axis=1)
        strange = (spent_s[each, nearest] == 0.0) | (distance2[each, nearest] > (2.0 * SPREAD) ** 2)
        chosen = np.where(strange, spent_s.argmin(axis=1), nearest)
        spent_s *= np.exp(-weight_s / self._slow_s)[:, None]
        known_s = np.where(strange, 0.0, spent_s[each, chosen])
        share = learnt_s / np.maximum(known_s + learnt_s, 1e-12)
        old = np.where(strange[:, None], fast, places[each, chosen])
        self._places[rows, chosen] = old + share[:, None] * (fast - old)
        spent_s[each, chosen] = known_s + learnt_s
        self._spent_s[rows] = spent_s
        return before_s
