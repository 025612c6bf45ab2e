"""Node of the demo and of tests: hears a running graph and hands what it says to whoever records it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile

from emotional_dan_ros.core.types import AnomalyEvent, FrameEmotions, FrameFaces
from emotional_dan_ros.nodes.frames import CameraFrame
from emotional_dan_ros.nodes.topics import ANOMALIES, EMOTIONS, FACES, IMAGE, Topic

_REMEMBERED_IMAGES = 200
#: Deeper than the nodes' own queues: what the graph has said must not be lost only because it is being recorded.
_DEPTH = 100


class Collector(Node):
    """Listens to all topics of the pipeline.

    Args:
        on_image, on_faces, on_emotions, on_event: called in the executor's thread. ``on_emotions`` also gets the
            seconds since the image of that stamp came, None where it did not come.
        namespace: of the graph.
    """

    def __init__(
        self,
        on_image: Callable[[CameraFrame], None],
        on_faces: Callable[[FrameFaces], None],
        on_emotions: Callable[[FrameEmotions, float | None], None],
        on_event: Callable[[AnomalyEvent], None],
        namespace: str,
    ) -> None:
        super().__init__("collector", namespace=namespace)
        self.faults: dict[str, str] = {}
        self._on_image = on_image
        self._on_emotions = on_emotions
        self._came_s: OrderedDict[int, float] = OrderedDict()
        self._is_open = False
        self._listen(FACES, on_faces)
        self._listen(EMOTIONS, self._take_emotions)
        self._listen(ANOMALIES, on_event)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnostics, _DEPTH)

    def open_when_ready(self) -> bool:
        """Subscribe to the images once every node listens; returns whether that has happened.

        A video source that waits for two subscribers so starts when nothing of its input can be lost.
        """
        listened = all(self.count_subscribers(topic.name) >= 2 for topic in (FACES, EMOTIONS))
        heard = all(self.count_publishers(topic.name) >= 1 for topic in (FACES, EMOTIONS, ANOMALIES))
        if listened and heard and not self._is_open:
            self._is_open = True
            self._listen(IMAGE, self._take_image)
        return self._is_open

    def _listen(self, topic: Topic[Any], take: Callable[[Any], None]) -> None:
        offered = topic.qos()
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=_DEPTH,
            reliability=offered.reliability,
            durability=offered.durability,
        )
        self.create_subscription(topic.message, topic.name, lambda message: take(topic.from_message(message)), qos)

    def _take_image(self, frame: CameraFrame) -> None:
        self._came_s[frame.stamp_ns] = time.monotonic()
        if len(self._came_s) > _REMEMBERED_IMAGES:
            self._came_s.popitem(last=False)
        self._on_image(frame)

    def _take_emotions(self, frame: FrameEmotions) -> None:
        came_s = self._came_s.get(frame.stamp_ns)
        self._on_emotions(frame, None if came_s is None else time.monotonic() - came_s)

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        """Note which nodes of this graph cannot work, by the reason they give."""
        prefix = self.get_namespace().strip("/")
        for status in message.status:
            if not status.name.startswith(f"{prefix}/"):
                continue
            name = status.name.removeprefix(f"{prefix}/").split(":")[0]
            values = {entry.key: entry.value for entry in status.values}
            if status.level == DiagnosticStatus.ERROR and values.get("state") != "active":
                self.faults[name] = status.message
            else:
                self.faults.pop(name, None)
