"""From 112 px crops to the network's input: one path for training and inference."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

#: Standard deviations below this (of full scale) are those of an empty crop, not of a face.
_MIN_STD = 0.02


def standardise(images: Tensor) -> Tensor:
    """Each image to zero mean and unit standard deviation, which takes exposure and gain out.

    Args:
        images: (N, 1, S, S), 0 .. 1.
    """
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    centred = images - mean
    std = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / std.clamp_min(_MIN_STD)


def prepare_crops(crops: Tensor, image_size: int) -> Tensor:
    """Aligned crops to network input.

    Args:
        crops: uint8 (N, H, H), the aligned grey crop.
        image_size: side S of the network's input; antialiased where S < H.

    Returns:
        float32 (N, 1, S, S), standardised.
    """
    images = crops[:, None].float() / 255.0
    if crops.shape[-1] != image_size:
        images = F.interpolate(
            images, size=(image_size, image_size), mode="bilinear", align_corners=False, antialias=True
        )
    return standardise(images)
