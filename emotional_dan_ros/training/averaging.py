"""Averages of a network's weights: over the steps of a run, and with those that the run began with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)


@torch.no_grad()
def blend_weights(model: nn.Module, other: Mapping[str, Tensor], share: float) -> None:
    """Move ``model`` by ``share`` of the way towards the tensors of a network that it was trained from.

    Networks that share a beginning can be averaged tensor by tensor, batch-norm statistics included; the mean often
    keeps what either was good at.
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.lerp_(other[name].to(value), share)


class WeightAverage(Generic[N]):
    """Keeps a copy of ``model`` whose weights and batch-norm statistics follow it slowly.

    The decay is warmed up as ``min(decay, (1 + n) / (10 + n))`` so that the first random weights are
    forgotten soon.
    """

    model: N

    def __init__(self, model: N, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step towards ``model``."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        averaged = self.model.state_dict()
        floats, sources = [], []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                floats.append(averaged[name])
                sources.append(value)
            else:
                averaged[name].copy_(value)
        torch._foreach_lerp_(floats, sources, 1 - decay)
