"""Annotated videos keep time, whatever the stamps do."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.offline.video_writer import VideoWriter


def _read(path: Path) -> tuple[float, list[int], tuple[int, ...]]:
    capture = cv2.VideoCapture(str(path))
    rate, levels, shape = capture.get(cv2.CAP_PROP_FPS), [], (0,)
    while True:
        ok, image = capture.read()
        if not ok:
            return rate, levels, shape
        levels.append(round(float(image.mean())))
        shape = image.shape


def _write(path: Path, stamps_s: list[float], wh: tuple[int, int] = (64, 48), rate_hz: float = 10.0) -> None:
    with VideoWriter(path, rate_hz) as writer:
        for index, stamp_s in enumerate(stamps_s):
            writer.write(round(stamp_s * 1e9), np.full((wh[1], wh[0], 3), 20 + 20 * index, np.uint8))


@pytest.mark.parametrize(
    ("stamps_s", "expected"),
    [
        ([0.0, 0.1, 0.2], [20, 40, 60]),
        ([5.0, 5.1, 5.4, 5.5], [20, 40, 40, 40, 60, 80]),  # two lost frames: the picture stands
        ([0.0, 0.01, 0.02, 0.1], [60, 80]),  # faster than the rate: the newest counts
        ([7.0], [20]),
    ],
)
def test_time_is_kept(tmp_path: Path, stamps_s: list[float], expected: list[int]) -> None:
    _write(tmp_path / "a.mp4", stamps_s)
    rate, levels, _ = _read(tmp_path / "a.mp4")
    assert rate == pytest.approx(10.0)
    assert levels == pytest.approx(expected, abs=3)


def test_many_frames_do_not_drift(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", [index / 23.976 for index in range(11)], rate_hz=10.0)
    _, levels, _ = _read(tmp_path / "a.mp4")
    assert len(levels) in (5, 6)  # 0.417 s at 10 Hz, both ends included


def test_odd_and_changing_sizes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 10.0) as writer:
        writer.write(0, np.full((47, 63, 3), 100, np.uint8))
        writer.write(100_000_000, np.full((100, 40, 3), 100, np.uint8))
    _, levels, shape = _read(path)
    assert shape == (48, 64, 3)
    assert levels[0] > levels[1]  # bars beside the narrow picture


def test_no_picture_no_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 10.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_unwritable(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "missing" / "a.mp4", 10.0)
    with pytest.raises(UserError, match="check folder"):
        writer.write(0, np.zeros((48, 64, 3), np.uint8))
