"""What must hold for any input whatsoever."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyKind, AnomalyPhase, EmotionState, FrameEmotions
from test.core.anomaly.conftest import IMAGE_WH, mostly, state

#: Quick to alarm, so that short random sequences contain events of all kinds; few rows, so that they run out.
EAGER = MonitorConfig.from_flat(
    {
        "false_alarms_per_hour": 60.0,
        "baseline.warmup_s": 0.0,
        "sudden_change.evidence_s": 0.125,
        "events.refractory_s": 0.5,
        "events.unseen_s": 0.5,
        "sustained_negative.hold_s": 1.5,
        "sustained_negative.smoothing_s": 0.5,
        "passenger_lost.tracked_s": 1.0,
        "passenger_lost.gone_s": 0.5,
        "passenger_lost.max_s": 2.0,
        "memory.keep_s": 8.0,
        "memory.carry_over_s": 1.0,
        "memory.max_passengers": 5,
    }
)
SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

valid = st.builds(mostly, st.sampled_from(Emotion), st.sampled_from([0.2, 0.6, 0.95, 1.0]))
broken = st.one_of(
    st.just(np.full(7, np.nan, dtype=np.float32)),
    st.lists(st.floats(width=32), max_size=9).map(lambda values: np.array(values, dtype=np.float32)),
)
coordinate = st.one_of(st.sampled_from([0.0, 200.0, 210.0, 320.0, 1279.0]), st.floats(width=32))
boxes = st.one_of(
    st.none(), st.tuples(coordinate, coordinate, coordinate, coordinate), st.just((600.0, 300.0, 700.0, 400.0))
)
states = st.builds(
    state,
    track_id=st.integers(-1, 9),
    probabilities=st.one_of(valid, valid, valid, broken),
    box=boxes,
    quality=st.one_of(st.just(1.0), st.floats(width=32)),
)
#: Seconds since the frame before: forward, equal, backward, and far away.
steps = st.one_of(
    st.sampled_from([0.0, 1 / 60, 0.05, 0.1, 0.2, 0.2, 0.4, 1.0]), st.sampled_from([-0.1, -5.0, 3.0, 20.0, 1e6])
)
#: A scene is held for a while, as faces hold an expression; otherwise hardly anything would ever happen.
scenes = st.tuples(st.lists(states, max_size=7), steps, st.integers(1, 12))


def _frames(drawn) -> list[FrameEmotions]:
    now_ns, frames = 10**15, []
    for shown, step, times in drawn:
        for index in range(times):
            now_ns = max(now_ns + round((step if index == 0 or step >= 0 else 0.1) * 1e9), 0)
            frames.append(FrameEmotions(now_ns, "camera", IMAGE_WH, "random", tuple(shown)))
    return frames


@SETTINGS
@given(drawn=st.lists(scenes, max_size=25))
def test_starts_and_ends_balance_and_values_are_in_bounds(calibration, drawn):
    monitor = AnomalyMonitor(EAGER, calibration)
    events = []
    for frame in _frames(drawn):
        events += monitor.update(frame)
        assert monitor.num_passengers <= 5
        assert monitor.num_open_events <= 5 * 4 + 1
    events += monitor.close("the end")
    assert monitor.num_open_events == 0
    phases: dict[int, list[AnomalyPhase]] = {}
    for event in events:
        phases.setdefault(event.event_id, []).append(event.phase)
        assert 0.0 <= event.severity <= 1.0
        assert 0.0 <= event.probability <= 1.0
        assert 0.0 <= event.expected_probability <= 1.0
        assert event.start_ns <= event.stamp_ns
        assert event.description
        assert (event.track_id == 0) == (event.kind is AnomalyKind.SEVERAL_PASSENGERS)
    for phase in phases.values():
        assert phase[0] is AnomalyPhase.START
        assert phase[-1] is AnomalyPhase.END
        assert set(phase[1:-1]) <= {AnomalyPhase.ONGOING}
    kinds = {e.event_id: {x.kind for x in events if x.event_id == e.event_id} for e in events}
    tracks = {e.event_id: {x.track_id for x in events if x.event_id == e.event_id} for e in events}
    assert all(len(of) == 1 for of in (*kinds.values(), *tracks.values()))


def test_the_random_scenes_do_cause_events_of_every_kind(calibration):
    """The property above would be worthless on sequences in which nothing happens."""
    seen: Counter[AnomalyKind] = Counter()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        monitor = AnomalyMonitor(EAGER, calibration)
        now = 0.0
        for _ in range(12):
            shown = [
                state(
                    int(track),
                    mostly(Emotion(int(rng.integers(7))), 0.95),
                    box=(100 + 150 * track, 200, 200 + 150 * track, 320),
                )
                for track in rng.choice(5, size=int(rng.integers(0, 4)), replace=False) + 1
            ]
            for _ in range(int(rng.integers(5, 40))):
                now += 0.1
                for event in monitor.update(FrameEmotions(round(now * 1e9), "c", IMAGE_WH, "m", tuple(shown))):
                    seen[event.kind] += event.phase is AnomalyPhase.START
    assert all(seen[kind] > 0 for kind in AnomalyKind), seen


@SETTINGS
@given(drawn=st.lists(scenes, max_size=15), factor=st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_scaling_time_constants_and_stamps_alike_changes_nothing(calibration, drawn, factor):
    """Powers of two: floating point keeps the same digits, so the events must be the same, not just close."""
    slow = MonitorConfig.from_flat({**EAGER.flat(), "sudden_change.evidence_s": 0.25})
    one, other = AnomalyMonitor(slow, calibration), AnomalyMonitor(slow.scaled(factor), calibration)
    for frame in _frames(drawn):
        stamp_ns = frame.stamp_ns - frame.stamp_ns % 4
        same = FrameEmotions(stamp_ns, frame.frame_id, frame.image_wh, frame.model_name, frame.states)
        scaled = FrameEmotions(int(stamp_ns * factor), frame.frame_id, frame.image_wh, frame.model_name, frame.states)
        left, right = one.update(same), other.update(scaled)
        assert [_without_time(e) for e in left] == [_without_time(e) for e in right]
        assert [int(e.start_ns * factor) for e in left] == [e.start_ns for e in right]


def _without_time(event):
    numbers = (round(event.severity, 9), round(event.probability, 9), round(event.expected_probability, 9))
    return (event.event_id, event.track_id, event.kind, event.phase, event.emotion, numbers)


@SETTINGS
@given(p=st.lists(st.floats(0.001, 1.0), min_size=7, max_size=7), hz=st.sampled_from([5, 10, 20, 40]))
def test_evidence_of_a_held_face_does_not_depend_on_the_frame_rate(calibration, p, hz):
    shown = (np.array(p) / np.sum(p)).astype(np.float32)

    def evidence(rate):
        monitor = AnomalyMonitor(calibration=calibration)
        for index in range(2 * rate + 1):
            one: EmotionState = state(1, shown)
            monitor.update(FrameEmotions(round(index / rate * 1e9), "c", IMAGE_WH, "m", (one,)))
        return float(monitor._observer.change.evidence[0].max())

    fine = evidence(80)
    assert evidence(hz) == pytest.approx(fine, rel=0.3, abs=0.2)
