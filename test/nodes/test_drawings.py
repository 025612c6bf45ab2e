"""What belongs to one picture of the overlay, by its stamps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")

from emotional_dan_ros.core.types import FrameEmotions, FrameMaps
from emotional_dan_ros.nodes.drawings import Drawings
from emotional_dan_ros.nodes.frames import CameraFrame

MS = 1_000_000


def image(stamp_ms: int) -> CameraFrame:
    return CameraFrame(stamp_ms * MS, "camera", lambda: np.zeros((4, 4), np.uint8))


def emotions(stamp_ms: int) -> FrameEmotions:
    return FrameEmotions(stamp_ms * MS, "camera", (4, 4), "rt")


def maps(stamp_ms: int) -> FrameMaps:
    return FrameMaps(stamp_ms * MS, "camera", (4, 4), "rt")


def drawn(ready) -> list[tuple]:
    """Stamps in ms of image, emotions and maps of each drawing."""

    def stamp(value):
        return None if value is None else value.stamp_ns // MS

    return [(stamp(d.frame), stamp(d.emotions), stamp(d.maps)) for d in ready]


class Join:
    """Patience of one second, maps and stamps as told."""

    def __init__(self, expect_maps: bool = False, unstamped: bool = False) -> None:
        self.drawings = Drawings()
        self.kwargs = {"expect_maps": expect_maps, "unstamped": unstamped}

    def image(self, stamp_ms: int) -> list[tuple]:
        return drawn(self.drawings.image(image(stamp_ms), 1.0))

    def emotions(self, stamp_ms: int) -> list[tuple]:
        return drawn(self.drawings.emotions(emotions(stamp_ms), **self.kwargs))

    def maps(self, stamp_ms: int) -> list[tuple]:
        return drawn(self.drawings.maps(maps(stamp_ms)))


def test_an_image_waits_for_its_emotions():
    join = Join()
    assert join.image(0) == join.image(40) == join.image(80) == []
    assert join.emotions(40) == [(40, 40, None)]
    assert join.emotions(0) == []  # its image was left out: newer emotions came before
    assert join.emotions(80) == [(80, 80, None)]
    assert join.emotions(120) == []


def test_emotions_that_stay_out_are_not_waited_for():
    join = Join()
    assert [join.image(ms) for ms in range(0, 1001, 100)] == [[]] * 11
    assert join.image(1100) == [(1100, None, None)]
    assert join.emotions(1100) == [(1100, 1100, None)]
    assert join.image(1200) == []


def test_maps_are_waited_for_where_they_are_expected():
    join = Join(expect_maps=True)
    join.image(0)
    assert join.emotions(0) == []
    assert join.maps(0) == [(0, 0, 0)]
    join.image(40)
    assert join.emotions(40) == []
    join.image(80)
    assert join.emotions(80) == [(40, 40, None)]  # no longer than until the next emotions
    assert join.maps(40) == []
    assert join.maps(80) == [(80, 80, 80)]


def test_maps_may_come_before_emotions():
    join = Join(expect_maps=True)
    join.image(0)
    assert join.maps(0) == []
    assert join.emotions(0) == [(0, 0, 0)]


def test_time_that_jumps_back_starts_anew():
    join = Join(expect_maps=True)
    join.image(5000)
    join.emotions(5000)
    join.image(6000)
    assert join.image(0) == []
    assert join.maps(5000) == []
    assert join.emotions(0) == []
    assert join.maps(0) == [(0, 0, 0)]


def test_images_without_stamps_go_by_arrival():
    join = Join(unstamped=True)
    join.image(100)
    join.image(141)
    assert join.emotions(139) == [(141, 139, None)]
