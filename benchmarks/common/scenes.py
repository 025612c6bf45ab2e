"""Moving pictures with a chosen number of real faces.

People are cut out of video clips (../shared/media, or the folder of ``--media``) and, where there are none, out of
the built-in sample; they move as they do there, at 30 Hz. All faces of a picture are a fifth of it high, whatever its
size and their number, so that what is compared differs in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.sample import RATE_HZ as SAMPLE_RATE_HZ
from emotional_dan_ros.core.sample import sample_frame

Image = NDArray[np.uint8]

MEDIA = Path(__file__).resolve().parents[3] / "shared" / "media"
RATE_HZ = 30.0
NUM_FRAMES = 45
_FACE_SHARE = 0.2
_FEATHER = 0.12
_NUM_NOISES = 4


@dataclass(frozen=True)
class Person:
    """Where somebody can be cut out.

    Attributes:
        clip: file name, or "sample".
        begin_s: from when on.
        square: left, top and side in px of the clip, wide enough for all of the person's movements.
        face_share: height of the face over the side of the square.
        mirrored: seen in a mirror, and so another picture than that of the same person elsewhere.
    """

    clip: str
    begin_s: float
    square: tuple[int, int, int]
    face_share: float
    mirrored: bool = False


_CLIPS = (
    Person("neutral_then_smile.mp4", 0.0, (110, 0, 360), 0.60),
    Person("two_people_head_pose.mp4", 1.0, (240, 15, 180), 0.45),
    Person("smile_then_neutral.mp4", 0.0, (145, 0, 200), 0.49),
    Person("two_people_head_pose.mp4", 1.0, (0, 35, 180), 0.43),
    Person("sad_then_joy.mp4", 12.5, (270, 0, 360), 0.92),
    Person("neutral_then_smile.mp4", 0.8, (110, 0, 360), 0.60, mirrored=True),
    Person("smile_then_neutral.mp4", 2.5, (145, 0, 200), 0.49, mirrored=True),
    Person("two_people_head_pose.mp4", 2.0, (240, 15, 180), 0.45, mirrored=True),
)
_SAMPLE = tuple(
    Person("sample", begin_s, square, share, mirrored)
    for begin_s, mirrored in ((0.0, False), (1.0, True), (2.0, False), (0.5, True))
    for square, share in (((60, 60, 380), 0.55), ((510, 60, 380), 0.55))
)


@dataclass(frozen=True, eq=False)
class Scene:
    """Pictures of one size with the same people.

    Attributes:
        faces: how many.
        size_wh: px.
        images: uint8 (H, W, 3) BGR each.
        source: where the people are from.
    """

    faces: int
    size_wh: tuple[int, int]
    images: tuple[Image, ...] = field(repr=False)
    source: str

    @property
    def num_bytes(self) -> int:
        """Memory of the images."""
        return sum(image.nbytes for image in self.images)

    def image(self, index: int) -> Image:
        """The picture at a time: forth and back for ever, so that nobody ever jumps."""
        turn = 2 * (len(self.images) - 1)
        place = index % turn
        return self.images[min(place, turn - place)]

    def frames(self, count: int, begin: int = 0) -> Iterator[tuple[int, Image]]:
        """``(stamp_ns, image)`` of so many frames at 30 Hz."""
        for index in range(begin, begin + count):
            yield round(index * 1e9 / RATE_HZ), self.image(index)


def make_scene(faces: int, size_wh: tuple[int, int], media: Path = MEDIA, num_frames: int = NUM_FRAMES) -> Scene:
    """Compose the pictures; the same ones for the same arguments."""
    people = _CLIPS if media.is_dir() else _SAMPLE
    if not 0 <= faces <= len(people):
        raise ValueError(f"expected 0 to {len(people)} faces, got {faces}")
    width, height = size_wh
    tiles = [_tiles(person, round(height * _FACE_SHARE / person.face_share), media, num_frames) for person in
             people[:faces]]  # fmt: skip
    centres = _grid(faces, width, height)
    backgrounds = _backgrounds(width, height)
    images = []
    for index in range(num_frames):
        image = backgrounds[index % _NUM_NOISES].copy()
        for tile, centre in zip(tiles, centres, strict=True):
            _paste(image, tile[index], centre)
        images.append(image)
    return Scene(faces, size_wh, tuple(images), "clips" if media.is_dir() else "built-in sample")


def _grid(faces: int, width: int, height: int) -> list[tuple[int, int]]:
    columns = max(1, min(faces, 4))
    rows = max(1, -(-faces // columns))
    places = [(round((c + 0.5) * width / columns), round((r + 0.5) * height / rows)) for r in range(rows) for c in
              range(columns)]  # fmt: skip
    return places[:faces]


def _tiles(person: Person, side: int, media: Path, num_frames: int) -> list[Image]:
    x0, y0, px = person.square
    tiles = []
    for image in _played(person, media, num_frames):
        cut = image[y0 : y0 + px, x0 : x0 + px]
        cut = cut[:, ::-1] if person.mirrored else cut
        smaller = side < cut.shape[0]
        tiles.append(cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC))
    return tiles


def _played(person: Person, media: Path, num_frames: int) -> list[Image]:
    if person.clip == "sample":
        begin = round(person.begin_s * SAMPLE_RATE_HZ)
        return [sample_frame(begin + int(i * SAMPLE_RATE_HZ / RATE_HZ)) for i in range(num_frames)]
    capture = cv2.VideoCapture(str(media / person.clip))
    rate_hz = capture.get(cv2.CAP_PROP_FPS) or RATE_HZ
    begin = int(person.begin_s * rate_hz)
    wanted = [begin + int(i * rate_hz / RATE_HZ) for i in range(num_frames)]
    images: list[Image] = []
    for index in range(wanted[-1] + 1):
        there, image = capture.read()
        if not there:
            raise FileNotFoundError(f"expected {wanted[-1] + 1} frames in {media / person.clip}, got {index}")
        images += [image] * wanted.count(index)
    return images


def _backgrounds(width: int, height: int) -> list[Image]:
    """A dim cabin: light from above, soft shapes of several sizes, and the noise of a sensor."""
    rng = np.random.default_rng(7)
    picture = np.linspace(110, 50, height, dtype=np.float32)[:, None, None] * np.ones((1, width, 3), np.float32)
    for columns, strength in ((8, 28.0), (32, 12.0), (128, 5.0)):
        shapes = rng.normal(0, strength, (max(2, columns * height // width), columns)).astype(np.float32)
        picture += cv2.resize(shapes, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    noises = (rng.normal(0, 2, picture.shape).astype(np.float32) for _ in range(_NUM_NOISES))
    return [np.clip(picture + noise, 0, 255).astype(np.uint8) for noise in noises]


def _paste(image: Image, tile: Image, centre: tuple[int, int]) -> None:
    side = tile.shape[0]
    left = min(max(centre[0] - side // 2, 0), image.shape[1] - side)
    top = min(max(centre[1] - side // 2, 0), image.shape[0] - side)
    alpha = _alpha(side)
    place = image[top : top + side, left : left + side]
    place[:] = place + alpha * (tile.astype(np.float32) - place) + 0.5


@lru_cache(maxsize=32)
def _alpha(side: int) -> NDArray[np.float32]:
    """float32 (side, side, 1): 1 in the middle, falling to 0 at the rim."""
    distance = np.minimum(np.arange(side) + 0.5, side - 0.5 - np.arange(side)) / side
    edge = np.clip(distance / _FEATHER, 0, 1).astype(np.float32)
    return (edge[:, None] * edge[None, :])[..., None]
