"""A camera that a test shows pictures with, and what is heard of it."""

from __future__ import annotations

import numpy as np
from emotional_dan_ros.msg import FaceArray
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.nodes.image_conversion import to_image

MS = 1_000_000
START_NS = 1_000_000_000_000


class Camera:
    """Publishes pictures one by one; the next only when the detector has answered the last."""

    def __init__(self, graph, node, message_type: type = Image, topic: str = "image", qos=qos_profile_sensor_data):
        self.graph = graph
        self.faces = graph.hear(FaceArray, "faces")
        self.publisher = graph.probe.create_publisher(message_type, topic, qos)
        graph.wait_until(lambda: node.is_active)
        graph.wait_until(lambda: self.publisher.get_subscription_count() == 1)
        graph.wait_until(lambda: node.outputs[0].num_subscribers == 1)

    def show(self, message) -> FaceArray:
        self.faces.clear()
        self.publisher.publish(message)
        return self.faces.wait_for(lambda heard: heard[0] if heard else None)


def picture() -> np.ndarray:
    return sample_frame(0)


def at(stamp_ns: int, image: np.ndarray | None = None) -> Image:
    return to_image(picture() if image is None else image, stamp_ns, "cabin")


def ids(message: FaceArray) -> list[int]:
    return [face.track_id for face in message.faces]


def logged(node, monkeypatch) -> list[str]:
    """What the node logs from now on.

    Taken where it is written: while an earlier test's node of the same name is not collected, the lines of this one
    do not reach /rosout.
    """
    lines: list[str] = []
    for severity in ("info", "warning", "error"):
        monkeypatch.setattr(type(node.get_logger()), severity, lambda _, message, **__: lines.append(message))
    return lines


def status_of(diagnostics, condition):
    return diagnostics.wait_for_one(lambda message: condition(message.status[0])).status[0]
