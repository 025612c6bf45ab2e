"""How much of the accuracy is left when the camera sees less: blur, low light, noise, hidden parts, rough alignment.

    python benchmarks/robustness.py --data fer2013.npz --votes ferplus.npz --out robustness.json

Every condition disturbs the same validation faces before alignment's crop is cut, and says what remains of the
agreement with FER+'s majority (or, without votes, with the file's labels), and how sure the network is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.training import metrics
from emotional_dan_ros.training.evaluate import choose_split
from emotional_dan_ros.training.npz_sources import read_votes
from emotional_dan_ros.training.predictions import Alignment, predict
from emotional_dan_ros.training.sources import open_faces
from emotional_dan_ros.training.targets import Faces

Image = NDArray[np.uint8]
Disturb = Callable[[Image, np.random.Generator], Image]
#: iBUG indices of what a hand or a mask hides, and of what sunglasses hide.
_MOUTH, _EYES = slice(48, 68), slice(36, 48)


def fewer_pixels(side: int) -> Disturb:
    """The face through ``side`` pixels."""

    def disturb(image: Image, _: np.random.Generator) -> Image:
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.uint8)

    return disturb


def dark(full_scale: float, read_noise: float) -> Disturb:
    """Little light, amplified: ``full_scale`` electrons at white, ``read_noise`` electrons of the sensor's own."""

    def disturb(image: Image, rng: np.random.Generator) -> Image:
        electrons = rng.poisson(image / 255.0 * full_scale) + rng.normal(scale=read_noise, size=image.shape)
        return np.clip(electrons / full_scale * 255.0, 0, 255).astype(np.uint8)

    return disturb


def side_light(depth: float) -> Disturb:
    """Light from one side: linear shading from ``1 + depth / 2`` to ``1 - depth / 2``."""

    def disturb(image: Image, rng: np.random.Generator) -> Image:
        ramp = 1.0 + depth * np.linspace(0.5, -0.5, image.shape[1]) * rng.choice([-1, 1])
        return np.clip(image * ramp, 0, 255).astype(np.uint8)

    return disturb


@dataclass(frozen=True)
class Condition:
    """One way to disturb.

    Attributes:
        name: for the table.
        disturb: of the image.
        hide: landmarks whose box is painted over.
        jitter: standard deviation of every landmark used for alignment, share of the face's side.
        alignment: see `Alignment`.
    """

    name: str
    disturb: Disturb | None = None
    hide: slice | None = None
    jitter: float = 0.0
    alignment: Alignment = Alignment.LANDMARKS


CONDITIONS = (
    Condition("as it is"),
    Condition("box without landmarks", alignment=Alignment.BOX),
    Condition("box, then the landmarks found", alignment=Alignment.REFINED),
    Condition("keypoints off by 4 % of the face", jitter=0.04),
    Condition("24 px face", fewer_pixels(24)),
    Condition("16 px face", fewer_pixels(16)),
    Condition("dusk: 60 electrons at white", dark(60, 3)),
    Condition("night: 15 electrons at white", dark(15, 2)),
    Condition("light from a side", side_light(1.4)),
    Condition("mouth hidden", hide=_MOUTH),
    Condition("eyes hidden", hide=_EYES),
)


@dataclass(frozen=True)
class Disturbed:
    """Faces of a file under a condition; each face is disturbed alike whenever it is asked for."""

    source: Faces
    condition: Condition
    seed: int
    landmarks: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        points = self.source.landmarks
        if self.condition.jitter:
            # One error per keypoint group, as a detector's five points err: eyes, nose and mouth corners move alike.
            span = np.ptp(points, axis=1).max(axis=1)[:, None, None]
            errors = np.random.default_rng(self.seed).normal(scale=self.condition.jitter, size=(len(points), 5, 2))
            group = np.zeros(68, dtype=int)
            group[36:42], group[42:48], group[27:36], group[48:58], group[54:68] = 0, 1, 2, 3, 4
            points = points + (errors[:, group] * span).astype(np.float32)
        object.__setattr__(self, "landmarks", points)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def emotion(self) -> NDArray[np.int64]:
        """Of the source."""
        return self.source.emotion

    @property
    def landmarks_valid(self) -> NDArray[np.bool_]:
        """Of the source."""
        return self.source.landmarks_valid

    @property
    def usage(self) -> NDArray[np.uint8]:
        """Of the source."""
        return self.source.usage

    def name(self, index: int) -> str:
        """Of the source."""
        return self.source.name(index)

    def image(self, index: int) -> Image | None:
        """The disturbed image."""
        image = self.source.image(index)
        if image is None:
            return None
        if self.condition.disturb:
            image = self.condition.disturb(image, np.random.default_rng((self.seed, index)))
        if self.condition.hide and self.source.landmarks_valid[index]:
            low = self.source.landmarks[index, self.condition.hide].min(axis=0)
            high = self.source.landmarks[index, self.condition.hide].max(axis=0)
            margin = 0.15 * (high - low).max()
            (x0, y0), (x1, y1) = np.maximum(low - margin, 0).astype(int), (high + margin).astype(int) + 1
            image = image.copy()
            image[y0:y1, x0:x1] = 40
        return image


def main() -> None:
    """Measure every condition on the same faces."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="labelled faces; their validation split is taken")
    parser.add_argument("--votes", type=Path, help="npz of FER+ votes that belong to it")
    parser.add_argument("--weights", default="rt")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--faces", type=int, help="how many, drawn at random (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON to write")
    args = parser.parse_args()
    faces = open_faces(args.data)
    indices = np.random.default_rng(args.seed).permutation(choose_split(faces, None))[: args.faces]
    truth = faces.emotion
    if args.votes:
        truth, usable = metrics.crowd_majority(read_votes(args.votes, len(faces)))
        indices = indices[usable[indices]]
    recognizer = EmotionRecognizer.load(args.weights, device=args.device)
    rows = []
    print(f"{'condition':<36}{'accuracy':>9}{'macro F1':>10}{'confidence':>12}")
    for condition in CONDITIONS:
        found = predict(recognizer, Disturbed(faces, condition, args.seed), indices, condition.alignment)
        matrix = metrics.confusion_matrix(truth[found.indices], found.probabilities.argmax(axis=1), 7)
        row = {
            "condition": condition.name,
            "accuracy": float(np.diag(matrix).sum() / matrix.sum()),
            "macro_f1": metrics.macro_f1(matrix),
            "mean_confidence": float(found.probabilities.max(axis=1).mean()),
        }
        rows.append(row)
        print(
            f"{row['condition']:<36}{row['accuracy']:>9.3f}{row['macro_f1']:>10.3f}{row['mean_confidence']:>12.3f}",
            flush=True,
        )
    if args.out:
        report = {"weights": recognizer.model_name, "faces": len(indices), "seed": args.seed, "conditions": rows}
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
