"""States that cannot be true are left out and counted; faces of low quality say little."""

from __future__ import annotations

import numpy as np
import pytest

from emotional_dan_ros.core.anomaly import AnomalyMonitor
from emotional_dan_ros.core.labels import Emotion
from test.core.anomaly.conftest import frame, mostly, state


@pytest.fixture
def monitor(calibration) -> AnomalyMonitor:
    return AnomalyMonitor(calibration=calibration)


@pytest.mark.parametrize(
    "bad",
    [
        np.full(7, np.nan, dtype=np.float32),
        np.array([1.2, -0.2, 0, 0, 0, 0, 0], dtype=np.float32),
        np.full(7, 0.2, dtype=np.float32),
        np.array([np.inf, -np.inf, 1, 0, 0, 0, 0], dtype=np.float32),
        np.full(8, 0.125, dtype=np.float32),
        np.zeros((7, 1), dtype=np.float32),
        np.array([], dtype=np.float32),
    ],
    ids=["nan", "negative", "sum", "inf", "eight", "column", "empty"],
)
def test_invalid_states_are_dropped_and_counted(monitor, bad):
    good = state(2, mostly(Emotion.NEUTRAL))
    assert monitor.update(frame(0.0, state(1, bad), good)) == ()
    assert monitor.dropped_states == 1
    assert monitor.num_passengers == 1


def test_sums_within_a_thousandth_are_taken(monitor):
    monitor.update(frame(0.0, state(1, mostly(Emotion.NEUTRAL) * np.float32(1.0009))))
    assert monitor.dropped_states == 0
    monitor.update(frame(0.1, state(1, mostly(Emotion.NEUTRAL) * np.float32(1.002))))
    assert monitor.dropped_states == 1


def test_other_invalid_parts_of_a_state(monitor):
    fine = mostly(Emotion.NEUTRAL)
    monitor.update(
        frame(
            0.0,
            state(0, fine),
            state(3, fine, box=(np.nan, 0, 1, 1)),
            state(4, fine, quality=float("nan")),
            state(5, fine),
            state(5, fine),
        )
    )
    assert (monitor.dropped_states, monitor.num_passengers) == (4, 1)


def test_untrusted_faces_are_no_evidence(monitor):
    for index in range(900):
        shown = Emotion.FEAR if index > 600 else Emotion.NEUTRAL
        quality = 0.0 if index > 600 else 1.0
        assert monitor.update(frame(index / 30.0, state(1, mostly(shown), quality=quality))) == ()
