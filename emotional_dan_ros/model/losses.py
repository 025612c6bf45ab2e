"""The joint loss: landmark error and cross entropy (arXiv 1810.10529, section 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: iBUG indices of the two eyes; the error is normalised by the distance between their centres.
_RIGHT_EYE = slice(36, 42)
_LEFT_EYE = slice(42, 48)


def landmark_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Normalised mean error of each face.

    ``mean_i |p_i - t_i| / |mean(t_36..41) - mean(t_42..47)|``

    Args:
        predicted: (N, 68, 2).
        target: (N, 68, 2), same unit.

    Returns:
        (N,), as a fraction of the inter-pupil distance.

    Example:
        >>> target = torch.zeros(1, 68, 2)
        >>> target[:, 42:48, 0] = 10.0  # the eyes are 10 px apart
        >>> landmark_error(target + torch.tensor([3.0, 4.0]), target)
        tensor([0.5000])
    """
    if predicted.shape != target.shape or target.ndim != 3 or target.shape[1:] != (68, 2):
        raise ValueError(f"expected two tensors Nx68x2, got {tuple(predicted.shape)} and {tuple(target.shape)}")
    distance = torch.linalg.vector_norm(predicted - target, dim=2).mean(dim=1)
    eyes = target[:, _RIGHT_EYE].mean(dim=1) - target[:, _LEFT_EYE].mean(dim=1)
    # Degenerate targets (all points equal) would divide by zero; a tiny face is not told from none.
    return distance / torch.linalg.vector_norm(eyes, dim=1).clamp_min(1e-6)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` (N,) where ``mask`` (N,) is true; 0, with a gradient of 0, where none is."""
    weights = mask.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp_min(1.0)


def emotion_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy.

    Args:
        logits: (N, C).
        target: class indices (N,) or probabilities (N, C).
    """
    return F.cross_entropy(logits.float(), target)


def joint_loss(
    landmarks: Tensor,
    logits: Tensor,
    target_landmarks: Tensor,
    target: Tensor,
    valid: Tensor,
    landmark_weight: float = 0.5,
    emotion_weight: float = 0.5,
) -> Tensor:
    """``landmark_weight * landmark error + emotion_weight * cross entropy``.

    Args:
        landmarks: (N, 68, 2).
        logits: (N, C).
        target_landmarks: (N, 68, 2).
        target: class indices (N,) or probabilities (N, C).
        valid: bool (N,); where false the landmarks of that face do not count.
        landmark_weight: of the landmark error.
        emotion_weight: of the cross entropy.
    """
    error = masked_mean(landmark_error(landmarks, target_landmarks), valid)
    return landmark_weight * error + emotion_weight * emotion_loss(logits, target)
