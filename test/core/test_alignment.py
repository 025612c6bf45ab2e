"""Five-point alignment: points land where the template says, pixels come from the right place."""

import cv2
import numpy as np
import pytest

from emotional_dan_ros.core.alignment import (
    TEMPLATE_PX,
    box_transform,
    crop_transform,
    keypoints_from_landmarks,
    warp_crop,
)
from emotional_dan_ros.core.geometry import apply_affine, invert_affine
from emotional_dan_ros.core.types import CROP_SIZE_PX


def _similarity(angle_deg, scale, tx, ty):
    a, b = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
    return np.array([[a, -b, tx], [b, a, ty]])


@pytest.mark.parametrize("angle", [-60, 0, 25])
def test_keypoints_of_a_turned_face_land_on_the_template(angle):
    keypoints = apply_affine(TEMPLATE_PX, _similarity(angle, 1.7, 200, 90))
    assert apply_affine(keypoints, crop_transform(keypoints)) == pytest.approx(TEMPLATE_PX, abs=1e-3)


def test_template_is_symmetric_and_inside():
    mirrored = TEMPLATE_PX[[1, 0, 2, 4, 3]] * [-1, 1] + [CROP_SIZE_PX - 1, 0]
    assert mirrored == pytest.approx(TEMPLATE_PX, abs=1e-4)
    assert (TEMPLATE_PX > 0).all()
    assert (TEMPLATE_PX < CROP_SIZE_PX - 1).all()


def test_keypoints_from_landmarks_by_hand():
    landmarks = np.zeros((68, 2))
    landmarks[36:42] = [[0, 0], [1, 1], [2, 1], [3, 0], [2, -1], [1, -1]]
    landmarks[42:48] = landmarks[36:42] + np.array([10, 2])
    landmarks[30], landmarks[48], landmarks[54] = [6, 7], [2, 9], [11, 8]
    assert keypoints_from_landmarks(landmarks).tolist() == [[1.5, 0], [11.5, 2], [6, 7], [2, 9], [11, 8]]
    with pytest.raises(ValueError, match="68"):
        keypoints_from_landmarks(np.zeros((5, 2)))


@pytest.mark.parametrize("scale", [0.35, 1.0, 4.0, 9.0])
def test_a_bright_spot_on_the_nose_is_found_at_the_template_nose(scale):
    placement = _similarity(15, scale, 60 + 40 * scale, 30)
    keypoints = apply_affine(TEMPLATE_PX, placement)
    image = np.zeros((1300, 1500, 3), dtype=np.uint8)
    nose = keypoints[2]
    cv2.circle(image, (round(float(nose[0])), round(float(nose[1]))), max(2, int(6 * scale)), (255, 255, 255), -1)
    crop = warp_crop(image, crop_transform(keypoints)).astype(float)
    ys, xs = np.mgrid[:CROP_SIZE_PX, :CROP_SIZE_PX]
    centre = np.array([(crop * xs).sum(), (crop * ys).sum()]) / crop.sum()
    # Rounding the spot to whole source pixels moves it by up to 0.5 / scale crop px.
    assert centre == pytest.approx(TEMPLATE_PX[2], abs=0.3 + 0.8 / scale)


def test_grey_and_bgr_of_the_same_grey_give_the_same_crop():
    rng = np.random.default_rng(0)
    grey = cv2.GaussianBlur(rng.integers(0, 256, (120, 160), dtype=np.uint8), (0, 0), 3)
    affine = _similarity(10, 0.8, 5, 3)
    colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    assert np.abs(warp_crop(grey, affine).astype(int) - warp_crop(colour, affine)).max() <= 1


def test_identity_returns_the_pixels_themselves():
    image = np.random.default_rng(0).integers(0, 256, (CROP_SIZE_PX, CROP_SIZE_PX), dtype=np.uint8)
    assert (warp_crop(image, np.array([[1, 0, 0], [0, 1, 0]])) == image).all()


def test_a_near_face_is_not_aliased():
    # One-pixel stripes are grey at a tenth of the size; sampling without averaging would keep them.
    stripes = np.zeros((1200, 1200), dtype=np.uint8)
    stripes[:, ::2] = 255
    crop = warp_crop(stripes, np.array([[0.1, 0, 0], [0, 0.1, 0]]))[:110, :110]
    assert np.abs(crop.astype(int) - 127).max() < 20


def test_a_face_partly_outside_the_image_repeats_the_border():
    image = np.full((50, 50), 80, dtype=np.uint8)
    assert (warp_crop(image, np.array([[1, 0, 60.0], [0, 1, 60.0]])) == 80).all()
    assert warp_crop(image, np.array([[1, 0, 5000.0], [0, 1, 5000.0]])).shape == (CROP_SIZE_PX, CROP_SIZE_PX)


def test_box_puts_the_eyes_at_the_template_height():
    # Eyes of a FER2013 frame lie on average at 40 % of its height, 36.2 % of its side apart.
    transform = box_transform(np.array([100, 50, 200, 150]))
    eyes = apply_affine(np.array([[149.5 - 18.1, 89.5], [149.5 + 18.1, 89.5]]), transform)
    assert eyes == pytest.approx(TEMPLATE_PX[:2], abs=1e-3)
    with pytest.raises(ValueError, match="box"):
        box_transform(np.array([5, 5, 5, 9]))


def test_inverse_brings_crop_points_back():
    keypoints = apply_affine(TEMPLATE_PX, _similarity(-20, 2.2, 300, 200))
    back = apply_affine(TEMPLATE_PX, invert_affine(crop_transform(keypoints)))
    assert back == pytest.approx(keypoints, abs=1e-2)
