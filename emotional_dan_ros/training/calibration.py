"""Temperature and class prior of trained weights, chosen on validation faces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.training.augmentation import AugmentationConfig, Augmenter
from emotional_dan_ros.training.faceset import FaceSet
from emotional_dan_ros.training.metrics import fit_temperature


class Calibration(NamedTuple):
    """``softmax(logits / temperature + log_prior)`` is what the recogniser says.

    Attributes:
        temperature: above 0.
        log_prior: one number per class.
    """

    temperature: float
    log_prior: tuple[float, ...]


@torch.no_grad()
def calibrate(
    model: EmotionalDAN,
    drawn: Tensor,
    faces: FaceSet,
    prior_shift: float,
    image_size: int,
    device: torch.device,
) -> Calibration:
    """Fit what people see in the validation faces.

    Training draws rare classes more often, and its labels have frequencies of their own; the shift moves the
    prior from those towards the frequencies of the validation faces. Then the temperature minimises the
    cross entropy of the top class (`metrics.fit_temperature`).

    Args:
        model: trained.
        drawn: (C,), how often each class was drawn in training; sums to 1.
        faces: validation faces.
        prior_shift: 0 keeps the prior of training, 1 takes that of ``faces``.
        image_size: of the network.
        device: where ``model`` is.
    """
    augmenter = Augmenter(AugmentationConfig(), image_size)
    model = model.eval()
    parts = []
    for start in range(0, len(faces), 256):
        part = slice(start, start + 256)
        images, _ = augmenter.plain(faces.crops[part].to(device), faces.landmarks[part].to(device))
        parts.append(model(images).logits.float().cpu().numpy())
    shift = prior_shift * torch.log(faces.targets.mean(dim=0) / drawn).numpy().astype(np.float64)
    temperature = fit_temperature(np.concatenate(parts) + shift, faces.targets.argmax(dim=1).numpy())
    return Calibration(temperature, tuple(float(v) for v in shift / temperature))
