"""Maps of where the network looks, for the pictures of a report."""

from __future__ import annotations

import threading
from typing import final

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.explanation import CropExplainer
from emotional_dan_ros.core.heat_maps import paint_map
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.recognizer import EmotionRecognizer


@final
class MapPainter:
    """Lays over a crop what speaks for an emotion; loads the network when first asked. For any number of threads.

    Args:
        weights: shipped name or path.
        device: auto, cpu, cuda or cuda:N.
    """

    def __init__(self, weights: str, device: str) -> None:
        self._weights, self._device = weights, device
        self._explainer: CropExplainer | None = None
        self._lock = threading.Lock()  # the network is listened to while it computes

    def __call__(self, crop: NDArray[np.uint8], emotion: Emotion) -> NDArray[np.uint8]:
        """Paint a crop, uint8 (112, 112): uint8 (112, 112, 3), BGR."""
        with self._lock:
            if self._explainer is None:
                # The last digits of a sum depend on the number of threads.
                recognizer = EmotionRecognizer.load(self._weights, self._device, num_threads=1)
                self._explainer = CropExplainer(recognizer)
            explanation = self._explainer.explain(crop[None], np.array([int(emotion)]))
        return paint_map(crop, explanation.maps[0])
