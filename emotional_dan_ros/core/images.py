"""What counts as a camera image inside the package."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError


def check_image(image: object) -> NDArray[np.uint8]:
    """Return the image unchanged if it is uint8, BGR (H, W, 3) or grey (H, W), and has pixels.

    Raises:
        UserError: another type or shape, or no pixels.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        got = f"dtype {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise UserError(f"expected an image as a uint8 array, got {got}; do convert it to 8 bits a channel")
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] != 3):
        raise UserError(
            f"expected an image of shape (H, W, 3) or (H, W), got {image.shape}; do convert it to BGR or grey"
        )
    if image.size == 0:
        raise UserError(f"expected an image with pixels, got zero size {image.shape[:2]}; do check the camera or file")
    return image


def as_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a grey or BGR image three channels and contiguous memory; no copy where it has both.

    Raises:
        UserError: as in `check_image`.
    """
    contiguous = np.ascontiguousarray(check_image(image))
    if contiguous.ndim == 3:
        return contiguous
    return cast("NDArray[np.uint8]", cv2.cvtColor(contiguous, cv2.COLOR_GRAY2BGR))
