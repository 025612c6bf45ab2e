"""What the shipped network says of FER2013's PublicTest faces, each in several poses, lights and noises.

Computed once and kept in a file, since it takes minutes and the streams are drawn from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import crop_transform, keypoints_from_landmarks, warp_crop
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.geometry import apply_affine, invert_affine
from emotional_dan_ros.core.labels import NUM_EMOTIONS
from emotional_dan_ros.core.quality import face_quality
from emotional_dan_ros.core.types import CROP_SIZE_PX
from monitor_bench.streams import ORDINARY, FaceOutputs

if TYPE_CHECKING:
    from emotional_dan_ros.core.recognizer import EmotionRecognizer
    from emotional_dan_ros.training.npz_sources import EncodedFaces

#: How much a face moves between poses: standard deviations in px of the crop, degrees, and of the scale.
SHIFT_PX, ROTATION_DEG, SCALE = 1.5, 3.0, 0.03
#: Light: gain (uniform) and offset in grey levels (standard deviation); noise in grey levels.
GAIN, OFFSET, NOISE = (0.8, 1.2), 8.0, 4.0
_BATCH = 64


def jittered_crop(
    image: NDArray[np.uint8], crop_from_source: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Cut a face as it would come a moment later: moved, lit and seen a little differently.

    Args:
        image: uint8 (H, W), grey.
        crop_from_source: float32 (2, 3), of the face at rest.
        rng: of the draw.

    Returns:
        uint8 (112, 112) and its float32 (2, 3) affine.
    """
    angle, scale = math.radians(rng.normal(0.0, ROTATION_DEG)), 1.0 + rng.normal(0.0, SCALE)
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.full(2, (CROP_SIZE_PX - 1) / 2.0)
    moved = turn @ crop_from_source.astype(np.float64)
    moved[:, 2] += centre - turn @ centre + rng.normal(0.0, SHIFT_PX, 2)
    transform = moved.astype(np.float32)
    crop = warp_crop(image, transform).astype(np.float64)
    crop = crop * rng.uniform(*GAIN) + rng.normal(0.0, OFFSET) + rng.normal(0.0, NOISE, crop.shape)
    return np.clip(np.rint(crop), 0, 255).astype(np.uint8), transform


def compute(
    data: Path, weights: str, poses: int, seed: int, tell: Callable[[str], None] = print
) -> dict[str, NDArray[np.generic]]:
    """Run the network on all usable PublicTest faces.

    Returns:
        ``probabilities`` float32 (faces, poses, 7), ``quality`` float32 (faces, poses), ``fer2013`` and
        ``ferplus`` int64 (faces,) labels (-1 where FER+'s voters saw none of the seven), ``model`` its name.
    """
    # torch takes seconds to import and is not needed where the outputs are at hand.
    from emotional_dan_ros.core.recognizer import EmotionRecognizer
    from emotional_dan_ros.training.npz_sources import read_npz, read_votes

    faces = read_npz(data / "fer2013.npz")
    votes = read_votes(data / "ferplus.npz", len(faces))
    recognizer = EmotionRecognizer.load(weights, device="auto", num_threads=1)
    chosen: list[int] = []
    seen: set[bytes] = set()
    for index in np.flatnonzero((faces.usage == 1) & faces.landmarks_valid):
        content = faces.blob[faces.offset[index] : faces.offset[index + 1]].tobytes()
        if content not in seen:  # the same picture must not lie in both halves
            seen.add(content)
            chosen.append(int(index))
    probabilities, quality = say(recognizer, faces, chosen, poses, seed, tell)
    ours = votes[chosen, :NUM_EMOTIONS]
    clear = ours.max(axis=1) > votes[chosen, NUM_EMOTIONS:].max(axis=1)
    return {
        "probabilities": probabilities,
        "quality": quality,
        "fer2013": faces.emotion[chosen],
        "ferplus": np.where(clear, ours.argmax(axis=1), -1),
        "model": np.array(recognizer.model_name),
    }


def say(
    recognizer: EmotionRecognizer,
    faces: EncodedFaces,
    chosen: Sequence[int],
    poses: int,
    seed: int,
    tell: Callable[[str], None],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run the network on some faces, each jittered ``poses`` times.

    Returns:
        probabilities float32 (faces, poses, 7) and quality float32 (faces, poses).
    """
    rng = np.random.default_rng(seed)
    probabilities = np.empty((len(chosen), poses, NUM_EMOTIONS), dtype=np.float32)
    quality = np.empty((len(chosen), poses), dtype=np.float32)
    for first in range(0, len(chosen), _BATCH):
        part = chosen[first : first + _BATCH]
        crops: list[NDArray[np.uint8]] = []
        transforms: list[NDArray[np.float32]] = []
        for index in part:
            image = faces.image(index)
            if image is None:
                raise UserError(f"expected {faces.name(index)} to decode, but it does not")
            at_rest = crop_transform(keypoints_from_landmarks(faces.landmarks[index]))
            for _ in range(poses):
                crop, transform = jittered_crop(image, at_rest, rng)
                crops.append(crop)
                transforms.append(transform)
        said = recognizer.predict_crops(np.stack(crops))
        probabilities[first : first + len(part)] = said.probabilities.reshape(len(part), poses, NUM_EMOTIONS)
        values = [
            face_quality(crop, transform, apply_affine(landmarks, invert_affine(transform)))
            for crop, transform, landmarks in zip(crops, transforms, said.landmarks_px, strict=True)
        ]
        quality[first : first + len(part)] = np.reshape(values, (len(part), poses))
        if first // _BATCH % 10 == 0:
            tell(f"{first + len(part)} of {len(chosen)} faces")
    return probabilities, quality


def compute_photos(
    data: Path, weights: str, faces_of_each: int, poses: int, seed: int, tell: Callable[[str], None]
) -> FaceOutputs:
    """Run the network on neutral and happy press photographs."""
    from emotional_dan_ros.core.recognizer import EmotionRecognizer
    from emotional_dan_ros.training.npz_sources import read_npz

    faces = read_npz(data / "photos.npz")
    rng = np.random.default_rng(seed)
    usable = faces.landmarks_valid
    chosen = [
        int(index)
        for emotion in ORDINARY
        for index in rng.choice(np.flatnonzero(usable & (faces.emotion == emotion)), faces_of_each, replace=False)
    ]
    recognizer = EmotionRecognizer.load(weights, device="auto", num_threads=1)
    probabilities, quality = say(recognizer, faces, chosen, poses, seed, tell)
    return FaceOutputs(recognizer.model_name, faces.emotion[chosen], probabilities, quality)


def load(file: Path, labels: str) -> FaceOutputs:
    """Read what `compute` gave; ``labels`` is ``fer2013`` or ``ferplus``. Faces without a label are left out."""
    with np.load(file) as content:
        emotion = content[labels].astype(np.int64)
        usable = emotion >= 0
        return FaceOutputs(
            str(content["model"]), emotion[usable], content["probabilities"][usable], content["quality"][usable]
        )
