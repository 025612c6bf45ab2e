"""Photographs that show more than a face: it is found and aligned as in the vehicle."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import crop_transform
from emotional_dan_ros.core.boxes import box_sides
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.geometry import compose_affine

#: Images with a shorter side are enlarged: a face of a few dozen px that fills its image is too small for the detector.
MIN_SIDE_PX = 320
#: But never beyond this: a strip of two rows holds no face, and would take gigabytes.
_MAX_SIDE_PX = 4096


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, with its shorter side brought to `MIN_SIDE_PX` where it is less and the longer one allows it."""
    factor = min(MIN_SIDE_PX / min(image.shape[:2]), _MAX_SIDE_PX / max(image.shape[:2]))
    if factor <= 1:
        return image
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


class LargestFace:
    """Finds the largest face of a photograph.

    Args:
        device: where the detector computes.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._detector = FaceDetector(device=device)

    def crop_transform(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """By the face's five keypoints, the affine (2, 3) from px of a grey image (H, W) to px of the crop, or None."""
        large = enlarged(image)
        found = self._detector.detect(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR))
        if not found:
            return None
        areas = box_sides(np.stack([face.box_xyxy for face in found])).prod(axis=1)
        transform = crop_transform(found[int(np.argmax(areas))].keypoints_px)
        scale = np.array([large.shape[1] / image.shape[1], large.shape[0] / image.shape[0]], dtype=np.float32)
        # Edges of the two images lie upon each other, so that centres of pixels are half a pixel off.
        to_large = np.array([[scale[0], 0, (scale[0] - 1) / 2], [0, scale[1], (scale[1] - 1) / 2]], dtype=np.float32)
        return compose_affine(transform, to_large)
