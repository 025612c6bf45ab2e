"""Bags as sources, whole and damaged; bags are made with rosbags' writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.offline.bag_messages import COMPRESSED_IMAGE, IMAGE, typestore
from emotional_dan_ros.offline.bag_source import BagSource, is_bag

NUM_FRAMES = 40


def _picture(index: int) -> np.ndarray:
    """Differs per index and is hard to compress, so that bags have several chunks."""
    noise = np.random.default_rng(index).integers(0, 40, (120, 160, 3), dtype=np.uint8)
    return noise + np.array([index, 100, 200], np.uint8)


def _header(stamp_ns: int) -> Any:
    store = typestore()
    stamp = store.types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return store.types["std_msgs/msg/Header"](stamp=stamp, frame_id="cabin_camera")


def _raw(index: int, stamp_ns: int) -> Any:
    image = _picture(index)[:, :, ::-1]
    return typestore().types[IMAGE](
        header=_header(stamp_ns), height=120, width=160, encoding="rgb8", is_bigendian=0, step=480,
        data=np.ascontiguousarray(image).reshape(-1),
    )  # fmt: skip


def _compressed(index: int, stamp_ns: int) -> Any:
    data = cv2.imencode(".png", _picture(index))[1].reshape(-1)
    return typestore().types[COMPRESSED_IMAGE](header=_header(stamp_ns), format="png", data=data)


Make = Callable[[int, int], Any]


def write_bag(
    folder: Path,
    make: Make = _raw,
    topics: tuple[str, ...] = ("/camera/image_raw",),
    plugin: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
    num_frames: int = NUM_FRAMES,
) -> Path:
    writer = Writer(folder, version=9, storage_plugin=plugin)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    store = typestore()
    with writer:
        text = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        connections = [writer.add_connection(t, make(0, 0).__msgtype__, typestore=store) for t in topics]
        for index in range(num_frames):
            stamp_ns = 1_000_000_000 + index * 50_000_000
            hello = store.types["std_msgs/msg/String"](data="hello")
            writer.write(text, stamp_ns, store.serialize_cdr(hello, "std_msgs/msg/String"))
            for connection in connections:
                message = make(index, stamp_ns)
                writer.write(connection, stamp_ns + 3_000_000, store.serialize_cdr(message, message.__msgtype__))
    return folder


@pytest.mark.parametrize("make", [_raw, _compressed])
@pytest.mark.parametrize(
    ("plugin", "compression"),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    ],
)
def test_every_kind_of_bag(tmp_path: Path, make: Make, plugin: StoragePlugin, compression: CompressionMode) -> None:
    folder = write_bag(tmp_path / "bag", make, plugin=plugin, compression=compression)
    assert is_bag(folder)
    with BagSource(folder) as source:
        assert source.frame_count == NUM_FRAMES
        assert source.rate_hz == pytest.approx(20.0, rel=0.03)
        frames = list(source)
    assert source.skipped == []
    assert source.frame_id == "cabin_camera"
    assert [stamp for stamp, _ in frames] == [1_000_000_000 + index * 50_000_000 for index in range(NUM_FRAMES)]
    for index, (_, image) in enumerate(frames):
        assert np.array_equal(image, _picture(index))


def test_a_single_file_is_a_bag_too(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag")
    with BagSource(folder / "bag.mcap") as source:
        assert len(list(source)) == NUM_FRAMES


def test_folder_without_metadata(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag")
    (folder / "metadata.yaml").unlink()
    assert is_bag(folder)
    with BagSource(folder) as source:
        assert len(list(source)) == NUM_FRAMES


@pytest.mark.parametrize("compression", [CompressionMode.NONE, CompressionMode.STORAGE])
def test_truncated_file_is_read_up_to_the_cut(tmp_path: Path, compression: CompressionMode) -> None:
    path = write_bag(tmp_path / "bag", compression=compression) / "bag.mcap"
    data = path.read_bytes()
    numbers = []
    for share in (0.5, 0.8, 0.97):
        cut = int(share * len(data))
        path.write_bytes(data[:cut])
        with BagSource(path) as source:
            frames = list(source)
        for index, (_, image) in enumerate(frames):
            assert np.array_equal(image, _picture(index))
        numbers.append(len(frames))
        assert any("byte" in line for line in source.skipped), source.skipped
    assert numbers == sorted(numbers)
    assert 0 < numbers[0] < numbers[-1] <= NUM_FRAMES


def test_damage_in_the_middle_costs_a_chunk_and_is_told(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", compression=CompressionMode.STORAGE) / "bag.mcap"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(data)
    with BagSource(path) as source:
        stamps = [stamp for stamp, _ in source]
    assert 0.3 * NUM_FRAMES < len(stamps) < NUM_FRAMES
    assert stamps == sorted(set(stamps))
    assert stamps[-1] == 1_000_000_000 + (NUM_FRAMES - 1) * 50_000_000  # what comes after the damage is read
    assert source.skipped


def test_messages_that_do_not_decode_are_listed(tmp_path: Path) -> None:
    def make(index: int, stamp_ns: int) -> Any:
        message = _compressed(index, stamp_ns)
        if index % 4 == 1:
            message.data = np.arange(100, dtype=np.uint8)
        return message

    folder = write_bag(tmp_path / "bag", make)
    with BagSource(folder) as source:
        stamps = [stamp for stamp, _ in source]
    assert len(stamps) == NUM_FRAMES - 10
    assert len(source.skipped) == 10
    assert "message 1 of /camera/image_raw" in source.skipped[0]


def test_unstamped_images_get_the_time_of_recording(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", lambda index, _: _raw(index, 0), num_frames=3)
    with BagSource(folder) as source:
        assert [stamp for stamp, _ in source] == [1_003_000_000, 1_053_000_000, 1_103_000_000]


def test_the_topic_is_asked_for(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", topics=("/left", "/right"), num_frames=2)
    with pytest.raises(UserError, match=r"/left, /right.*--topic"):
        BagSource(folder)
    assert len(list(BagSource(folder, "/right"))) == 2
    with pytest.raises(UserError, match=r"expected images on /chatter.*std_msgs/msg/String"):
        BagSource(folder, "/chatter")


def test_no_image_topic_lists_the_topics(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", topics=(), num_frames=2)
    with pytest.raises(UserError, match=r"/chatter \(std_msgs/msg/String\)"):
        BagSource(folder)


@pytest.mark.parametrize("name", ["a.mcap", "a.db3"])
@pytest.mark.parametrize("content", [b"", b"no bag at all" * 20])
def test_no_bag_at_all(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match="nothing can be read") as caught:
        BagSource(path)
    assert "\n" not in str(caught.value)
