"""Following between keyframes: when the whole image is searched, and what becomes of real faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from emotional_dan_ros.core.boxes import overlaps
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.following import FaceFollower
from emotional_dan_ros.core.perception import FaceFinder
from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.core.types import Detection

MS = 1_000_000
FRAME_MS = 33
IMAGE = np.zeros((100, 400, 3), np.uint8)


def face_at(x: float, score: float = 0.9, side: float = 40.0) -> Detection:
    """A face whose keypoints are all in its middle."""
    box = np.float32([x, 10, x + side, 10 + side])
    return Detection(box, score, np.full((5, 2), [x + side / 2, 10 + side / 2], np.float32))


class Cabin:
    """A detector that sees what is there, and finds a face again that moved by at most 10 px."""

    def __init__(self) -> None:
        self.faces: list[Detection] = []
        self.calls: list[str] = []

    def open(self, image: np.ndarray) -> np.ndarray:
        return image

    def detect(self, image: np.ndarray) -> Sequence[Detection]:
        self.calls.append("detect")
        return tuple(self.faces)

    def verify(self, image: np.ndarray, boxes_xyxy: np.ndarray) -> Sequence[Detection | None]:
        self.calls.append("verify")
        near = ([f for f in self.faces if abs(f.box_xyxy[0] - box[0]) <= 10] for box in boxes_xyxy)
        return [replace(faces[0]) if faces else None for faces in near]


def show(
    follower: FaceFollower, cabin: Cabin, frames: Sequence[Sequence[float]]
) -> tuple[list[list[float]], list[str]]:
    """Show faces at these places, frame by frame: where they were seen, and what each frame took, in order.

    A keyframe is "dv" (detected, then measured as it will be when followed), a frame between is "v", one on which a
    lost face was searched for in vain "vd", one on which it was found again "vdv".
    """
    seen, took = [], []
    for i, places in enumerate(frames):
        cabin.faces, cabin.calls = [face_at(x) for x in places], []
        seen.append(sorted(float(f.box_xyxy[0]) for f in follower.find(IMAGE, i * FRAME_MS * MS)))
        took.append("".join(call[0] for call in cabin.calls))
    return seen, took


def test_a_face_that_stays_is_detected_on_keyframes_and_verified_between() -> None:
    cabin = Cabin()
    seen, took = show(FaceFollower(cabin, 3), cabin, [[50 + 8 * i] for i in range(7)])
    assert seen == [[50 + 8 * i] for i in range(7)]
    assert took == ["dv", "v", "v", "dv", "v", "v", "dv"]


def test_an_empty_cabin_costs_nothing_between_keyframes() -> None:
    cabin = Cabin()
    assert show(FaceFollower(cabin, 3), cabin, [[]] * 5) == ([[]] * 5, ["d", "", "", "d", ""])


def test_with_an_interval_of_one_every_frame_is_detected() -> None:
    cabin = Cabin()
    assert show(FaceFollower(cabin, 1), cabin, [[50], [90], [90]])[1] == ["d"] * 3


def test_a_face_that_comes_is_found_on_the_next_keyframe() -> None:
    cabin = Cabin()
    seen, _ = show(FaceFollower(cabin, 4), cabin, [[50], [50, 200], [50, 200], [50, 200], [50, 200]])
    assert seen == [[50], [50], [50], [50], [50, 200]]


def test_a_face_that_jumps_is_found_in_the_same_frame_and_followed_on() -> None:
    cabin = Cabin()
    seen, took = show(FaceFollower(cabin, 5), cabin, [[50], [50], [150], [155], [160]])
    assert seen == [[50], [50], [150], [155], [160]]
    assert took == ["dv", "v", "vdv", "v", "v"]


def test_a_face_that_jumps_on_every_frame_is_detected_on_every_frame() -> None:
    cabin = Cabin()
    seen, took = show(FaceFollower(cabin, 9), cabin, [[50], [150], [50], [150], [50], [150]])
    assert seen == [[50], [150], [50], [150], [50], [150]]
    assert took == ["dv"] + ["vdv"] * 5


def test_after_a_face_has_gone_searches_become_rare() -> None:
    cabin = Cabin()
    _, took = show(FaceFollower(cabin, 20), cabin, [[50]] + [[]] * 15)
    assert took[0] == "dv"
    assert [i for i, steps in enumerate(took) if steps == "vd"] == [1, 3, 7, 15]
    assert set(took[1:]) == {"v", "vd"}


def test_an_empty_seat_does_not_delay_the_search_for_another_passenger() -> None:
    cabin = Cabin()
    frames = [[50, 200], [200], [200], [200], [200], [200], [300], [305]]
    seen, took = show(FaceFollower(cabin, 20), cabin, frames)
    assert seen == frames
    assert took == ["dv", "vdv", "v", "vdv", "v", "v", "vdv", "v"]


def test_a_face_behind_a_hand_is_seen_again_at_once() -> None:
    cabin = Cabin()
    seen, took = show(FaceFollower(cabin, 20), cabin, [[50], [], [], [], [], [52], [52]])
    assert seen == [[50], [], [], [], [], [52], [52]]
    assert took[4:] == ["v", "v", "v"]


def test_the_next_keyframe_knows_nothing_of_lost_faces() -> None:
    cabin = Cabin()
    _, took = show(FaceFollower(cabin, 3), cabin, [[50], [], [], [], [], []])
    assert took == ["dv", "vd", "v", "d", "", ""]


def test_two_that_are_followed_onto_one_face_are_one_and_the_other_is_searched_for() -> None:
    cabin = Cabin()
    # The second passenger comes so near that both are verified on the first; then is seen elsewhere.
    seen, took = show(FaceFollower(cabin, 9), cabin, [[50, 66], [58], [58, 130]])
    assert seen == [[50, 66], [58], [58]]
    assert took == ["dv", "vdv", "v"]


def test_faces_come_best_first() -> None:
    cabin = Cabin()
    follower = FaceFollower(cabin, 3)
    for i, scores in enumerate([(0.9, 0.8), (0.75, 0.85)]):
        cabin.faces = [face_at(50, scores[0]), face_at(200, scores[1])]
        found = [face.score for face in follower.find(IMAGE, i * FRAME_MS * MS)]
        assert found == sorted(scores, reverse=True)


@pytest.mark.parametrize("second_ms", [-5, 600])
def test_a_jump_back_and_a_gap_make_keyframes(second_ms: int) -> None:
    cabin = Cabin()
    follower = FaceFollower(cabin, 9)
    follower.find(IMAGE, 0)
    follower.find(IMAGE, second_ms * MS)
    follower.find(IMAGE, second_ms * MS)
    assert cabin.calls == ["detect", "detect"]


def test_another_size_makes_the_detector_look_but_no_keyframe() -> None:
    cabin = Cabin()
    cabin.faces = [face_at(50)]
    follower = FaceFollower(cabin, 4)
    for i, image in enumerate([IMAGE, IMAGE, IMAGE[:, :300], IMAGE[:, :300, 0], IMAGE[:, :300]]):
        follower.find(image, i * FRAME_MS * MS)
    assert cabin.calls == ["detect", "verify", "verify", "detect", "verify", "verify", "detect", "verify"]


def test_after_a_reset_the_next_frame_is_a_keyframe() -> None:
    cabin = Cabin()
    follower = FaceFollower(cabin, 9)
    follower.find(IMAGE, 0)
    follower.reset()
    follower.find(IMAGE, FRAME_MS * MS)
    assert cabin.calls == ["detect", "detect"]


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(UserError, match="zero size"):
        FaceFollower(Cabin(), 2).find(np.zeros((0, 5, 3), np.uint8), 0)


# Real faces.


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def test_a_moved_face_is_found_again_where_the_detector_finds_it(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (before,) = detector.detect(astronaut)
    side = before.box_xyxy[2] - before.box_xyxy[0]
    for shift in ((0.2, 0.0), (-0.15, 0.1), (0.0, -0.2), (0.0, 0.0)):
        affine = np.float32([[1, 0, shift[0] * side], [0, 1, shift[1] * side]])
        moved = cv2.warpAffine(astronaut, affine, astronaut.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        (expected,) = detector.detect(moved)
        (again,) = detector.verify(moved, before.box_xyxy[None])
        assert again is not None
        assert again.score > 0.95
        assert overlaps(again.box_xyxy[None], expected.box_xyxy[None])[0, 0] > 0.8
        # MTCNN's own keypoints move by some percent of the face from one px to the next.
        assert np.linalg.norm(again.keypoints_px - expected.keypoints_px, axis=1).max() < 0.06 * side


def test_where_there_is_no_face_none_is_verified(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (face,) = detector.detect(astronaut)
    corner = np.float32([[0, 380, 90, 512]])
    outside = np.float32([[600, 10, 700, 120]])
    boxes = np.concatenate([corner, face.box_xyxy[None], outside])
    nobody, again, missed = detector.verify(astronaut, boxes)
    assert nobody is None
    assert again is not None
    assert missed is None
    assert detector.verify(astronaut, outside) == (None,)
    assert detector.verify(astronaut, np.zeros((0, 4), np.float32)) == ()


def test_faces_in_one_batch_are_what_each_is_alone(
    detector: FaceDetector, astronaut: np.ndarray, grace_hopper: np.ndarray
) -> None:
    row = np.concatenate([astronaut, grace_hopper[:512], astronaut[:, ::-1]], axis=1)
    boxes = np.stack([face.box_xyxy for face in detector.detect(row)])
    for box, together in zip(boxes, detector.verify(row, boxes), strict=True):
        (alone,) = detector.verify(row, box[None])
        assert alone is not None
        assert together is not None
        np.testing.assert_allclose(together.keypoints_px, alone.keypoints_px, atol=0.01)
        assert together.score == pytest.approx(alone.score, abs=1e-4)


def test_grey_and_strided_images_are_verified_as_their_copies(detector: FaceDetector, astronaut: np.ndarray) -> None:
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    wide = np.zeros((512, 1024, 3), np.uint8)
    wide[:, ::2] = astronaut
    boxes = np.stack([face.box_xyxy for face in detector.detect(astronaut)])
    for image, copy in ((grey, np.stack([grey] * 3, axis=2)), (wide[:, ::2], astronaut)):
        (face,), (expected,) = detector.verify(image, boxes), detector.verify(copy, boxes)
        assert face is not None
        assert expected is not None
        assert_array_equal(face.box_xyxy, expected.box_xyxy)


def finds(detector: FaceDetector, frames: list[tuple[int, np.ndarray]], interval: int) -> list[tuple[bytes, ...]]:
    finder = FaceFinder(detector, interval)
    result = []
    for stamp_ns, image in frames:
        faces = finder.find(image, stamp_ns, "cam").faces
        result.append(tuple(f.box_xyxy.tobytes() + f.keypoints_px.tobytes() + f.crop.tobytes() for f in faces))
    return result


def test_a_recording_cut_at_a_keyframe_gives_the_same_to_the_bit(detector: FaceDetector) -> None:
    # The second passenger leaves and comes back meanwhile: losses and finds on both sides of the cut.
    frames = [(i * FRAME_MS * MS, sample_frame(54 + 2 * i)) for i in range(20)]
    whole = finds(detector, frames, 4)
    assert whole == finds(detector, frames, 4)
    assert whole == finds(detector, frames[:8], 4) + finds(detector, frames[8:16], 4) + finds(detector, frames[16:], 4)
    assert {len(faces) for faces in whole} == {1, 2}


@pytest.mark.parametrize("name", ["two_people_head_pose.mp4", "smile_then_neutral.mp4"])
def test_following_finds_the_faces_that_detection_on_every_frame_finds(
    read_frames: Callable[..., list], detector: FaceDetector, name: str
) -> None:
    follower = FaceFollower(detector, 10)
    expected = found = 0
    for stamp_ns, image in read_frames(name):
        faces, all_faces = follower.find(image, stamp_ns), detector.detect(image)
        expected += len(all_faces)
        if faces and all_faces:
            table = overlaps(np.stack([f.box_xyxy for f in all_faces]), np.stack([f.box_xyxy for f in faces]))
            found += int((table.max(axis=1) > 0.5).sum())
    assert found >= 0.99 * expected > 0
