"""The core as nodes and offline processing use it, made in one place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.keyframes import DEFAULT_DETECTION_INTERVAL
from emotional_dan_ros.core.perception import FacePipeline
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.tracking import FaceTracker
from emotional_dan_ros.core.types import FrameEmotions

#: Image uint8 (H, W, 3) BGR and its stamp in ns to the emotions of its faces.
Core = Callable[[NDArray[np.uint8], int], FrameEmotions]


def face_pipeline(device: str = "auto") -> FacePipeline:
    """Camera images to aligned faces of known passengers, with the defaults of the package."""
    return FacePipeline(FaceDetector(device=device), FaceTracker(), DEFAULT_DETECTION_INTERVAL)


def whole_core(weights: str = "rt", device: str = "auto", threads: int | None = None) -> Core:
    """Camera images to emotions, with the defaults of the package."""
    faces = face_pipeline(device)
    recognizer = EmotionRecognizer.load(weights, device, threads)
    recognizer.warm_up((1, 2, 4, 8))
    return lambda image, stamp_ns: recognizer.recognize(faces.process(image, stamp_ns, "camera"))
