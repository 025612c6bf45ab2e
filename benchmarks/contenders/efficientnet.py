"""facenet-pytorch's MTCNN as it comes, on every frame, and an EfficientNet-B0 at 224 px, as EmotiEffLib runs.

The network has random weights: its time does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from facenet_pytorch import MTCNN
from torchvision.models import efficientnet_b0

SIDE_PX = 224
NUM_EMOTIONS = 8
_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def make() -> Callable[[Any, int], int]:
    """Boxes of MTCNN, resized crops."""
    detector = MTCNN(keep_all=True, device="cpu")
    network = efficientnet_b0(num_classes=NUM_EMOTIONS).eval()

    def step(image: Any, stamp_ns: int) -> int:
        rgb = np.ascontiguousarray(image[..., ::-1])
        boxes, _ = detector.detect(rgb)
        if boxes is None:
            return 0
        crops = np.stack([_crop(rgb, box) for box in boxes])
        with torch.no_grad():
            return len(torch.softmax(network(torch.from_numpy(crops)), dim=1).numpy())

    return step


def _crop(rgb: Any, box: Any) -> Any:
    x0, y0, x1, y1 = (max(0, int(value)) for value in box)
    crop = cv2.resize(rgb[y0:y1, x0:x1], (SIDE_PX, SIDE_PX))
    return ((crop.astype(np.float32) / 255 - _MEAN) / _STD).transpose(2, 0, 1)
