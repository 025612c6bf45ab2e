"""Small made-up training data: faces are blobs whose landmarks and class can really be learnt."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

#: iBUG pairs (left and right of the picture) whose mirror images they are; the rest lies on the middle line.
_PAIRS = [
    *((i, 16 - i) for i in range(8)),
    *((17 + i, 26 - i) for i in range(5)),
    *((31 + i, 35 - i) for i in range(2)),
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48 + i, 54 - i) for i in range(3)),
    *((59 - i, 55 + i) for i in range(2)),
    *((60, 64), (61, 63), (67, 65)),
]


def _symmetric_shape() -> np.ndarray:
    """Landmarks (68, 2) as fractions of the picture, mirror-symmetric as a face is."""
    shape = np.column_stack([np.full(68, 0.5), np.linspace(0.3, 0.85, 68)])
    for k, (left, right) in enumerate(_PAIRS):
        shape[left] = [0.2 + 0.25 * (k * 0.37 % 1), 0.25 + 0.6 * (k * 0.61 % 1)]
        shape[right] = [1 - shape[left, 0], shape[left, 1]]
    shape[36:42] += [0.35, 0.4] - shape[36:42].mean(axis=0)
    shape[42:48] += [0.65, 0.4] - shape[42:48].mean(axis=0)
    shape[30] = [0.5, 0.58]
    shape[48], shape[54] = [0.38, 0.74], [0.62, 0.74]
    return shape


_SHAPE = _symmetric_shape()


def draw_face(rng: np.random.Generator, emotion: int, side: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A picture (side, side) whose class shows as the height of a bar between mouth and chin, and its landmarks."""
    points = _SHAPE * side + rng.normal(scale=0.7, size=2)
    image = np.full((side, side), 90, dtype=np.uint8)
    for x, y in points[[36, 39, 42, 45, 30, 48, 54]]:
        cv2.circle(image, (round(float(x)), round(float(y))), 2, 230, -1)
    bar = round(float(points[30, 1])) - 14 + 4 * emotion
    image[bar : bar + 3, side // 4 : -side // 4] = 20
    noisy = image + rng.normal(scale=4, size=image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), points.astype(np.float32)


@pytest.fixture
def write_faces(tmp_path: Path):
    """Function that writes an npz of ``count`` made-up faces and gives its path."""

    def write(count: int = 60, name: str = "faces.npz", validation: int = 12, broken: int = 0, **extra) -> Path:
        rng = np.random.default_rng(count)
        emotion = np.arange(count) % 7
        pictures, landmarks = zip(*(draw_face(rng, int(e)) for e in emotion), strict=True)
        encoded = [cv2.imencode(".png", p)[1].reshape(-1) for p in pictures]
        for i in range(broken):
            encoded[i] = np.frombuffer(b"not an image", dtype=np.uint8)
        usage = np.zeros(count, dtype=np.uint8)
        usage[count - validation :] = 1
        arrays = {
            "png": np.concatenate(encoded),
            "offset": np.cumsum([0, *(len(e) for e in encoded)]),
            "emotion": emotion.astype(np.uint8),
            "landmarks": np.stack(landmarks).astype(np.float16),
            "landmarks_valid": np.ones(count, dtype=bool),
            "usage": usage,
        }
        path = tmp_path / name
        np.savez(path, **(arrays | extra))
        return path

    return write
