"""Augmentation moves pixels and landmarks together, and without chance equals inference."""

import cv2
import numpy as np
import pytest
import torch

from emotional_dan_ros.core.alignment import crop_transform, keypoints_from_landmarks, warp_crop
from emotional_dan_ros.core.geometry import apply_affine
from emotional_dan_ros.model.preprocess import prepare_crops
from emotional_dan_ros.training.augmentation import FLIP_ORDER, AugmentationConfig, Augmenter
from emotional_dan_ros.training.faceset import align_face, base_size

GEOMETRY_ONLY = AugmentationConfig(gamma=0.0, side_light=0, blur=0, noise=0, cutout=0)


def _smooth_face(seed=0, side=160):
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.integers(0, 256, (side, side), dtype=np.uint8), (0, 0), 6)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    landmarks = side / 2 + side * 0.25 * np.column_stack([np.cos(angles), np.sin(angles)])
    landmarks[36:42] = [side * 0.4, side * 0.42]
    landmarks[42:48] = [side * 0.6, side * 0.42]
    landmarks[30], landmarks[48], landmarks[54] = (
        [side * 0.5, side * 0.52],
        [side * 0.42, side * 0.62],
        [side * 0.58, side * 0.62],
    )
    return image, landmarks


def test_flip_order_is_its_own_inverse_and_swaps_what_mirrors():
    order = np.array(FLIP_ORDER)
    assert sorted(order) == list(range(68))
    assert (order[order] == np.arange(68)).all()
    # iBUG: outer eye corners 36/45, inner 39/42, mouth corners 48/54, jaw ends 0/16, brows 17/26, chin and nose alone.
    for a, b in [(36, 45), (39, 42), (48, 54), (0, 16), (17, 26), (31, 35), (60, 64), (41, 46), (8, 8), (30, 30)]:
        assert order[a] == b


def test_without_chance_training_sees_what_inference_sees():
    image, landmarks = _smooth_face()
    crop, points = align_face(image, landmarks, base_size(64))
    trained, moved = Augmenter(AugmentationConfig(), 64).plain(torch.tensor(crop)[None], torch.tensor(points)[None])
    transform = crop_transform(keypoints_from_landmarks(landmarks))
    inferred = prepare_crops(torch.tensor(warp_crop(image, transform))[None], 64)
    # In standard deviations; what remains is two resamplings against one.
    assert (trained - inferred).abs().mean() < 0.04
    assert (trained - inferred).abs().max() < 0.25
    expected = (apply_affine(landmarks, transform) + 0.5) * 64 / 112 - 0.5
    assert moved[0].numpy() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_landmarks_move_with_the_pixels(flip):
    # A picture that encodes its own coordinates: what is sampled at a moved landmark must be the place it came from.
    side = base_size(64)
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    crops = torch.tensor(np.stack([np.tile(ramp, (side, 1)), np.tile(ramp[:, None], (1, side))]))
    landmarks = torch.full((2, 68, 2), side / 2.0) + torch.linspace(-12, 12, 68)[None, :, None] * torch.tensor(
        [1, -0.5]
    )
    config = AugmentationConfig(flip=flip, gamma=0.0, side_light=0, blur=0, noise=0, cutout=0, rotation_deg=15)
    augmenter = Augmenter(config, 64)
    rng = torch.Generator().manual_seed(0)
    _, moved = augmenter(crops, landmarks, rng)
    state = torch.Generator().manual_seed(0)
    images, _ = augmenter(crops, landmarks, state)
    grid = moved * 2 / 63 - 1
    sampled = torch.nn.functional.grid_sample(images, grid[:, None], align_corners=True)[:, 0, 0]
    origin = landmarks[:, list(FLIP_ORDER)] if flip else landmarks
    for picture, axis in ((0, 0), (1, 1)):
        # Standardising is affine in intensity, so positions and samples must be perfectly correlated.
        assert np.corrcoef(sampled[picture], origin[picture, :, axis])[0, 1] > 0.999


def test_same_seed_same_batch_and_standardised():
    image, landmarks = _smooth_face()
    crop, points = align_face(image, landmarks, base_size(48))
    crops, marks = torch.tensor(crop).repeat(16, 1, 1), torch.tensor(points).repeat(16, 1, 1)
    augmenter = Augmenter(AugmentationConfig(), 48)
    first = augmenter(crops, marks, torch.Generator().manual_seed(5))
    second = augmenter(crops, marks, torch.Generator().manual_seed(5))
    other = augmenter(crops, marks, torch.Generator().manual_seed(6))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])
    assert first[0].mean(dim=(1, 2, 3)).abs().max() < 1e-4
    assert (first[0].std(dim=(1, 2, 3)) - 1).abs().max() < 1e-2


def test_unknown_landmarks_take_the_whole_picture():
    image, _ = _smooth_face(side=48)
    crop, points = align_face(image, None, base_size(64))
    assert crop.shape == (base_size(64), base_size(64))
    assert not points.any()
