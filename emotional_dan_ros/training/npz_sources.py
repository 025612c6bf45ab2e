"""FER2013 and photographs kept as npz: one blob of encoded images, offsets, labels, landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES, NUM_EMOTIONS
from emotional_dan_ros.core.types import NUM_LANDMARKS
from emotional_dan_ros.training.faceset import FaceSet, align_face

#: FER+ drops a face as "not a face" or unusable when fewer votes than this fall on the seven emotions.
_MIN_EMOTION_VOTES = 4


@dataclass(frozen=True, eq=False)
class EncodedFaces:
    """Labelled face images as they lie in a file.

    Attributes:
        blob: uint8, all encoded images one after the other.
        offset: int64 (N + 1,).
        emotion: int64 (N,), `Emotion` order.
        landmarks: float32 (N, 68, 2) px of the image.
        landmarks_valid: bool (N,).
        usage: uint8 (N,), 0 training, 1 validation; all zero where the file does not say.
    """

    blob: NDArray[np.uint8]
    offset: NDArray[np.int64]
    emotion: NDArray[np.int64]
    landmarks: NDArray[np.float32]
    landmarks_valid: NDArray[np.bool_]
    usage: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.emotion)

    def image(self, index: int) -> NDArray[np.uint8] | None:
        """Decode image ``index`` to grey (H, W); None where it does not decode."""
        data = self.blob[self.offset[index] : self.offset[index + 1]]
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
        return None if image is None else np.asarray(image, dtype=np.uint8)


def read_npz(path: Path) -> EncodedFaces:
    """Read ``fer2013.npz``-like files; arrays other than the images and ``emotion`` are optional.

    Raises:
        UserError: the file is missing, is no npz or lacks what is needed.
    """
    if not path.is_file():
        raise UserError(f"expected an npz file of faces at {path}, found none")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable npz file: {error}") from error
    blob_key = next((k for k in ("webp", "jpeg", "png") if k in arrays), None)
    if blob_key is None or "offset" not in arrays or "emotion" not in arrays:
        raise UserError(
            f"{path} needs 'offset', 'emotion' and one of 'webp', 'jpeg', 'png'; it has {', '.join(sorted(arrays))}"
        )
    emotion = arrays["emotion"].astype(np.int64)
    count = len(emotion)
    if len(arrays["offset"]) != count + 1:
        raise UserError(f"{path}: expected {count + 1} offsets for {count} labels, got {len(arrays['offset'])}")
    if count and (emotion.min() < 0 or emotion.max() >= NUM_EMOTIONS):
        raise UserError(f"{path}: labels must be 0 .. 6 ({', '.join(EMOTION_NAMES)}), got {sorted(set(emotion))}")
    landmarks = arrays.get("landmarks")
    if landmarks is None:
        landmarks = np.zeros((count, NUM_LANDMARKS, 2), dtype=np.float32)
        valid = np.zeros(count, dtype=bool)
    else:
        landmarks = landmarks.astype(np.float32)
        valid = arrays.get("landmarks_valid", np.ones(count, dtype=bool)).astype(bool)
        valid &= np.isfinite(landmarks).all(axis=(1, 2))
    usage = arrays.get("usage", np.zeros(count, dtype=np.uint8))
    return EncodedFaces(arrays[blob_key], arrays["offset"], emotion, landmarks, valid, usage)


def read_votes(path: Path, count: int) -> NDArray[np.float32]:
    """FER+ votes (N, 10) in the order of the faces they belong to.

    Raises:
        UserError: the file is missing or counts another number of images.
    """
    if not path.is_file():
        raise UserError(f"expected FER+ votes at {path}, found none")
    with np.load(path, allow_pickle=False) as archive:
        votes = archive["votes"].astype(np.float32)
    if votes.shape != (count, NUM_EMOTIONS + 3):
        raise UserError(f"{path}: expected votes of shape ({count}, 10), got {votes.shape}")
    return votes


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
    faces: EncodedFaces, indices: NDArray[np.integer], targets: NDArray[np.float32], size_px: int, weight: float = 1.0
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
