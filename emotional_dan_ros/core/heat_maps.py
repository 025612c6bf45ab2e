"""Maps of where the network looked, laid over pictures; no network and no PyTorch here."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.geometry import apply_affine, invert_affine
from emotional_dan_ros.core.images import as_bgr
from emotional_dan_ros.core.types import FaceMap

#: How far a map covers the photograph where it is 1.
_OPACITY = 0.6


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


def paint_face_maps(canvas: NDArray[np.uint8], maps: Iterable[FaceMap]) -> None:
    """Lay the map of each face over its place in the image it was cut from, in place.

    Args:
        canvas: uint8 (H, W, 3) BGR, written to.
        maps: of that image.
    """
    for face in maps:
        left, top, right, bottom = _region(face, canvas.shape[1], canvas.shape[0])
        if left >= right or top >= bottom:
            continue
        # The region's own pixels to px of the map.
        affine = face.map_from_source.astype(np.float64)
        affine[:, 2] += affine[:, :2] @ (left, top)
        heat = cv2.warpAffine(
            face.heat, affine, (right - left, bottom - top), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        canvas[top:bottom, left:right] = paint_map(canvas[top:bottom, left:right], heat / 255.0)


def _region(face: FaceMap, width: int, height: int) -> tuple[int, int, int, int]:
    """The smallest upright box of whole source px that holds the map, clipped to the image."""
    rows, columns = face.heat.shape
    edges = np.array([(-1, -1), (columns, -1), (-1, rows), (columns, rows)], np.float32)
    corners = apply_affine(edges, invert_affine(face.map_from_source))
    left, top = np.floor(corners.min(axis=0)).astype(int).tolist()
    right, bottom = (np.ceil(corners.max(axis=0)).astype(int) + 1).tolist()
    return max(0, left), max(0, top), min(width, right), min(height, bottom)
