"""Training faces in memory: decoded and aligned once, kept as uint8 tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros.core.alignment import box_transform, crop_transform, keypoints_from_landmarks, warp_crop
from emotional_dan_ros.core.geometry import apply_affine, compose_affine
from emotional_dan_ros.core.types import CROP_SIZE_PX, NUM_LANDMARKS

#: The stored crop reaches this factor beyond the crop that the network sees, so that shifts, rotations
#: and zooms out find real pixels where the source has them.
MARGIN = 1.3
#: Stored pixels per network pixel; above 1 so that zooming in does not blur.
OVERSAMPLING = 1.15


def base_size(image_size: int) -> int:
    """Side in px of the stored crops for a network of ``image_size``."""
    return round(image_size * MARGIN * OVERSAMPLING)


def base_from_crop(size_px: int) -> NDArray[np.float32]:
    """Affine from px of the 112 px crop to px of the stored crop, centre on centre."""
    scale = size_px / (CROP_SIZE_PX * MARGIN)
    offset = (size_px - 1) / 2 - scale * (CROP_SIZE_PX - 1) / 2
    return np.array([[scale, 0, offset], [0, scale, offset]], dtype=np.float32)


@dataclass(frozen=True)
class FaceSet:
    """Aligned faces with their labels.

    Attributes:
        crops: uint8 (N, B, B), grey, B = `base_size`.
        landmarks: float32 (N, 68, 2) px of ``crops``; arbitrary where not valid.
        landmarks_valid: bool (N,).
        targets: float32 (N, 7), probabilities of the emotions; rows sum to 1.
        weight: float32 (N,), how often an image is drawn relative to others.
    """

    crops: Tensor
    landmarks: Tensor
    landmarks_valid: Tensor
    targets: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return int(self.crops.shape[0])

    def checksum(self) -> str:
        """SHA-256 of the pixels, face by face."""
        return hashlib.sha256(self.crops.contiguous().numpy().data).hexdigest()

    @staticmethod
    def concatenate(sets: Sequence[FaceSet]) -> FaceSet:
        """One set of all faces, in order."""
        return FaceSet(*(torch.cat([getattr(s, f) for s in sets]) for f in FaceSet.__dataclass_fields__))


def align_face(
    image: NDArray[np.uint8], landmarks: NDArray[np.floating] | None, size_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Cut the stored crop of one face as the pipeline would cut its crop, with a margin.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) BGR.
        landmarks: (68, 2) px of ``image``, or None where unknown: the image is then taken as filled by
            the face.
        size_px: side of the stored crop.

    Returns:
        uint8 (size_px, size_px) and float32 (68, 2) landmarks in its px (zeros where unknown).
    """
    height, width = image.shape[:2]
    if landmarks is None:
        crop_from_source = box_transform(np.array([0, 0, width, height]))
    else:
        crop_from_source = crop_transform(keypoints_from_landmarks(landmarks))
    transform = compose_affine(base_from_crop(size_px), crop_from_source)
    crop = warp_crop(image, transform, size_px)
    if landmarks is None:
        return crop, np.zeros((NUM_LANDMARKS, 2), dtype=np.float32)
    return crop, apply_affine(landmarks, transform)
