"""Quality of faces: properties on a real photograph, and parts of the formula worked by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotional_dan_ros.core.alignment import crop_transform, keypoints_from_landmarks, warp_crop
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.geometry import apply_affine, similarity_transform
from emotional_dan_ros.core.quality import face_quality, pose_quality, size_quality


def head(yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> np.ndarray:
    """68 landmarks (x, y) in eye distances of a made-up head that is turned and seen from afar."""
    along_jaw = np.radians(np.linspace(-90, 90, 17))
    jaw = np.stack([1.15 * np.sin(along_jaw), 1.8 * np.cos(along_jaw), -np.abs(np.sin(along_jaw))], axis=1)
    brows = [[x, -0.35, 0.1] for x in np.r_[np.linspace(-0.9, -0.2, 5), np.linspace(0.2, 0.9, 5)]]
    nose = [[0, y, 0.1 + 0.8 * y] for y in (0.0, 0.2, 0.36, 0.54)] + [[x, 0.7, 0.3] for x in np.linspace(-0.2, 0.2, 5)]
    eyes = [
        [side * 0.5 + 0.18 * math.cos(a), -0.06 * math.sin(a), 0.0]
        for side in (-1, 1)
        for a in np.arange(6) * math.pi / 3
    ]
    around = np.arange(12) * math.pi / 6
    lips = [[-0.44 * math.cos(a), 1.09 - 0.15 * math.sin(a), 0.2] for a in around]
    inner_lips = [[-0.3 * math.cos(a), 1.09 - 0.06 * math.sin(a), 0.2] for a in np.arange(8) * math.pi / 4]
    points = np.array([*jaw, *brows, *nose, *eyes, *lips, *inner_lips])
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    x = points[:, 0] * math.cos(yaw) + points[:, 2] * math.sin(yaw)
    z = points[:, 2] * math.cos(yaw) - points[:, 0] * math.sin(yaw)
    return np.stack([x, points[:, 1] * math.cos(pitch) + z * math.sin(pitch)], axis=1)


@pytest.fixture(scope="module")
def photograph(astronaut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A clear frontal face, and landmarks for it: those of the head put onto the detector's keypoints."""
    (face,) = FaceDetector().detect(astronaut)
    shape = head()
    placed = apply_affine(shape, similarity_transform(keypoints_from_landmarks(shape), face.keypoints_px))
    return astronaut, placed


def judge(image: np.ndarray, landmarks: np.ndarray) -> float:
    """Quality of a face that is cut out by its landmarks."""
    affine = crop_transform(keypoints_from_landmarks(landmarks))
    return face_quality(warp_crop(image, affine), affine, landmarks)


def assert_falls(values: list[float]) -> None:
    assert all(after < before for before, after in pairwise(values)), values


def test_the_head_has_68_landmarks() -> None:
    assert head().shape == (68, 2)


def test_a_clear_frontal_face_is_good(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    assert 0.65 < judge(*photograph) < 1.0


def test_blur_lowers_it(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    image, landmarks = photograph
    qualities = [judge(image, landmarks)]
    qualities += [judge(cv2.GaussianBlur(image, (0, 0), sigma), landmarks) for sigma in (0.7, 1.0, 1.5, 2.0)]
    assert_falls(qualities)
    assert judge(cv2.GaussianBlur(image, (0, 0), 8.0), landmarks) < 0.1


def test_distance_lowers_it(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    image, landmarks = photograph
    qualities = []
    for scale in (1.0, 0.7, 0.5, 0.35, 0.25):
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        qualities.append(judge(small, landmarks * scale))
    assert_falls(qualities)
    assert qualities[-1] < 0.7 * qualities[0]


@pytest.mark.parametrize("sign", [-1, 1])
def test_turning_away_lowers_it(photograph: tuple[np.ndarray, np.ndarray], sign: int) -> None:
    image, landmarks = photograph
    place = similarity_transform(head(), landmarks)
    affine = crop_transform(keypoints_from_landmarks(landmarks))
    crop = warp_crop(image, affine)
    qualities = [face_quality(crop, affine, apply_affine(head(sign * yaw), place)) for yaw in (0, 10, 20, 30, 80)]
    assert_falls(qualities)
    assert qualities[-1] == 0.0


def test_pose_is_the_same_to_both_sides_and_with_any_roll() -> None:
    frontal = pose_quality(head())
    assert frontal == pytest.approx(1.0, abs=0.01)
    assert pose_quality(head(15)) == pytest.approx(pose_quality(head(-15)))
    for roll in (-170, -40, 25, 90):
        turn = np.array([[math.cos(math.radians(roll)), -math.sin(math.radians(roll))],
                         [math.sin(math.radians(roll)), math.cos(math.radians(roll))]])  # fmt: skip
        assert pose_quality(head(15) @ turn.T * 37 + 500) == pytest.approx(pose_quality(head(15)))


@pytest.mark.parametrize("sign", [-1, 1])
def test_looking_up_or_down_lowers_the_pose(sign: int) -> None:
    poses = [pose_quality(head(pitch_deg=sign * pitch)) for pitch in (0, 10, 20, 30)]
    assert_falls(poses)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_crop_that_shows_nothing_is_worth_nothing(grey: int) -> None:
    landmarks = head() * 40 + 100
    affine = crop_transform(keypoints_from_landmarks(landmarks))
    assert face_quality(np.full((112, 112), grey, np.uint8), affine, landmarks) == 0.0


def test_fading_light_and_glare_lower_it(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    image, landmarks = photograph
    affine = crop_transform(keypoints_from_landmarks(landmarks))
    crop = warp_crop(image, affine).astype(np.float32)

    def quality(changed: np.ndarray) -> float:
        return face_quality(np.clip(np.round(changed), 0, 255).astype(np.uint8), affine, landmarks)

    faded = [quality(110 + contrast * (crop - 110)) for contrast in (1.0, 0.5, 0.25, 0.1)]
    assert_falls(faded)
    glare = [quality(crop + light) for light in (0, 20, 40, 60)]
    assert_falls(glare)


def test_landmarks_that_part_from_the_keypoints_lower_it_as_the_formula_says(
    photograph: tuple[np.ndarray, np.ndarray],
) -> None:
    image, landmarks = photograph
    affine = crop_transform(keypoints_from_landmarks(landmarks))
    crop = warp_crop(image, affine)
    # The landmarks already miss the template a little; averaged over both sides, that does not change the exponent.
    # What is looked at around eyes and mouth moves too, and with it the visibility by a little.
    eye_distance_px = 38.4 / np.sqrt(abs(np.linalg.det(affine[:, :2].astype(float))))
    shift = np.float32([0.3 * eye_distance_px, 0])
    here = face_quality(crop, affine, landmarks)
    there = math.sqrt(face_quality(crop, affine, landmarks + shift) * face_quality(crop, affine, landmarks - shift))
    assert there / here == pytest.approx(math.exp(-0.5), rel=0.02)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(slice(66, 96), slice(None)), (slice(28, 54), slice(None)), (slice(20, 60), slice(0, 54))],
    ids=["mouth", "eyes", "one eye"],
)
def test_something_before_the_face_lowers_it(
    photograph: tuple[np.ndarray, np.ndarray], rows: slice, columns: slice
) -> None:
    image, landmarks = photograph
    affine = crop_transform(keypoints_from_landmarks(landmarks))
    crop = warp_crop(image, affine)
    # Skin of the cheek, made as large as what it hides.
    hidden = crop.copy()
    area = hidden[rows, columns]
    area[:] = cv2.resize(crop[52:62, 30:44], area.shape[::-1], interpolation=cv2.INTER_LINEAR)
    assert face_quality(hidden, affine, landmarks) < 0.6 * face_quality(crop, affine, landmarks)


def test_size_by_hand() -> None:
    # The eyes are 38.4 px apart in a crop: 12 px in a source that is 3.2 times smaller.
    assert size_quality(np.float32([[3.2, 0, 0], [0, 3.2, 0]])) == pytest.approx(0.5)
    assert size_quality(np.float32([[0, -1.6, 0], [1.6, 0, 0]])) == pytest.approx(24**2 / (24**2 + 12**2))


@pytest.mark.parametrize("landmarks", [np.full((68, 2), np.nan), np.zeros((68, 2)), np.full((68, 2), np.inf)])
def test_landmarks_that_are_none_are_worth_nothing(landmarks: np.ndarray) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (112, 112), dtype=np.uint8)
    assert face_quality(crop, np.float32([[1, 0, 0], [0, 1, 0]]), landmarks) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, (112, 112)),
    arrays(np.float32, (2, 3), elements=st.floats(-3, 3, width=32)),
    arrays(np.float32, (68, 2), elements=st.floats(-50, 2000, width=32)),
)
def test_it_is_always_from_0_to_1(crop: np.ndarray, affine: np.ndarray, landmarks: np.ndarray) -> None:
    assert 0.0 <= face_quality(crop, affine, landmarks) <= 1.0
