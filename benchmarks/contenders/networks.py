"""The recognisers alone: batches of random crops of the size that each takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torchvision.models import efficientnet_b0

from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.types import CROP_SIZE_PX
from emotional_dan_ros.model.preprocess import prepare_crops
from emotional_dan_ros.model.weights import load_weights


def make_networks(faces: int) -> dict[str, Callable[[], object]]:
    """By name, what computes one batch from uint8 crops (ours) or normalised float crops (EfficientNet)."""
    crops = np.random.default_rng(0).integers(0, 256, (faces, CROP_SIZE_PX, CROP_SIZE_PX), dtype=np.uint8)
    recognizer = EmotionRecognizer.load("rt", "cpu")
    model, _ = load_weights("rt")
    efficientnet, images = efficientnet_b0(num_classes=8).eval(), torch.randn(faces, 3, 224, 224)

    @torch.no_grad()
    def plain() -> object:
        return model(prepare_crops(torch.from_numpy(crops), model.config.image_size))

    return {
        "rt as it runs here": lambda: recognizer.predict_crops(crops),
        "rt plainly, float32": plain,
        "EfficientNet-B0, 224 px": torch.no_grad()(lambda: efficientnet(images)),
    }
