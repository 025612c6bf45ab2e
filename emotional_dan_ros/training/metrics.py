"""Measures of recognition, landmarks and calibration, on numpy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): rows are the truth, columns the prediction."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (truth, predicted), 1)
    return matrix


def recall_per_class(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each true class that was found; NaN for a class without examples."""
    totals = matrix.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(totals > 0, np.diag(matrix) / totals, np.nan)


def macro_f1(matrix: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that occur in the truth."""
    found = np.diag(matrix).astype(np.float64)
    denominator = matrix.sum(axis=0) + matrix.sum(axis=1)
    f1 = np.where(denominator > 0, 2 * found / np.maximum(denominator, 1), 0.0)
    return float(f1[matrix.sum(axis=1) > 0].mean())


def reliability(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], bins: int = 15
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean confidence, accuracy and count in equal-width bins of the top probability.

    Args:
        probabilities: (N, C).
        truth: (N,).
        bins: how many.

    Returns:
        three arrays (bins,); means of empty bins are 0.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == truth
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    safe = np.maximum(count, 1)
    return (
        np.bincount(index, weights=confidence, minlength=bins) / safe,
        np.bincount(index, weights=correct, minlength=bins) / safe,
        count,
    )


def expected_calibration_error(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], bins: int = 15
) -> float:
    """ECE of the top class (Guo et al. 2017): mean over faces of |confidence - accuracy| of their bin."""
    confidence, accuracy, count = reliability(probabilities, truth, bins)
    return float((np.abs(confidence - accuracy) * count).sum() / max(count.sum(), 1))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def fit_temperature(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Temperature that minimises the cross entropy of ``softmax(logits / T)`` (Guo et al. 2017).

    Golden-section search on log T in 0.2 .. 5: the cross entropy has one minimum in it.
    """
    rows = np.arange(len(truth))

    def loss(log_t: float) -> float:
        return float(-np.log(softmax(logits / np.exp(log_t))[rows, truth] + 1e-12).mean())

    low, high = np.log(0.2), np.log(5.0)
    ratio = (np.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    loss_a, loss_b = loss(a), loss(b)
    for _ in range(40):
        if loss_a < loss_b:
            high, b, loss_b = b, a, loss_a
            a = high - ratio * (high - low)
            loss_a = loss(a)
        else:
            low, a, loss_a = a, b, loss_b
            b = low + ratio * (high - low)
            loss_b = loss(b)
    return float(np.exp((low + high) / 2))


def crowd_majority(votes: NDArray[np.floating], minimum: int = 5) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """FER+ majority among the seven emotions.

    Args:
        votes: (N, 10): the seven emotions, then contempt, unknown, not a face.
        minimum: votes that must fall on the seven emotions together.

    Returns:
        winner (N,), and bool (N,): whether there are that many votes and no other column has more than
        the winner.
    """
    emotions = votes[:, :7]
    usable = (emotions.sum(axis=1) >= minimum) & (emotions.max(axis=1) >= votes[:, 7:].max(axis=1))
    return emotions.argmax(axis=1).astype(np.int64), usable
