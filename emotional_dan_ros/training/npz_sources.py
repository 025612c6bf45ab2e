"""FER2013 and photographs kept as npz: one blob of encoded images, offsets, labels, landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES, NUM_EMOTIONS
from emotional_dan_ros.core.types import NUM_LANDMARKS


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

    def name(self, index: int) -> str:
        """What to call image ``index`` in a message."""
        return f"image {index}"

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
