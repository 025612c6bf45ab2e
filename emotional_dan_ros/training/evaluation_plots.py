"""Pictures of an evaluation: confusion matrix and reliability diagram."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.training.class_prior import PriorPoint
from emotional_dan_ros.training.metrics import reliability


def plot_confusion(path: Path, confusion: list[list[int]], names: tuple[str, ...], title: str) -> None:
    """Save a confusion matrix as PNG: shares of each true class, with counts."""
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(1.1 * len(names) + 1.6, 1.0 * len(names) + 1.2), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("recognised as")
    axes.set_ylabel("labelled")
    axes.set_title(title)
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = f"{shares[row, column]:.2f}\n{counts[row, column]}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_reliability(
    path: Path,
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    truth: NDArray[np.integer],
    title: str,
) -> None:
    """Save a reliability diagram as PNG: accuracy over confidence before and after calibration.

    Args:
        path: of the PNG.
        before: (N, C) probabilities without temperature.
        after: (N, C) calibrated probabilities.
        truth: (N,).
        title: above the diagram.
    """
    figure, axes = plt.subplots(figsize=(5, 4.6), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":", label="perfect")
    for values, label, marker in ((before, "before temperature", "s"), (after, "after", "o")):
        confidence, accuracy, count = reliability(values, truth)
        some = count > 0
        axes.plot(confidence[some], accuracy[some], marker=marker, label=label)
    axes.set_xlabel("confidence of the top emotion")
    axes.set_ylabel("share that is right")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_title(title)
    axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_prior_curve(path: Path, points: list[PriorPoint], shipped: tuple[float, float], title: str) -> None:
    """Save what the class prior does as PNG.

    Args:
        path: of the PNG.
        points: of `prior_curve`.
        shipped: accuracies (file's labels, FER+ majority) with the prior the weights carry.
        title: above the picture.
    """
    figure, (accuracies, recalls) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    accuracies.plot([100 * p.labels for p in points], [100 * p.majority for p in points], marker="o", markersize=4)
    for point in points:
        where = (100 * point.labels, 100 * point.majority)
        accuracies.annotate(f"{point.shift:g}", where, xytext=(5, 4), textcoords="offset points", fontsize=8)
    accuracies.plot(100 * shipped[0], 100 * shipped[1], marker="*", markersize=14, linestyle="", label="these weights")
    accuracies.set_xlabel("right by the file's labels, %")
    accuracies.set_ylabel("right by FER+ majority, %")
    accuracies.legend(loc="lower left")
    accuracies.grid(alpha=0.3)
    for name, marker in zip(points[0].recall, "osv", strict=True):
        known = [(p.shift, 100 * value) for p in points if (value := p.recall[name]) is not None]
        if known:
            recalls.plot(*zip(*known, strict=True), marker=marker, label=name)
    recalls.set_xlabel("prior moved towards that of the votes by")
    recalls.set_ylabel("recall by FER+ majority, %")
    recalls.legend()
    recalls.grid(alpha=0.3)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    plt.close(figure)
