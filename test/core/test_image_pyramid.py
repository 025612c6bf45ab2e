"""Shrunken views against exact area means."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emotional_dan_ros.core.image_pyramid import ImagePyramid, cut_squares


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


def test_squares_are_cut_at_whole_px_that_can_be_halved() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3), dtype=np.uint8)
    squares, crops, indices = cut_squares(image, np.float32([[10.4, 20.2, 106.1, 116.0], [3, 5, 27, 29]]), 24)
    assert_array_equal(squares, [[10, 20, 106, 116], [3, 5, 27, 29]])
    assert_array_equal(indices, [0, 1])
    # 96 px are halved twice: each px is the mean of 4x4, up to the rounding of each halving.
    means = image[20:116, 10:106].reshape(24, 4, 24, 4, 3).mean(axis=(1, 3))
    assert_allclose(crops[0], means, atol=1.0)
    assert_array_equal(crops[1], image[5:29, 3:27])
