"""Five-point alignment: from keypoints in a source image to an upright grey crop.

The crop geometry is a constant of the system: the weights are trained on it, and FaceArray carries
crops of it from one process to another.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.geometry import (
    affine_scale,
    apply_affine,
    compose_affine,
    invert_affine,
    similarity_transform,
)
from emotional_dan_ros.core.types import CROP_SIZE_PX, NUM_LANDMARKS

#: Where the five keypoints of `Detection` lie in the 112 px crop (x, y). The mean of the FER2013
#: training faces (from their 68 landmarks), made symmetric and moved so that brows and chin both stay inside.
TEMPLATE_PX: NDArray[np.float32] = np.array(
    [[36.3, 40.0], [74.7, 40.0], [55.5, 60.5], [39.5, 79.6], [71.5, 79.6]], dtype=np.float32
)
TEMPLATE_PX.setflags(write=False)

#: Distance between the eye centres and their height, as fractions of the side of a FER2013 frame (means over the
#: training faces with valid landmarks).
_BOX_EYE_DISTANCE = 0.362
_BOX_EYE_HEIGHT = 0.40

#: Below this scale (crop px per source px) bilinear sampling would skip source pixels.
_ALIASING_SCALE = 0.5


def keypoints_from_landmarks(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Five keypoints from iBUG landmarks: eye centres, nose tip, mouth corners.

    Args:
        landmarks: (..., 68, 2).

    Returns:
        float32 (..., 5, 2) in the order of `Detection.keypoints_px`.

    Raises:
        ValueError: the shape is another.
    """
    points = np.asarray(landmarks, dtype=np.float32)
    if points.shape[-2:] != (NUM_LANDMARKS, 2):
        raise ValueError(f"expected landmarks of shape (..., {NUM_LANDMARKS}, 2), got {points.shape}")
    return np.stack(
        [
            points[..., 36:42, :].mean(axis=-2),
            points[..., 42:48, :].mean(axis=-2),
            points[..., 30, :],
            points[..., 48, :],
            points[..., 54, :],
        ],
        axis=-2,
    )


def crop_transform(keypoints_px: NDArray[np.floating]) -> NDArray[np.float32]:
    """Similarity from source px to crop px that brings five keypoints onto `TEMPLATE_PX`.

    Args:
        keypoints_px: (5, 2), source px.

    Returns:
        float32 (2, 3) affine.
    """
    return similarity_transform(np.asarray(keypoints_px), TEMPLATE_PX)


def box_transform(box_xyxy: NDArray[np.floating]) -> NDArray[np.float32]:
    """Similarity from source px to crop px for a square-ish face box without keypoints.

    The box is taken as one that is filled by the face, as FER2013's frames are; the eyes are assumed
    where they are in those on average.

    Args:
        box_xyxy: (4,), source px.

    Raises:
        ValueError: the box is empty.
    """
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    side = max(x1 - x0, y1 - y0)
    if min(x1 - x0, y1 - y0) <= 0:
        raise ValueError(f"expected a box with x0 < x1 and y0 < y1, got {x0, y0, x1, y1}")
    eyes_px = TEMPLATE_PX[:2].mean(axis=0)
    scale = float(TEMPLATE_PX[1, 0] - TEMPLATE_PX[0, 0]) / (_BOX_EYE_DISTANCE * side)
    # Pixel centres are at integers: the middle of pixels x0 .. x1 - 1 lies half a pixel before (x0 + x1) / 2.
    eyes_x = (x0 + x1 - 1) / 2
    eyes_y = (y0 + y1 - 1) / 2 + (_BOX_EYE_HEIGHT - 0.5) * side
    return np.array(
        [[scale, 0, eyes_px[0] - scale * eyes_x], [0, scale, eyes_px[1] - scale * eyes_y]], dtype=np.float32
    )


def warp_crop(
    image: NDArray[np.uint8], crop_from_source: NDArray[np.floating], size_px: int = CROP_SIZE_PX
) -> NDArray[np.uint8]:
    """Cut the aligned grey crop out of a source image.

    Only the pixels under the crop are converted to grey. Faces much larger than the crop are reduced by
    area averaging first, so that the crop of a near face is not aliased. Outside the image the border
    pixel is repeated.

    Args:
        image: uint8 (H, W, 3) BGR or (H, W) grey.
        crop_from_source: (2, 3) affine from source px to px of the crop.
        size_px: side of the crop.

    Returns:
        uint8 (size_px, size_px).
    """
    height, width = image.shape[:2]
    last = size_px - 1
    corners = apply_affine(np.array([[0, 0], [last, 0], [0, last], [last, last]]), invert_affine(crop_from_source))
    x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [width - 1, height - 1])
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, [x0 + 1, y0 + 1], [width, height])
    region = image[y0:y1, x0:x1]
    grey = region if region.ndim == 2 else cv2.cvtColor(region, cv2.COLOR_BGR2GRAY)
    transform = compose_affine(crop_from_source, np.array([[1, 0, x0], [0, 1, y0]]))
    scale = affine_scale(crop_from_source)
    if scale < _ALIASING_SCALE:
        reduced_wh = (max(1, round(grey.shape[1] * scale * 1.5)), max(1, round(grey.shape[0] * scale * 1.5)))
        fx, fy = grey.shape[1] / reduced_wh[0], grey.shape[0] / reduced_wh[1]
        grey = cv2.resize(grey, reduced_wh, interpolation=cv2.INTER_AREA)
        transform = compose_affine(transform, np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2]]))
    crop = cv2.warpAffine(grey, transform, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, dtype=np.uint8)
