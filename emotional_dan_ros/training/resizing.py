"""Start a network from one that was trained for another image size, or with a wider dense feature.

The convolutions are taken as they are; what knows positions is resampled; of the dense feature the units that matter
most remain. The result is not yet what the other network was (its filters see the face at another scale), but is far
ahead of chance: a few epochs go where a fresh network needs many.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from emotional_dan_ros.model.config import ModelConfig, NormOrder
from emotional_dan_ros.model.network import EmotionalDAN

#: Settings in which the two networks may differ: tensors depend on the first two of them alone.
_FREE = ("image_size", "feature_width", "heatmap_half_px", "dropout", "bn_momentum")
#: What reads each stage's fc1.
_READERS = {
    "stage1": ("stage1.landmarks", "stage2.feature"),
    "stage2": ("stage2.landmarks", "stage2.emotion"),
}
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


def can_resize(source: ModelConfig, target: ModelConfig) -> bool:
    """Whether two networks differ in nothing but what `resized_state` can bridge."""
    alike = dataclasses.replace(target, **{name: getattr(source, name) for name in _FREE}) == source
    return alike and target.feature_width <= source.feature_width


def resized_state(model: EmotionalDAN, target: ModelConfig) -> dict[str, Tensor]:
    """Tensors of a network of the same form for images of another size, or with a narrower dense feature.

    Args:
        model: trained at its own ``config``; it is not changed.
        target: of the new network; see `can_resize`.

    Returns:
        For `EmotionalDAN.load_state_dict`: positions in px and the heads that give them are scaled, the dense
        layers that read or write a picture are resampled bilinearly. Of fc1 those units remain whose changes move
        what reads them most; the others count with their mean from then on.
    """
    config, state = model.config, dict(model.state_dict())
    if target.feature_width < config.feature_width:
        for stage, readers in _READERS.items():
            _narrow(state, f"{stage}.trunk.fc1", readers, target)
    image_size = target.image_size
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


def _narrow(state: dict[str, Tensor], fc1: str, readers: tuple[str, ...], target: ModelConfig) -> None:
    """Leave ``target.feature_width`` units of a dense layer, in place."""
    relu_last = target.norm_order is NormOrder.BN_RELU
    norm = f"{fc1}.{1 if relu_last else 2}"
    # Batch normalisation says how a unit is distributed without any data: mean beta, deviation gamma.
    mean, deviation = state[f"{norm}.bias"], state[f"{norm}.weight"].abs()
    if relu_last:
        mean, deviation = rectified(mean, deviation)
    weights = [state[f"{reader}.weight"] for reader in readers]
    reach = torch.stack([weight.norm(dim=0) / weight.norm() for weight in weights]).sum(dim=0)
    order = torch.argsort(deviation * reach, descending=True)
    kept, dropped = order[: target.feature_width].sort().values, order[target.feature_width :]
    for reader in readers:
        weight = state[f"{reader}.weight"]
        state[f"{reader}.bias"] = state[f"{reader}.bias"] + weight[:, dropped] @ mean[dropped]
        state[f"{reader}.weight"] = weight[:, kept]
    for name in (f"{fc1}.0.weight", f"{fc1}.0.bias", *(f"{norm}.{part}" for part in _NORM_TENSORS)):
        state[name] = state[name][kept]


def rectified(mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of max(0, x), where x is normally distributed with these."""
    dtype = mean.dtype
    mean, deviation = mean.double(), deviation.double().clamp_min(1e-9)  # a constant is the limit
    z = mean / deviation
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    share = torch.special.ndtr(z)
    first = mean * share + deviation * density
    second = (mean**2 + deviation**2) * share + mean * deviation * density
    return first.to(dtype), (second - first**2).clamp_min(0).sqrt().to(dtype)


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
