"""Box arithmetic against numbers worked by hand and against torchvision."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emotional_dan_ros.core.boxes import (
    box_centres,
    box_sides,
    non_maximum_suppression,
    overlaps,
    shift_by_offsets,
    to_squares,
)

NONE = np.zeros((0, 4), np.float32)


def random_boxes(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(1, 60, (count, 2))], axis=1).astype(np.float32)


@pytest.mark.parametrize("over_smaller", [False, True])
def test_no_boxes(over_smaller: bool) -> None:
    assert overlaps(NONE, NONE, over_smaller).shape == (0, 0)
    assert overlaps(NONE, random_boxes(0, 3), over_smaller).shape == (0, 3)
    assert non_maximum_suppression(NONE, 0.5, over_smaller).shape == (0,)
    assert to_squares(NONE).shape == (0, 4)
    assert shift_by_offsets(NONE, NONE).shape == (0, 4)


def test_overlaps_by_hand() -> None:
    box = np.float32([[0, 0, 4, 2]])
    others = np.float32([[0, 0, 4, 2], [2, 0, 6, 2], [4, 0, 8, 2], [1, 0, 2, 1], [3, 3, 3, 3]])
    assert_allclose(overlaps(box, others), [[1, 4 / 12, 0, 1 / 8, 0]], rtol=1e-6)
    assert_allclose(overlaps(box, others, over_smaller=True), [[1, 4 / 8, 0, 1, 0]], rtol=1e-6)


def test_sides_and_centres_by_hand() -> None:
    box = np.float32([1, 2, 4, 8])
    assert_array_equal(box_sides(box), [3, 6])
    assert_array_equal(box_centres(box), [2.5, 5])


def test_squares_keep_the_centre_and_the_longer_side() -> None:
    assert_array_equal(to_squares(np.float32([[0, 0, 4, 2], [0, 0, 2, 6]])), [[0, -1, 4, 3], [-2, 0, 4, 6]])


def test_offsets_are_in_units_of_the_box() -> None:
    assert_allclose(
        shift_by_offsets(np.float32([[10, 20, 20, 40]]), np.float32([[0.1, 0.1, -0.1, 0.5]])), [[11, 22, 19, 50]]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_overlap", [0.2, 0.5, 0.7])
def test_suppression_is_that_of_torchvision(seed: int, max_overlap: float) -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    boxes = random_boxes(seed, 60)
    scores = torch.arange(60, 0, -1).float()
    expected = ops.nms(torch.from_numpy(boxes), scores, max_overlap).numpy()
    assert_array_equal(non_maximum_suppression(boxes, max_overlap), expected)


def test_suppression_over_the_smaller_area_removes_boxes_within_boxes() -> None:
    boxes = np.float32([[0, 0, 100, 100], [10, 10, 30, 30], [200, 0, 210, 10]])
    assert_array_equal(non_maximum_suppression(boxes, 0.7), [0, 1, 2])
    assert_array_equal(non_maximum_suppression(boxes, 0.7, over_smaller=True), [0, 2])
