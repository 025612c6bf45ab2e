"""EmotionalDAN rewritten for inference: batch norms folded, half precision, few and large operations.

It computes what `EmotionalDAN` in evaluation mode computes, from the same tensors, and differs by rounding alone.
Convolutions and fc1 run in the precision asked for; geometry and the last dense layers stay float32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from emotional_dan_ros.core.types import CROP_SIZE_PX
from emotional_dan_ros.model.blocks import Trunk
from emotional_dan_ros.model.config import NormOrder
from emotional_dan_ros.model.connection import invert_similarity, similarity_to, transform_points
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.model.preprocess import prepare_crops


class InferenceNetwork:
    """Aligned crops to landmarks and logits.

    Args:
        model: its tensors are read, never changed.
        dtype: of convolutions and fc1; where it is bfloat16, the first convolution of each stage is float32.
        device: where to compute.

    Shape:
        uint8 (N, 112, 112) on the device -> float32 (N, 2 * L + C) there: landmarks (x0, y0, x1, ...) in px of the
        crop, then logits
    """

    def __init__(self, model: EmotionalDAN, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self.device = device
        self._size = size = model.config.image_size
        self._half_px = half = model.config.heatmap_half_px
        stage1, stage2 = model.stage1, model.stage2
        self._mean_shape = model.mean_shape.to(device)
        self._trunk1 = _trunk(stage1.trunk, model, dtype, device)
        self._trunk2 = _trunk(stage2.trunk, model, dtype, device)
        self._landmarks1 = _dense(stage1.landmarks, torch.float32, device)
        self._feature = _dense(stage2.feature, torch.float32, device)
        # Both ends of stage 2 hang on the same feature: one product instead of two.
        self._heads = _dense(_side_by_side(stage2.landmarks, stage2.emotion), torch.float32, device)
        self._input_scale, self._input_shift = (v.to(device) for v in _affine(stage2.input_norm))

        self._axis = torch.arange(size, device=device, dtype=torch.float32)
        self._offsets = torch.arange(-half, half, device=device, dtype=torch.float32)
        whole = self._offsets.long()
        self._window = (whole[:, None] * size + whole[None, :]).reshape(1, 1, -1)
        self._row = torch.tensor([1, size], device=device)

    def __call__(self, crops: Tensor) -> Tensor:
        """See the class. To be called in inference mode."""
        images = prepare_crops(crops, self._size)
        fc1 = self._trunk1(images.contiguous(memory_format=torch.channels_last))
        first = self._landmarks1(fc1).reshape(len(crops), -1, 2) + self._mean_shape
        transform = similarity_to(first, self._mean_shape)
        moved = transform_points(first, transform)
        inverse = invert_similarity(transform)
        ends = self._heads(self._trunk2(self._connect(images, moved, inverse, fc1)))
        num_coordinates = 2 * moved.shape[1]
        refined = ends[:, :num_coordinates].reshape(moved.shape) + moved
        # Crop and network input have pixel centres at integers, so they map onto each other by their edges.
        landmarks = (transform_points(refined, inverse) + 0.5) * (CROP_SIZE_PX / self._size) - 0.5
        return torch.cat([landmarks.reshape(len(crops), -1), ends[:, num_coordinates:]], dim=1)

    def _connect(self, images: Tensor, moved: Tensor, inverse: Tensor, fc1: Tensor) -> Tensor:
        """The input of stage 2 after its batch norm, (N, 3, S, S), channels last."""
        n, size = len(images), self._size
        half = size // 2
        feature = F.relu(self._feature(fc1)).reshape(n, half, 1, half, 1).expand(-1, -1, 2, -1, 2)
        stacked = torch.stack(
            [
                self._resample(images, inverse).reshape(n, size, size),
                self._heatmap(moved),
                feature.reshape(n, size, size),
            ],
            dim=-1,
        )
        return torch.addcmul(self._input_shift, stacked, self._input_scale).permute(0, 3, 1, 2)

    def _resample(self, images: Tensor, inverse: Tensor) -> Tensor:
        """As `connection.resample`, the positions made of a row and a column that are added."""
        to_grid = 2.0 / (self._size - 1)
        scaled = inverse * to_grid
        across = self._axis.reshape(1, 1, -1, 1) * scaled[:, None, None, :, 0]
        down = self._axis.reshape(1, -1, 1, 1) * scaled[:, None, None, :, 1] + (scaled[:, None, None, :, 2] - 1.0)
        grid = (across + down).clamp_(-1.0, (self._size - 2) * to_grid - 1.0)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)

    def _heatmap(self, landmarks: Tensor) -> Tensor:
        """As `connection.landmark_heatmap`, the nearest sought among squared distances."""
        n, size, half = len(landmarks), self._size, self._half_px
        points = landmarks.clamp(half, size - 1 - half)
        whole = points.floor()
        squared = (self._offsets - (points - whole)[..., None]).square()  # (N, L, 2, 2 * half): in x and in y
        distances = squared[:, :, 1, :, None] + squared[:, :, 0, None, :]
        index = (whole.long() * self._row).sum(dim=2)[..., None] + self._window
        nearest = torch.full((n, size * size), torch.inf, device=landmarks.device)
        nearest.scatter_reduce_(1, index.reshape(n, -1), distances.reshape(n, -1), reduce="amin")
        return (nearest.sqrt_() + 1.0).reciprocal_().reshape(n, size, size)


def _trunk(trunk: Trunk, model: EmotionalDAN, dtype: torch.dtype, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Images (N, C, S, S), channels last, to fc1 (N, feature_width), both float32."""
    size = model.config.image_size
    folds = model.config.norm_order is NormOrder.BN_RELU
    convolutions: list[_Convolution] = []
    for depth, block in enumerate(trunk.blocks):
        for layer in list(block.children())[:2]:
            assert isinstance(layer, nn.Sequential)
            # Rounding the image to bfloat16 more than doubles the error of the whole network (probabilities off by up
            # to 0.027 instead of 0.012); the first convolution is a hundredth of the work. float16 is finer.
            exact = dtype is torch.bfloat16 and not convolutions
            own_dtype = torch.float32 if exact else dtype
            convolutions.append(_Convolution(layer, folds, size >> depth, own_dtype, device))
    fc1 = _Fc1(trunk.fc1, folds, convolutions[-1].num_channels, dtype, device)

    def run(x: Tensor) -> Tensor:
        for first, second in zip(convolutions[::2], convolutions[1::2], strict=True):
            x = F.max_pool2d(second(first(x)), 2)
        return fc1(x)

    return run


class _Convolution:
    """3x3 convolution, ReLU and, where it does not fold, batch norm.

    On CPUs the convolution and its ReLU are one oneDNN operation with the weights in oneDNN's own order: PyTorch puts
    them in that order anew in each call otherwise. These operations are those that torch.compile emits; where a build
    of PyTorch has none, the usual ones do.
    """

    def __init__(self, layer: nn.Sequential, folds: bool, size: int, dtype: torch.dtype, device: torch.device) -> None:
        conv, norm = layer[0], layer[1 if folds else 2]
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        if folds:
            conv = fuse_conv_bn_eval(conv, norm)
        assert conv.bias is not None
        self._norm = None if folds else _Affine(norm, device)
        self._weight = conv.weight.detach().to(device, dtype).contiguous(memory_format=torch.channels_last)
        self._bias = conv.bias.detach().to(device, dtype)
        self._packed = _pack(self._weight, size) if device.type == "cpu" else None

    @property
    def num_channels(self) -> int:
        """Of the result."""
        return len(self._bias)

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self._weight.dtype)
        if self._packed is None:
            x = F.conv2d(x, self._weight, self._bias, padding=1).relu_()
        else:
            x = torch.ops.mkldnn._convolution_pointwise(
                x, self._packed, self._bias, (1, 1), (1, 1), (1, 1), 1, "relu", [], ""
            )
        return x if self._norm is None else self._norm(x)


class _Fc1:
    """Dense layer on the flattened channels, ReLU and, where it does not fold, batch norm: (N, C, H, W) to (N, K).

    Its weights are put in the order in which the convolutions leave their channels (last), so that nothing is copied.
    """

    def __init__(
        self, layer: nn.Sequential, folds: bool, channels: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        dense, norm = layer[0], layer[1 if folds else 2]
        assert isinstance(dense, nn.Linear)
        assert isinstance(norm, nn.BatchNorm1d)
        if folds:
            dense = fuse_linear_bn_eval(dense, norm)
        self._norm = None if folds else _Affine(norm, device)
        weight = dense.weight.detach()
        weight = weight.reshape(len(weight), channels, -1).transpose(1, 2).reshape(len(weight), -1)
        self._weight = weight.to(device, dtype)
        self._bias = dense.bias.detach().to(device, dtype)
        # In float32 the usual product is the faster one.
        self._packed = _pack_dense(self._weight) if device.type == "cpu" and dtype is torch.bfloat16 else None

    def __call__(self, x: Tensor) -> Tensor:
        flat = x.permute(0, 2, 3, 1).reshape(len(x), -1)
        if self._packed is None:
            feature = F.linear(flat, self._weight, self._bias).relu_()
        else:
            feature = torch.ops.mkldnn._linear_pointwise(flat, self._packed, self._bias, "relu", [], "")
        feature = feature.float()
        return feature if self._norm is None else self._norm(feature)


def _pack(weight: Tensor, size: int) -> Tensor | None:
    """Weights of a 3x3 convolution in oneDNN's order for images of this size; None where it cannot be used."""
    try:
        packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            weight, (1, 1), (1, 1), (1, 1), 1, (1, weight.shape[1], size, size)
        )
        torch.ops.mkldnn._convolution_pointwise  # noqa: B018 - raises where the build of PyTorch lacks it
    except (AttributeError, RuntimeError):
        return None
    return packed


def _pack_dense(weight: Tensor) -> Tensor | None:
    """As `_pack`, of a dense layer."""
    try:
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, 1)
        torch.ops.mkldnn._linear_pointwise  # noqa: B018 - as above
    except (AttributeError, RuntimeError):
        return None
    return packed


class _Affine:
    """Batch norm of one or two dimensions in evaluation mode, over channels of any precision."""

    def __init__(self, norm: nn.Module, device: torch.device) -> None:
        scale, shift = _affine(norm)
        self._scale, self._shift = scale.to(device), shift.to(device)

    def __call__(self, x: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return (x * self._scale.reshape(shape) + self._shift.reshape(shape)).to(x.dtype)


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift, float32, that a batch norm in evaluation mode comes to."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight.detach() / torch.sqrt(variance + norm.eps)
    return scale, norm.bias.detach() - mean * scale


def _dense(layer: nn.Linear, dtype: torch.dtype, device: torch.device) -> Callable[[Tensor], Tensor]:
    weight, bias = layer.weight.detach().to(device, dtype), layer.bias.detach().to(device, dtype)
    return lambda x: F.linear(x, weight, bias)


def _side_by_side(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    both = nn.Linear(first.in_features, first.out_features + second.out_features)
    both.weight.data = torch.cat([first.weight.detach(), second.weight.detach()])
    both.bias.data = torch.cat([first.bias.detach(), second.bias.detach()])
    return both
