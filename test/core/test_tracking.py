"""The tracker on hand-made passengers whose true identity is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.tracking import FaceTracker, TrackerConfig
from emotional_dan_ros.core.types import Detection

S = 1_000_000_000


def face(x: float, y: float = 100.0, side: float = 80.0, score: float = 0.99) -> Detection:
    """A face centred at (x, y); the keypoints are where they are in a frontal face."""
    half = side / 2
    keypoints = np.float32([[-0.2, -0.15], [0.2, -0.15], [0, 0.05], [-0.15, 0.25], [0.15, 0.25]]) * side
    return Detection(np.float32([x - half, y - half, x + half, y + half]), score, keypoints + np.float32([x, y]))


def ids_of(tracker: FaceTracker, stamp_ns: int, faces: Iterable[Detection | None]) -> list[int]:
    """Update with the faces that are there; the id that each got, 0 for none."""
    present = [f for f in faces if f is not None]
    found = tracker.update(stamp_ns, present)
    return [next((track_id for track_id, detection in found if detection is f), 0) for f in present]


def run(positions: Callable[[float], list[Detection | None]], rate_hz: float, until_s: float) -> list[list[int]]:
    """Ids of the faces of a scene that is sampled at some rate; every second frame tells them in reverse."""
    tracker = FaceTracker()
    ids = []
    for i in range(round(until_s * rate_hz)):
        order = -1 if i % 2 else 1
        ids.append(ids_of(tracker, round(i / rate_hz * S), positions(i / rate_hz)[::order])[::order])
    return ids


def test_no_faces() -> None:
    assert FaceTracker().update(0, ()) == ()


def test_a_clear_face_has_an_id_on_its_first_frame() -> None:
    clear = face(100)
    assert FaceTracker().update(5, [clear]) == ((1, clear),)


def test_faces_come_by_id_as_they_were_given() -> None:
    tracker = FaceTracker()
    left, right = face(100), face(400)
    assert tracker.update(0, [right, left]) == ((1, right), (2, left))
    assert tracker.update(1, [left, right]) == ((1, right), (2, left))


def test_what_is_seen_once_and_not_clearly_gets_no_id() -> None:
    tracker = FaceTracker()
    assert ids_of(tracker, 0, [face(100, score=0.92)]) == [0]
    for i in range(1, 20):
        ids_of(tracker, i * S // 10, [])
    assert ids_of(tracker, 2 * S, [face(300)]) == [1]


@pytest.mark.parametrize("rate_hz", [10, 30, 60])
def test_a_face_on_probation_gets_its_id_after_the_same_time_at_any_rate(rate_hz: int) -> None:
    ids = run(lambda t: [face(100, score=0.92)], rate_hz, 1.0)
    first = next(i for i, frame in enumerate(ids) if frame != [0])
    assert 0.15 <= first / rate_hz < 0.15 + 1 / rate_hz + 1e-9
    assert all(frame == [1] for frame in ids[first:])


def test_probation_ends_at_once_when_the_face_becomes_clear() -> None:
    tracker = FaceTracker()
    assert ids_of(tracker, 0, [face(100, score=0.92)]) == [0]
    assert ids_of(tracker, S // 60, [face(100, score=0.97)]) == [1]


def test_two_frames_of_one_stamp_do_not_end_probation() -> None:
    tracker = FaceTracker(TrackerConfig(probation_s=0.0))
    assert ids_of(tracker, 0, [face(100, score=0.92)]) == [0]
    assert ids_of(tracker, 0, [face(100, score=0.92)]) == [0]
    assert ids_of(tracker, 1, [face(100, score=0.92)]) == [1]


def test_weak_detections_start_nothing_but_continue_a_track() -> None:
    tracker = FaceTracker()
    for i in range(30):
        assert ids_of(tracker, i * S // 30, [face(100, score=0.8)]) == [0]
    assert ids_of(tracker, S, [face(100, score=0.99)]) == [1]
    assert ids_of(tracker, S + 1, [face(100, score=0.71)]) == [1]


def test_a_blip_beside_a_passenger_changes_nothing() -> None:
    tracker = FaceTracker()
    for i in range(60):
        blip = face(300, score=0.93) if i % 30 == 7 else None
        assert ids_of(tracker, i * S // 30, [face(100), blip])[0] == 1
    assert ids_of(tracker, 2 * S, [face(500)]) == [2]


@pytest.mark.parametrize("rate_hz", [5, 15, 30, 60])
def test_a_moving_head_keeps_its_id_at_any_rate(rate_hz: int) -> None:
    # Three sides of the face to and fro within 4 s: 2.4 sides a second at the fastest.
    ids = run(lambda t: [face(300 + 120 * np.sin(np.pi / 2 * t))], rate_hz, 8.0)
    assert ids == [[1]] * len(ids)


@pytest.mark.parametrize("rate_hz", [5, 15, 30, 60])
def test_a_missed_second_does_not_cost_the_id(rate_hz: int) -> None:
    ids = run(lambda t: [face(100)] if not 1 <= t < 2 else [], rate_hz, 3.0)
    assert {i for frame in ids for i in frame} == {1}
    assert sum(not frame for frame in ids) == rate_hz


@pytest.mark.parametrize("rate_hz", [5, 15, 30, 60])
def test_after_the_time_of_keeping_a_face_is_a_new_passenger(rate_hz: int) -> None:
    ids = run(lambda t: [face(100)] if not 1 <= t < 3.3 else [], rate_hz, 4.0)
    assert ids[0] == [1]
    assert ids[-1] == [2]


def test_the_time_of_keeping_ends_when_it_says() -> None:
    for gap_ns, expected in ((2 * S, [1]), (2 * S + 1, [2])):
        tracker = FaceTracker(TrackerConfig(keep_lost_s=2.0))
        ids_of(tracker, 0, [face(100)])
        assert ids_of(tracker, gap_ns, [face(100)]) == expected


def test_a_lost_passenger_is_found_again_where_it_was_and_not_elsewhere() -> None:
    tracker = FaceTracker()
    ids_of(tracker, 0, [face(100)])
    assert ids_of(tracker, S, [face(400), face(130)]) == [2, 1]


@pytest.mark.parametrize("rate_hz", [5, 30])
def test_who_stops_while_out_of_sight_is_found_near_where_it_was_last_seen(rate_hz: int) -> None:
    # Half a face a second to the right, and back while hidden: at constant speed it would be sought 0.75 faces
    # beyond where it was last seen and 1.5 faces from where it is.
    ids = run(lambda t: [face(100 + 40 * min(t, 1.5) - 40 * max(t - 1.5, 0))] if not 1.5 < t < 3 else [], rate_hz, 4.0)
    assert {i for frame in ids for i in frame} == {1}


@pytest.mark.parametrize("rate_hz", [10, 30, 60])
def test_faces_that_cross_keep_their_ids(rate_hz: int) -> None:
    # They pass each other at half a face's height; while the boxes are close the far one is hidden.
    def scene(t: float) -> list[Detection | None]:
        near, far = 100 + 100 * t, 500 - 100 * t
        return [face(near, 110, 90), None if abs(near - far) < 50 else face(far, 80, 70)]

    ids = run(scene, rate_hz, 4.0)
    assert ids[0] == ids[-1] == [1, 2]
    assert {tuple(frame) for frame in ids} == {(1, 2), (1,)}


@pytest.mark.parametrize("rate_hz", [10, 30, 60])
def test_faces_that_pass_through_each_other_are_told_apart_by_their_speed(rate_hz: int) -> None:
    ids = run(lambda t: [face(100 + 101 * t), face(501 - 101 * t, 101)], rate_hz, 4.0)
    assert ids == [[1, 2]] * len(ids)


def test_a_face_of_another_size_is_another_passenger() -> None:
    tracker = FaceTracker()
    ids_of(tracker, 0, [face(100, side=40)])
    assert ids_of(tracker, S // 30, [face(100, side=100)]) == [2]


@pytest.mark.parametrize("rate_hz", [5, 60])
def test_a_passenger_who_leans_forward_keeps_the_id(rate_hz: int) -> None:
    ids = run(lambda t: [face(300, side=60 * 2**t)], rate_hz, 1.5)
    assert ids == [[1]] * len(ids)


def test_twenty_faces() -> None:
    rng = np.random.default_rng(3)
    centres = [(100 + 150 * (i % 5), 100 + 150 * (i // 5)) for i in range(20)]
    tracker = FaceTracker()
    for frame in range(60):
        faces = [face(x + rng.normal(0, 4), y + rng.normal(0, 4)) for x, y in centres]
        order = rng.permutation(20)
        ids = ids_of(tracker, frame * S // 30, [faces[i] for i in order])
        assert ids == list(order + 1) if frame else sorted(ids) == list(range(1, 21))
        if frame == 0:
            centres = [centres[i] for i in order]


def test_a_backward_stamp_forgets_everybody_but_no_id_comes_again() -> None:
    tracker = FaceTracker()
    assert ids_of(tracker, 10 * S, [face(100)]) == [1]
    assert ids_of(tracker, 10 * S - 1, [face(100)]) == [2]
    assert ids_of(tracker, 10 * S, [face(100)]) == [2]


def test_reset_forgets_everybody_but_no_id_comes_again() -> None:
    tracker = FaceTracker()
    assert ids_of(tracker, 10 * S, [face(100)]) == [1]
    tracker.reset()
    assert ids_of(tracker, 0, [face(100)]) == [2]


def test_equal_stamps_are_one_moment() -> None:
    tracker = FaceTracker()
    for _ in range(5):
        assert ids_of(tracker, 7, [face(100), face(300)]) == [1, 2]


def test_stamps_of_a_real_clock_are_not_rounded_away() -> None:
    tracker = FaceTracker()
    start = 1_900_000_000 * S
    assert ids_of(tracker, start, [face(100)]) == [1]
    assert ids_of(tracker, start + 2 * S, [face(100)]) == [1]
    assert ids_of(tracker, start + 4 * S + 1, [face(100)]) == [2]


def test_the_same_detection_given_twice_gets_two_ids() -> None:
    twin = face(100)
    assert [track_id for track_id, _ in FaceTracker().update(0, [twin, twin])] == [1, 2]


faces = st.builds(
    face,
    st.floats(-50, 700),
    st.floats(-50, 400),
    st.floats(10, 200),
    st.floats(0.7, 1.0),
)
frames = st.lists(st.tuples(st.integers(-2 * S, 3 * S), st.lists(faces, max_size=6)), max_size=25)


@settings(max_examples=150, deadline=None)
@given(frames)
def test_whatever_comes_ids_are_unique_and_never_return(sequence: list[tuple[int, list[Detection]]]) -> None:
    tracker = FaceTracker()
    stamp_ns, highest = 10 * S, 0
    last_seen_ns: dict[int, int] = {}
    for step_ns, detections in sequence:
        if step_ns < 0:
            last_seen_ns.clear()
        stamp_ns += step_ns
        found = tracker.update(stamp_ns, detections)
        ids = [track_id for track_id, _ in found]
        assert ids == sorted(set(ids))
        assert all(any(d is given for given in detections) for _, d in found)
        assert len({id(d) for _, d in found}) == len(found)
        for track_id in ids:
            if track_id > highest:
                assert track_id == highest + 1
                highest = track_id
            else:
                assert stamp_ns - last_seen_ns[track_id] <= 2 * S
            last_seen_ns[track_id] = stamp_ns
        assert all(track_id for track_id, _ in found)
        clear = [d for d in detections if d.score >= 0.95]
        assert all(any(d is seen for _, seen in found) for d in clear)


@pytest.mark.parametrize(
    "change",
    [
        {"instant_score": 1.1},
        {"start_score": -0.1},
        {"probation_s": -1.0},
        {"keep_lost_s": float("nan")},
        {"gate_sides": 0.0},
        {"coasting_s": float("inf")},
        {"max_size_ratio": 0.9},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict) -> None:
    with pytest.raises(UserError, match=f"expected {next(iter(change))}"):
        TrackerConfig(**change)
