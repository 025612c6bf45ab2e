"""One temperature for the logits, chosen on validation faces."""

from __future__ import annotations

import numpy as np
import torch

from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.training.augmentation import AugmentationConfig, Augmenter
from emotional_dan_ros.training.faceset import FaceSet
from emotional_dan_ros.training.metrics import fit_temperature


@torch.no_grad()
def calibrate(model: EmotionalDAN, faces: FaceSet, image_size: int, device: torch.device) -> float:
    """Temperature that fits the labels of ``faces`` best (cross entropy); see `metrics.fit_temperature`."""
    augmenter = Augmenter(AugmentationConfig(), image_size)
    model = model.eval()
    logits = []
    for start in range(0, len(faces), 256):
        part = slice(start, start + 256)
        images, _ = augmenter.plain(faces.crops[part].to(device), faces.landmarks[part].to(device))
        logits.append(model(images).logits.float().cpu().numpy())
    return fit_temperature(np.concatenate(logits), faces.targets.argmax(dim=1).numpy())
