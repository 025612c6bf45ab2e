"""What the monitor keeps is bounded, however many come and go."""

from __future__ import annotations

import pickle

import numpy as np

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyKind
from test.core.anomaly.conftest import frame, mostly, state

MINUTES_OF_A_DAY = 24 * 60
NEUTRAL = Emotion.NEUTRAL


def test_more_passengers_than_fit(calibration):
    monitor = AnomalyMonitor(MonitorConfig.from_flat({"memory.max_passengers": 3}), calibration)
    crowd = [state(i, mostly(NEUTRAL), box=(200 * i, 0, 200 * i + 100, 100)) for i in range(1, 6)]
    monitor.update(frame(0.0, *crowd))
    assert (monitor.num_passengers, monitor.dropped_states) == (3, 2)
    monitor.update(frame(10.0, *crowd[3:]))
    assert (monitor.num_passengers, monitor.dropped_states) == (3, 2)


def test_a_week_of_coming_and_going_is_bounded(calibration):
    """A simulated week at one frame a minute, a new passenger every three minutes."""
    config = MonitorConfig.from_flat({"memory.max_passengers": 16, "memory.keep_s": 7200, "baseline.max_gap_s": 60})
    monitor = AnomalyMonitor(config, calibration)
    rng = np.random.default_rng(0)
    bytes_at_end_of_day = []
    emotions = rng.integers(0, 7, size=7 * MINUTES_OF_A_DAY)
    for index, emotion in enumerate(emotions):
        track = index // 3 + 1
        left = 150.0 * (track % 7)
        box = (left, 200.0, left + 100.0, 320.0)
        monitor.update(frame(60.0 * index, state(track, mostly(Emotion(emotion)), box)))
        assert monitor.num_passengers <= 16
        if (index + 1) % MINUTES_OF_A_DAY == 0:
            bytes_at_end_of_day.append(len(pickle.dumps(monitor)))
    assert len(bytes_at_end_of_day) == 7
    # All that the monitor holds, whatever it is. What a passenger's open events need varies by a few percent.
    assert max(bytes_at_end_of_day) < 1.15 * bytes_at_end_of_day[0], bytes_at_end_of_day
    assert monitor.num_open_events <= 16 * len(AnomalyKind)
    assert len(monitor._observer.table._row_of) <= 16
