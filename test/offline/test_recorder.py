"""A recording's outputs, from values in the order in which a live pipeline delivers them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions, FrameFaces
from emotional_dan_ros.offline.recorder import MAX_WAITING, Recorder

MakeEmotions = Callable[..., FrameEmotions]
MakeFaces = Callable[..., FrameFaces]
MakeEvent = Callable[..., AnomalyEvent]
GREY = np.full((480, 640, 3), 90, np.uint8)


def _frames_of(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        ok, image = capture.read()
        if not ok:
            return frames
        frames.append(image)


def _is_drawn_on(image: np.ndarray) -> bool:
    return bool(np.abs(image.astype(int) - 90).max() > 60)


def test_outputs(tmp_path: Path, make_emotions: MakeEmotions, make_faces: MakeFaces, make_event: MakeEvent) -> None:
    with Recorder(tmp_path, "clip", rate_hz=10.0) as recorder:
        for index in range(12):
            stamp_s = 50 + index / 10
            recorder.add_image(GREY, round(stamp_s * 1e9), "camera")
            if index in (3, 4):
                continue  # the pipeline was busy and dropped these
            recorder.add_faces(make_faces(stamp_s, (1,)))
            recorder.add_emotions(make_emotions(stamp_s, (1,) if index < 10 else ()))
            if index == 6:
                recorder.add_event(make_event(stamp_s, AnomalyPhase.START))
                assert [event.event_id for event in recorder.active] == [1]
            if index == 8:
                recorder.add_event(make_event(stamp_s, AnomalyPhase.END, start_s=50.6))
                assert recorder.active == []
        assert list(tmp_path.glob("*.png")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotated.mp4", "bag", "timeline.png"]
    frames = _frames_of(tmp_path / "annotated.mp4")
    assert len(frames) == 12
    assert [_is_drawn_on(image) for image in frames] == [True] * 10 + [False] * 2
    lowest_rows = [np.median(image[-8:].reshape(-1, 3), axis=0) for image in frames]
    banner = [red - blue > 50 for blue, _, red in lowest_rows]
    assert banner == [False] * 7 + [True] * 2 + [False] * 3  # events come after the emotions that caused them
    with AnyReader([tmp_path / "bag"]) as reader:
        counts = {topic: info.msgcount for topic, info in reader.topics.items()}
    assert counts == {"/faces": 10, "/emotions": 10, "/anomalies": 2, "/image/compressed": 12}


def test_a_frame_without_emotions_shows_recent_ones_only(tmp_path: Path, make_emotions: MakeEmotions) -> None:
    with Recorder(tmp_path, "clip", rate_hz=10.0) as recorder:
        recorder.add_image(GREY, 0, "camera")
        recorder.add_emotions(make_emotions(0, (1,)))
        for index in range(1, 10):
            recorder.add_image(GREY, index * 100_000_000, "camera")
    drawn = [_is_drawn_on(image) for image in _frames_of(tmp_path / "annotated.mp4")]
    assert drawn == [True] * 6 + [False] * 4  # half a second and no longer


def test_images_do_not_pile_up(tmp_path: Path) -> None:
    with Recorder(tmp_path, "clip", rate_hz=30.0) as recorder:
        for index in range(3 * MAX_WAITING):
            recorder.add_image(GREY[:32, :32], index * 33_333_333, "camera")
            assert len(recorder._waiting) <= MAX_WAITING
    assert len(_frames_of(tmp_path / "annotated.mp4")) == pytest.approx(3 * MAX_WAITING, abs=1)


def test_failure_leaves_the_earlier_run(tmp_path: Path, make_emotions: MakeEmotions) -> None:
    def record(fail: bool) -> None:
        with Recorder(tmp_path, "clip", rate_hz=10.0) as recorder:
            recorder.add_image(GREY, 0, "camera")
            recorder.add_emotions(make_emotions(0, ()))
            if fail:
                raise RuntimeError

    record(fail=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(RuntimeError):
        record(fail=True)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_without_images_no_video_of_an_earlier_run_stays(tmp_path: Path, make_emotions: MakeEmotions) -> None:
    (tmp_path / "annotated.mp4").write_text("earlier")
    with Recorder(tmp_path, "clip", rate_hz=10.0) as recorder:
        recorder.add_emotions(make_emotions(0, ()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "timeline.png"]
