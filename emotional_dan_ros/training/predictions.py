"""What a network says of the faces of a file, cropped as the pipeline crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import box_transform, crop_transform, keypoints_from_landmarks, warp_crop
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.geometry import apply_affine, invert_affine
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.training.face_finding import LargestFace
from emotional_dan_ros.training.targets import Faces


class Alignment(str, Enum):
    """How a face is brought into the crop."""

    #: By the landmarks of the file; where it has none, as `REFINED`.
    LANDMARKS = "landmarks"
    #: The image is taken as filled by the face.
    BOX = "box"
    #: By the box first, then once more by the landmarks the network finds.
    REFINED = "refined"
    #: By the keypoints of the largest face that the detector finds, as in the vehicle; without one, as `REFINED`.
    DETECTED = "detected"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the network says of N faces.

    Attributes:
        indices: int (N,), position in the file.
        logits: float32 (N, 7).
        probabilities: float32 (N, 7), with the temperature and prior of the weights.
        landmarks_px: float32 (N, 68, 2), px of the image.
        broken: positions of images that did not decode.
        undetected: positions of images in which the detector, where it was asked, found no face.
    """

    indices: NDArray[np.int64]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    landmarks_px: NDArray[np.float32]
    broken: tuple[int, ...]
    undetected: tuple[int, ...] = ()


def predict(
    recognizer: EmotionRecognizer,
    faces: Faces,
    indices: NDArray[np.integer],
    alignment: Alignment = Alignment.LANDMARKS,
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Run the recogniser on chosen faces of a file, cropped as the pipeline crops.

    Args:
        recognizer: with its weights.
        faces: the file.
        indices: which faces.
        alignment: see `Alignment`.
        progress: called with the number of faces done after each batch.

    Raises:
        UserError: no image could be decoded.
    """
    place = _Placement(alignment, str(recognizer.device))
    kept: list[int] = []
    broken: list[int] = []
    logits, probabilities, landmarks = [], [], []
    for batch in _batches(indices, 128):
        crops: list[NDArray[np.uint8]] = []
        transforms: list[NDArray[np.float32]] = []
        to_refine: dict[int, NDArray[np.uint8]] = {}  # others need not be kept, and photographs are large
        for index in batch:
            image = faces.image(index)
            if image is None:
                broken.append(index)
                continue
            transform, refine = place(faces, index, image)
            if refine:
                to_refine[len(crops)] = image
            kept.append(index)
            crops.append(warp_crop(image, transform))
            transforms.append(transform)
        if not crops:
            continue
        result = recognizer.predict_crops(np.stack(crops))
        for k, image in to_refine.items():
            points = apply_affine(result.landmarks_px[k], invert_affine(transforms[k]))
            transforms[k] = crop_transform(keypoints_from_landmarks(points))
            crops[k] = warp_crop(image, transforms[k])
        if to_refine:
            result = recognizer.predict_crops(np.stack(crops))
        logits.append(result.logits)
        probabilities.append(result.probabilities)
        landmarks.append(
            np.stack([apply_affine(p, invert_affine(t)) for p, t in zip(result.landmarks_px, transforms, strict=True)])
        )
        if progress:
            progress(len(kept) + len(broken))
    if not kept:
        raise UserError("none of the chosen images could be decoded")
    return Predictions(
        np.array(kept),
        np.concatenate(logits),
        np.concatenate(probabilities),
        np.concatenate(landmarks),
        tuple(broken),
        tuple(place.undetected),
    )


class _Placement:
    """Where faces lie in their images.

    Attributes:
        undetected: positions of images in which no face was found.
    """

    def __init__(self, alignment: Alignment, device: str) -> None:
        self._alignment = alignment
        self._finder = LargestFace(device) if alignment is Alignment.DETECTED else None
        self.undetected: list[int] = []

    def __call__(self, faces: Faces, index: int, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], bool]:
        """Affine (2, 3) from px of the image to px of the crop, and whether to align once more by what is found."""
        if self._alignment is Alignment.LANDMARKS and faces.landmarks_valid[index]:
            return crop_transform(keypoints_from_landmarks(faces.landmarks[index])), False
        if self._finder is not None:
            found = self._finder.crop_transform(image)
            if found is not None:
                return found, False
            self.undetected.append(index)
        whole = box_transform(np.array([0, 0, image.shape[1], image.shape[0]]))
        return whole, self._alignment is not Alignment.BOX


def _batches(indices: NDArray[np.integer], size: int) -> Iterator[list[int]]:
    for start in range(0, len(indices), size):
        yield [int(i) for i in indices[start : start + size]]
