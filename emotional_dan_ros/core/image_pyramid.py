"""One image at many sizes, each made once and only where it is asked for; squares cut out of an image."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class ImagePyramid:
    """Shrunken views of a BGR image.

    The image is halved again and again (a mean over 2x2 px, the cheapest resampling there is); every
    other size is interpolated linearly from the smallest halving that is still large enough, so that no
    px is left out. That touches far fewer px than resampling the source itself, and takes a seventh of
    the time of area resampling.

    Args:
        image: uint8 BGR (H, W, 3), C-contiguous, not written to while the pyramid is in use.
    """

    def __init__(self, image: Image) -> None:
        self._halvings = [image]

    @property
    def image_wh(self) -> tuple[int, int]:
        """Size of the source image, px."""
        height, width = self._halvings[0].shape[:2]
        return width, height

    def scaled(self, scale: float) -> Image:
        """The whole image, its sides multiplied by ``scale`` (0..1) and rounded to px, at least 1."""
        width, height = (max(1, round(side * scale)) for side in self.image_wh)
        return _resized(self._at_least(scale), width, height)

    def _at_least(self, scale: float) -> Image:
        """The smallest halving whose scale is not below ``scale``."""
        wanted = 0
        while scale <= 0.5 ** (wanted + 1):
            wanted += 1
        while len(self._halvings) <= wanted:
            height, width = self._halvings[-1].shape[:2]
            if min(height, width) < 2:
                break
            self._halvings.append(_halved(self._halvings[-1]))
        return self._halvings[min(wanted, len(self._halvings) - 1)]


def cut_squares(
    image: Image, squares_xyxy: NDArray[np.float32], side_px: int
) -> tuple[NDArray[np.float32], Image, NDArray[np.intp]]:
    """Cut a few squares straight out of an image and bring them to one size; what lies outside is black.

    No px outside the squares is touched.

    Args:
        image: uint8 BGR (H, W, 3) or grey (H, W).
        squares_xyxy: float32 (N, 4).
        side_px: side of the crops.

    Returns:
        The squares that touch the image as they were cut (whole px), float32 (M, 4); their crops, uint8
        (M, side_px, side_px, 3) BGR; and which of the N they are, (M,).
    """
    kept, crops, indices = [], [], []
    for index, (x0, y0, x1, y1) in enumerate(squares_xyxy.tolist()):
        # A side that can be halved without a rest: the mean over 2x2 px is the cheapest resampling there is.
        num_halvings = max(0, math.floor(math.log2(max(x1 - x0, 1.0) / side_px)))
        unit = 2**num_halvings
        side = max(1, round((x1 - x0) / unit)) * unit
        left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
        cut = _cut(image, left, top, left + side, top + side)
        if cut is None:
            continue
        for _ in range(num_halvings):
            cut = _halved(cut)
        cut = _resized(cut, side_px, side_px)
        kept.append((left, top, left + side, top + side))
        crops.append(cut if cut.ndim == 3 else cast("Image", cv2.cvtColor(cut, cv2.COLOR_GRAY2BGR)))
        indices.append(index)
    if not kept:
        return np.zeros((0, 4), np.float32), np.zeros((0, side_px, side_px, 3), np.uint8), np.zeros(0, np.intp)
    return np.array(kept, np.float32), np.stack(crops), np.array(indices, np.intp)


def _cut(image: Image, x0: int, y0: int, x1: int, y1: int) -> Image | None:
    """The px of a box, with black where it leaves the image; None where it misses the image."""
    height, width = image.shape[:2]
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if right <= left or bottom <= top:
        return None
    inside = image[top:bottom, left:right]
    if (left, top, right, bottom) == (x0, y0, x1, y1):
        return inside
    margins = (top - y0, y1 - bottom, left - x0, x1 - right)
    return cast("Image", cv2.copyMakeBorder(inside, *margins, borderType=cv2.BORDER_CONSTANT, value=(0, 0, 0)))


def _resized(image: Image, width: int, height: int) -> Image:
    return cast("Image", cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))


def _halved(image: Image) -> Image:
    height, width = image.shape[:2]
    return cast("Image", cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
