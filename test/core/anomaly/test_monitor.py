"""The monitor on scenes whose outcome a person would agree with."""

from __future__ import annotations

import numpy as np
import pytest

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyKind, AnomalyPhase
from test.core.anomaly.conftest import frame, mostly, play, state

NEUTRAL, HAPPY, SAD, SURPRISED, AFRAID = (
    Emotion.NEUTRAL,
    Emotion.HAPPINESS,
    Emotion.SADNESS,
    Emotion.SURPRISE,
    Emotion.FEAR,
)


@pytest.fixture
def monitor(calibration) -> AnomalyMonitor:
    return AnomalyMonitor(calibration=calibration)


def _starts(events, kind=None):
    return [e for e in events if e.phase is AnomalyPhase.START and kind in (None, e.kind)]


def test_nobody_there(monitor):
    assert play(monitor, 5.0, lambda _: {}) == []
    assert monitor.num_passengers == 0


def test_smiling_after_neutral_is_ordinary(monitor):
    assert play(monitor, 60.0, lambda t: {1: HAPPY if 20 <= t < 30 or t > 50 else NEUTRAL}) == []


@pytest.mark.parametrize("emotion", [SURPRISED, AFRAID])
@pytest.mark.parametrize("hz", [5.0, 12.5, 30.0, 60.0])
def test_startled_within_a_second_at_any_rate(monitor, emotion, hz):
    events = play(monitor, 40.0, lambda t: {1: emotion if 30 <= t < 33 else NEUTRAL}, hz=hz)
    first = _starts(events)[0]
    assert first.kind in (AnomalyKind.STARTLE, AnomalyKind.SUDDEN_CHANGE)
    assert 30.0 < first.stamp_ns * 1e-9 <= 31.0
    assert 29.5 <= first.start_ns * 1e-9 <= 30.3, "the event began when the face changed, not when it was noticed"
    assert first.emotion is emotion
    assert first.track_id == 1
    ends = [e for e in events if e.phase is AnomalyPhase.END]
    assert [e.event_id for e in ends] == [e.event_id for e in _starts(events)]
    assert 33.0 <= ends[0].stamp_ns * 1e-9 <= 35.0


def test_startle_has_its_own_kind(calibration):
    alone = MonitorConfig.from_flat({"sudden_change.enabled": False, "several_passengers.enabled": False})
    quick = play(AnomalyMonitor(alone, calibration), 25.0, lambda t: {1: SURPRISED if t >= 20 else NEUTRAL})
    assert [e.kind for e in _starts(quick)] == [AnomalyKind.STARTLE]

    slow = AnomalyMonitor(alone, calibration)
    events = []
    for index in range(500):
        share = float(np.clip((index / 20.0 - 15.0) / 8.0, 0.0, 0.95))
        events += slow.update(frame(index / 20.0, state(1, (1 - share) * mostly(NEUTRAL) + share * mostly(SURPRISED))))
    assert _starts(events) == [], "a rise over eight seconds is not a startle"


def test_one_wrong_frame_is_nothing(monitor):
    for index in range(600):
        shown = AFRAID if index == 400 else NEUTRAL
        assert monitor.update(frame(index / 30.0, state(1, mostly(shown)))) == ()


def test_distress_from_the_first_frame_is_found_and_laughing_after_it_is_not_another(monitor):
    events = play(monitor, 20.0, lambda t: {1: SAD if t < 9 else HAPPY}, hz=24.0)
    assert AnomalyKind.SUSTAINED_NEGATIVE in {e.kind for e in _starts(events)}
    assert all(e.stamp_ns <= 9e9 for e in _starts(events))
    assert monitor.num_open_events == 0


def test_sustained_negative_counts_different_negative_emotions_together(calibration):
    config = MonitorConfig.from_flat({"sudden_change.enabled": False, "startle.enabled": False})
    emotions = (SAD, Emotion.ANGER, Emotion.DISGUST)
    monitor = AnomalyMonitor(config, calibration)
    events = play(monitor, 60.0, lambda t: {1: emotions[int(t) % 3] if t >= 30 else NEUTRAL})
    (start,) = _starts(events)
    assert start.kind is AnomalyKind.SUSTAINED_NEGATIVE
    hold = config.sustained_negative.hold_s
    assert 30 + hold <= start.stamp_ns * 1e-9 <= 30 + hold + 2.5


def test_sad_looking_passenger_becomes_their_own_normal(calibration):
    """A face that the network calls half sad all the time: unexpected of a stranger, not of this passenger."""
    looks = 0.5 * mostly(NEUTRAL) + 0.5 * mostly(SAD)
    monitor = AnomalyMonitor(calibration=calibration)
    events = []
    for index in range(5 * 400):
        events += monitor.update(frame(index / 5.0, state(1, looks)))
    late = [e for e in _starts(events) if e.stamp_ns > 120e9]
    assert late == []
    assert monitor.num_open_events == 0


def test_an_ordinary_face_misread_again_and_again_soon_stops_to_alarm(calibration):
    """Every twenty seconds the passenger looks down for six, which the network takes for anger."""
    monitor = AnomalyMonitor(calibration=calibration)
    looks = 0.05 * mostly(NEUTRAL) + 0.95 * mostly(Emotion.ANGER)
    starts = []
    for index in range(5 * 600):
        shown = looks if (index / 5.0) % 20 >= 14 else mostly(NEUTRAL)
        starts += _starts(monitor.update(frame(index / 5.0, state(1, shown))), AnomalyKind.SUDDEN_CHANGE)
    early = [e for e in starts if e.stamp_ns < 200e9]
    late = [e for e in starts if e.stamp_ns > 400e9]
    assert early, "the first time it is a surprise"
    assert late == []


def test_a_new_normal_ends_the_event_in_the_end(calibration):
    config = MonitorConfig.from_flat({"baseline.slow_s": 30.0, "baseline.learning_in_anomaly": 0.2})
    monitor = AnomalyMonitor(config, calibration)
    events = play(monitor, 300.0, lambda t: {1: SAD if t >= 30 else NEUTRAL}, hz=5.0)
    assert _starts(events)
    assert monitor.num_open_events == 0


def test_sentence_severity_and_numbers(calibration):
    monitor = AnomalyMonitor(MonitorConfig.from_flat({"startle.enabled": False}), calibration)
    events = play(monitor, 45.0, lambda t: {2: AFRAID if 30 <= t < 40 else NEUTRAL})
    last = [e for e in events if e.phase is AnomalyPhase.ONGOING and e.stamp_ns < 40e9][-1]
    assert last.description.startswith(f"passenger 2: fear {last.probability:.2f}, expected ")
    assert " s" in last.description
    assert last.probability > 0.9
    assert last.expected_probability < 0.2
    assert all(0.0 <= e.severity <= 1.0 for e in events)
    end = next(e for e in events if e.phase is AnomalyPhase.END)
    assert "over: back to what is expected" in end.description
    assert end.severity >= max(e.severity for e in events if e.event_id == end.event_id)


def test_ongoing_comes_at_a_bounded_rate(calibration):
    config = MonitorConfig.from_flat(
        {"events.ongoing_period_s": 1.5, "startle.enabled": False, "sustained_negative.enabled": False}
    )
    monitor = AnomalyMonitor(config, calibration)
    events = play(monitor, 30.0, lambda t: {1: AFRAID if t >= 20 else NEUTRAL}, hz=60.0)
    stamps = [e.stamp_ns for e in events]
    assert all(e.phase is AnomalyPhase.ONGOING for e in events[1:])
    assert len(stamps) > 4
    assert min(np.diff(stamps)) >= 1.5e9


def test_refractory_time_separates_events(calibration):
    config = MonitorConfig.from_flat({"events.refractory_s": 8.0, "looks.longest_s": 1e6, "looks.shortest_s": 1e5})
    monitor = AnomalyMonitor(config, calibration)
    events = play(monitor, 80.0, lambda t: {1: AFRAID if t >= 20 and (t % 5) < 2.5 else NEUTRAL})
    ends = [e.stamp_ns for e in events if e.phase is AnomalyPhase.END]
    starts = [e.stamp_ns for e in _starts(events)]
    assert len(starts) >= 3
    assert all(start - end >= 8e9 for end, start in zip(ends, starts[1:], strict=False))


def test_several_passengers_at_once_and_more_is_more_severe(calibration):
    def severity(count):
        monitor = AnomalyMonitor(calibration=calibration)
        shown = dict.fromkeys(range(1, count + 1), SURPRISED)
        calm = dict.fromkeys(range(1, 6), NEUTRAL)
        events = play(monitor, 33.0, lambda t: {**calm, **shown} if t >= 30 else calm)
        found = _starts(events, AnomalyKind.SEVERAL_PASSENGERS)
        late = [e for e in events if e.kind is AnomalyKind.SEVERAL_PASSENGERS and e.phase is AnomalyPhase.ONGOING]
        assert all(e.track_id == 0 for e in found)
        return late[-1].severity if found else None

    assert severity(1) is None
    two, three, five = severity(2), severity(3), severity(5)
    assert two < three < five


def test_passengers_one_after_the_other_are_not_several_at_once(calibration):
    monitor = AnomalyMonitor(calibration=calibration)
    events = play(
        monitor,
        50.0,
        lambda t: {1: AFRAID if 20 <= t < 30 else NEUTRAL, 2: AFRAID if 25 <= t < 30 else NEUTRAL},
    )
    assert len({e.track_id for e in _starts(events)}) == 2
    assert _starts(events, AnomalyKind.SEVERAL_PASSENGERS) == []


@pytest.mark.parametrize(
    ("box", "expected"),
    [((600, 300, 700, 420), 1), ((2, 300, 102, 420), 0), ((1170, 300, 1278, 420), 0), ((600, 600, 700, 719), 0)],
)
def test_passenger_lost_unless_they_left_at_the_border(monitor, box, expected):
    events = []
    for index in range(600):
        at_s = index / 20.0
        events += monitor.update(frame(at_s, *([state(1, mostly(NEUTRAL), box)] if at_s < 15 else [])))
    starts = _starts(events, AnomalyKind.PASSENGER_LOST)
    assert len(starts) == expected
    if expected:
        gone = monitor.config.passenger_lost.gone_s
        assert starts[0].stamp_ns * 1e-9 == pytest.approx(14.95 + gone, abs=0.06)
        events = list(monitor.update(frame(31.0, state(1, mostly(NEUTRAL), box))))
        assert [e.phase for e in events] == [AnomalyPhase.END]
        assert "back in sight" in events[0].description


def test_passenger_lost_needs_to_have_been_there_for_long(monitor):
    assert play(monitor, 20.0, lambda t: {1: NEUTRAL} if t < 5 else {}) == []


def test_event_of_a_passenger_out_of_sight_ends(monitor):
    events = play(monitor, 40.0, lambda t: {1: AFRAID if t >= 20 else NEUTRAL} if t < 23 else {})
    ends = [e for e in events if e.phase is AnomalyPhase.END and e.kind is not AnomalyKind.PASSENGER_LOST]
    assert ends
    assert all(25.0 <= e.stamp_ns * 1e-9 <= 25.2 and "out of sight" in e.description for e in ends)


def _half_sad_for_a_minute(monitor):
    looks = 0.4 * mostly(NEUTRAL) + 0.6 * mostly(SAD)
    for index in range(5 * 60):
        monitor.update(frame(index / 5.0, state(1, looks)))
    return looks


@pytest.mark.parametrize(
    ("gap_s", "box_shift_px", "expected"),
    [(1.0, 10.0, 0.5), (1.0, 300.0, 0.15), (60.0, 10.0, 0.15)],
    ids=["same place soon", "elsewhere", "too late"],
)
def test_baseline_is_carried_over_to_a_new_track_at_the_same_place(monitor, gap_s, box_shift_px, expected):
    _half_sad_for_a_minute(monitor)
    box = state(1, mostly(NEUTRAL)).box_xyxy + np.float32(box_shift_px) * np.array([1, 0, 1, 0], dtype=np.float32)
    events = []
    for index in range(40):
        events += monitor.update(frame(60.0 + gap_s + index / 20.0, state(9, mostly(AFRAID), box)))
    row = monitor._observer.table.row(9)
    sadness = monitor._observer.baselines.slow[row, SAD]
    assert (sadness > 0.4) == (expected > 0.4)


def test_baseline_survives_a_lost_track(monitor):
    looks = _half_sad_for_a_minute(monitor)
    for index in range(20 * 10):
        monitor.update(frame(60.0 + index / 20.0))
    assert _starts(monitor.update(frame(70.0, state(1, looks)))) == []
    assert monitor._observer.baselines.slow[monitor._observer.table.row(1), SAD] > 0.4


def test_time_going_back_ends_events_and_starts_anew(monitor):
    play(monitor, 33.0, lambda t: {1: AFRAID if t >= 30 else NEUTRAL})
    open_before = monitor.num_open_events
    assert open_before >= 1
    events = monitor.update(frame(1.0, state(5, mostly(NEUTRAL))))
    assert [e.phase for e in events] == [AnomalyPhase.END] * open_before
    assert all("time went back" in e.description and e.stamp_ns >= e.start_ns for e in events)
    assert monitor.num_passengers == 1
    again = play(monitor, 40.0, lambda t: {1: AFRAID if t >= 35 else NEUTRAL}, from_s=2.0)
    assert min(e.event_id for e in again) > max(e.event_id for e in events), "ids are never reused"


def test_the_same_stamp_again_adds_no_evidence(monitor):
    for index in range(200):
        monitor.update(frame(index / 20.0, state(1, mostly(NEUTRAL))))
    for _ in range(500):
        assert monitor.update(frame(10.0, state(1, mostly(AFRAID)))) == ()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_deactivation_in_the_middle_ends_with_the_reason(monitor, how):
    play(monitor, 32.0, lambda t: {1: AFRAID if t >= 30 else NEUTRAL})
    assert monitor.num_open_events >= 1
    events = monitor.close("the monitor was switched off") if how == "close" else monitor.reset()
    assert {e.phase for e in events} == {AnomalyPhase.END}
    assert all(("switched off" if how == "close" else "reset") in e.description for e in events)
    assert monitor.close("again") == ()
    assert (monitor.num_passengers == 0) == (how == "reset")
