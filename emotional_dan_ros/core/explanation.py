"""Where the network looks: maps on aligned crops and on the faces of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.types import CROP_SIZE_PX, FaceMap, FrameEmotions, FrameFaces, FrameMaps
from emotional_dan_ros.model.explain import DEFAULT_LAYER, DEFAULT_METHOD, GradCam, Method
from emotional_dan_ros.model.preprocess import prepare_crops


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
        return CropExplanation(self.maps(crops, chosen), probabilities)

    def maps(self, crops: NDArray[np.uint8], emotions: NDArray[np.integer]) -> NDArray[np.float32]:
        """Maps for the emotions asked for, float32 (N, 112, 112), without recognising again.

        Args:
            crops: uint8 (N, 112, 112), at least one.
            emotions: int (N,).
        """
        classes = torch.as_tensor(emotions, dtype=torch.int64, device=self.recognizer.device)
        return to_crop(self.grad_cam(self.prepare(crops), classes).maps)

    def explain_frame(self, faces: FrameFaces, emotions: FrameEmotions) -> FrameMaps:
        """Say for each face of a frame what spoke for its likeliest emotion.

        Args:
            faces: of the frame.
            emotions: what was recognised of these faces, in the same order.
        """
        chosen = [state.emotion for state in emotions.states]
        maps: tuple[FaceMap, ...] = ()
        if chosen:
            heats = self.maps(np.stack([face.crop for face in faces.faces]), np.array(chosen, dtype=np.int64))
            maps = tuple(
                FaceMap(face.track_id, emotion, face.crop_from_source, np.rint(255 * heat).astype(np.uint8))
                for face, emotion, heat in zip(faces.faces, chosen, heats, strict=True)
            )
        return FrameMaps(faces.stamp_ns, faces.frame_id, faces.image_wh, emotions.model_name, maps)


def to_crop(maps: Tensor) -> NDArray[np.float32]:
    """Maps (N, S, S) of the network's input in px of the crop (N, 112, 112), edges on edges."""
    size = (CROP_SIZE_PX, CROP_SIZE_PX)
    resized = [cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in maps.cpu().numpy()]
    return np.stack(resized).astype(np.float32) if resized else np.zeros((0, *size), np.float32)
