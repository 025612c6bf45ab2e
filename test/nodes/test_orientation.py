"""Turned and mirrored cameras: pictures, boxes and points against pixels found by looking."""

from __future__ import annotations

import numpy as np
import pytest

from emotional_dan_ros.core.types import Face, FrameFaces
from emotional_dan_ros.nodes.orientation import Orientation

WIDTH, HEIGHT = 30, 20
ALL = [(rotation, mirrored) for rotation in (0, 90, 180, 270) for mirrored in (False, True)]


def source_image() -> np.ndarray:
    """Every pixel has its own value: 100 * y + x in two channels."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack((x, y, np.zeros_like(x)), axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [  # which source pixel comes to lie in the upper left corner
        (Orientation(0), (0, 0)),
        (Orientation(90), (0, HEIGHT - 1)),
        (Orientation(180), (WIDTH - 1, HEIGHT - 1)),
        (Orientation(270), (WIDTH - 1, 0)),
        (Orientation(0, mirrored=True), (WIDTH - 1, 0)),
        (Orientation(90, mirrored=True), (0, 0)),
    ],
)
def test_the_upper_left_corner(orientation, corner):
    assert tuple(orientation.upright(source_image())[0, 0, :2]) == corner


@pytest.mark.parametrize(("rotation", "mirrored"), ALL)
def test_the_affine_says_where_pixels_went(rotation, mirrored):
    orientation = Orientation(rotation, mirrored)
    upright = orientation.upright(source_image())
    affine = orientation.upright_from_source((WIDTH, HEIGHT))
    for x, y in ((0, 0), (7, 3), (WIDTH - 1, HEIGHT - 1)):
        u, v = affine @ (x, y, 1)
        assert tuple(upright[int(v), int(u), :2]) == (x, y)


@pytest.mark.parametrize(("rotation", "mirrored"), ALL)
def test_faces_come_back_to_where_they_are_in_the_source(rotation, mirrored):
    orientation = Orientation(rotation, mirrored)
    upright = orientation.upright(source_image())
    height, width = upright.shape[:2]
    keypoints = np.array([[4, 5], [9, 5], [6, 8], [5, 11], [8, 11]], np.float32)
    to_crop = np.array([[2, 0.5, 3], [-0.5, 2, 1]], np.float32)
    box = np.array([3, 4, 10, 12], np.float32)
    face = Face(1, 0.9, box, keypoints, to_crop, np.zeros((112, 112), np.uint8))
    frame = orientation.to_source(FrameFaces(1, "cabin", (width, height), (face,)))
    assert frame.image_wh == (WIDTH, HEIGHT)
    (moved,) = frame.faces
    for (u, v), (x, y) in zip(keypoints, moved.keypoints_px, strict=True):
        assert tuple(upright[int(v), int(u), :2]) == (x, y)
        crop_px = to_crop @ (u, v, 1)
        np.testing.assert_allclose(moved.crop_from_source @ (x, y, 1), crop_px, atol=1e-4)
    corners = {tuple(upright[v, u, :2]) for u in (3, 10) for v in (4, 12)}
    left, top, right, bottom = moved.box_xyxy
    assert {(left, top), (right, top), (left, bottom), (right, bottom)} == corners
    assert moved.crop is face.crop


def test_upright_cameras_are_left_alone():
    assert Orientation().is_upright
    assert not Orientation(180).is_upright
    assert not Orientation(mirrored=True).is_upright
