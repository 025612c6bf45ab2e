"""Write inputs and outputs to a rosbag2 folder (MCAP) that `ros2 bag play` and Foxglove open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from emotional_dan_ros.core.types import AnomalyEvent, FrameEmotions, FrameFaces
from emotional_dan_ros.offline import bag_messages as messages

_FOREVER = QosTime(sec=9223372036, nsec=854775807)  # RMW_DURATION_INFINITE of rmw/time.h


def _qos(depth: int, reliability: QosReliability, durability: QosDurability = QosDurability.VOLATILE) -> Qos:
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )


_SENSOR = _qos(5, QosReliability.BEST_EFFORT)
#: Topic of each output -> its type and the QoS the nodes offer.
OUTPUT_TOPICS: dict[str, tuple[str, Qos]] = {
    "/faces": (messages.FACE_ARRAY, _SENSOR),
    "/emotions": (messages.EMOTION_STATE_ARRAY, _qos(10, QosReliability.RELIABLE)),
    "/anomalies": (messages.EMOTION_ANOMALY, _qos(50, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL)),
}


@final
class ResultBag:
    """A rosbag2 folder being written; a context manager.

    Messages bear the stamp of their camera frame as the time of recording. The folder must not exist; on an
    exception inside the block the half-written folder stays for the caller to remove (see offline/atomic.py).

    Args:
        folder: of the bag; the MCAP file inside gets the same name.
        image_topic: base topic of images; JPEGs go to ``<image_topic>/compressed`` as image_transport has it.
        jpeg_quality: 1..100.
    """

    def __init__(self, folder: Path, image_topic: str = "/image", jpeg_quality: int = 90) -> None:
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._store = messages.typestore()
        self._image_topic = image_topic.rstrip("/")
        self._jpeg_quality = jpeg_quality
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> ResultBag:
        self._writer.open()
        for topic, (type_name, qos) in OUTPUT_TOPICS.items():
            self._connections[topic] = self._connect(topic, type_name, qos)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, traceback)

    def write_image(self, image_bgr: NDArray[np.uint8], stamp_ns: int, frame_id: str, topic: str | None = None) -> None:
        """Write an image, uint8 (H, W, 3) BGR, as JPEG; without a base topic the camera's is taken."""
        message = messages.jpeg_image(image_bgr, stamp_ns, frame_id, self._jpeg_quality)
        self.write_message(f"{topic or self._image_topic}/compressed", stamp_ns, message, _SENSOR)

    def write_faces(self, frame: FrameFaces, with_crops: bool = True) -> None:
        """Write the faces of a frame to /faces."""
        self.write_message("/faces", frame.stamp_ns, messages.face_array(frame, with_crops))

    def write_emotions(self, frame: FrameEmotions) -> None:
        """Write the emotions of a frame to /emotions."""
        self.write_message("/emotions", frame.stamp_ns, messages.emotion_state_array(frame))

    def write_anomaly(self, event: AnomalyEvent) -> None:
        """Write an anomaly to /anomalies."""
        self.write_message("/anomalies", event.stamp_ns, messages.emotion_anomaly(event))

    def write_serialized(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Write CDR bytes to a topic that is open: one of OUTPUT_TOPICS or of `add_foreign`."""
        self._writer.write(self._connections[topic], stamp_ns, data)

    def write_message(self, topic: str, stamp_ns: int, message: Any, qos: Qos = _SENSOR) -> None:
        """Write a message of one of `bag_messages.typestore`'s types to any topic, one type for each topic."""
        type_name = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._connect(topic, type_name, qos)
        self._writer.write(self._connections[topic], stamp_ns, self._store.serialize_cdr(message, type_name))

    def add_foreign(self, topic: str, type_name: str, definition: str, digest: str, qos: Sequence[Qos]) -> None:
        """Open a topic of any type for `write_serialized`.

        Args:
            topic: not yet in the bag.
            type_name: e.g. ``sensor_msgs/msg/Imu``.
            definition: of the type with those it depends on, ros2msg or ros2idl.
            digest: RIHS01 hash of the type.
            qos: that was offered.
        """
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, msgdef=definition, rihs01=digest, offered_qos_profiles=qos
        )

    @property
    def topics(self) -> frozenset[str]:
        """Topics that are open."""
        return frozenset(self._connections)

    def _connect(self, topic: str, type_name: str, qos: Qos) -> Connection:
        return self._writer.add_connection(topic, type_name, typestore=self._store, offered_qos_profiles=[qos])
