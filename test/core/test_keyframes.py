"""Which frames are keyframes, counted by hand."""

from __future__ import annotations

import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.keyframes import KeyframeSchedule

MS = 1_000_000


def keyframes(schedule: KeyframeSchedule, stamps_ms: list[int]) -> list[int]:
    return [i for i, ms in enumerate(stamps_ms) if schedule.is_keyframe(ms * MS)]


@pytest.mark.parametrize(
    ("interval", "stamps_ms", "expected"),
    [
        (1, [0, 33, 66], [0, 1, 2]),
        (3, list(range(0, 330, 33)), [0, 3, 6, 9]),
        (3, [0, 33, 66, 99, 132, 20, 53, 86, 119], [0, 3, 5, 8]),  # back in time
        (3, [0, 0, 0, 0, 0], [0, 3]),  # equal stamps
        (9, [0, 33, 499, 500, 533, 566], [0, 3]),  # the keyframe is half a second old
        (4, [0, 100, 2000, 2033, 2066, 2099, 2132], [0, 2, 6]),  # a gap
        (30, list(range(0, 1200, 80)), [0, 7, 14]),  # 12.5 Hz
        (4, [0, 500, 1000], [0, 1, 2]),  # a slow camera
        (4, [-60, -30, 0, 30, 60], [0, 4]),
    ],
)
def test_every_nth_frame_earlier_where_frames_are_far_apart_and_anew_after_a_jump_back(
    interval: int, stamps_ms: list[int], expected: list[int]
) -> None:
    assert keyframes(KeyframeSchedule(interval), stamps_ms) == expected


def test_a_schedule_that_starts_at_a_keyframe_goes_on_as_the_whole_one_does() -> None:
    stamps = [0, 33, 66, 99, 132, 500, 533, 566, 20, 53, 86, 119, 152, 185]
    whole = keyframes(KeyframeSchedule(3), stamps)
    for start in whole:
        rest = [start + i for i in keyframes(KeyframeSchedule(3), stamps[start:])]
        assert rest == [i for i in whole if i >= start]


def test_after_a_reset_the_next_frame_is_the_first() -> None:
    schedule = KeyframeSchedule(3)
    assert [schedule.is_keyframe(0), schedule.is_keyframe(33 * MS)] == [True, False]
    schedule.reset()
    assert keyframes(schedule, [66, 99, 132, 165]) == [0, 3]


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(UserError, match="detection_interval"):
        KeyframeSchedule(0)
