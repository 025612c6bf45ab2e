"""The built-in sample: two passengers in one picture, made from photographs that ship inside dependencies.

NASA's portrait of Eileen Collins comes with scikit-image, the US Navy's portrait of Grace Hopper with
Matplotlib; both are in the public domain. The faces only move (seeded, smooth, with a slight change of
light); nobody's expression is altered. The second passenger leaves the picture for a while and comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError

WIDTH_PX = 960
HEIGHT_PX = 540
RATE_HZ = 15.0
NUM_FRAMES = 150
#: Frames between which the second passenger slides out of the picture, is away, and slides in again.
LEAVES_FRAMES = (60, 72, 82, 94)

_SEED = 20
_FEATHER = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class _Portrait:
    """A photograph and how it sits in the picture.

    Attributes:
        image: uint8 (H, W, 3), BGR.
        alpha: float32 (H, W), 1 inside the passenger's oval, 0 outside.
        pivot_px: the middle of the face in the photograph.
        place_px: where the pivot rests in the picture.
        scale: picture px per photograph px.
    """

    image: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    pivot_px: tuple[float, float]
    place_px: tuple[float, float]
    scale: float


def _astronaut() -> NDArray[np.uint8]:
    try:
        from skimage import data
    except ImportError as error:
        raise _missing("scikit-image", "its astronaut picture", error) from error
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def _grace_hopper() -> NDArray[np.uint8]:
    try:
        from matplotlib import cbook

        path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    except (ImportError, OSError) as error:
        raise _missing("Matplotlib", "its sample picture grace_hopper.jpg", error) from error
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise _missing("Matplotlib", "its sample picture grace_hopper.jpg", path)
    return np.asarray(image, dtype=np.uint8)


def _missing(package: str, what: str, got: object) -> UserError:
    return UserError(
        f"the built-in sample expects {package} with {what}, got {got}; install {package} from its wheel or name a file"
    )


def _oval(shape: tuple[int, ...], centre: tuple[float, float], radii: tuple[float, float]) -> NDArray[np.float32]:
    """A super-ellipse with a soft rim: wide enough for head and shoulders, without corners."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = ((np.abs(x - centre[0]) / radii[0]) ** 3 + (np.abs(y - centre[1]) / radii[1]) ** 3) ** (1 / 3)
    return np.clip((1.0 - distance) / _FEATHER, 0.0, 1.0).astype(np.float32)


def _background() -> NDArray[np.float32]:
    """A dim cabin: a vertical gradient and two seat backs."""
    ramp = np.linspace(70, 28, HEIGHT_PX, dtype=np.float32)[:, None, None]
    picture = np.ascontiguousarray(np.broadcast_to(ramp * np.array([1.0, 0.92, 0.85]), (HEIGHT_PX, WIDTH_PX, 3)))
    seats = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=np.float32)
    for centre in (250, 700):
        seat = _oval(seats.shape, (centre, 330), (190, 300))
        seats = np.maximum(seats, seat)
    return np.asarray(picture * (1 - 0.45 * seats[..., None]), dtype=np.float32)


@lru_cache(maxsize=1)
def _scene() -> tuple[NDArray[np.float32], tuple[_Portrait, _Portrait]]:
    astronaut, hopper = _astronaut(), _grace_hopper()
    first = _Portrait(astronaut, _oval(astronaut.shape, (226, 190), (170, 190)), (226, 125), (250, 230), 1.35)
    second = _Portrait(hopper, _oval(hopper.shape, (262, 270), (225, 265)), (262, 215), (700, 240), 0.85)
    return _background(), (first, second)


def _smooth_noise(rng: np.random.Generator, amplitude: float) -> NDArray[np.float64]:
    """(NUM_FRAMES,) sum of three slow sines, at most ``amplitude`` from zero."""
    t = np.arange(NUM_FRAMES) / RATE_HZ
    waves = [np.sin(2 * np.pi * (rng.uniform(0.1, 0.35) * t + rng.uniform())) for _ in range(3)]
    return np.asarray(amplitude * np.mean(waves, axis=0))


@lru_cache(maxsize=1)
def _motion() -> NDArray[np.float64]:
    """(2, NUM_FRAMES, 5): shift x and y in px, angle in degrees, relative scale, gain of the light."""
    rng = np.random.default_rng(_SEED)
    away = np.interp(np.arange(NUM_FRAMES), LEAVES_FRAMES, (0.0, 1.0, 1.0, 0.0))
    away = away * away * (3 - 2 * away)  # smooth step: no jerk when leaving and arriving
    light = 1.0 + _smooth_noise(rng, 0.08)
    paths = []
    for exit_px in (0.0, 560.0):
        shift_x = _smooth_noise(rng, 28) + exit_px * away
        columns = (shift_x, _smooth_noise(rng, 16), _smooth_noise(rng, 7), 1 + _smooth_noise(rng, 0.06), light)
        paths.append(np.stack(columns, axis=1))
    return np.stack(paths)


def sample_frame(index: int) -> NDArray[np.uint8]:
    """Return frame ``index`` (0 .. NUM_FRAMES - 1) as uint8 (HEIGHT_PX, WIDTH_PX, 3), BGR; always the same pixels.

    Raises:
        IndexError: the index is outside the sample.
        UserError: a package that carries one of the photographs is not installed.
    """
    if not 0 <= index < NUM_FRAMES:
        raise IndexError(f"expected a frame of 0 to {NUM_FRAMES - 1}, got {index}")
    background, portraits = _scene()
    picture = background
    size: Any = (WIDTH_PX, HEIGHT_PX)
    for portrait, (shift_x, shift_y, angle, scale, light) in zip(portraits, _motion()[:, index], strict=True):
        matrix = cv2.getRotationMatrix2D(portrait.pivot_px, angle, portrait.scale * scale)
        matrix[:, 2] += np.add(portrait.place_px, (shift_x, shift_y)) - portrait.pivot_px
        alpha = cv2.warpAffine(portrait.alpha, matrix, size)[..., None]
        image = cv2.warpAffine(portrait.image, matrix, size)
        picture = picture + alpha * (light * image.astype(np.float32) - picture)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)
