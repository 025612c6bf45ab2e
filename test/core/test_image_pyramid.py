"""Shrunken views against exact area means."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emotional_dan_ros.core.image_pyramid import ImagePyramid


def ramp(width: int, height: int) -> np.ndarray:
    """A smooth image that says of each px where it lies: blue by x, green by y, red constant."""
    x, y = np.meshgrid(np.linspace(20, 230, width), np.linspace(20, 230, height))
    return np.round(np.stack([x, y, np.full_like(x, 77)], axis=2)).astype(np.uint8)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_whole_fraction_is_the_mean_of_its_blocks(factor: int) -> None:
    image = np.random.default_rng(factor).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    expected = image.reshape(48 // factor, factor, 64 // factor, factor, 3).mean(axis=(1, 3))
    # Half a grey level is lost at each halving.
    assert_allclose(ImagePyramid(image).scaled(1 / factor), expected, atol=0.5 * np.log2(factor) + 0.51)


@pytest.mark.parametrize("scale", [0.9, 0.5, 0.3, 0.11])
def test_a_scaled_image_covers_the_same_scene(scale: float) -> None:
    small = ImagePyramid(ramp(320, 180)).scaled(scale)
    assert small.shape == (round(180 * scale), round(320 * scale), 3)
    assert_allclose(small, ramp(*small.shape[1::-1]), atol=210 / min(small.shape[:2]) + 1)


def test_a_single_px_can_be_scaled() -> None:
    assert ImagePyramid(np.full((1, 1, 3), 9, np.uint8)).scaled(0.1).tolist() == [[[9, 9, 9]]]


@pytest.mark.parametrize("side", [12, 24, 48, 101, 203])
def test_crops_show_what_is_in_the_box_that_comes_with_them(side: int) -> None:
    image = ramp(321, 241)
    asked = np.float32([31, 21, 31 + side, 21 + side])
    boxes, crops = ImagePyramid(image).crops(asked[None], 24)
    assert crops.shape == (1, 24, 24, 3)
    assert_allclose(boxes, asked[None], atol=max(0.5, side / 24 / 2))
    # The image is linear: the mean of a box is the value at its centre, in px whose centres are at +0.5.
    centre_x, centre_y = (boxes[0, :2] + boxes[0, 2:]) / 2 - 0.5
    expected = [20 + 210 * centre_x / 320, 20 + 210 * centre_y / 240, 77]
    # Each halving may round a quarter of a grey level up.
    assert_allclose(crops[0].mean(axis=(0, 1)), expected, atol=1.0)
    assert_allclose(
        crops[0, :, -1, 0].mean() - crops[0, :, 0, 0].mean(), 210 / 320 * side * 23 / 24, rtol=0.1, atol=1.0
    )


def test_outside_the_image_a_crop_is_black() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    _, crops = ImagePyramid(white).crops(np.float32([[-24, -24, 24, 24]]), 48)
    assert crops[0, :24].max() == crops[0, :, :24].max() == 0
    assert crops[0, 24:, 24:].min() == 255


def test_boxes_that_miss_the_image_are_left_out() -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    boxes, crops = ImagePyramid(image).crops(np.float32([[60, 0, 80, 20], [0, 0, 20, 20], [0, -30, 20, -10]]), 24)
    assert_array_equal(boxes, [[0, 0, 20, 20]])
    assert len(crops) == 1
    assert ImagePyramid(image).crops(np.zeros((0, 4), np.float32), 24)[1].shape == (0, 24, 24, 3)
