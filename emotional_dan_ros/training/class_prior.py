"""What the class prior does to accuracy: two sets of labels, one curve.

FER2013's labels and FER+'s votes pull apart: one calls faces sad or afraid that most people call neutral. Moving
the prior of the classes trades one against the other without training anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.training import metrics

#: Positions on the way from the network's own prior (0) to that of the votes (1) and beyond.
SHIFTS: tuple[float, ...] = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5)

#: Whose recall is told beside the accuracy: a monitor must not take the first for an unhappy face, nor miss the others.
WATCHED: tuple[Emotion, ...] = (Emotion.NEUTRAL, Emotion.FEAR, Emotion.ANGER)


@dataclass(frozen=True)
class PriorPoint:
    """Accuracy at one class prior.

    Attributes:
        shift: how far the prior is moved.
        labels: accuracy against the file's labels.
        majority: accuracy against FER+'s majority.
        recall: of `WATCHED` against FER+'s majority, by name; None for a class without faces.
    """

    shift: float
    labels: float
    majority: float
    recall: dict[str, float | None]


def prior_curve(
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    votes: NDArray[np.floating],
    shifts: tuple[float, ...] = SHIFTS,
) -> list[PriorPoint]:
    """Accuracies along the way from the prior the network has to that of the votes.

    Args:
        logits: (N, 7) of the network, before temperature and prior.
        labels: (N,), the file's own.
        votes: (N, 10), FER+ order.
        shifts: positions to measure.
    """
    winner, usable = metrics.crowd_majority(votes)
    emotions = votes[:, :7] / np.maximum(votes[:, :7].sum(axis=1, keepdims=True), 1)
    wanted = emotions[usable].mean(axis=0)
    # What the network answers on average is its prior, whatever faces it was trained on.
    direction = np.log(np.maximum(wanted, 1e-6) / metrics.softmax(logits).mean(axis=0))
    points = []
    for shift in shifts:
        predicted = (logits + shift * direction).argmax(axis=1)
        matrix = metrics.confusion_matrix(winner[usable], predicted[usable], 7)
        recall = metrics.recall_per_class(matrix)
        points.append(
            PriorPoint(
                shift=shift,
                labels=float((predicted == labels).mean()),
                majority=float((predicted == winner)[usable].mean()),
                recall={e.name.lower(): None if np.isnan(recall[e]) else float(recall[e]) for e in WATCHED},
            )
        )
    return points
