"""What counts as a camera image."""

from __future__ import annotations

import numpy as np
import pytest

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.images import as_bgr, check_image

GOOD = [np.zeros((1, 1), np.uint8), np.zeros((1, 1, 3), np.uint8), np.zeros((5, 7, 3), np.uint8)[::2, ::-1]]
BAD = [
    (None, "got NoneType"),
    ([[1, 2]], "got list"),
    (np.zeros((4, 4, 3), np.float32), "got dtype float32"),
    (np.zeros((4, 4), np.uint16), "got dtype uint16"),
    (np.zeros((4, 4, 4), np.uint8), r"got \(4, 4, 4\)"),
    (np.zeros((4, 4, 1), np.uint8), r"got \(4, 4, 1\)"),
    (np.zeros(4, np.uint8), r"got \(4,\)"),
    (np.zeros((2, 4, 4, 3), np.uint8), r"got \(2, 4, 4, 3\)"),
    (np.zeros((0, 4, 3), np.uint8), r"zero size \(0, 4\)"),
    (np.zeros((4, 0), np.uint8), r"zero size \(4, 0\)"),
]


@pytest.mark.parametrize("image", GOOD)
def test_images_pass_as_they_are(image: np.ndarray) -> None:
    assert check_image(image) is image


@pytest.mark.parametrize(("image", "complaint"), BAD)
def test_anything_else_is_told_in_one_line(image: object, complaint: str) -> None:
    for function in (check_image, as_bgr):
        with pytest.raises(UserError, match=complaint) as caught:
            function(image)
        assert "\n" not in str(caught.value)


def test_grey_fills_all_three_channels() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(as_bgr(grey), np.stack([grey] * 3, axis=2))


def test_contiguous_bgr_is_not_copied() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    assert np.shares_memory(as_bgr(image), image)
    np.testing.assert_array_equal(as_bgr(image[:, ::-1]), image[:, ::-1])
