"""Grad-CAM on aligned crops: single maps, and the mean map of each emotion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import box_transform, crop_transform, keypoints_from_landmarks, warp_crop
from emotional_dan_ros.core.explanation import CropExplainer
from emotional_dan_ros.core.labels import NUM_EMOTIONS
from emotional_dan_ros.core.types import CROP_SIZE_PX
from emotional_dan_ros.training.targets import Faces

_BATCH = 64


@dataclass(frozen=True, eq=False)
class MeanMaps:
    """Where the network looks for each emotion, over the faces that it recognises as they are labelled.

    Attributes:
        maps: float32 (7, 112, 112), 0 .. 1; zeros for an emotion without such a face.
        crops: float32 (7, 112, 112), 0 .. 255, the mean of those faces.
        recognised: int (7,), how many they are.
        seen: int (7,), how many were looked at.
    """

    maps: NDArray[np.float32]
    crops: NDArray[np.float32]
    recognised: NDArray[np.int64]
    seen: NDArray[np.int64]


def labelled_crops(faces: Faces, indices: NDArray[np.integer]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Batches of aligned crops (N, 112, 112) with their labels (N,); images that do not decode are left out.

    Faces without landmarks are taken as filling their image.
    """
    for start in range(0, len(indices), _BATCH):
        crops, labels = [], []
        for index in indices[start : start + _BATCH]:
            image = faces.image(int(index))
            if image is None:
                continue
            if faces.landmarks_valid[index]:
                transform = crop_transform(keypoints_from_landmarks(faces.landmarks[index]))
            else:
                transform = box_transform(np.array([0, 0, image.shape[1], image.shape[0]]))
            crops.append(warp_crop(image, transform))
            labels.append(int(faces.emotion[index]))
        if crops:
            yield np.stack(crops), np.array(labels, dtype=np.int64)


def choose_per_emotion(faces: Faces, indices: NDArray[np.integer], limit: int) -> NDArray[np.int64]:
    """The first ``limit`` faces of each emotion among ``indices``."""
    labels = faces.emotion[indices]
    return np.concatenate([indices[labels == e][:limit] for e in range(NUM_EMOTIONS)]).astype(np.int64)


def mean_maps(explainer: CropExplainer, faces: Faces, indices: NDArray[np.integer]) -> MeanMaps:
    """Mean map of each emotion, as the paper's figure: over the faces that are recognised as labelled."""
    shape = (NUM_EMOTIONS, CROP_SIZE_PX, CROP_SIZE_PX)
    maps, mean_crops = np.zeros(shape, np.float64), np.zeros(shape, np.float64)
    recognised, seen = np.zeros(NUM_EMOTIONS, np.int64), np.zeros(NUM_EMOTIONS, np.int64)
    for crops, labels in labelled_crops(faces, indices):
        explanation = explainer.explain(crops, labels)
        right = explanation.probabilities.argmax(axis=1) == labels
        np.add.at(seen, labels, 1)
        np.add.at(recognised, labels[right], 1)
        np.add.at(maps, labels[right], explanation.maps[right])
        np.add.at(mean_crops, labels[right], crops[right])
    count = np.maximum(recognised, 1)[:, None, None]
    return MeanMaps((maps / count).astype(np.float32), (mean_crops / count).astype(np.float32), recognised, seen)
