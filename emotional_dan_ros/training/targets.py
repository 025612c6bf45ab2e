"""From labelled faces to training targets and aligned tensors."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import NUM_EMOTIONS
from emotional_dan_ros.training.faceset import FaceSet, align_face

#: FER+ drops a face as "not a face" or unusable when fewer votes than this fall on the seven emotions.
_MIN_EMOTION_VOTES = 4


class Faces(Protocol):
    """Labelled face images, wherever they lie.

    Attributes:
        emotion: int64 (N,), `Emotion` order.
        landmarks: float32 (N, 68, 2) px of the image; arbitrary where not valid.
        landmarks_valid: bool (N,).
        usage: uint8 (N,), 0 training, 1 validation.
    """

    @property
    def emotion(self) -> NDArray[np.int64]: ...

    @property
    def landmarks(self) -> NDArray[np.float32]: ...

    @property
    def landmarks_valid(self) -> NDArray[np.bool_]: ...

    @property
    def usage(self) -> NDArray[np.uint8]: ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> NDArray[np.uint8] | None:
        """Image ``index`` as grey (H, W); None where it does not decode."""
        ...

    def name(self, index: int) -> str:
        """What to call image ``index`` in a message."""
        ...


def one_hot(emotion: NDArray[np.int64], smoothing: float = 0.0) -> NDArray[np.float32]:
    """Targets (N, 7) of hard labels, with ``smoothing`` spread evenly over all classes."""
    hard = np.eye(NUM_EMOTIONS, dtype=np.float32)[emotion]
    return hard * (1 - smoothing) + smoothing / NUM_EMOTIONS


def mix_votes(
    hard: NDArray[np.float32], votes: NDArray[np.float32], votes_share: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Targets between one annotator's label and the distribution of ten people's votes.

    Args:
        hard: (N, 7) targets from the file's own labels.
        votes: (N, 10), FER+ order.
        votes_share: 0 (labels only) to 1 (votes only).

    Returns:
        (N, 7) targets, and bool (N,) that is false where people did not see a usable face.
    """
    emotions = votes[:, :NUM_EMOTIONS]
    total = emotions.sum(axis=1)
    usable = total >= _MIN_EMOTION_VOTES
    crowd = emotions / np.maximum(total, 1)[:, None]
    mixed = (1 - votes_share) * hard + votes_share * crowd
    return np.where(usable[:, None], mixed, hard).astype(np.float32), usable


def to_faceset(
    faces: Faces, indices: NDArray[np.integer], targets: NDArray[np.float32], size_px: int, weight: float = 1.0
) -> tuple[FaceSet, list[int]]:
    """Decode and align the chosen faces.

    Returns:
        The set, and the indices of images that did not decode (left out of it).
    """
    crops, landmarks, kept, broken = [], [], [], []
    for index in indices:
        image = faces.image(int(index))
        if image is None:
            broken.append(int(index))
            continue
        known = faces.landmarks[index] if faces.landmarks_valid[index] else None
        crop, points = align_face(image, known, size_px)
        crops.append(crop)
        landmarks.append(points)
        kept.append(int(index))
    if not kept:
        raise UserError("no image of the source could be decoded")
    return (
        FaceSet(
            crops=torch.from_numpy(np.stack(crops)),
            landmarks=torch.from_numpy(np.stack(landmarks)),
            landmarks_valid=torch.from_numpy(faces.landmarks_valid[kept]),
            targets=torch.from_numpy(targets[kept]),
            weight=torch.full((len(kept),), weight),
        ),
        broken,
    )
