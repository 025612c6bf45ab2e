"""Maps of where the network looks, for the pictures of a report."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.explanation import CropExplainer, paint_map
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.recognizer import EmotionRecognizer


@final
class MapPainter:
    """Lays over a crop what speaks for an emotion; loads the network when first asked.

    Args:
        weights: shipped name or path.
        device: auto, cpu, cuda or cuda:N.
    """

    def __init__(self, weights: str, device: str) -> None:
        self._weights, self._device = weights, device
        self._explainer: CropExplainer | None = None

    def __call__(self, crop: NDArray[np.uint8], emotion: Emotion) -> NDArray[np.uint8]:
        """Paint a crop, uint8 (112, 112): uint8 (112, 112, 3), BGR."""
        if self._explainer is None:
            self._explainer = CropExplainer(EmotionRecognizer.load(self._weights, self._device))
        explanation = self._explainer.explain(crop[None], np.array([int(emotion)]))
        return paint_map(crop, explanation.maps[0])
