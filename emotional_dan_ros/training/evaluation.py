"""How good weights are on labelled faces: figures derived from predictions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_dan_ros.core.labels import EMOTION_NAMES, VALENCE_NAMES, valence_matrix
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.model.losses import landmark_error
from emotional_dan_ros.training import metrics
from emotional_dan_ros.training.class_prior import prior_curve
from emotional_dan_ros.training.predictions import Predictions
from emotional_dan_ros.training.targets import Faces

#: Landmark errors above this share of the inter-pupil distance count as failures (300-W's convention).
FAILURE_THRESHOLD = 0.08


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
        "undetected": list(predictions.undetected),
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
