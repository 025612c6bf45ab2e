"""What a network's outputs are like when each emotion is shown: learnt from faces, saved with the weights.

Two things are known of a network beside its outputs. How it confuses emotions: a multinomial logistic
regression of the true emotion on the logarithms of its outputs turns these into likelihoods that allow for
its habits (matrix scaling, Guo et al. 2017). And how common each look of an ordinary face is to it: a sample
of its outputs on ordinary faces, with how often each occurs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotional_dan_ros.core.anomaly.baseline import Floats

#: Probabilities below this say no more than this.
SMALLEST = 1e-4
#: How far the probabilities of one face spread while it moves (root mean square of the distance), 0..1.
SPREAD = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class OutputModel:
    """How to read a network's outputs.

    Attributes:
        slope: float64 (7, 7), and
        offset: float64 (7,), of the regression: log-likelihoods = slope @ log p + offset, up to a constant.
        looks: float64 (n, 7), outputs on ordinary faces.
        share: float64 (n,), how often ordinary faces look like each; sums to 1.
    """

    slope: Floats
    offset: Floats
    looks: Floats
    share: Floats

    def likelihoods(self, probabilities: Floats) -> Floats:
        """Return (m, 7), rows sum to 1: how likely outputs (m, 7) are when each emotion is shown."""
        logs = np.log(np.maximum(probabilities, SMALLEST)) @ self.slope.T + self.offset
        exponents = np.exp(logs - logs.max(axis=1, keepdims=True))
        result: Floats = exponents / exponents.sum(axis=1, keepdims=True)
        return result

    def commonness(self, probabilities: Floats) -> Floats:
        """Return (m,), 0..1: the share of ordinary faces that look about like outputs (m, 7)."""
        distance2 = (
            np.square(probabilities).sum(axis=1)[:, None]
            + np.square(self.looks).sum(axis=1)
            - 2.0 * probabilities @ self.looks.T
        )
        result: Floats = alike(distance2) @ self.share
        return result


def alike(distance2: Floats) -> Floats:
    """Return 0..1 from squared distances of outputs: 1 where the same, near 0 where another look."""
    result: Floats = np.exp(distance2 / (-2.0 * SPREAD**2))
    return result
