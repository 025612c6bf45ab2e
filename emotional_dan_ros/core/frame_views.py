"""One camera frame as the face detector's networks take it: shrunken views of the whole, and squares cut out of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros.core.image_pyramid import ImagePyramid, cut_squares
from emotional_dan_ros.core.images import as_bgr, check_image


class FrameViews(ABC):
    """A frame, and views of it made where they are asked for.

    Args:
        image: uint8, BGR (H, W, 3) or grey (H, W), any strides; not written to while the views are in use.

    Raises:
        UserError: the array is not such an image or has no pixels.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        height, width = check_image(image).shape[:2]
        self.image_wh = (width, height)

    @abstractmethod
    def scaled(self, scale: float) -> Tensor:
        """The whole image, its sides multiplied by ``scale`` (0..1): float (1, 3, h, w), BGR 0..255."""

    @abstractmethod
    def crops(
        self, squares_xyxy: NDArray[np.float32], side_px: int
    ) -> tuple[NDArray[np.float32], Tensor, NDArray[np.intp]]:
        """Cut squares and bring them to one size; what lies outside the image is black.

        Args:
            squares_xyxy: float32 (N, 4), source px.
            side_px: side of the crops.

        Returns:
            The squares that touch the image, as they were cut, float32 (M, 4); their crops, float
            (M, 3, side_px, side_px), BGR 0..255; and which of the N they are, (M,).
        """


class HostViews(FrameViews):
    """Views resampled by OpenCV on the CPU; only what is asked for is touched."""

    def __init__(self, image: NDArray[np.uint8], device: torch.device) -> None:
        super().__init__(image)
        self._image = image
        self._device = device
        self._pyramid: ImagePyramid | None = None

    def scaled(self, scale: float) -> Tensor:
        """See `FrameViews`."""
        if self._pyramid is None:
            self._pyramid = ImagePyramid(as_bgr(self._image))
        return self._to_device(self._pyramid.scaled(scale)[None])

    def crops(
        self, squares_xyxy: NDArray[np.float32], side_px: int
    ) -> tuple[NDArray[np.float32], Tensor, NDArray[np.intp]]:
        """See `FrameViews`; squares are cut at whole px."""
        squares, crops, indices = cut_squares(self._image, squares_xyxy, side_px)
        return squares, self._to_device(crops), indices

    def _to_device(self, images: NDArray[np.uint8]) -> Tensor:
        """uint8 (N, H, W, 3) as float (N, 3, H, W) over the same channels-last memory order."""
        return torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2).float()


class DeviceViews(FrameViews):
    """Views of a frame that is uploaded once and resampled where the networks are: for GPUs."""

    def __init__(self, image: NDArray[np.uint8], device: torch.device) -> None:
        super().__init__(image)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device, non_blocking=True)
        pixels = pixels[None, :, :, None].expand(-1, -1, -1, 3) if image.ndim == 2 else pixels[None]
        self._halvings = [pixels.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)]

    def scaled(self, scale: float) -> Tensor:
        """See `FrameViews`."""
        size = tuple(max(1, round(side * scale)) for side in reversed(self.image_wh))
        halving = self._halving(_num_halvings(1.0 / scale))
        return F.interpolate(halving, size, mode="bilinear", align_corners=False)

    def crops(
        self, squares_xyxy: NDArray[np.float32], side_px: int
    ) -> tuple[NDArray[np.float32], Tensor, NDArray[np.intp]]:
        """See `FrameViews`."""
        wh = np.array(self.image_wh, np.float32)
        touches = ((squares_xyxy[:, :2] < wh) & (squares_xyxy[:, 2:] > 0)).all(axis=1)
        indices = np.nonzero(touches)[0]
        squares = squares_xyxy[indices]
        crops = self._halvings[0].new_empty((len(squares), 3, side_px, side_px))
        crops = crops.contiguous(memory_format=torch.channels_last)
        levels = np.array([_num_halvings((x1 - x0) / side_px) for x0, _, x1, _ in squares.tolist()], np.intp)
        # Places in units of the image from -1 to 1, edges on edges, are the same on every halving.
        steps = (np.arange(side_px, dtype=np.float32) + 0.5) / side_px
        places = squares[:, None, :2] + steps[None, :, None] * (squares[:, 2:] - squares[:, :2])[:, None]
        places = 2.0 * places / wh - 1.0
        for level in np.unique(levels):
            of_level = np.nonzero(levels == level)[0]
            x, y = torch.from_numpy(places[of_level]).to(crops.device).unbind(2)
            grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=3)
            image = self._halving(int(level)).expand(len(of_level), -1, -1, -1)
            sampled = F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
            crops[torch.from_numpy(of_level).to(crops.device)] = sampled
        return squares, crops, indices

    def _halving(self, number: int) -> Tensor:
        """The image halved so many times, or as often as it can be."""
        while len(self._halvings) <= number and min(self._halvings[-1].shape[2:]) >= 2:
            self._halvings.append(F.avg_pool2d(self._halvings[-1], 2))
        return self._halvings[min(number, len(self._halvings) - 1)]


def _num_halvings(px_per_px: float) -> int:
    """How often an image can be halved before it has less than one px for each px asked for."""
    return max(0, math.floor(math.log2(max(px_per_px, 1.0))))
