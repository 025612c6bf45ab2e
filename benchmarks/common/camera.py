"""A camera and a listener on the graph, in the benchmark's own process."""

from __future__ import annotations

import os
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from emotional_dan_ros.msg import EmotionStateArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from common.processes import Children
from common.scenes import Scene
from emotional_dan_ros.nodes.image_conversion import to_image, to_ns

_START_S = 60.0
_LOST_S = 2.0


def isolated_ros() -> None:
    """Hear nothing of other graphs on this machine or network; before ``rclpy.init``, for children too."""
    os.environ.setdefault("ROS_DOMAIN_ID", "87")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


class Camera:
    """Publishes the pictures of a scene with the time of sending as stamp, and hears the emotions.

    Attributes:
        heard: stamp in ns of each image whose emotions came, with the time of their coming and the number of states.
        counters: by node, the whole numbers that it last gave on /diagnostics, by their keys.
    """

    def __init__(self) -> None:
        isolated_ros()
        rclpy.init()
        self._node = rclpy.create_node("bench_camera")
        self._publisher = self._node.create_publisher(Image, "image", qos_profile_sensor_data)
        self._node.create_subscription(EmotionStateArray, "emotions", self._hear, 100)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._note, 100)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._pictures: list[Image] = []
        self._turn = 1
        self.heard: dict[int, tuple[int, int]] = {}
        self.counters: dict[str, dict[str, int]] = {}

    def load(self, scene: Scene) -> None:
        """Take the pictures that are published from now on."""
        self._pictures = [to_image(scene.image(i), 0, "camera") for i in range(2 * (len(scene.images) - 1))]
        self.heard.clear()

    def publish(self, index: int) -> int:
        """Send the picture of an index; returns its stamp."""
        message = self._pictures[index % len(self._pictures)]
        now = self._node.get_clock().now()
        message.header.stamp = now.to_msg()
        self._publisher.publish(message)
        return int(now.nanoseconds)

    def wait_for(self, stamp_ns: int, timeout_s: float = _LOST_S) -> bool:
        """Wait for the emotions of an image; False where they do not come in time."""
        end_s = time.monotonic() + timeout_s
        while stamp_ns not in self.heard and time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.1)
        return stamp_ns in self.heard

    def listen_until(self, end_s: float) -> None:
        """Hear what comes until ``time.monotonic()`` reaches a time."""
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def wait_for_graph(self, children: Children) -> None:
        """Publish until all nodes answer.

        Raises:
            RuntimeError: they do not within a minute, or one has ended.
        """
        end_s = time.monotonic() + _START_S
        while not self.wait_for(self.publish(0), 0.5):
            children.check()
            if time.monotonic() > end_s:
                raise RuntimeError("no emotions came within a minute")

    def close(self) -> None:
        """Leave the graph."""
        self._node.destroy_node()
        rclpy.try_shutdown()

    def _hear(self, message: EmotionStateArray) -> None:
        self.heard[to_ns(message.header.stamp)] = (self._node.get_clock().now().nanoseconds, len(message.states))

    def _note(self, message: DiagnosticArray) -> None:
        for status in message.status:
            numbers = {value.key: int(value.value) for value in status.values if value.value.isdecimal()}
            self.counters[status.name.partition(":")[0]] = numbers
