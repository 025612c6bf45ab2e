"""Network and joint loss as one module, so that DistributedDataParallel can wrap both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotional_dan_ros.model.losses import emotion_loss, landmark_error, masked_mean
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.training.augmentation import Blend
from emotional_dan_ros.training.config import LossConfig


class JointObjective(nn.Module):
    """The loss of a batch.

    ``landmark * (error of stage 1 + error of stage 2) + emotion * cross entropy``; while stage 1 learns
    alone, only its error.
    """

    def __init__(self, model: EmotionalDAN, weights: LossConfig) -> None:
        super().__init__()
        self.model = model
        self.weights = weights

    def forward(
        self,
        images: Tensor,
        landmarks: Tensor,
        valid: Tensor,
        targets: Tensor,
        stage1_only: bool = False,
        blend: Blend | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts.

        Args:
            images: (N, 1, S, S), standardised.
            landmarks: (N, 68, 2) px of the input.
            valid: bool (N,), whether the landmarks count.
            targets: (N, C) probabilities.
            stage1_only: leave stage 2 out.
            blend: faces to blend between the stages (mixup); None for none.
        """
        first, feature = self.model.stage1(images, self.model.mean_shape)
        error1 = masked_mean(landmark_error(first, landmarks), valid)
        if stage1_only:
            return self.weights.landmark * error1, {"landmarks_stage1": error1.detach()}
        if blend is None:
            second, logits = self.model.stage2(images, first, feature, self.model.mean_shape)
        else:
            stacked, moved, transform = self.model.stage2.connect(images, first, feature, self.model.mean_shape)
            stacked = blend(stacked).contiguous(memory_format=torch.channels_last)
            second, logits = self.model.stage2.read(stacked, moved, transform)
            valid, targets = valid & (blend.own == 1), blend(targets)
        error2 = masked_mean(landmark_error(second, landmarks), valid)
        entropy = emotion_loss(logits, targets)
        loss = self.weights.landmark * (error1 + error2) + self.weights.emotion * entropy
        parts = {"landmarks_stage1": error1, "landmarks": error2, "emotion": entropy}
        return loss, {name: torch.as_tensor(value).detach() for name, value in parts.items()}
