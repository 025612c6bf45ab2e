"""What the user names becomes inputs, each with a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sources import Frame, ImageSource
from emotional_dan_ros.offline.inputs import Input, OrderedFrames, expand, fingerprint


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_names_come_from_files_and_are_unique(tmp_path: Path) -> None:
    one, two = _touch(tmp_path / "a" / "ride.mp4"), _touch(tmp_path / "b" / "ride.mov")
    inputs = expand([str(one), str(two), str(one), "sample"], topic="/camera")
    assert [i.name for i in inputs] == ["ride", "ride-2", "sample"]
    assert [i.topic for i in inputs] == [None, None, None]  # a topic is for bags


def test_patterns(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mp4", "c.txt"):
        _touch(tmp_path / name)
    assert [i.name for i in expand([str(tmp_path / "*.mp4")], None)] == ["a", "b"]
    with pytest.raises(UserError, match="got none"):
        expand([str(tmp_path / "*.avi")], None)


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    path = _touch(tmp_path / "ride[1].mp4")
    assert [i.spec for i in expand([str(path)], None)] == [str(path)]


@pytest.mark.parametrize("spec", ["0", "rtsp://camera/1", "/dev/video0"])
def test_live_sources_are_refused(spec: str) -> None:
    with pytest.raises(UserError, match="expected recordings"):
        expand([spec], None)


def test_identity_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    before = Input(str(path), "a").identity()
    assert Input(str(path), "other name").identity() == before
    path.write_bytes(b"longer")
    assert Input(str(path), "a").identity() != before


def test_fingerprint_does_not_depend_on_order() -> None:
    assert fingerprint({"a": 1, "b": 2}, {"c": 3}) == fingerprint({"b": 2, "a": 1}, {"c": 3})
    assert fingerprint({"a": 1}, {"c": 3}) != fingerprint({"a": 1}, {"c": 4})


class _Stamped(ImageSource):
    def __init__(self, *stamps_s: float) -> None:
        super().__init__("stamped", 10.0, len(stamps_s))
        self._stamps_s = stamps_s

    def frames(self) -> Iterator[Frame]:
        for stamp_s in self._stamps_s:
            yield round(stamp_s * 1e9), np.zeros((2, 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("stamps", "expected", "left_out"),
    [
        ((), [], 0),
        ((1.0, 1.1, 1.2), [1.0, 1.1, 1.2], 0),
        ((1.0, 1.2, 1.1, 1.2, 1.3), [1.0, 1.2, 1.3], 2),
        ((10.0, 11.0, 0.0, 1.0), [10.0, 11.0, 0.0, 1.0], 0),  # a loop: begins again
    ],
)
def test_images_out_of_order_are_left_out_and_counted(
    stamps: tuple[float, ...], expected: list[float], left_out: int
) -> None:
    frames = OrderedFrames(_Stamped(*stamps))
    for _ in range(2):  # a second pass says the same
        assert [stamp_ns / 1e9 for stamp_ns, _, _ in frames] == pytest.approx(expected)
        assert frames.out_of_order == left_out
    assert len(frames.problems) == bool(left_out)
    if left_out:
        assert "the first is image 2" in frames.problems[0]
