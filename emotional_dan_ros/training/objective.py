"""Network and joint loss as one module, so that DistributedDataParallel can wrap both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotional_dan_ros.model.losses import emotion_loss, landmark_error, masked_mean
from emotional_dan_ros.model.network import EmotionalDAN
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
        self, images: Tensor, landmarks: Tensor, valid: Tensor, targets: Tensor, stage1_only: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts.

        Args:
            images: (N, 1, S, S), standardised.
            landmarks: (N, 68, 2) px of the input.
            valid: bool (N,), whether the landmarks count.
            targets: (N, C) probabilities.
            stage1_only: leave stage 2 out.
        """
        if stage1_only:
            first, _ = self.model.stage1(images, self.model.mean_shape)
            error = masked_mean(landmark_error(first, landmarks), valid)
            return self.weights.landmark * error, {"landmarks_stage1": error.detach()}
        output = self.model(images)
        error1 = masked_mean(landmark_error(output.landmarks_stage1, landmarks), valid)
        error2 = masked_mean(landmark_error(output.landmarks, landmarks), valid)
        entropy = emotion_loss(output.logits, targets)
        loss = self.weights.landmark * (error1 + error2) + self.weights.emotion * entropy
        parts = {"landmarks_stage1": error1, "landmarks": error2, "emotion": entropy}
        return loss, {name: torch.as_tensor(value).detach() for name, value in parts.items()}
