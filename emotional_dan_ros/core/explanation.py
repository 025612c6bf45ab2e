"""Where the network looks: maps on aligned crops, and maps as pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros.core.images import as_bgr
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.types import CROP_SIZE_PX
from emotional_dan_ros.model.explain import DEFAULT_LAYER, DEFAULT_METHOD, GradCam, Method
from emotional_dan_ros.model.preprocess import prepare_crops

#: How far a map covers the photograph where it is 1.
_OPACITY = 0.6


@dataclass(frozen=True, eq=False)
class CropExplanation:
    """Maps of aligned crops.

    Attributes:
        maps: float32 (N, 112, 112), 0 .. 1, px of the crop.
        probabilities: float32 (N, 7), calibrated.
    """

    maps: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class CropExplainer:
    """Explains what a recogniser says of crops.

    Args:
        recognizer: with its weights.
        layer: see `GradCam`.
        method: see `Method`.
    """

    def __init__(
        self, recognizer: EmotionRecognizer, layer: str = DEFAULT_LAYER, method: Method = DEFAULT_METHOD
    ) -> None:
        self.recognizer = recognizer
        self.grad_cam = GradCam(recognizer.model, layer, method)

    def prepare(self, crops: NDArray[np.uint8]) -> Tensor:
        """Crops (N, 112, 112) as the network takes them, on its device."""
        images = torch.from_numpy(crops).to(self.recognizer.device)
        return prepare_crops(images, self.recognizer.model.config.image_size)

    def explain(self, crops: NDArray[np.uint8], emotions: NDArray[np.integer] | None = None) -> CropExplanation:
        """Maps for the emotions asked for, or for the likeliest of each crop.

        Args:
            crops: uint8 (N, 112, 112).
            emotions: int (N,) or None.
        """
        probabilities = self.recognizer.predict_crops(crops).probabilities
        # The likeliest is not always that of the largest logit: the prior of the weights counts too.
        chosen = probabilities.argmax(axis=1) if emotions is None else emotions
        classes = torch.as_tensor(chosen, dtype=torch.int64, device=self.recognizer.device)
        return CropExplanation(to_crop(self.grad_cam(self.prepare(crops), classes).maps), probabilities)


def to_crop(maps: Tensor) -> NDArray[np.float32]:
    """Maps (N, S, S) of the network's input in px of the crop (N, 112, 112), edges on edges."""
    size = (CROP_SIZE_PX, CROP_SIZE_PX)
    resized = [cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in maps.cpu().numpy()]
    return np.stack(resized).astype(np.float32) if resized else np.zeros((0, *size), np.float32)


def paint_map(image: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Lay a map over an image: clear where it is 0, blue over green to red where it is higher.

    Args:
        image: uint8 (H, W, 3) BGR or (H, W) grey.
        heat: (H, W), 0 .. 1.

    Returns:
        uint8 (H, W, 3) BGR, a new array.
    """
    base = as_bgr(image).astype(np.float32)
    colours = cv2.applyColorMap(np.rint(255 * heat).clip(0, 255).astype(np.uint8), cv2.COLORMAP_JET)
    weight = (_OPACITY * heat[..., None]).astype(np.float32)
    return np.rint((1 - weight) * base + weight * colours).astype(np.uint8)
