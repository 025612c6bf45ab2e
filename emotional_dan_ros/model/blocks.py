"""The trunk that both stages share in form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotional_dan_ros.model.config import ModelConfig, NormOrder


def batch_norm(config: ModelConfig, num_features: int, dims: int) -> nn.Module:
    """Batch normalisation over (N, C, H, W) for ``dims`` 2, over (N, C) for ``dims`` 1."""
    layer = nn.BatchNorm2d if dims == 2 else nn.BatchNorm1d
    return layer(num_features, eps=config.bn_eps, momentum=config.bn_momentum)


def _activated(config: ModelConfig, layer: nn.Module, num_features: int, dims: int) -> nn.Sequential:
    norm = batch_norm(config, num_features, dims)
    if config.norm_order is NormOrder.RELU_BN:
        return nn.Sequential(layer, nn.ReLU(), norm)
    return nn.Sequential(layer, norm, nn.ReLU())


class Trunk(nn.Module):
    """Four blocks of two 3x3 convolutions, then dropout and the dense feature fc1.

    Args:
        config: of the network.
        in_channels: 1 for stage 1; 3 for stage 2 (image, heat map, feature image).

    Shape:
        (N, in_channels, S, S) -> (N, feature_width)
    """

    def __init__(self, config: ModelConfig, in_channels: int) -> None:
        super().__init__()
        blocks = []
        previous = in_channels
        for channels in config.channels:
            convs = [
                _activated(config, nn.Conv2d(i, channels, 3, padding=1), channels, dims=2) for i in (previous, channels)
            ]
            blocks.append(nn.Sequential(*convs, nn.MaxPool2d(2)))
            previous = channels
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        flat = previous * (config.image_size // 16) ** 2
        self.fc1 = _activated(config, nn.Linear(flat, config.feature_width), config.feature_width, dims=1)
        self.apply(_init_glorot)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.fc1(self.dropout(torch.flatten(self.blocks(x), 1)))


def _init_glorot(module: nn.Module) -> None:
    # The original initialises every kernel with Glorot's uniform distribution and zero bias.
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
