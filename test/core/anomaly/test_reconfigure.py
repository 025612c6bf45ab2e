"""Other settings while the monitor runs."""

from __future__ import annotations

import numpy as np
import pytest

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyKind, AnomalyPhase
from test.core.anomaly.conftest import play


@pytest.fixture
def monitor(calibration) -> AnomalyMonitor:
    """It has watched a happy passenger for half a minute."""
    monitor = AnomalyMonitor(calibration=calibration)
    play(monitor, 30.0, lambda _: {1: Emotion.HAPPINESS})
    return monitor


def test_baselines_stay_when_the_rate_changes(monitor, calibration):
    before = monitor._observer.baselines.slow.copy()
    assert monitor.reconfigure(MonitorConfig(false_alarms_per_hour=20.0)) == ()
    np.testing.assert_array_equal(monitor._observer.baselines.slow, before)
    assert monitor.num_passengers == 1
    assert monitor.thresholds == calibration.thresholds(MonitorConfig(false_alarms_per_hour=20.0))


def test_a_changed_monitor_goes_on_as_if_it_had_always_been_so(calibration):
    """Nothing happened yet that the settings could have changed."""
    config = MonitorConfig.from_flat({"false_alarms_per_hour": 3.0, "startle.enabled": False})
    changed, always = AnomalyMonitor(calibration=calibration), AnomalyMonitor(config, calibration)
    for monitor in (changed, always):
        play(monitor, 0.1, lambda _: {1: Emotion.NEUTRAL})
    changed.reconfigure(config)
    rest = [
        play(m, 40.0, lambda t: {1: Emotion.FEAR if t > 30 else Emotion.NEUTRAL}, from_s=0.1) for m in (changed, always)
    ]
    assert rest[0] == rest[1]
    assert rest[0]


def test_an_event_goes_on_unless_its_kind_is_switched_off(monitor):
    events = play(monitor, 33.0, lambda _: {1: Emotion.ANGER}, from_s=30.0)
    (start,) = [e for e in events if e.phase is AnomalyPhase.START]
    assert start.kind is AnomalyKind.SUDDEN_CHANGE
    assert monitor.reconfigure(MonitorConfig(false_alarms_per_hour=2.0)) == ()
    assert monitor.num_open_events == 1
    (end,) = monitor.reconfigure(MonitorConfig.from_flat({"sudden_change.enabled": False}))
    assert (end.event_id, end.phase) == (start.event_id, AnomalyPhase.END)
    assert "switched off" in end.description


def test_other_alternatives_start_with_no_evidence(monitor):
    monitor.reconfigure(MonitorConfig.from_flat({"sudden_change.emotions": ["fear"], "sudden_change.strengths": [0.7]}))
    assert monitor.num_passengers == 1
    events = play(monitor, 36.0, lambda t: {1: Emotion.ANGER if t < 33 else Emotion.FEAR}, from_s=30.0)
    starts = [e for e in events if e.phase is AnomalyPhase.START and e.kind is AnomalyKind.SUDDEN_CHANGE]
    assert all(e.stamp_ns >= 33e9 for e in starts)


def test_another_size_of_the_memory_starts_anew_but_ids_go_on(monitor):
    first = play(monitor, 33.0, lambda _: {1: Emotion.ANGER}, from_s=30.0)
    ends = monitor.reconfigure(MonitorConfig.from_flat({"memory.max_passengers": 3}))
    assert [e.phase for e in ends] == [AnomalyPhase.END]
    assert monitor.num_passengers == 0
    again = play(monitor, 80.0, lambda t: {1: Emotion.ANGER if t > 70 else Emotion.NEUTRAL}, from_s=40.0)
    assert min(e.event_id for e in again) > max(e.event_id for e in first)


def test_contradictions_change_nothing(monitor):
    before = monitor.config, monitor.thresholds
    with pytest.raises(UserError, match=r"startle\.low"):
        monitor.reconfigure(MonitorConfig.from_flat({"startle.low": 0.95}))
    assert (monitor.config, monitor.thresholds) == before
