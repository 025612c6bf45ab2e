"""Cameras that hang upside down, on their side, or look through a mirror."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.geometry import apply_affine, invert_affine
from emotional_dan_ros.core.types import Face, FrameFaces


@dataclass(frozen=True)
class Orientation:
    """How a camera's picture becomes upright.

    Attributes:
        rotation: clockwise turn in degrees: 0, 90, 180 or 270.
        mirrored: whether it must be mirrored left to right after the turn.
    """

    rotation: int = 0
    mirrored: bool = False

    @property
    def is_upright(self) -> bool:
        """Whether nothing is to be done."""
        return self.rotation == 0 and not self.mirrored

    def upright(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn an image."""
        if self.rotation:
            image = np.rot90(image, -self.rotation // 90)
        return np.ascontiguousarray(image[:, ::-1] if self.mirrored else image)

    def upright_from_source(self, source_wh: tuple[int, int]) -> NDArray[np.float32]:
        """float32 (2, 3): upright px = A @ [x, y, 1] of source px (pixel centres at integers)."""
        right, bottom = source_wh[0] - 1, source_wh[1] - 1
        turned = {
            0: ((1, 0, 0), (0, 1, 0)),
            90: ((0, -1, bottom), (1, 0, 0)),
            180: ((-1, 0, right), (0, -1, bottom)),
            270: ((0, 1, 0), (-1, 0, right)),
        }[self.rotation]
        affine = np.array(turned, dtype=np.float32)
        if self.mirrored:
            affine[0] *= -1
            affine[0, 2] += bottom if self.rotation in (90, 270) else right
        return affine

    def to_source(self, frame: FrameFaces) -> FrameFaces:
        """Faces found in the upright picture, in pixels of the picture as it came; crops stay upright."""
        width, height = frame.image_wh
        source_wh = (height, width) if self.rotation in (90, 270) else (width, height)
        forth = self.upright_from_source(source_wh)
        faces = tuple(_moved(face, forth, invert_affine(forth)) for face in frame.faces)
        return replace(frame, image_wh=source_wh, faces=faces)


def _moved(face: Face, forth: NDArray[np.float32], back: NDArray[np.float32]) -> Face:
    corners = apply_affine(face.box_xyxy.reshape(2, 2), back)
    crop_from_source = face.crop_from_source @ np.vstack((forth, (0, 0, 1)))
    return replace(
        face,
        box_xyxy=np.concatenate((corners.min(axis=0), corners.max(axis=0))).astype(np.float32),
        keypoints_px=apply_affine(face.keypoints_px, back).astype(np.float32),
        crop_from_source=crop_from_source.astype(np.float32),
    )
