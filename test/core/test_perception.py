"""The way from an image to crops of known passengers: wiring with stand-ins, and real faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emotional_dan_ros.core.alignment import TEMPLATE_PX
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.detector_config import DetectorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.perception import FaceFinder, FacePipeline, identify, passenger_ids
from emotional_dan_ros.core.tracking import FaceTracker
from emotional_dan_ros.core.types import CROP_SIZE_PX, UNIDENTIFIED, Detection, FrameFaces

S = 1_000_000_000


class FixedDetector:
    """Sees what it was told, whatever the image."""

    def __init__(self, *detections: Detection) -> None:
        self.detections = detections
        self.images: list[np.ndarray] = []

    def open(self, image: np.ndarray) -> np.ndarray:
        return image

    def detect(self, image: np.ndarray) -> Sequence[Detection]:
        self.images.append(image)
        return self.detections

    def verify(self, image: np.ndarray, boxes_xyxy: np.ndarray) -> Sequence[Detection | None]:
        """Every face is still where it was."""
        return [next((d for d in self.detections if (d.box_xyxy == box).all()), None) for box in boxes_xyxy]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def detection_at(x: float, y: float, scale: float = 1.0) -> Detection:
    """A face whose crop is the square from (x, y) on, ``scale`` source px per crop px."""
    side = scale * CROP_SIZE_PX
    return Detection(np.float32([x, y, x + side, y + side]), 0.99, TEMPLATE_PX * np.float32(scale) + np.float32([x, y]))


def test_no_faces_is_a_frame_without_faces() -> None:
    frame = FacePipeline(FixedDetector(), FaceTracker()).process(np.zeros((4, 6, 3), np.uint8), 7, "cam")
    assert (frame.stamp_ns, frame.frame_id, frame.image_wh, frame.faces) == (7, "cam", (6, 4), ())


def test_what_the_detector_saw_comes_with_id_affine_and_crop() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300), dtype=np.uint8)
    seen = detection_at(120, 40)
    frame = FacePipeline(FixedDetector(seen), FaceTracker()).process(image, 7, "cam")
    (face,) = frame.faces
    assert (face.track_id, face.score) == (1, 0.99)
    assert_array_equal(face.box_xyxy, seen.box_xyxy)
    assert_array_equal(face.keypoints_px, seen.keypoints_px)
    assert_allclose(face.crop_from_source, [[1, 0, -120], [0, 1, -40]], atol=1e-4)
    assert_allclose(face.crop, image[40:152, 120:232], atol=1)


def test_faces_are_in_the_order_of_their_ids() -> None:
    pipeline = FacePipeline(FixedDetector(detection_at(150, 10), detection_at(10, 10)), FaceTracker())
    faces = pipeline.process(np.zeros((200, 300, 3), np.uint8), 0, "cam").faces
    assert [face.track_id for face in faces] == [1, 2]
    assert [float(face.box_xyxy[0]) for face in faces] == [150, 10]


def test_the_detector_gets_the_camera_image_itself() -> None:
    detector = FixedDetector()
    image = np.zeros((4, 6, 3), np.uint8)
    FacePipeline(detector, FaceTracker()).process(image, 0, "cam")
    assert detector.images[0] is image


def test_found_now_and_identified_later_is_the_same_as_at_once() -> None:
    # The last one's score starts no track.
    weak = replace(detection_at(150, 10), score=0.5)
    detector = FixedDetector(detection_at(20, 10), detection_at(160, 80), weak)
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    found = FaceFinder(detector).find(image, 7, "cam")
    assert [(face.track_id, face.score) for face in found.faces] == [(UNIDENTIFIED, s) for s in (0.99, 0.99, 0.5)]
    assert passenger_ids(FaceTracker(), 7, detector.detections) == (1, 2, UNIDENTIFIED)
    identified, at_once = identify(FaceTracker(), found), FacePipeline(detector, FaceTracker()).process(image, 7, "cam")
    assert [face.track_id for face in identified.faces] == [face.track_id for face in at_once.faces] == [1, 2]
    for face, other, kept in zip(identified.faces, at_once.faces, found.faces[:2], strict=True):
        assert face.crop is kept.crop
        assert_array_equal(face.crop, other.crop)


@pytest.mark.parametrize("restart", ["stamp", "reset"])
def test_ids_do_not_come_again_when_a_bag_loops_or_on_reset(restart: str) -> None:
    pipeline = FacePipeline(FixedDetector(detection_at(10, 10)), FaceTracker())
    image = np.zeros((200, 300, 3), np.uint8)
    assert [f.track_id for f in pipeline.process(image, S, "cam").faces] == [1]
    if restart == "reset":
        pipeline.reset()
    assert [f.track_id for f in pipeline.process(image, 0 if restart == "stamp" else S, "cam").faces] == [2]


def test_an_image_of_zero_size_is_refused_before_anything_happens() -> None:
    detector = FixedDetector()
    with pytest.raises(UserError, match="zero size"):
        FacePipeline(detector, FaceTracker()).process(np.zeros((0, 6, 3), np.uint8), 0, "cam")
    assert detector.images == []


@pytest.mark.parametrize("photograph", ["astronaut", "grace_hopper"])
@pytest.mark.parametrize("grey", [False, True])
def test_one_passenger_in_a_photograph(
    request: pytest.FixtureRequest, detector: FaceDetector, photograph: str, grey: bool
) -> None:
    image = request.getfixturevalue(photograph)
    if grey:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    (face,) = FacePipeline(detector, FaceTracker()).process(image, 0, "cam").faces
    assert face.track_id == 1
    assert (face.crop.shape, face.crop.dtype) == ((CROP_SIZE_PX, CROP_SIZE_PX), np.uint8)
    # The crop is an upright face: the detector finds the eyes, nose and mouth where the template has them.
    twice = cv2.resize(cv2.copyMakeBorder(face.crop, 40, 40, 40, 40, cv2.BORDER_REPLICATE), None, fx=2, fy=2)
    (again,) = detector.detect(twice)
    assert_allclose(again.keypoints_px / 2 - 40, TEMPLATE_PX, atol=8)


def process_all(pipeline: FacePipeline, frames: list[tuple[int, np.ndarray]]) -> list[FrameFaces]:
    return [pipeline.process(image, stamp_ns, "cam") for stamp_ns, image in frames]


def ids_per_frame(results: list[FrameFaces]) -> list[list[int]]:
    return [[face.track_id for face in frame.faces] for frame in results]


def test_two_passengers_keep_their_ids(read_frames: Callable[..., list], detector: FaceDetector) -> None:
    frames = read_frames("two_people_head_pose.mp4")
    results = process_all(FacePipeline(detector, FaceTracker()), frames)
    ids = ids_per_frame(results)
    assert {i for frame in ids for i in frame} == {1, 2}
    for track_id in (1, 2):
        assert sum(track_id in frame for frame in ids) >= 0.9 * len(frames)
    # The woman sits left, the man right, all the time: an id that changed seats would show.
    for seat in (lambda x: x < 240, lambda x: x > 240):
        in_seat = {f.track_id for frame in results for f in frame.faces if seat(float(f.keypoints_px[2, 0]))}
        assert len(in_seat) == 1


def test_a_passenger_with_a_hand_over_her_face_stays_one(
    read_frames: Callable[..., list], detector: FaceDetector
) -> None:
    frames = read_frames("sad_then_joy.mp4", every=5)
    ids = ids_per_frame(process_all(FacePipeline(detector, FaceTracker()), frames))
    assert {i for frame in ids for i in frame} == {1}
    assert sum(bool(frame) for frame in ids) >= 0.98 * len(frames)


def test_after_the_cut_to_an_animation_there_is_no_face(
    read_frames: Callable[..., list], detector: FaceDetector
) -> None:
    # The cut is before frame 72 of 169, which is the 24th of every third.
    frames = read_frames("face_then_no_face.mov", every=3)
    ids = ids_per_frame(process_all(FacePipeline(detector, FaceTracker()), frames))
    assert ids == [[1]] * 24 + [[]] * (len(frames) - 24)


def test_a_small_face_far_away_is_found_when_asked_for(astronaut: np.ndarray) -> None:
    cabin = np.full((360, 640, 3), 90, np.uint8)
    cabin[100:254, 200:354] = cv2.resize(astronaut, (154, 154), interpolation=cv2.INTER_AREA)
    pipeline = FacePipeline(FaceDetector(DetectorConfig(min_face_px=20)), FaceTracker())
    (face,) = pipeline.process(cabin, 0, "cam").faces
    assert 15 < face.box_xyxy[2] - face.box_xyxy[0] < 40
