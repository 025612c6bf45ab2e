"""Grad-CAM: which part of a face made the emotion (Selvaraju et al. 2017; arXiv 1810.10529, section 5)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotional_dan_ros.model.connection import invert_similarity, resample, transform_points
from emotional_dan_ros.model.network import EmotionalDAN

#: The convolutions of stage 2, first to last. The published code looks at ``conv4a``.
LAYERS: tuple[str, ...] = tuple(f"conv{block}{layer}" for block in (1, 2, 3, 4) for layer in "ab")
#: Layer and method whose maps were the most faithful (docs/explain.md).
DEFAULT_LAYER = "conv3b"


class Method(str, Enum):
    """How the channels of the layer are weighted."""

    #: Each by the mean of its gradient over the map: the paper's.
    GRAD_CAM = "grad_cam"
    #: At every place by the gradient there (HiResCAM, Draelos and Carin 2020). What follows our layers is a
    #: flattened dense layer and no global mean, so the same channel can count differently in different places.
    HIRES_CAM = "hires_cam"


DEFAULT_METHOD = Method.HIRES_CAM


class Explanation(NamedTuple):
    """Maps of a batch.

    Attributes:
        maps: float32 (N, S, S), 0 .. 1, px of the network's input; 0 where stage 2 does not look. All 0 for a face
            in which the layer holds nothing that speaks for the class.
        logits: float32 (N, C).
        classes: int64 (N,), the class that each map explains.
    """

    maps: Tensor
    logits: Tensor
    classes: Tensor


class GradCam:
    """Explains the emotion branch.

    Args:
        model: in evaluation mode.
        layer: one of `LAYERS`; its output after ReLU and batch normalisation is looked at. Deeper layers see more
            of the face at once and give coarser maps.
        method: see `Method`.

    Raises:
        ValueError: no such layer.
    """

    def __init__(self, model: EmotionalDAN, layer: str = DEFAULT_LAYER, method: Method = DEFAULT_METHOD) -> None:
        if layer not in LAYERS:
            raise ValueError(f"expected a layer of stage 2, one of {', '.join(LAYERS)}, got {layer!r}")
        self.model = model
        self.layer = layer
        self.method = Method(method)
        trunk = model.stage2.trunk
        # Two convolutions and a pooling per block, in a row.
        steps: list[nn.Module] = [step for block in trunk.blocks for step in block.children()]
        position = LAYERS.index(layer)
        cut = 3 * (position // 2) + position % 2 + 1
        self._before, self._after = steps[:cut], steps[cut:]

    def __call__(self, images: Tensor, classes: Tensor | None = None) -> Explanation:
        """Explain a batch in one pass; no gradient is left in the weights.

        Args:
            images: (N, 1, S, S), as the network takes them.
            classes: int64 (N,) to explain; None for the likeliest of each face.
        """
        model, stage2 = self.model, self.model.stage2
        with torch.no_grad():
            landmarks, feature = model.stage1(images, model.mean_shape)
            x, _, transform = stage2.connect(images, landmarks, feature, model.mean_shape)
            x = stage2.input_norm(x)
            for step in self._before:
                x = step(x)
        with torch.enable_grad():
            activation = x.detach().requires_grad_()
            x = activation
            for step in self._after:
                x = step(x)
            trunk = stage2.trunk
            logits = stage2.emotion(trunk.fc1(trunk.dropout(torch.flatten(x, 1))))
            chosen = logits.argmax(dim=1) if classes is None else classes
            score = logits.gather(1, chosen[:, None]).sum()  # faces do not touch each other
            (gradient,) = torch.autograd.grad(score, activation)
        if self.method is Method.GRAD_CAM:
            gradient = gradient.mean(dim=(2, 3), keepdim=True)
        maps = _weigh(activation.detach(), gradient)
        maps = F.interpolate(maps, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return Explanation(_to_input(maps, transform), logits.detach().float(), chosen)


def _weigh(activation: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of the channels, what speaks against the class cut off: (N, 1, H, W), largest 1."""
    maps = F.relu((weights * activation).sum(dim=1, keepdim=True)).float()
    largest = maps.amax(dim=(2, 3), keepdim=True)
    return torch.where(largest > 0, maps / largest.clamp_min(torch.finfo(maps.dtype).tiny), 0.0)


def _to_input(maps: Tensor, transform: Tensor) -> Tensor:
    """From the frame that stage 2 sees to the network's input: (N, 1, S, S) -> (N, S, S)."""
    size = maps.shape[-1]
    axis = torch.arange(size, device=maps.device, dtype=transform.dtype)
    ys, xs = torch.meshgrid(axis, axis, indexing="ij")
    pixels = torch.stack([xs, ys], dim=-1).reshape(1, -1, 2).expand(len(maps), -1, -1)
    seen = transform_points(pixels, transform)
    inside = ((seen >= -0.5) & (seen <= size - 0.5)).all(dim=-1).reshape(-1, size, size)
    return resample(maps, invert_similarity(transform))[:, 0] * inside
