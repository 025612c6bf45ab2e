"""Stamps as cameras, bags and simulations really give them."""

from __future__ import annotations

import pytest

from emotional_dan_ros.nodes.stamp_watch import Stamp, StampWatch

MS = 1_000_000
GOOD, REPEATED, JUMPED_BACK, MISSING = Stamp.GOOD, Stamp.REPEATED, Stamp.JUMPED_BACK, Stamp.MISSING


@pytest.mark.parametrize(
    ("stamps", "verdicts"),
    [
        ([], []),
        ([5, 6, 7], [GOOD, GOOD, GOOD]),
        ([5, 5, 6], [GOOD, REPEATED, GOOD]),
        ([5, 9, 5, 6], [GOOD, GOOD, JUMPED_BACK, GOOD]),
        ([0, 1, 2], [GOOD, GOOD, GOOD]),  # a simulation starts at zero
        ([0, 5, 0, 5], [GOOD, GOOD, JUMPED_BACK, GOOD]),  # a recording from zero that loops
        ([0, 0, 0], [GOOD, MISSING, MISSING]),  # a camera that does not stamp
    ],
)
def test_verdicts(stamps, verdicts):
    watch = StampWatch()
    assert [watch.judge(stamp) for stamp in stamps] == verdicts


def test_a_missing_stamp_goes_on_with_the_time_of_arrival():
    watch = StampWatch()
    assert watch.judge(0) is GOOD
    assert watch.judge(0) is MISSING
    assert watch.arrived(1000 * MS) is GOOD
    assert watch.judge(0) is MISSING
    assert watch.arrived(1033 * MS) is GOOD


def test_times_of_arrival_say_nothing_about_losses():
    """They come as the machine is busy, not as the camera took its pictures."""
    watch = StampWatch()
    now_ns = 10**12
    for index in range(60):
        watch.judge(0)
        now_ns += (400 if index % 4 == 0 else 33) * MS
        watch.arrived(now_ns)
    assert watch.lost_share() == 0.0


def lost_share(kept: list[bool], period_ns: int = 33 * MS, jitter_ns: int = 0) -> float:
    watch = StampWatch()
    for index, is_kept in enumerate(kept):
        if is_kept:
            watch.judge(10**9 + index * period_ns + (jitter_ns if index % 2 else 0))
    return watch.lost_share()


def test_nothing_is_lost_of_a_regular_camera():
    assert lost_share([True] * 50) == 0.0
    assert lost_share([True] * 50, jitter_ns=8 * MS) == 0.0


def test_losses_are_counted_in_missing_periods():
    kept = [True, True, True, False] * 15
    assert lost_share(kept) == pytest.approx(0.25, abs=0.03)


def test_few_losses_are_not_worth_a_word():
    assert lost_share(([True] * 29 + [False]) * 2) == 0.0


def test_too_few_images_say_nothing():
    assert lost_share([True, False] * 9) == 0.0


def test_a_loop_is_no_loss():
    watch = StampWatch()
    for _ in range(2):
        for index in range(40):
            watch.judge(10**9 + index * 33 * MS)
    assert watch.lost_share() == 0.0
