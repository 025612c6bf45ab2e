"""Bags: ROS itself is the oracle for hashes and contents, rosbags' reader for the container."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions, FrameFaces
from emotional_dan_ros.offline import bag_messages
from emotional_dan_ros.offline.mcap_writer import ResultBag

MakeEmotions = Callable[..., FrameEmotions]
MakeFaces = Callable[..., FrameFaces]
MakeEvent = Callable[..., AnomalyEvent]


def _read(folder: Path) -> list[tuple[str, int, Any]]:
    """Everything in a bag, decoded with the definitions that stand in the bag."""
    with AnyReader([folder]) as reader:
        return [(c.topic, t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()]


def test_bag_explains_itself(
    tmp_path: Path, make_emotions: MakeEmotions, make_faces: MakeFaces, make_event: MakeEvent
) -> None:
    folder = tmp_path / "bag"
    rng = np.random.default_rng(1)
    image = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))
    emotions, faces = make_emotions(12.5, (1, 4)), make_faces(12.5, (1, 4))
    with ResultBag(folder, image_topic="/camera/image_raw") as bag:
        bag.write_image(image, faces.stamp_ns, faces.frame_id)
        bag.write_faces(faces)
        bag.write_emotions(emotions)
        bag.write_anomaly(make_event(13.0, AnomalyPhase.START))
    found = _read(folder)
    assert [topic for topic, _, _ in found] == ["/camera/image_raw/compressed", "/faces", "/emotions", "/anomalies"]
    assert [stamp for _, stamp, _ in found] == [12_500_000_000] * 3 + [13_000_000_000]
    picture, face_message, state_message, anomaly = (message for _, _, message in found)
    decoded = cv2.imdecode(picture.data, cv2.IMREAD_COLOR)
    assert np.abs(decoded.astype(int) - image).mean() < 6  # JPEG, and blue is still blue
    assert picture.format == "jpeg"
    assert [f.track_id for f in face_message.faces] == [1, 4]
    for message, face in zip(face_message.faces, faces.faces, strict=True):
        assert np.array_equal(message.crop.data.reshape(112, 112), face.crop)
        assert np.array_equal(message.crop_from_source.reshape(2, 3), face.crop_from_source)
    for message, state in zip(state_message.states, emotions.states, strict=True):
        assert np.array_equal(message.probabilities, state.probabilities)
        assert np.array_equal(message.landmarks.reshape(68, 2), state.landmarks_px)
        assert message.emotion == int(np.argmax(state.probabilities))
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 500_000_000)
        assert message.roi.x_offset + message.roi.width <= 640
    assert anomaly.description == "fear 0.80"
    assert anomaly.phase == 0


def test_crops_are_optional(tmp_path: Path, make_faces: MakeFaces) -> None:
    with ResultBag(tmp_path / "bag") as bag:
        bag.write_faces(make_faces(1.0, (3,)), with_crops=False)
    ((_, _, message),) = _read(tmp_path / "bag")
    assert message.faces[0].crop.data.size == 0
    assert message.faces[0].track_id == 3


def test_metadata_is_what_ros2_bag_reads(tmp_path: Path, make_emotions: MakeEmotions) -> None:
    folder = tmp_path / "bag"
    with ResultBag(folder) as bag:
        for tenth in range(11):
            bag.write_emotions(make_emotions(5 + tenth / 10, ()))
    info = yaml.safe_load((folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert info["storage_identifier"] == "mcap"
    assert info["relative_file_paths"] == ["bag.mcap"]
    assert (folder / "bag.mcap").read_bytes().startswith(b"\x89MCAP0\r\n")
    assert info["starting_time"]["nanoseconds_since_epoch"] == 5_000_000_000
    assert info["duration"]["nanoseconds"] == 1_000_000_000
    qos = {
        topic["topic_metadata"]["name"]: topic["topic_metadata"]["offered_qos_profiles"][0]
        for topic in info["topics_with_message_count"]
    }
    assert qos["/faces"]["reliability"] == "best_effort"
    assert qos["/emotions"]["reliability"] == "reliable"
    assert qos["/anomalies"]["durability"] == "transient_local"


def test_type_hashes_are_the_ones_ros_computes(tmp_path: Path) -> None:
    index = pytest.importorskip("ament_index_python", reason="no ROS here to compare with")
    try:
        share = Path(index.get_package_share_directory("emotional_dan_ros")) / "msg"
    except LookupError:
        pytest.skip("the messages are not built here: run `make build`")
    folder = tmp_path / "bag"
    with ResultBag(folder):
        pass
    with Reader(folder) as reader:
        found = {connection.msgtype: connection.digest for connection in reader.connections}
    assert len(found) == 3
    for type_name, digest in found.items():
        description = json.loads((share / f"{type_name.rsplit('/', 1)[1]}.json").read_text())
        expected = {entry["type_name"]: entry["hash_string"] for entry in description["type_hashes"]}
        assert digest == expected[type_name]


def test_messages_are_the_ones_the_nodes_publish(
    make_emotions: MakeEmotions, make_faces: MakeFaces, make_event: MakeEvent
) -> None:
    serialization = pytest.importorskip("rclpy.serialization", reason="no ROS here to compare with")
    conversion = pytest.importorskip("emotional_dan_ros.nodes.message_conversion")
    store = bag_messages.typestore()
    for seed in range(5):
        emotions, faces, event = (
            make_emotions(3.25, (1, 2, 9), seed),
            make_faces(3.25, (seed + 1, 40)),
            make_event(4, AnomalyPhase.END, start_s=1.5),
        )
        pairs = [
            (bag_messages.emotion_state_array(emotions), conversion.emotions_to_msg(emotions)),
            (bag_messages.face_array(faces), conversion.faces_to_msg(faces)),
            (bag_messages.emotion_anomaly(event), conversion.anomaly_to_msg(event)),
        ]
        for mine, theirs in pairs:
            raw = bytes(store.serialize_cdr(mine, mine.__msgtype__))
            published = bytes(serialization.serialize_message(theirs))
            # ROS leaves padding bytes as they happen to be, so the two are compared as ROS reads them.
            assert len(raw) == len(published)
            kind = type(theirs)
            assert serialization.deserialize_message(raw, kind) == serialization.deserialize_message(published, kind)
