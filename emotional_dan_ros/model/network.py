"""EmotionalDAN: two-stage Deep Alignment Network with an emotion branch.

Tautkute, Trzcinski, Bielski, "I Know How You Feel: Emotion Recognition with Facial Landmarks" (CVPRW
2018) and "Classifying and Visualizing Emotions with Emotional DAN" (arXiv 1810.10529), on Kowalski,
Naruniec, Trzcinski, "Deep Alignment Network" (CVPRW 2017).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotional_dan_ros.model.blocks import Trunk, batch_norm
from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.connection import (
    invert_similarity,
    landmark_heatmap,
    resample,
    similarity_to,
    transform_points,
)


class Output(NamedTuple):
    """What the network says of a batch.

    Attributes:
        landmarks_stage1: (N, L, 2), px of the input.
        landmarks: (N, L, 2), px of the input, after stage 2.
        logits: (N, num_emotions), before softmax.
    """

    landmarks_stage1: Tensor
    landmarks: Tensor
    logits: Tensor


class Stage1(nn.Module):
    """Landmarks from the image alone.

    Shape:
        (N, 1, S, S) -> landmarks (N, L, 2) px and fc1 (N, feature_width)
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.trunk = Trunk(config, in_channels=1)
        self.landmarks = nn.Linear(config.feature_width, 2 * config.num_landmarks)
        _init_near_zero(self.landmarks)

    def forward(self, image: Tensor, mean_shape: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        feature = self.trunk(image)
        return _points(self.landmarks(feature)) + mean_shape, feature


class Stage2(nn.Module):
    """Landmarks refined in the canonical frame, and the emotion.

    Shape:
        image (N, 1, S, S), stage-1 landmarks (N, L, 2), fc1 (N, feature_width) -> landmarks, logits
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.size = config.image_size
        self.half_px = config.heatmap_half_px
        self.feature = nn.Linear(config.feature_width, (config.image_size // 2) ** 2)
        nn.init.xavier_uniform_(self.feature.weight)
        nn.init.zeros_(self.feature.bias)
        self.input_norm = batch_norm(config, 3, dims=2)
        self.trunk = Trunk(config, in_channels=3)
        self.landmarks = nn.Linear(config.feature_width, 2 * config.num_landmarks)
        self.emotion = nn.Linear(config.feature_width, config.num_emotions)
        _init_near_zero(self.landmarks)

    def connect(self, image: Tensor, landmarks: Tensor, feature: Tensor, mean_shape: Tensor) -> tuple[Tensor, ...]:
        """Connection layers: the stage's input before its batch norm, the moved landmarks, the transform."""
        transform = similarity_to(landmarks, mean_shape)
        moved = transform_points(landmarks, transform)
        canonical = resample(image, transform)
        heatmap = landmark_heatmap(moved, self.size, self.half_px)
        half = self.size // 2
        feature_image = F.relu(self.feature(feature)).reshape(-1, 1, half, half)
        feature_image = F.interpolate(feature_image, scale_factor=2, mode="nearest")
        stacked = torch.cat([canonical, heatmap.to(canonical.dtype), feature_image.to(canonical.dtype)], dim=1)
        return stacked, moved, transform

    def forward(self, image: Tensor, landmarks: Tensor, feature: Tensor, mean_shape: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        stacked, moved, transform = self.connect(image, landmarks, feature, mean_shape)
        if image.is_contiguous(memory_format=torch.channels_last):
            stacked = stacked.contiguous(memory_format=torch.channels_last)
        return self.read(stacked, moved, transform)

    def read(self, stacked: Tensor, moved: Tensor, transform: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks in px of the network's input, and logits, of what `connect` returned."""
        fc1 = self.trunk(self.input_norm(stacked))
        refined = _points(self.landmarks(fc1)) + moved
        return transform_points(refined, invert_similarity(transform)), self.emotion(fc1)


class EmotionalDAN(nn.Module):
    """The whole network.

    Args:
        config: architecture; see `ModelConfig`.
        mean_shape: (L, 2) px of the input, the shape to which stage 1 adds its estimate. Zeros until
            weights are loaded.

    Shape:
        image (N, 1, S, S), normalised as `Preprocessing` of the weights says -> `Output`

    Geometry is computed in float32 also under autocast: half precision would cost whole pixels.
    """

    mean_shape: Tensor

    def __init__(self, config: ModelConfig, mean_shape: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        shape = torch.zeros(config.num_landmarks, 2) if mean_shape is None else mean_shape.detach().float().clone()
        if shape.shape != (config.num_landmarks, 2):
            raise ValueError(f"expected a mean shape of ({config.num_landmarks}, 2), got {tuple(shape.shape)}")
        self.register_buffer("mean_shape", shape)
        self.stage1 = Stage1(config)
        self.stage2 = Stage2(config)

    def forward(self, image: Tensor) -> Output:
        """See the class."""
        size = self.config.image_size
        if image.ndim != 4 or image.shape[1] != 1 or image.shape[2] != size or image.shape[3] != size:
            raise ValueError(f"expected images of shape (N, 1, {size}, {size}), got {tuple(image.shape)}")
        first, feature = self.stage1(image, self.mean_shape)
        second, logits = self.stage2(image, first, feature, self.mean_shape)
        return Output(first, second, logits)


def _points(flat: Tensor) -> Tensor:
    return flat.float().reshape(flat.shape[0], -1, 2)


def _init_near_zero(layer: nn.Linear) -> None:
    # Both stages add to a shape that is already plausible; starting from "no change" keeps the similarity
    # transform well-conditioned in the first steps.
    nn.init.normal_(layer.weight, std=1e-3)
    nn.init.zeros_(layer.bias)
