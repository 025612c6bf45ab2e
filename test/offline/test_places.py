"""Any stretch of a recording is what one pass over the whole gives there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from emotional_dan_ros.core.sources import ImageSource
from emotional_dan_ros.offline import bag_messages as messages
from emotional_dan_ros.offline.inputs import Input
from emotional_dan_ros.offline.places import CannotBeCutError, PlaceList, reel_of

NUM_FRAMES = 40
BROKEN = 17


def _picture(index: int) -> np.ndarray:
    image = np.zeros((48, 64, 3), np.uint8)
    cv2.circle(image, (8 + index, 24), 6, (40, 200, 255 - 3 * index), -1)
    return cv2.putText(image, str(index), (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255))


def _video(folder: Path) -> Path:
    path = folder / "video.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (64, 48))
    for index in range(NUM_FRAMES):
        writer.write(_picture(index))
    writer.release()
    return path


def _pictures(folder: Path) -> Path:
    path = folder / "pictures"
    path.mkdir()
    for index in range(NUM_FRAMES):
        assert cv2.imwrite(str(path / f"{index}.png"), _picture(index))
    (path / f"{BROKEN}.png").write_bytes(b"broken")
    return path


def _bag(folder: Path, plugin: StoragePlugin, times_ms: list[int] | None = None) -> Path:
    path, store = folder / "bag", messages.typestore()
    with Writer(path, version=9, storage_plugin=plugin) as bag:
        images = bag.add_connection("/image/compressed", messages.COMPRESSED_IMAGE, typestore=store)
        other = bag.add_connection("/camera/other", messages.IMAGE, typestore=store)
        for index in range(NUM_FRAMES):
            stamp_ns = 10**12 + index * 40_000_000
            message = messages.jpeg_image(_picture(index), stamp_ns, f"camera{index % 2}")
            if index == BROKEN:
                message.data = message.data[:100]
            # Several messages have the same time of recording, as a recorder that was busy leaves them.
            time_ns = stamp_ns // 200_000_000 * 200_000_000 if times_ms is None else times_ms[index] * 1_000_000
            bag.write(images, time_ns, store.serialize_cdr(message, messages.COMPRESSED_IMAGE))
            grey = messages.grey_image(np.zeros((4, 4), np.uint8), stamp_ns, "other")
            bag.write(other, time_ns, store.serialize_cdr(grey, messages.IMAGE))
    return path


MAKERS: dict[str, Callable[[Path], Path | str]] = {
    "video": _video,
    "pictures": _pictures,
    "mcap": lambda folder: _bag(folder, StoragePlugin.MCAP),
    "sqlite": lambda folder: _bag(folder, StoragePlugin.SQLITE3),
    "sample": lambda _: "sample",
}


def _open(spec: Path | str) -> ImageSource:
    return Input(str(spec), "name", None if "bag" not in str(spec) else "/image/compressed").open()


@pytest.mark.parametrize("kind", MAKERS)
def test_any_stretch_is_as_in_one_pass(kind: str, tmp_path: Path) -> None:
    spec = MAKERS[kind](tmp_path)
    with _open(spec) as source:
        whole = [(stamp, image, getattr(source, "frame_id", "camera")) for stamp, image in source]
        skipped = list(source.skipped)
    with _open(spec) as source:
        reel = reel_of(source)
        places = PlaceList(reel)
        stamps = [place.stamp_ns for place in places]
        complaints = {}
        for first in (0, 1, 5, 12, 23, len(stamps) - 1):
            found = list(reel.images(first, places.between(first, len(stamps))))
            assert len(found) == len(stamps) - first
            for number, image in enumerate(found, first):
                if isinstance(image, str):
                    complaints[number] = image
            good = [(number, image) for number, image in enumerate(found, first) if not isinstance(image, str)]
            for (number, (image, frame_id)), (stamp, expected, expected_id) in zip(
                reversed(good), reversed(whole), strict=False
            ):
                assert stamps[number] == stamp
                assert np.array_equal(image, expected)
                assert frame_id == expected_id
        assert len(whole) == len(stamps) - len(complaints)
        assert list(complaints) == ([BROKEN] if kind in ("pictures", "mcap", "sqlite") else [])
        assert reel.skipped(list(complaints.values()), len(places)) == skipped


def test_a_real_video_is_entered_exactly(media_dir: Path) -> None:
    with _open(media_dir / "neutral_then_smile.mp4") as source:
        whole = list(source)
    with _open(media_dir / "neutral_then_smile.mp4") as source:
        reel = reel_of(source)
        places = PlaceList(reel)
        assert [place.stamp_ns for place in places] == [stamp for stamp, _ in whole]
        for first in (40, 66):
            found = list(reel.images(first, places.between(first, first + 5)))
            for (_, expected), image in zip(whole[first:], found, strict=False):
                assert np.array_equal(image[0], expected)


def test_a_truncated_bag_cannot_be_cut(tmp_path: Path) -> None:
    path = next(_bag(tmp_path, StoragePlugin.MCAP).glob("*.mcap"))
    path.write_bytes(path.read_bytes()[:-200])
    with _open(path) as source, pytest.raises(CannotBeCutError):
        list(reel_of(source).places())


def test_a_camera_cannot_be_cut() -> None:
    class Live(ImageSource):
        def frames(self):
            return iter(())

    with pytest.raises(CannotBeCutError):
        reel_of(Live("camera", 25.0, None, is_live=True))
