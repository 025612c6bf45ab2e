"""facenet-pytorch's MTCNN as it comes, on every frame, and our network run plainly: eager, float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from facenet_pytorch import MTCNN

from emotional_dan_ros.core.alignment import crop_transform, warp_crop
from emotional_dan_ros.model.preprocess import prepare_crops
from emotional_dan_ros.model.weights import load_weights


def make() -> Callable[[Any, int], int]:
    """Keypoints of MTCNN, our alignment, our network."""
    detector = MTCNN(keep_all=True, device="cpu")
    model, _ = load_weights("rt")
    model.eval()

    def step(image: Any, stamp_ns: int) -> int:
        boxes, _, keypoints = detector.detect(np.ascontiguousarray(image[..., ::-1]), landmarks=True)
        if boxes is None:
            return 0
        crops = np.stack([warp_crop(image, crop_transform(points.astype(np.float32))) for points in keypoints])
        with torch.no_grad():
            output = model(prepare_crops(torch.from_numpy(crops), model.config.image_size))
            return len(torch.softmax(output.logits, dim=1).numpy())

    return step
