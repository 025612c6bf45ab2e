"""The face detector against facenet-pytorch's MTCNN, and at the edges of what it may be given."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from emotional_dan_ros.core.boxes import overlaps
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.detector_config import DetectorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.tracking import TrackerConfig
from emotional_dan_ros.core.types import Detection


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def oracle(image_bgr: np.ndarray, min_face_px: int = 40) -> list[Detection]:
    """Faces as facenet-pytorch finds them, best first."""
    facenet = pytest.importorskip("facenet_pytorch")
    net = facenet.MTCNN(keep_all=True, min_face_size=min_face_px, select_largest=False)
    boxes, scores, points = net.detect(np.ascontiguousarray(image_bgr[..., ::-1]), landmarks=True)
    if boxes is None:
        return []
    found = [Detection(np.float32(b), float(s), np.float32(p)) for b, s, p in zip(boxes, scores, points, strict=True)]
    return sorted(found, key=lambda d: -d.score)


def assert_same_faces(own: tuple[Detection, ...], others: list[Detection], min_iou: float, max_keypoint: float) -> None:
    """Every face of one is in the other; keypoints agree within a part of the box's width.

    MTCNN's own answer moves by some percent of the face when the image moves by a px, so closer
    agreement would be chance.
    """
    assert len(own) == len(others)
    if not others:
        return
    iou = overlaps(np.stack([d.box_xyxy for d in own]), np.stack([d.box_xyxy for d in others]))
    assert sorted(iou.argmax(axis=1)) == list(range(len(others)))
    assert iou.max(axis=1).min() >= min_iou
    for face, j in zip(own, iou.argmax(axis=1), strict=True):
        width = face.box_xyxy[2] - face.box_xyxy[0]
        assert np.linalg.norm(face.keypoints_px - others[j].keypoints_px, axis=1).max() <= max_keypoint * width


@pytest.mark.parametrize("photograph", ["astronaut", "grace_hopper"])
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_photographs_have_one_face_where_facenet_sees_it(
    request: pytest.FixtureRequest, detector: FaceDetector, photograph: str, scale: float
) -> None:
    image = cv2.resize(request.getfixturevalue(photograph), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # MTCNN sees weak faces in folds of cloth, by chance, at other sizes than another implementation does; none of
    # them may start a track.
    found = tuple(face for face in detector.detect(image) if face.score >= TrackerConfig().start_score)
    assert len(found) == 1
    assert_same_faces(found, oracle(image), min_iou=0.8, max_keypoint=0.05)
    assert found[0].score > 0.99
    assert found[0].box_xyxy.dtype == found[0].keypoints_px.dtype == np.float32
    eye, other_eye, nose, mouth, other_mouth = found[0].keypoints_px
    assert eye[0] < nose[0] < other_eye[0]
    assert mouth[0] < other_mouth[0]
    assert max(eye[1], other_eye[1]) < nose[1] < min(mouth[1], other_mouth[1])


@pytest.mark.parametrize(
    ("name", "every"), [("two_people_head_pose.mp4", 11), ("sad_then_joy.mp4", 79), ("face_then_no_face.mov", 24)]
)
def test_video_frames_have_the_faces_that_facenet_sees(
    read_frames: Callable[..., list], detector: FaceDetector, name: str, every: int
) -> None:
    for _, image in read_frames(name, every):
        assert_same_faces(detector.detect(image), oracle(image), min_iou=0.7, max_keypoint=0.15)


def test_several_faces_are_told_best_first(
    detector: FaceDetector, astronaut: np.ndarray, grace_hopper: np.ndarray
) -> None:
    row = np.concatenate([astronaut, grace_hopper[:512], astronaut[:, ::-1]], axis=1)
    found = detector.detect(row)
    assert_same_faces(found, oracle(row), min_iou=0.8, max_keypoint=0.05)
    assert len(found) == 3
    assert [d.score for d in found] == sorted((d.score for d in found), reverse=True)


def test_a_mirrored_image_has_mirrored_keypoints(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (face,), (mirrored,) = detector.detect(astronaut), detector.detect(astronaut[:, ::-1])
    back = mirrored.keypoints_px[[1, 0, 2, 4, 3]] * np.float32([-1, 1]) + np.float32([astronaut.shape[1] - 1, 0])
    assert_allclose(back, face.keypoints_px, atol=0.04 * (face.box_xyxy[2] - face.box_xyxy[0]))


def test_grey_is_that_grey_in_three_channels(detector: FaceDetector, astronaut: np.ndarray) -> None:
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    (face,) = detector.detect(grey)
    (same,) = detector.detect(np.stack([grey] * 3, axis=2))
    assert_allclose(face.box_xyxy, same.box_xyxy)
    assert_allclose(face.keypoints_px, same.keypoints_px)


def test_colour_order_is_bgr(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (face,) = detector.detect(astronaut)
    (expected,) = oracle(astronaut)
    assert face.score == pytest.approx(expected.score, abs=2e-3)


def test_strides_do_not_matter(detector: FaceDetector, astronaut: np.ndarray) -> None:
    wide = np.zeros((512, 1024, 3), np.uint8)
    wide[:, ::2] = astronaut
    (face,), (expected,) = detector.detect(wide[:, ::2]), detector.detect(astronaut)
    assert_allclose(face.box_xyxy, expected.box_xyxy)


def test_the_image_is_not_written_to(detector: FaceDetector, astronaut: np.ndarray) -> None:
    image = astronaut.copy()
    image.setflags(write=False)
    assert len(detector.detect(image)) == 1
    np.testing.assert_array_equal(image, astronaut)


def test_boxes_end_at_the_image_and_keypoints_stay_on_the_face(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (whole,) = detector.detect(astronaut)
    left = round(float(whole.keypoints_px[0, 0])) - 12
    (cut,) = detector.detect(astronaut[:, left:])
    assert cut.box_xyxy[0] == 0.0
    assert_allclose(
        cut.keypoints_px + np.float32([left, 0]),
        whole.keypoints_px,
        atol=0.08 * (whole.box_xyxy[2] - whole.box_xyxy[0]),
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 500, 3), (500, 1), (11, 11, 3), (39, 39, 3), (480, 640, 3)])
def test_no_face_is_an_empty_tuple(detector: FaceDetector, shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert detector.detect(noise) == ()
    assert detector.detect(np.zeros(shape, np.uint8)) == ()


@pytest.mark.parametrize("image", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.float32), None])
def test_what_is_no_image_is_refused(detector: FaceDetector, image: object) -> None:
    with pytest.raises(UserError):
        detector.detect(image)


def test_faces_below_the_smallest_asked_for_are_not_looked_for(astronaut: np.ndarray) -> None:
    small = cv2.resize(astronaut, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)  # the face is 26 px wide
    assert len(FaceDetector(DetectorConfig(min_face_px=20)).detect(small)) == 1
    assert FaceDetector(DetectorConfig(min_face_px=80)).detect(small) == ()


def test_scales_by_hand() -> None:
    assert_allclose(
        DetectorConfig(min_face_px=40).search_scales((100, 80)), [0.3, 0.3 * 0.709, 0.3 * 0.709**2], rtol=1e-6
    )
    assert DetectorConfig(min_face_px=40).search_scales((39, 1000)) == ()
    assert DetectorConfig(min_face_px=40, max_search_edge_px=640).search_scales((6400, 3600))[0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"min_face_px": 11},
        {"max_search_edge_px": 3},
        {"scale_step": 1.0},
        {"thresholds": (0.6, 0.7)},
        {"thresholds": (0.6, 0.7, 1.0)},
        {"max_proposals": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict) -> None:
    with pytest.raises(UserError, match=f"expected (three )?{next(iter(change))}"):
        DetectorConfig(**change)


def test_cuda_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert FaceDetector(device="auto").device == torch.device("cpu")
    with pytest.raises(UserError, match="cuda"):
        FaceDetector(device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_sees_what_the_cpu_sees(detector: FaceDetector, astronaut: np.ndarray) -> None:
    (face,), (expected,) = FaceDetector(device="cuda").detect(astronaut), detector.detect(astronaut)
    assert_allclose(face.keypoints_px, expected.keypoints_px, atol=1.0)


def test_the_number_of_threads_does_not_change_a_bit(astronaut: np.ndarray) -> None:
    image = np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)
    before, results = torch.get_num_threads(), []
    try:
        for num_threads in (1, 2, 3):
            torch.set_num_threads(num_threads)
            detector = FaceDetector()
            faces = detector.detect(image)
            assert len(faces) == 2
            results.append([*faces, *detector.verify(image, np.stack([face.box_xyxy for face in faces]) + 2.0)])
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        for one, other in zip(results[0], result, strict=True):
            assert np.array_equal(one.box_xyxy, other.box_xyxy)
            assert np.array_equal(one.keypoints_px, other.keypoints_px)
            assert one.score == other.score
