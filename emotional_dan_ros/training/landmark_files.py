"""Landmarks kept beside a source that has none, as ``emotional-dan annotate`` writes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.types import NUM_LANDMARKS
from emotional_dan_ros.training.targets import Faces


@dataclass(frozen=True, eq=False)
class AnnotatedFaces:
    """Faces of another source with landmarks from a file; see `targets.Faces`."""

    source: Faces
    landmarks: NDArray[np.float32]
    landmarks_valid: NDArray[np.bool_]

    @property
    def emotion(self) -> NDArray[np.int64]:
        """Of the source."""
        return self.source.emotion

    @property
    def usage(self) -> NDArray[np.uint8]:
        """Of the source."""
        return self.source.usage

    def __len__(self) -> int:
        return len(self.source)

    def image(self, index: int) -> NDArray[np.uint8] | None:
        """Of the source."""
        return self.source.image(index)

    def name(self, index: int) -> str:
        """Of the source."""
        return self.source.name(index)


def write_landmarks(path: Path, faces: Faces, landmarks: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    """Write landmarks of every face of a source; the file appears when it is whole.

    Args:
        path: ``.npz``.
        faces: whose they are, in order.
        landmarks: float32 (N, 68, 2) px of the images.
        valid: bool (N,).
    """
    names = np.array([faces.name(i) for i in range(len(faces))])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, name=names, landmarks=landmarks.astype(np.float16), landmarks_valid=valid)
    temporary.replace(path)


def with_landmarks(faces: Faces, path: Path) -> AnnotatedFaces:
    """Give a source the landmarks of a file; what the source has itself stays.

    Raises:
        UserError: the file is missing, damaged or belongs to other faces.
    """
    if not path.is_file():
        raise UserError(f"expected landmarks at {path}, found none; write them with emotional-dan annotate")
    try:
        with np.load(path, allow_pickle=False) as archive:
            names, points, valid = archive["name"], archive["landmarks"], archive["landmarks_valid"].astype(bool)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} is no file of landmarks ({error}); write it anew with emotional-dan annotate"
        ) from error
    expected = np.array([faces.name(i) for i in range(len(faces))])
    if points.shape != (len(faces), NUM_LANDMARKS, 2) or not np.array_equal(names, expected):
        raise UserError(
            f"{path} holds landmarks of other faces than the source; write it anew with emotional-dan annotate"
        )
    own = faces.landmarks_valid
    merged = np.where(own[:, None, None], faces.landmarks, points.astype(np.float32))
    return AnnotatedFaces(faces, merged, own | valid)
