"""What is kept of a recording."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions
from emotional_dan_ros.offline.history import History

MakeEmotions = Callable[..., FrameEmotions]
MakeEvent = Callable[..., AnomalyEvent]


def test_empty() -> None:
    history = History()
    assert history.passengers() == []
    assert history.spans() == []
    assert history.duration_s == 0.0


def test_states_are_kept_per_passenger(make_emotions: MakeEmotions) -> None:
    history = History()
    frames = [make_emotions(1.0, (2,), 1), make_emotions(1.5, (2, 1), 2), make_emotions(4.0, ())]
    for frame in frames:
        history.add(frame)
    one, two = history.passengers()
    assert (one.track_id, two.track_id) == (1, 2)
    assert two.stamps_ns.tolist() == [1_000_000_000, 1_500_000_000]
    assert np.array_equal(two.probabilities, [frames[0].states[0].probabilities, frames[1].states[0].probabilities])
    assert one.quality[0] == np.float32(frames[1].states[1].quality)
    assert (history.num_frames, history.num_frames_with_faces, history.duration_s) == (3, 2, 3.0)


def test_shares_count_the_top_emotion(make_emotions: MakeEmotions) -> None:
    history = History()
    tops = []
    for index in range(40):
        frame = make_emotions(index / 10, (1,), seed=index)
        tops.append(int(frame.states[0].probabilities.argmax()))
        history.add(frame)
    shares = history.passengers()[0].shares()
    assert sum(shares.values()) == pytest.approx(1.0)
    for emotion, share in shares.items():
        assert share == pytest.approx(tops.count(int(emotion)) / 40)


def test_span_keeps_the_worst_and_ends_at_the_end(make_event: MakeEvent) -> None:
    from dataclasses import replace

    history = History()
    history.add_event(replace(make_event(5.0, AnomalyPhase.START, 7, start_s=4.5), severity=0.4, description="begin"))
    history.add_event(replace(make_event(6.0, AnomalyPhase.ONGOING, 7, start_s=4.5), severity=0.9, description="worst"))
    history.add_event(replace(make_event(8.0, AnomalyPhase.END, 7, start_s=4.5), severity=0.1, description="over"))
    history.add_event(make_event(2.0, AnomalyPhase.START, 9))
    history.add_event(replace(make_event(3.0, AnomalyPhase.END, 9), severity=1.0, description="over"))
    first, second = history.spans()
    assert (first.event_id, first.severity, first.description) == (9, 1.0, "fear 0.80")
    assert (second.start_ns, second.end_ns) == (4_500_000_000, 8_000_000_000)
    assert (second.severity, second.description) == (0.9, "worst")
