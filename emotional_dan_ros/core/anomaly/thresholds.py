"""Thresholds, and how they follow from rates of false alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emotional_dan_ros.core.anomaly.config import MonitorConfig


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where each kind's evidence becomes an event.

    Attributes:
        sudden_change: evidence in nats.
        startle: sum of the watched probabilities, 0..1.
        sustained_negative: sum of the watched probabilities, 0..1.
        several_passengers: evidence in nats of each passenger, by the number of passengers watched:
            entry 0 is for two, the last for that many and more.
    """

    sudden_change: float
    startle: float
    sustained_negative: float
    several_passengers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """How often one kind's evidence crosses a threshold on ordinary passengers.

    Attributes:
        pace_s: value of the kind's `calibration.PACE` setting during the measurement.
        alarms_per_hour: strictly falling, > 0, for one passenger.
        threshold: rising, as long as ``alarms_per_hour``.
    """

    pace_s: float
    alarms_per_hour: tuple[float, ...]
    threshold: tuple[float, ...]

    def threshold_at(self, alarms_per_hour: float, pace_s: float) -> float:
        """Interpolate over the logarithm of the rate; beyond the ends go on with the end's slope."""
        x = -np.log(self.alarms_per_hour)
        y = np.asarray(self.threshold)
        wanted = -math.log(alarms_per_hour * pace_s / self.pace_s)
        first = int(np.clip(np.searchsorted(x, wanted) - 1, 0, len(x) - 2))
        slope = (y[first + 1] - y[first]) / (x[first + 1] - x[first])
        return float(y[first] + slope * (wanted - x[first]))


def wald_threshold(alarms_per_hour: float, evidence_s: float, alternatives: int = 1) -> float:
    """Return the CUSUM threshold in nats that theory gives for independent looks.

    The mean number of looks to a false alarm of a CUSUM over exact log-likelihood ratios is at least
    exp(threshold) (Lorden 1971, from Wald's inequality); several alternatives share the rate.
    """
    looks_per_hour = 3600.0 / evidence_s
    return math.log(looks_per_hour * alternatives / alarms_per_hour)


def coincidence_rates(config: MonitorConfig) -> tuple[float, ...]:
    """Return how often each of 2, 3, ... passengers may cross by chance, per hour.

    n independent passengers that each cross r times an hour cross in pairs within a window of w hours
    n (n - 1) w r^2 times an hour; solved for r at the accepted rate. Events that take more than two
    are rarer still, so the same rate is on the safe side.
    """
    window_h = config.several_passengers.window_s / 3600.0
    numbers = range(2, max(3, min(config.memory.max_passengers, 16)) + 1)
    return tuple(math.sqrt(config.false_alarms_per_hour / (n * (n - 1) * window_h)) for n in numbers)
