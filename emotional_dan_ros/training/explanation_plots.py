"""Pictures of explanations: maps painted on faces, what was recognised beneath, and the grid of mean maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.geometry import invert_affine
from emotional_dan_ros.core.heat_maps import paint_map
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.training.explanations import MeanMaps

_NAMED = 2
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LINE_PX, _FONT_SCALE = 30, 0.7


def sentence(probabilities: NDArray[np.floating]) -> str:
    """The likeliest emotions in words, ``"Surprise 0.90, Fear 0.02"``.

    Args:
        probabilities: (7,), `Emotion` order.
    """
    best = np.argsort(-probabilities, kind="stable")[:_NAMED]
    return ", ".join(f"{Emotion(int(i)).label} {probabilities[i]:.2f}" for i in best)


def explained_picture(
    image: NDArray[np.uint8],
    crops_from_source: Sequence[NDArray[np.floating]],
    maps: NDArray[np.floating],
    probabilities: NDArray[np.floating],
) -> NDArray[np.uint8]:
    """The image with the map of every face in its place, and a line for each face beneath it.

    Args:
        image: uint8 (H, W, 3) BGR or (H, W) grey.
        crops_from_source: N affines (2, 3) from px of the image to px of the crop.
        maps: (N, 112, 112), 0 .. 1.
        probabilities: (N, 7).

    Returns:
        uint8 (H + lines, W, 3) BGR.
    """
    height, width = image.shape[:2]
    heat = np.zeros((height, width), np.float32)
    for transform, face in zip(crops_from_source, maps, strict=True):
        heat = np.maximum(heat, cv2.warpAffine(face.astype(np.float32), invert_affine(transform), (width, height)))
    canvas = paint_map(image, heat)
    lines = [sentence(p) for p in probabilities]
    if len(lines) > 1:
        lines = [f"#{i} {line}" for i, line in enumerate(lines, start=1)]
        for i, transform in enumerate(crops_from_source, start=1):
            _number(canvas, i, invert_affine(transform)[:, 2])
    widest = max((cv2.getTextSize(line, _FONT, _FONT_SCALE, 1)[0][0] for line in lines), default=0)
    scale = _FONT_SCALE * min(1.0, (width - 12) / max(widest, 1))
    strip = np.full((_LINE_PX * len(lines) + 8, width, 3), 255, np.uint8)
    for row, line in enumerate(lines, start=1):
        cv2.putText(strip, line, (6, _LINE_PX * row - 6), _FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([canvas, strip])


def _number(canvas: NDArray[np.uint8], number: int, corner: NDArray[np.floating]) -> None:
    """Write a face's number at the upper left corner of its crop, inside the picture."""
    x = int(np.clip(corner[0], 2, canvas.shape[1] - 40))
    y = int(np.clip(corner[1] + 20, 22, canvas.shape[0] - 4))
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        cv2.putText(canvas, f"#{number}", (x, y), _FONT, _FONT_SCALE, colour, thickness, cv2.LINE_AA)


def plot_mean_maps(path: Path, means: MeanMaps, title: str) -> None:
    """Save the mean map of each emotion over the mean of its faces as one grid (PNG).

    Each map is stretched to its own largest value, so that where it lies can be compared, not how strong it is.
    """
    figure, axes = plt.subplots(1, len(Emotion), figsize=(2.1 * len(Emotion), 2.75), layout="constrained")
    for emotion, panel in zip(Emotion, axes, strict=True):
        count, seen = int(means.recognised[emotion]), int(means.seen[emotion])
        panel.set_axis_off()
        panel.set_title(f"{emotion.label}\n{count} of {seen}", fontsize=10)
        if count:
            heat = means.maps[emotion] / max(float(means.maps[emotion].max()), 1e-6)
            grey = np.rint(means.crops[emotion]).astype(np.uint8)
            panel.imshow(paint_map(grey, heat)[..., ::-1])
        else:
            panel.text(0.5, 0.5, "no face", ha="center", va="center", transform=panel.transAxes)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)
