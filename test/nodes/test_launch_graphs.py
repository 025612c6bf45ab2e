"""The launch files run whole, against what simulators' bridges and bags publish; where `ros2 launch` is installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")
pytest.importorskip("launch_ros", reason="launch_ros is not installed (it has no wheel)")
if shutil.which("ros2") is None:
    pytest.skip("the ros2 command is not installed", allow_module_level=True)

from diagnostic_msgs.msg import DiagnosticArray
from emotional_dan_ros.msg import EmotionStateArray
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from emotional_dan_ros.core.sample import NUM_FRAMES, sample_frame
from emotional_dan_ros.nodes.image_conversion import to_image, to_ns, to_time

#: rclcpp's and rclpy's default profile with depth 10: what carla_ros_bridge and ros_gz_bridge publish with.
BRIDGE_QOS = QoSProfile(depth=10)
MS = 1_000_000
#: Simulations begin near 0.
START_NS = 12_350 * MS
PERIOD_NS = 50 * MS  # carla_ros_bridge's fixed_delta_seconds


@contextlib.contextmanager
def launched(*arguments: str, **environment: str):
    """`ros2 launch` in a process, interrupted at the end as Ctrl-C does."""
    process = subprocess.Popen(
        ["ros2", "launch", "emotional_dan_ros", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(process.stdout), daemon=True)
    reader.start()
    try:
        yield process, said
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60.0)
        reader.join(10.0)
    assert not [line for line in said if "Traceback" in line or "process has died" in line], "".join(said)


class Simulator:
    """Publishes /clock and a camera as a simulator's bridge does: image and camera_info with the stamp of the clock."""

    def __init__(self, graph, topic: str, encoding: str, frame_id: str) -> None:
        self._probe = graph.probe
        self._clock = graph.probe.create_publisher(Clock, "/clock", BRIDGE_QOS)
        self._images = graph.probe.create_publisher(Image, topic, BRIDGE_QOS)
        self._info = graph.probe.create_publisher(CameraInfo, f"{topic.rpartition('/')[0]}/camera_info", BRIDGE_QOS)
        self._encoding, self._frame_id = encoding, frame_id
        self._frames = [self._message(index) for index in range(0, NUM_FRAMES, 10)]
        self.num_sent = 0
        self._timer = graph.probe.create_timer(PERIOD_NS / 1e9, self._step)

    def _message(self, index: int) -> Image:
        message = to_image(np.ascontiguousarray(sample_frame(index)), 0, self._frame_id)
        pixels = sample_frame(index)
        if self._encoding == "bgra8":
            pixels = np.dstack((pixels, np.full(pixels.shape[:2], 255, np.uint8)))
        else:
            pixels = pixels[..., ::-1]
        message.encoding, message.step = self._encoding, pixels.shape[1] * pixels.shape[2]
        message.data = pixels.tobytes()
        return message

    def _step(self) -> None:
        stamp = to_time(START_NS + self.num_sent * PERIOD_NS)
        message = self._frames[self.num_sent % len(self._frames)]
        message.header.stamp = stamp
        self._clock.publish(Clock(clock=stamp))
        self._info.publish(CameraInfo(header=message.header, width=message.width, height=message.height))
        self._images.publish(message)
        self.num_sent += 1

    def stop(self) -> None:
        self._probe.destroy_timer(self._timer)


def assert_simulated(emotions, diagnostics, frame_id: str) -> None:
    """Results of two faces with stamps of simulated frames, by nodes that live in simulation time."""
    found = emotions.wait_for_one(lambda message: len(message.states) == 2)
    since_ns = to_ns(found.header.stamp) - START_NS
    assert since_ns >= 0
    assert since_ns % PERIOD_NS == 0
    assert found.header.frame_id == frame_id
    status = diagnostics.wait_for_one(
        lambda m: m.status[0].name.endswith("emotion_recognizer") and not m.status[0].level[0]
    )
    assert to_ns(status.header.stamp) < START_NS + 3600 * 10**9


def test_carla(graph):
    simulator = Simulator(graph, "/carla/hero/rgb_cabin/image", "bgra8", "hero/rgb_cabin")
    emotions, diagnostics = graph.hear(EmotionStateArray, "/emotions"), graph.hear(DiagnosticArray, "/diagnostics")
    with launched("carla.launch.py", "camera:=rgb_cabin", "role_name:=hero", "device:=cpu", "composed:=true"):
        assert_simulated(emotions, diagnostics, "hero/rgb_cabin")
        simulator.stop()


#: Started in place of ros_gz_bridge's parameter_bridge: writes down what it was asked for and stays.
BRIDGE = """#!{python}
import pathlib, signal, sys
pathlib.Path({asked!r}).write_text("\\n".join(sys.argv[1:]))
signal.sigwait({{signal.SIGINT, signal.SIGTERM}})
"""


def test_gazebo_with_its_bridge(graph, tmp_path):
    """The bridge is asked for the right topics in its own syntax; its publishers are imitated here."""
    asked = tmp_path / "asked"
    program = tmp_path / "lib" / "ros_gz_bridge" / "parameter_bridge"
    program.parent.mkdir(parents=True)
    program.write_text(BRIDGE.format(python=sys.executable, asked=str(asked)))
    program.chmod(0o755)
    marker = tmp_path / "share" / "ament_index" / "resource_index" / "packages" / "ros_gz_bridge"
    marker.parent.mkdir(parents=True)
    marker.touch()
    prefix = f"{tmp_path}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}"
    simulator = Simulator(graph, "/world/cabin/camera/image", "rgb8", "car/link/camera")
    emotions, diagnostics = graph.hear(EmotionStateArray, "/rear/emotions"), graph.hear(DiagnosticArray, "/diagnostics")
    arguments = ["camera:=/world/cabin/camera/image", "namespace:=rear", "device:=cpu", "composed:=true"]
    with launched("gazebo.launch.py", *arguments, AMENT_PREFIX_PATH=prefix):
        assert_simulated(emotions, diagnostics, "car/link/camera")
        simulator.stop()
    lines = asked.read_text().splitlines()
    assert lines[:2] == [
        "/world/cabin/camera/image@sensor_msgs/msg/Image[gz.msgs.Image",
        "/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock",
    ]


def write_drive(folder: Path, count: int) -> list[int]:
    """A bag of the sample at 5 Hz; the stamps of its images."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    stamps = [1_600_000_000 * 10**9 + index * 200 * MS for index in range(count)]
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/camera/image_raw", "sensor_msgs/msg/Image", typestore=store)
        for index, stamp_ns in enumerate(stamps):
            pixels = np.ascontiguousarray(sample_frame(index))
            stamp = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
            message = types["sensor_msgs/msg/Image"](
                header=types["std_msgs/msg/Header"](stamp=stamp, frame_id="cabin_camera"),
                height=pixels.shape[0], width=pixels.shape[1], encoding="bgr8", is_bigendian=0,
                step=pixels.shape[1] * 3, data=pixels.reshape(-1),
            )  # fmt: skip
            writer.write(connection, stamp_ns, store.serialize_cdr(message, "sensor_msgs/msg/Image"))
    return stamps


def test_replay_to_the_end_of_the_bag(graph, tmp_path):
    pytest.importorskip("ros2bag", reason="ros2 bag is not installed (it has no wheel)")
    from rosbags.highlevel import AnyReader

    stamps = write_drive(tmp_path / "drive", 40)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    arguments = [f"bag:={tmp_path / 'drive'}", "image:=/camera/image_raw", f"output:={tmp_path / 'results'}"]
    with launched("replay.launch.py", *arguments, "device:=cpu", "composed:=true", "delay:=30.0") as (process, said):
        assert process.wait(300.0) == 0, "".join(said)
    assert any("the bag is over" in line for line in said), "".join(said)
    assert any(to_ns(m.header.stamp) > stamps[0] and m.header.stamp.sec < 1_600_000_100 for m in diagnostics)
    with AnyReader([tmp_path / "results"]) as reader:
        results = {connection.topic: [] for connection in reader.connections}
        for connection, _, raw in reader.messages():
            results[connection.topic].append(reader.deserialize(raw, connection.msgtype))
    assert set(results) == {"/faces", "/emotions", "/anomalies"}
    found = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in results["/emotions"]]
    # A busy machine drops images; what it works on has the stamps of the drive, to its end.
    assert len(found) > 5
    assert set(found) <= set(stamps)
    assert found == sorted(set(found))
    assert found[-1] >= stamps[-5]


def test_a_bag_that_cannot_be_played_ends_the_launch(tmp_path):
    pytest.importorskip("ros2bag", reason="ros2 bag is not installed (it has no wheel)")
    (tmp_path / "empty").mkdir()
    process = subprocess.run(
        ["ros2", "launch", "emotional_dan_ros", "replay.launch.py", f"bag:={tmp_path / 'empty'}", "delay:=0.0"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert process.returncode != 0
    assert "ros2 bag play ended with code" in process.stdout + process.stderr
