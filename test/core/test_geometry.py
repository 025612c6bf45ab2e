"""Similarity and affine transforms against cases worked by hand and OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotional_dan_ros.core.geometry import (
    affine_scale,
    apply_affine,
    compose_affine,
    invert_affine,
    similarity_transform,
)


def test_quarter_turn_doubling_and_shift_by_hand():
    src = np.array([[0, 0], [1, 0], [0, 1]])
    # (x, y) -> (-2y + 3, 2x + 5)
    dst = np.array([[3, 5], [3, 7], [1, 5]])
    assert similarity_transform(src, dst) == pytest.approx(np.array([[0, -2, 3], [2, 0, 5]]), abs=1e-6)


def test_least_squares_of_points_that_do_not_fit():
    # A reflection is not allowed; the best similarity of a mirrored triangle is worse than none of its errors.
    rng = np.random.default_rng(1)
    src, dst = rng.normal(size=(2, 6, 2))
    best = similarity_transform(src, dst)
    error = np.square(apply_affine(src, best) - dst).sum()
    for _ in range(200):
        a, b, tx, ty = np.array([best[0, 0], best[1, 0], best[0, 2], best[1, 2]]) + rng.normal(scale=0.05, size=4)
        other = np.array([[a, -b, tx], [b, a, ty]])
        assert np.square(apply_affine(src, other) - dst).sum() >= error


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 20),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_recovers_any_similarity(angle, scale, shift):
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    truth = np.array([[a, -b, shift[0]], [b, a, shift[1]]])
    src = np.array([[10, 20], [80, 22], [44, 60], [20, 90], [70, 91]], dtype=float)
    assert similarity_transform(src, apply_affine(src, truth)) == pytest.approx(truth, rel=1e-3, abs=1e-2)


def test_inverse_agrees_with_opencv_and_undoes():
    affine = np.array([[0.4, -0.3, 12.0], [0.3, 0.4, -7.0]], dtype=np.float32)
    inverse = invert_affine(affine)
    assert inverse == pytest.approx(cv2.invertAffineTransform(affine), abs=1e-4)
    assert compose_affine(inverse, affine) == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=1e-5)
    assert affine_scale(affine) == pytest.approx(0.5)


def test_compose_applies_the_inner_first():
    double = np.array([[2, 0, 0], [0, 2, 0]])
    shift = np.array([[1, 0, 10], [0, 1, 0]])
    assert apply_affine(np.array([[1.0, 1.0]]), compose_affine(shift, double)).tolist() == [[12.0, 2.0]]


@pytest.mark.parametrize(
    ("src", "dst"),
    [(np.zeros((1, 2)), np.zeros((1, 2))), (np.zeros((3, 2)), np.zeros((4, 2))), (np.ones((3, 2)), np.zeros((3, 2)))],
)
def test_refuses_what_defines_no_similarity(src, dst):
    with pytest.raises(ValueError, match=r"expected|coincide"):
        similarity_transform(src, dst)


def test_refuses_to_invert_a_projection():
    with pytest.raises(ValueError, match="singular"):
        invert_affine(np.array([[1, 0, 0], [2, 0, 0]]))
