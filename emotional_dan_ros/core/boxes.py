"""Boxes as arrays: float32 (N, 4), x0, y0, x1, y1 in px.

A box holds the px from its start up to, but not including, its end: its sides are plain differences.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray


def box_sides(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Width and height of boxes: (..., 4) -> (..., 2)."""
    return cast("NDArray[np.float32]", boxes_xyxy[..., 2:] - boxes_xyxy[..., :2])


def box_centres(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centres of boxes: (..., 4) -> (..., 2)."""
    return cast("NDArray[np.float32]", (boxes_xyxy[..., 2:] + boxes_xyxy[..., :2]) / 2)


def overlaps(
    boxes_xyxy: NDArray[np.float32], others_xyxy: NDArray[np.float32], over_smaller: bool = False
) -> NDArray[np.float32]:
    """Intersection over union of every box with every other: (N, 4), (M, 4) -> (N, M), 0..1.

    Args:
        boxes_xyxy: (N, 4).
        others_xyxy: (M, 4).
        over_smaller: divide by the smaller of the two areas instead of the union, so that a box
            within another counts as a full overlap.
    """
    start = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    end = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    shared = np.clip(end - start, 0.0, None).prod(axis=2)
    area = np.clip(box_sides(boxes_xyxy), 0.0, None).prod(axis=1)[:, None]
    other_area = np.clip(box_sides(others_xyxy), 0.0, None).prod(axis=1)[None, :]
    whole = np.minimum(area, other_area) if over_smaller else area + other_area - shared
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0.0)


def non_maximum_suppression(
    boxes_xyxy: NDArray[np.float32], max_overlap: float, over_smaller: bool = False
) -> NDArray[np.intp]:
    """Indices of the boxes (N, 4), given best first, that no better kept one overlaps by more."""
    overlapping = overlaps(boxes_xyxy, boxes_xyxy, over_smaller) > max_overlap
    suppressed = np.zeros(len(boxes_xyxy), dtype=bool)
    keep = []
    for i in range(len(boxes_xyxy)):
        if not suppressed[i]:
            keep.append(i)
            suppressed |= overlapping[i]
    return np.array(keep, dtype=np.intp)


def shift_by_offsets(boxes_xyxy: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move the edges of boxes (N, 4) by offsets (N, 4) given in units of the box's own sides."""
    return boxes_xyxy + offsets * np.tile(box_sides(boxes_xyxy), 2)


def to_squares(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squares (N, 4) with the centres of the boxes and their longer sides."""
    centres = box_centres(boxes_xyxy)
    half = box_sides(boxes_xyxy).max(axis=1, initial=0.0, keepdims=True) / 2
    return np.concatenate([centres - half, centres + half], axis=1)
