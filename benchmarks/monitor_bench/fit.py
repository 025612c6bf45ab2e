"""Learn from faces what a network's outputs mean (core/anomaly/output_model.py)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from emotional_dan_ros.core.anomaly import OutputModel, Prior
from emotional_dan_ros.core.anomaly.output_model import SMALLEST
from emotional_dan_ros.core.labels import NUM_EMOTIONS
from monitor_bench.streams import ORDINARY, ORDINARY_SHARE, FaceOutputs

#: How strongly the regression is held to the outputs as they are, in faces: some emotions have few.
HELD = 17.0
#: Most looks kept in a sample of ordinary faces.
LOOKS = 64

Floats = NDArray[np.float64]


def fit_outputs(faces: FaceOutputs, seed: int = 0) -> OutputModel:
    """Learn an output model from faces with known emotions."""
    slope, offset = _regress(faces)
    ordinary = np.isin(faces.emotion, ORDINARY)
    means = faces.probabilities[ordinary].mean(axis=1).astype(np.float64)
    emotions = faces.emotion[ordinary]
    weight = np.zeros(len(means))
    for emotion, share in zip(ORDINARY, ORDINARY_SHARE, strict=True):
        weight[emotions == emotion] = share / max(int((emotions == emotion).sum()), 1)
    looks, share_of = _cluster(means, weight / weight.sum(), seed)
    return OutputModel(slope, offset, looks, share_of)


def expected_of(probabilities: NDArray[np.floating], outputs: OutputModel) -> Prior:
    """Summarise ordinary outputs (n, 7): their mean, and the shares under which they are most likely."""
    p = probabilities.astype(np.float64)
    likelihoods = outputs.likelihoods(p)
    mean = p.mean(axis=0)
    shares = mean
    for _ in range(200):  # expectation maximisation of mixture shares; converges in some tens of rounds
        joint = shares * likelihoods
        shares = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
    return Prior(_rounded(mean), _rounded(shares))


def _regress(faces: FaceOutputs) -> tuple[Floats, Floats]:
    """Multinomial logistic regression of emotions, each of the same weight, on log-probabilities."""
    count, poses, _ = faces.probabilities.shape
    logs = np.log(np.maximum(faces.probabilities.astype(np.float64), SMALLEST)).reshape(count * poses, NUM_EMOTIONS)
    design = np.column_stack((logs, np.ones(len(logs))))
    emotion = np.repeat(faces.emotion, poses)
    weight = 1.0 / np.maximum(np.bincount(emotion, minlength=NUM_EMOTIONS), 1)[emotion]
    weight /= weight.sum()
    held = HELD / count
    wanted = np.eye(NUM_EMOTIONS)[emotion]
    start = np.column_stack((np.eye(NUM_EMOTIONS), np.zeros(NUM_EMOTIONS)))

    def loss(flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(start.shape)
        logits = design @ table.T
        logits -= logits.max(axis=1, keepdims=True)
        log_norm = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        away = table - start
        away[:, -1] = 0.0
        value = -(weight * ((logits - log_norm) * wanted).sum(axis=1)).sum() + held * np.square(away).sum()
        gradient = ((np.exp(logits - log_norm) - wanted) * weight[:, None]).T @ design + 2.0 * held * away
        return float(value), gradient.ravel()

    table = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B").x.reshape(start.shape)
    return table[:, :-1], table[:, -1]


def _cluster(points: Floats, weight: Floats, seed: int) -> tuple[Floats, Floats]:
    """Summarise weighted points by k-means; return centres and their weights."""
    rng = np.random.default_rng(seed)
    centres = points[rng.choice(len(points), min(LOOKS, len(points)), replace=False)]
    for _ in range(20):
        nearest = np.square(points[:, None] - centres).sum(axis=2).argmin(axis=1)
        total = np.bincount(nearest, weight, len(centres))
        sums = np.stack([np.bincount(nearest, weight * column, len(centres)) for column in points.T], axis=1)
        centres = np.where(total[:, None] > 0.0, sums / np.maximum(total, 1e-12)[:, None], centres)
    used = total > 0.0
    return centres[used], total[used] / total[used].sum()


def _rounded(values: Floats) -> tuple[float, ...]:
    some = np.maximum(values, 1e-3)
    return tuple(round(float(value), 5) for value in some / some.sum())
