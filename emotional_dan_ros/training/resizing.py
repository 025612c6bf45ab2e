"""Start a network from one that was trained for another image size.

The convolutions are taken as they are; what knows positions is resampled. The result is not yet what the other
network was (its filters see the face at another scale), but is far ahead of chance: a few epochs go where a fresh
network needs many.
"""

from __future__ import annotations

import dataclasses

import torch.nn.functional as F
from torch import Tensor

from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN

#: Settings in which the two networks may differ: tensors depend on the first of them alone.
_FREE = ("image_size", "heatmap_half_px", "dropout", "bn_momentum")


def can_resize(source: ModelConfig, target: ModelConfig) -> bool:
    """Whether two networks differ in nothing but what `resized_state` can bridge."""
    return dataclasses.replace(target, **{name: getattr(source, name) for name in _FREE}) == source


def resized_state(model: EmotionalDAN, image_size: int) -> dict[str, Tensor]:
    """Tensors of a network of the same form for images of another size.

    Args:
        model: trained at its own ``config.image_size``; it is not changed.
        image_size: side in px that the new network takes.

    Returns:
        For `EmotionalDAN.load_state_dict`: positions in px and the heads that give them are scaled, the dense
        layers that read or write a picture are resampled bilinearly.
    """
    config, state = model.config, dict(model.state_dict())
    if image_size == config.image_size:
        return state
    scale = image_size / config.image_size
    state["mean_shape"] = (state["mean_shape"] + 0.5) * scale - 0.5
    for stage in ("stage1", "stage2"):
        for kind in ("weight", "bias"):
            state[f"{stage}.landmarks.{kind}"] = state[f"{stage}.landmarks.{kind}"] * scale
        key = f"{stage}.trunk.fc1.0.weight"
        state[key] = _read_picture(state[key], config.channels[-1], config.image_size // 16, image_size // 16)
    for kind in ("weight", "bias"):
        key = f"stage2.feature.{kind}"
        state[key] = _written_picture(state[key], config.image_size // 2, image_size // 2)
    return state


def _read_picture(weight: Tensor, channels: int, side: int, new_side: int) -> Tensor:
    """Weights (K, C * side * side) of a layer that reads a picture; there are more pixels, so each counts less."""
    picture = weight.reshape(len(weight), channels, side, side)
    return (_resample(picture, new_side) * (side / new_side) ** 2).flatten(1)


def _written_picture(tensor: Tensor, side: int, new_side: int) -> Tensor:
    """Weights (side * side, K) or biases (side * side,) of a layer that writes a picture."""
    picture = tensor.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    return _resample(picture, new_side).permute(0, 2, 3, 1).reshape(new_side * new_side, *tensor.shape[1:])


def _resample(picture: Tensor, new_side: int) -> Tensor:
    size = (new_side, new_side)
    return F.interpolate(picture.float(), size, mode="bilinear", align_corners=False, antialias=True)
