"""Sources: stamps, order, and one line for everything a user can get wrong."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sources import open_source


def _write_video(path: Path, levels: list[int], rate_hz: float) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate_hz, (64, 48))
    assert writer.isOpened()
    for level in levels:
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    return path


def _write_picture(path: Path, level: int) -> Path:
    assert cv2.imwrite(str(path), np.full((12, 16, 3), level, np.uint8))
    return path


def test_video_keeps_its_own_rate_and_pixels(tmp_path: Path) -> None:
    path = _write_video(tmp_path / "a.mp4", [20, 80, 140, 200], rate_hz=8.0)
    with open_source(path, start_stamp_ns=7_000_000_000) as source:
        frames = list(source)
    assert source.rate_hz == pytest.approx(8.0)
    assert source.frame_count == 4
    assert [stamp for stamp, _ in frames] == [7_000_000_000 + i * 125_000_000 for i in range(4)]
    assert [round(float(image.mean())) for _, image in frames] == pytest.approx([20, 80, 140, 200], abs=3)
    assert all(image.shape == (48, 64, 3) and image.dtype == np.uint8 for _, image in frames)


def test_loop_goes_on_in_time(tmp_path: Path) -> None:
    path = _write_video(tmp_path / "a.mp4", [10, 90, 170], rate_hz=10.0)
    with open_source(path, loop=True) as source:
        frames = list(islice(source, 7))
    assert [stamp // 1_000_000 for stamp, _ in frames] == [0, 100, 200, 300, 400, 500, 600]
    assert [round(float(image.mean()), -1) for _, image in frames] == [10, 90, 170, 10, 90, 170, 10]


def test_folder_is_in_natural_order_and_counts_what_does_not_decode(tmp_path: Path) -> None:
    for name, level in (("f10.png", 100), ("f2.png", 20), ("f1.png", 10)):
        _write_picture(tmp_path / name, level)
    (tmp_path / "f3.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("ignored")
    with open_source(tmp_path, rate_hz=4.0) as source:
        frames = list(source)
    assert [int(image[0, 0, 0]) for _, image in frames] == [10, 20, 100]
    assert [stamp for stamp, _ in frames] == [0, 250_000_000, 750_000_000]  # the hole keeps its time
    assert len(source.skipped) == 1
    assert "f3.png" in source.skipped[0]


def test_still_is_one_frame_unless_looped(tmp_path: Path) -> None:
    path = _write_picture(tmp_path / "a.jpg", 128)
    with open_source(str(path)) as source:
        assert len(list(source)) == 1
    with open_source(str(path), loop=True, rate_hz=20.0) as source:
        assert [stamp for stamp, _ in islice(source, 3)] == [0, 50_000_000, 100_000_000]


def test_grey_picture_becomes_three_channels(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    assert cv2.imwrite(str(path), np.full((6, 8), 77, np.uint8))
    with open_source(path) as source:
        ((_, image),) = list(source)
    assert image.shape == (6, 8, 3)
    assert np.all(image == 77)


def test_sample_is_the_same_every_time() -> None:
    with open_source("sample") as one, open_source("sample") as two:
        assert one.frame_count == 150
        for (stamp_one, image_one), (stamp_two, image_two) in islice(zip(one, two, strict=True), 0, 60, 30):
            assert stamp_one == stamp_two
            assert image_one.shape == (540, 960, 3)
            assert np.array_equal(image_one, image_two)


def test_sample_moves_and_empties_one_seat() -> None:
    with open_source("sample") as source:
        frames = [image for _, image in source]
    assert len(frames) == 150
    right_seat = (slice(60, 400), slice(600, 800))
    assert frames[0][right_seat].std() > 50  # a face, cap and flag
    assert frames[77][right_seat].std() < 25  # only the seat
    assert frames[149][right_seat].std() > 50
    left_seat = (slice(60, 400), slice(150, 350))
    steps = [np.abs(a[left_seat].astype(int) - b[left_seat]).mean() for a, b in pairwise(frames)]
    assert min(steps) > 0  # never still
    assert max(steps) < 25  # never jumps


@pytest.mark.parametrize("rate_hz", [0.0, -1.0])
def test_bad_rate(rate_hz: float) -> None:
    with pytest.raises(UserError, match="above 0 Hz"):
        open_source("sample", rate_hz=rate_hz)


def _bad_inputs(folder: Path) -> dict[str, str]:
    (folder / "text.mp4").write_text("not a video" * 100)
    (folder / "empty.mp4").touch()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (folder / "no_pictures").mkdir()
    whole = _write_video(folder / "whole.mp4", [1, 2, 3], 5.0).read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    return {
        str(folder / "missing.mp4"): "does not exist",
        "": "does not exist",
        str(folder / "text.mp4"): "cannot read",
        str(folder / "empty.mp4"): "cannot read",
        str(folder / "truncated.mp4"): "cannot read",
        str(folder / "broken.jpg"): "cannot decode",
        str(folder / "no_pictures"): "0 such files",
        "97": "camera",
        "/dev/video97": "camera",
    }


def test_bad_input_is_told_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for spec, expected in _bad_inputs(tmp_path).items():
        with pytest.raises(UserError, match=expected) as caught:
            open_source(spec)
        message = str(caught.value)
        assert "\n" not in message
        assert re.search(r"expected .*, got .*; \w+", message)
    assert capfd.readouterr() == ("", "")  # and OpenCV adds nothing of its own


def test_video_whose_second_half_is_lost_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.0, (64, 48))
    rng = np.random.default_rng(3)
    for _ in range(24):
        writer.write(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_source(path) as source:
        frames = list(source)
    assert 0 < len(frames) < 24
    assert len(source.skipped) == 1
    assert f"{len(frames)} of 24" in source.skipped[0]


def test_real_video_with_uneven_stamps(media_dir: Path) -> None:
    with open_source(media_dir / "face_then_no_face.mov") as source:
        stamps = [stamp for stamp, _ in source]
    assert len(stamps) == 169
    assert stamps[0] == 0
    steps = np.diff(stamps)
    assert steps.min() > 0
    assert steps.max() / steps.min() > 2  # the file's own stamps, not frame / rate
