"""What one would use instead: a threshold on the smoothed probability, and river's drift detectors.

All are given the passenger's probability of the unexpected emotions together, and their alarms count only
where that probability has risen: a detector that notices a passenger calming down is not blamed for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor_bench.scoring import Alarm
from monitor_bench.streams import UNEXPECTED, Streams

#: No second alarm of the same passenger within this time, as in the monitor, s.
REFRACTORY_S = 3.0
SMOOTHING_S = (0.3, 0.6, 1.2, 2.5)
_THRESHOLDS = 1.0 - np.geomspace(0.0005, 0.6, 120)[::-1]

Setting = dict[str, Any]


def unexpected(streams: Streams) -> NDArray[np.float64]:
    """Return what the rivals watch, (rides, frames)."""
    return streams.probabilities[:, :, list(UNEXPECTED)].sum(axis=2, dtype=np.float64)


def smoothed(values: NDArray[np.float64], hz: float, smoothing_s: float) -> NDArray[np.float64]:
    """Exponential mean over time."""
    share = 1.0 - np.exp(-1.0 / (hz * smoothing_s))
    result = np.empty_like(values)
    level = values[:, 0].copy()
    for frame in range(values.shape[1]):
        level += share * (values[:, frame] - level)
        result[:, frame] = level
    return result


def threshold_alarms(streams: Streams, smoothing_s: float) -> dict[str, list[Alarm]]:
    """Alarms of the smoothed threshold for each of many thresholds, by a description of the setting."""
    levels = smoothed(unexpected(streams), streams.hz, smoothing_s)
    return {
        f"{smoothing_s:g} s, {threshold:.4f}": _crossings(levels >= threshold, streams.hz) for threshold in _THRESHOLDS
    }


def _crossings(above: NDArray[np.bool_], hz: float) -> list[Alarm]:
    alarms: list[Alarm] = []
    apart = REFRACTORY_S * hz
    for ride, row in enumerate(above):
        last = -np.inf
        for frame in np.flatnonzero(row):
            if frame - last > apart:
                alarms.append(Alarm(ride, frame / hz))
            last = frame
    return alarms


def river_settings() -> Mapping[str, tuple[Callable[..., Any], list[Setting]]]:
    """Return river's detectors with the settings tried, from eager to slow. ImportError where river is absent."""
    from river import drift

    return {
        "PageHinkley": (
            drift.PageHinkley,
            [
                {"mode": "up", "min_instances": 10, "delta": delta, "threshold": float(threshold)}
                for delta in (0.05, 0.3)
                for threshold in np.geomspace(0.5, 60.0, 8)
            ],
        ),
        "ADWIN": (
            drift.ADWIN,
            [{"delta": delta, "clock": 1} for delta in (0.3, 1e-2, 1e-4, 1e-7, 1e-12, 1e-20, 1e-40)],
        ),
        "KSWIN": (
            drift.KSWIN,
            [
                {"alpha": alpha, "window_size": size, "stat_size": stat, "seed": 1}
                for size, stat in ((100, 30), (200, 10))
                for alpha in (1e-3, 1e-6, 1e-10)
            ],
        ),
    }


def river_alarms(make: Callable[..., Any], setting: Setting, streams: Streams, rides: int) -> list[Alarm]:
    """Run a detector for each of the first ``rides`` passengers."""
    values = unexpected(streams)
    now, before = smoothed(values, streams.hz, 1.0), smoothed(values, streams.hz, 30.0)
    alarms: list[Alarm] = []
    for ride in range(rides):
        detector, last_s = make(**setting), -np.inf
        for frame, value in enumerate(values[ride]):
            detector.update(float(value))
            at_s = frame / streams.hz
            if detector.drift_detected and now[ride, frame] > before[ride, frame] and at_s - last_s > REFRACTORY_S:
                alarms.append(Alarm(ride, at_s))
                last_s = at_s
    return alarms


def first_rides(streams: Streams, rides: int) -> Streams:
    """Return the first passengers only."""
    return Streams(
        streams.hz,
        streams.probabilities[:rides],
        streams.quality[:rides],
        streams.labels[:rides],
        tuple(episode for episode in streams.episodes if episode.ride < rides),
    )
