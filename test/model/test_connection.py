"""Similarity transform, resampling and heat map against values worked by hand and against other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor
from torch.autograd import gradcheck

from emotional_dan_ros.model.connection import (
    invert_similarity,
    landmark_heatmap,
    resample,
    similarity_to,
    transform_points,
)


def similarity(scale: float, degrees: float, x: float, y: float) -> Tensor:
    """One affine (1, 2, 3), float64."""
    a, b = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return torch.tensor([[[a, -b, x], [b, a, y]]], dtype=torch.float64)


def random_points(count: int, size: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.rand(count, 68, 2, generator=generator, dtype=torch.float64)


class TestSimilarity:
    def test_a_quarter_turn_by_hand(self) -> None:
        # (x, y) -> (5 - 2 y, 7 + 2 x): twice the size, a quarter turn from x to y.
        source = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
        target = torch.tensor([[5.0, 7.0], [5.0, 9.0], [3.0, 7.0]])
        torch.testing.assert_close(similarity_to(source, target), torch.tensor([[[0.0, -2.0, 5.0], [2.0, 0.0, 7.0]]]))

    def test_least_squares_as_numpy_solves_it(self) -> None:
        source, target = random_points(5, 40) + random_points(1, 40, seed=1), random_points(1, 40, seed=1)[0]
        ours = similarity_to(source, target)  # the two are related, with noise
        for i in range(5):
            x, y = source[i].numpy().T
            one, zero = np.ones(68), np.zeros(68)
            rows = np.stack([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)], 1).reshape(-1, 4)
            a, b, tx, ty = np.linalg.lstsq(rows, target.numpy().reshape(-1), rcond=None)[0]
            np.testing.assert_allclose(ours[i], [[a, -b, tx], [b, a, ty]], atol=1e-10)

    def test_inverse(self) -> None:
        there = torch.cat([similarity(1.7, 25, 3, -4), similarity(0.4, -160, -30, 9)])
        full = torch.cat([there, torch.tensor([[[0.0, 0.0, 1.0]]], dtype=torch.float64).expand(2, 1, 3)], dim=1)
        torch.testing.assert_close(invert_similarity(there), torch.linalg.inv(full)[:, :2])

    def test_points_by_hand(self) -> None:
        moved = transform_points(torch.tensor([[[3.0, 4.0]]], dtype=torch.float64), similarity(2, 90, 1, -1))
        torch.testing.assert_close(moved, torch.tensor([[[-7.0, 5.0]]], dtype=torch.float64))


class TestResample:
    IMAGE = torch.arange(25, dtype=torch.float64).reshape(1, 1, 5, 5)  # value 5 y + x

    def test_identity_repeats_the_last_but_one(self) -> None:
        # As published: positions end at S - 2, so the last row and column are those before them.
        expected = self.IMAGE.clone()
        expected[..., 4] = expected[..., 3]
        expected[..., 4, :] = expected[..., 3, :]
        torch.testing.assert_close(resample(self.IMAGE, similarity(1, 0, 0, 0)), expected)

    def test_shift_by_hand(self) -> None:
        # Half a pixel to the right: column x shows the source at x - 0.5; left of the image its border.
        row = resample(self.IMAGE, similarity(1, 0, 0.5, 0))[0, 0, 1]
        torch.testing.assert_close(row, torch.tensor([5.0, 5.5, 6.5, 7.5, 8.0], dtype=torch.float64))

    def test_turned_and_scaled_as_scipy_has_it(self) -> None:
        generator = torch.Generator().manual_seed(2)
        image = torch.rand(1, 1, 20, 20, generator=generator, dtype=torch.float64)
        transform = similarity(1.3, 33, -4, 2)
        linear, shift = transform[0, :, :2].numpy(), transform[0, :, 2].numpy()
        y, x = np.mgrid[0:20, 0:20]
        source = np.linalg.inv(linear) @ (np.stack([x.ravel(), y.ravel()]) - shift[:, None])
        inside = np.clip(source, 0, 18)[::-1]  # rows first
        expected = map_coordinates(image[0, 0].numpy(), inside, order=1).reshape(20, 20)
        np.testing.assert_allclose(resample(image, transform)[0, 0], expected, atol=1e-10)

    def test_half_precision_images_keep_their_dtype_and_exact_geometry(self) -> None:
        image = self.IMAGE.to(torch.bfloat16)
        moved = resample(image, similarity(1, 0, 1, 0).float())
        assert moved.dtype == torch.bfloat16
        assert moved[0, 0, 2].tolist() == [10, 10, 11, 12, 13]


class TestHeatMap:
    def test_one_landmark_by_hand(self) -> None:
        image = landmark_heatmap(torch.tensor([[[10.0, 12.0]]]), size=32, half_px=8)[0, 0]
        assert image[12, 10] == pytest.approx(1, abs=2e-6)  # row y, column x
        assert image[12, 11] == pytest.approx(1 / 2)
        assert image[12 + 4, 10 - 3] == pytest.approx(1 / 6)  # 3-4-5
        assert image[12, 2] == pytest.approx(1 / 9)  # 8 px before ...
        assert image[12, 17] == pytest.approx(1 / 8)
        assert image[12, 18] == 0  # ... and 7 after
        assert image[3, 10] == 0

    def test_between_pixels_by_hand(self) -> None:
        image = landmark_heatmap(torch.tensor([[[10.25, 12.0]]]), size=32, half_px=8)[0, 0]
        assert image[12, 10] == pytest.approx(1 / 1.25)
        assert image[12, 11] == pytest.approx(1 / 1.75)

    def test_the_nearer_of_two_counts(self) -> None:
        image = landmark_heatmap(torch.tensor([[[10.0, 12.0], [14.0, 12.0]]]), size=32, half_px=8)[0, 0]
        assert image[12, 13] == pytest.approx(1 / 2)

    def test_outside_is_drawn_at_the_border(self) -> None:
        image = landmark_heatmap(torch.tensor([[[-5.0, 99.0]]]), size=32, half_px=8)[0, 0]
        assert image[23, 8] == pytest.approx(1, abs=2e-6)
        assert (image > 0).sum() == 16 * 16

    def test_many_as_one_by_one_in_loops(self) -> None:
        landmarks = random_points(2, 30, seed=3) - 2
        ours = landmark_heatmap(landmarks, size=24, half_px=4)
        expected = np.zeros((2, 24, 24))
        for face in range(2):
            for x, y in landmarks[face].clamp(4, 19).tolist():
                for row in range(int(y) - 4, int(y) + 4):
                    for column in range(int(x) - 4, int(x) + 4):
                        value = 1 / (1 + math.hypot(column - x, row - y))
                        expected[face, row, column] = max(expected[face, row, column], value)
        np.testing.assert_allclose(ours[:, 0], expected, atol=1e-6)


class TestGradients:
    """Against finite differences, in float64."""

    POINTS = random_points(2, 12, seed=5)[:, :6].requires_grad_()
    SHAPE = random_points(1, 12, seed=6)[0, :6]
    TRANSFORMS = torch.cat([similarity(1.2, 20, 1.3, -2.2), similarity(0.8, -35, 2.4, 3.1)]).requires_grad_()

    def test_similarity(self) -> None:
        assert gradcheck(lambda p: similarity_to(p, self.SHAPE), self.POINTS)

    def test_inverse(self) -> None:
        assert gradcheck(invert_similarity, self.TRANSFORMS)

    def test_points(self) -> None:
        assert gradcheck(transform_points, (self.POINTS, self.TRANSFORMS))

    def test_resample(self) -> None:
        image = random_points(1, 1, seed=7).reshape(-1)[:128].reshape(2, 1, 8, 8).requires_grad_()
        assert gradcheck(resample, (image, self.TRANSFORMS))

    def test_heat_map(self) -> None:
        assert gradcheck(lambda p: landmark_heatmap(p, size=14, half_px=3), self.POINTS)

    def test_a_landmark_on_a_pixel_has_a_finite_gradient(self) -> None:
        point = torch.tensor([[[5.0, 6.0]]], requires_grad=True)
        landmark_heatmap(point, size=16, half_px=4).sum().backward()
        assert point.grad is not None
        assert torch.isfinite(point.grad).all()


def test_batched_is_one_by_one() -> None:
    landmarks, shape = random_points(4, 20, seed=8), random_points(1, 20, seed=9)[0]
    images = torch.rand(4, 1, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def chain(points: Tensor, image: Tensor) -> Tensor:
        transform = similarity_to(points, shape)
        return resample(image, transform) + landmark_heatmap(transform_points(points, transform), 24, 4)

    one_by_one = torch.cat([chain(landmarks[i : i + 1], images[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(chain(landmarks, images), one_by_one)
