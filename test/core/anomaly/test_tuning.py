"""What settings would have raised on recordings."""

from __future__ import annotations

import pytest

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.anomaly.tuning import TRIED_PER_HOUR, Tuner
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyPhase
from test.core.anomaly.conftest import frame, mostly, state


def _recording():
    """Two passengers for a minute; one of them looks afraid, a little and then a lot."""
    for index in range(600):
        at_s = index / 10.0
        share = 0.75 if 20 <= at_s < 24 else 0.95 if 40 <= at_s < 44 else 0.0
        shown = (1.0 - share) * mostly(Emotion.NEUTRAL) + share * mostly(Emotion.FEAR)
        yield frame(at_s, state(1, mostly(Emotion.HAPPINESS)), state(2, shown))


def test_each_setting_is_judged_as_a_monitor_of_its_own_would(calibration):
    tuner = Tuner(MonitorConfig(false_alarms_per_hour=3.0), calibration)
    given = [event for one in _recording() for event in tuner.add(one)]
    assert tuner.hours == pytest.approx(2 * 59.9 / 3600)
    assert [trial.setting for trial in tuner.trials()] == sorted({*TRIED_PER_HOUR, 3.0})
    for trial in tuner.trials():
        alone = AnomalyMonitor(MonitorConfig(false_alarms_per_hour=trial.setting), calibration)
        events = [event for one in _recording() for event in alone.update(one)]
        assert trial.events == sum(event.phase is AnomalyPhase.START for event in events)
        assert trial.thresholds == alone.thresholds
        if trial.setting == 3.0:
            assert given == events


def test_proposal_is_the_most_sensitive_setting_that_keeps_the_rate(calibration):
    tuner = Tuner(MonitorConfig(), calibration)
    for one in _recording():
        tuner.add(one)
    rates = [trial.per_hour for trial in tuner.trials()]
    assert rates[0] < rates[-1], "the scene must tell strict from eager settings for this test to mean anything"
    chosen = tuner.proposal(rates[0])
    assert chosen is not None
    assert chosen.per_hour <= rates[0]
    after = [trial for trial in tuner.trials() if trial.setting > chosen.setting]
    assert after[0].per_hour > rates[0]
    assert tuner.proposal(rates[0] / 2 - 1e-9 if rates[0] else -1.0) is None


def test_the_next_recording_starts_with_strangers(calibration):
    tuner = Tuner(MonitorConfig(), calibration)
    first = [event for one in _recording() for event in tuner.add(one)]
    tuner.end_recording()
    second = [event for one in _recording() for event in tuner.add(one)]
    assert [(e.kind, e.phase, e.stamp_ns) for e in first] == [(e.kind, e.phase, e.stamp_ns) for e in second]
