"""A bag played into the graph and the same bag given to `emotional-dan process` say the same, to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

import numpy as np
from emotional_dan_ros.msg import EmotionStateArray
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from sensor_msgs.msg import CompressedImage

from emotional_dan_ros.core.keyframes import DEFAULT_DETECTION_INTERVAL, KeyframeSchedule
from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.nodes.emotion_recognizer import EmotionRecognizerNode
from emotional_dan_ros.nodes.face_detector import FaceDetectorNode
from emotional_dan_ros.nodes.image_conversion import to_ns
from emotional_dan_ros.offline import bag_messages

TIMEOUT_S = 600.0
#: Header stamps: 25 pictures at 15 Hz, a pause, and a recording that begins again.
STAMPS_MS = [*(10_000 + i * 1000 // 15 for i in range(25)), 12_900, 12_967, 13_034, *(5_000 + i * 67 for i in range(8))]


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """JPEGs of the built-in sample in an MCAP bag, one message among them that is no picture."""
    path, store = tmp_path / "recording", bag_messages.typestore()
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        images = writer.add_connection("/cabin/image/compressed", bag_messages.COMPRESSED_IMAGE, typestore=store)
        for index, stamp_ms in enumerate(STAMPS_MS):
            message = bag_messages.jpeg_image(sample_frame(2 * index), stamp_ms * 1_000_000, "cabin")
            if index == 4:
                message.data = np.zeros(100, np.uint8)
            recorded_ns = 10**18 + index * 66_666_667
            writer.write(images, recorded_ns, store.serialize_cdr(message, bag_messages.COMPRESSED_IMAGE))
    return path


def _play(graph: Any, bag: Path) -> list[EmotionStateArray]:
    """Every image of the bag through detector and recogniser, the next when the last is answered."""
    detector = graph.add(FaceDetectorNode, num_threads=1, image_transport="compressed")
    recognizer = graph.add(EmotionRecognizerNode, num_threads=1)
    emotions = graph.hear(EmotionStateArray, "emotions", QoSProfile(depth=100))
    camera = graph.probe.create_publisher(CompressedImage, "image/compressed", 10)
    graph.wait_until(lambda: detector.is_active and recognizer.is_active)
    graph.wait_until(lambda: camera.get_subscription_count() == 1)
    graph.wait_until(lambda: recognizer.outputs[0].num_subscribers == 1)
    graph.wait_until(lambda: detector.outputs[0].num_subscribers == 1)
    with Reader(bag) as reader:
        for index, (_, _, data) in enumerate(reader.messages()):
            message = deserialize_message(bytes(data), CompressedImage)
            count = len(emotions)
            camera.publish(message)
            if index != 4:
                answer = emotions.wait_for(lambda heard, count=count: heard[count] if len(heard) > count else None)
                assert to_ns(answer.header.stamp) == to_ns(message.header.stamp)
    return list(emotions)


def _process(bag: Path, out: Path) -> list[EmotionStateArray]:
    command = [sys.executable, "-m", "emotional_dan_ros.cli", "process", str(bag), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 1, done.stderr
    assert "message 4 of /cabin/image/compressed" in done.stderr
    with Reader(out / bag.name / "bag") as reader:
        wanted = [connection for connection in reader.connections if connection.topic == "/emotions"]
        return [deserialize_message(bytes(data), EmotionStateArray) for _, _, data in reader.messages(wanted)]


def test_a_bag_through_the_graph_and_without_it(graph: Any, bag: Path, tmp_path: Path) -> None:
    schedule = KeyframeSchedule(DEFAULT_DETECTION_INTERVAL)
    keyframes = [schedule.is_keyframe(ms * 1_000_000) for ms in STAMPS_MS]
    assert keyframes.count(False) > keyframes.count(True) > 3  # most faces are followed, not detected
    played, processed = _play(graph, bag), _process(bag, tmp_path / "out")
    assert len(played) == len(STAMPS_MS) - 1
    assert [len(frame.states) for frame in played[:5]] == [2] * 5
    assert len({state.track_id for frame in played for state in frame.states}) > 2  # new ids after the jump back
    assert len(processed) == len(played)
    # The bag of results bears the stamps of the images as times of recording, and is read in their order.
    played.sort(key=lambda frame: to_ns(frame.header.stamp))
    for one, two in zip(processed, played, strict=True):
        assert serialize_message(one) == serialize_message(two)
