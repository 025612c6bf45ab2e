"""How good weights are on labelled faces: predictions and the figures derived from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import box_transform, crop_transform, keypoints_from_landmarks, warp_crop
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.geometry import apply_affine, invert_affine
from emotional_dan_ros.core.labels import EMOTION_NAMES, VALENCE_NAMES, valence_matrix
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.model.losses import landmark_error
from emotional_dan_ros.training import metrics
from emotional_dan_ros.training.class_prior import prior_curve
from emotional_dan_ros.training.targets import Faces

#: Landmark errors above this share of the inter-pupil distance count as failures (300-W's convention).
FAILURE_THRESHOLD = 0.08


class Alignment(str, Enum):
    """How a face is brought into the crop."""

    #: By the landmarks of the file; where it has none, as `REFINED`.
    LANDMARKS = "landmarks"
    #: The image is taken as filled by the face.
    BOX = "box"
    #: By the box first, then once more by the landmarks the network finds.
    REFINED = "refined"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the network says of N faces.

    Attributes:
        indices: int (N,), position in the file.
        logits: float32 (N, 7).
        probabilities: float32 (N, 7), with the temperature and prior of the weights.
        landmarks_px: float32 (N, 68, 2), px of the image.
        broken: positions of images that did not decode.
    """

    indices: NDArray[np.int64]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    landmarks_px: NDArray[np.float32]
    broken: tuple[int, ...]


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
    kept: list[int] = []
    broken: list[int] = []
    logits, probabilities, landmarks = [], [], []
    for batch in _batches(indices, 128):
        images: list[NDArray[np.uint8]] = []
        transforms: list[NDArray[np.float32]] = []
        refine: list[bool] = []
        for index in batch:
            image = faces.image(index)
            if image is None:
                broken.append(index)
                continue
            by_landmarks = alignment is Alignment.LANDMARKS and bool(faces.landmarks_valid[index])
            if by_landmarks:
                transform = crop_transform(keypoints_from_landmarks(faces.landmarks[index]))
            else:
                transform = box_transform(np.array([0, 0, image.shape[1], image.shape[0]]))
            kept.append(index)
            images.append(image)
            transforms.append(transform)
            refine.append(not by_landmarks and alignment is not Alignment.BOX)
        if not images:
            continue
        result = recognizer.predict_crops(np.stack([warp_crop(i, t) for i, t in zip(images, transforms, strict=True)]))
        if any(refine):
            for k, again in enumerate(refine):
                if again:
                    points = apply_affine(result.landmarks_px[k], invert_affine(transforms[k]))
                    transforms[k] = crop_transform(keypoints_from_landmarks(points))
            result = recognizer.predict_crops(
                np.stack([warp_crop(i, t) for i, t in zip(images, transforms, strict=True)])
            )
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
    )


def _batches(indices: NDArray[np.integer], size: int) -> Iterator[list[int]]:
    for start in range(0, len(indices), size):
        yield [int(i) for i in indices[start : start + size]]


@dataclass(frozen=True, eq=False)
class ClassFigures:
    """Recognition figures of one problem.

    Attributes:
        accuracy: share of right answers.
        macro_f1: mean F1 over the classes that occur.
        recall: by class name; None for a class without faces.
        confusion: counts, rows truth, columns prediction.
        ece: expected calibration error of the calibrated probabilities.
    """

    accuracy: float
    macro_f1: float
    recall: dict[str, float | None]
    confusion: list[list[int]]
    ece: float


def class_figures(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], names: tuple[str, ...]
) -> ClassFigures:
    """Figures of predictions (N, C) against labels (N,)."""
    matrix = metrics.confusion_matrix(truth, probabilities.argmax(axis=1), len(names))
    recall = metrics.recall_per_class(matrix)
    return ClassFigures(
        accuracy=float(np.diag(matrix).sum() / matrix.sum()),
        macro_f1=metrics.macro_f1(matrix),
        recall={n: None if np.isnan(r) else float(r) for n, r in zip(names, recall, strict=True)},
        confusion=matrix.tolist(),
        ece=metrics.expected_calibration_error(probabilities, truth),
    )


def summarise(
    recognizer: EmotionRecognizer, faces: Faces, predictions: Predictions, votes: NDArray[np.float32] | None
) -> dict[str, Any]:
    """All figures as plain values; ``accuracy`` (against the file's own labels) at the top level.

    Args:
        recognizer: whose weights made the predictions.
        faces: the file.
        predictions: of it.
        votes: FER+ votes (all faces of the file, 10), or None.
    """
    chosen = predictions.indices
    truth = faces.emotion[chosen]
    figures = class_figures(predictions.probabilities, truth, EMOTION_NAMES)
    fold = valence_matrix()
    valences = class_figures(predictions.probabilities @ fold, fold.argmax(axis=1)[truth], VALENCE_NAMES)
    uncalibrated = metrics.softmax(predictions.logits)
    result: dict[str, Any] = {
        "weights": recognizer.model_name,
        "faces": len(chosen),
        "skipped": list(predictions.broken),
        **asdict(figures),
        "ece_before_temperature": metrics.expected_calibration_error(uncalibrated, truth),
        "temperature": recognizer.info.temperature,
        "three_class": asdict(valences),
        "landmarks": _landmark_figures(faces, predictions),
    }
    if votes is not None:
        winner, usable = metrics.crowd_majority(votes[chosen])
        crowd = class_figures(predictions.probabilities[usable], winner[usable], EMOTION_NAMES)
        folded = class_figures(
            predictions.probabilities[usable] @ fold, fold.argmax(axis=1)[winner[usable]], VALENCE_NAMES
        )
        result["ferplus"] = {
            "faces": int(usable.sum()),
            **asdict(crowd),
            "ece_before_temperature": metrics.expected_calibration_error(uncalibrated[usable], winner[usable]),
            "three_class": asdict(folded),
            "class_prior": [asdict(p) for p in prior_curve(predictions.logits, truth, votes[chosen])],
        }
    return result


def _landmark_figures(faces: Faces, predictions: Predictions) -> dict[str, Any] | None:
    valid = faces.landmarks_valid[predictions.indices]
    if not valid.any():
        return None
    errors = landmark_error(
        torch.from_numpy(predictions.landmarks_px[valid]),
        torch.from_numpy(faces.landmarks[predictions.indices[valid]]),
    ).numpy()
    return {
        "faces": int(valid.sum()),
        "mean_error": float(errors.mean()),
        "median_error": float(np.median(errors)),
        "failures": float((errors > FAILURE_THRESHOLD).mean()),
        "normalised_by": "inter-pupil distance",
    }
