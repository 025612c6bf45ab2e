"""The topics: name, type, quality of service, conversion. One place, used by nodes, documentation and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from emotional_dan_ros.core.types import AnomalyEvent, FrameEmotions, FrameFaces, FrameMaps
from emotional_dan_ros.msg import EmotionAnomaly, EmotionMapArray, EmotionStateArray, FaceArray
from emotional_dan_ros.nodes import message_conversion as convert
from emotional_dan_ros.nodes.frames import CameraFrame, frame_from_msg, frame_to_msg
from emotional_dan_ros.nodes.map_conversion import maps_from_msg, maps_to_msg

T = TypeVar("T")


@dataclass(frozen=True)
class Topic(Generic[T]):
    """One topic of the contract.

    Attributes:
        name: relative, so that namespaces and remappings apply.
        message: ROS type on the wire.
        value: type that passes inside a process.
        to_message, from_message: between the two.
        depth, reliable, latched: quality of service; `latched` is transient local.
        description: for people.
    """

    name: str
    message: type
    value: type[T]
    to_message: Callable[[T], Any]
    from_message: Callable[[Any], T]
    depth: int
    reliable: bool = False
    latched: bool = False
    description: str = ""

    def qos(self, reliable: bool | None = None) -> QoSProfile:
        """A fresh profile (rclpy writes overrides into the one it is given)."""
        reliable = self.reliable if reliable is None else reliable
        return QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=self.depth,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if self.latched else DurabilityPolicy.VOLATILE,
        )

    @property
    def type_name(self) -> str:
        """E.g. "sensor_msgs/msg/Image"."""
        return f"{self.message.__module__.split('.')[0]}/msg/{self.message.__name__}"


def _not_published(_: CameraFrame) -> CompressedImage:
    raise NotImplementedError("compressed images are only read")


IMAGE: Topic[CameraFrame] = Topic(
    "image", Image, CameraFrame, frame_to_msg, frame_from_msg, 1, description="Camera images, any supported encoding."
)
COMPRESSED_IMAGE: Topic[CameraFrame] = Topic(
    "image/compressed",
    CompressedImage,
    CameraFrame,
    _not_published,
    frame_from_msg,
    1,
    description="The same as JPEG or PNG, with `image_transport: compressed`.",
)
FACES: Topic[FrameFaces] = Topic(
    "faces",
    FaceArray,
    FrameFaces,
    convert.faces_to_msg,
    convert.faces_from_msg,
    5,
    description="Tracked faces with aligned crops; empty where no face is seen.",
)
EMOTIONS: Topic[FrameEmotions] = Topic(
    "emotions",
    EmotionStateArray,
    FrameEmotions,
    convert.emotions_to_msg,
    convert.emotions_from_msg,
    10,
    reliable=True,
    description="Emotion states of all faces of a frame; empty where no face is seen.",
)
EMOTION_MAPS: Topic[FrameMaps] = Topic(
    "emotion_maps",
    EmotionMapArray,
    FrameMaps,
    maps_to_msg,
    maps_from_msg,
    5,
    description="Where the network looked, of all faces of a frame; only with `emotion_maps` of the recogniser, and "
    "computed only while somebody subscribes.",
)
ANOMALIES: Topic[AnomalyEvent] = Topic(
    "anomalies",
    EmotionAnomaly,
    AnomalyEvent,
    convert.anomaly_to_msg,
    convert.anomaly_from_msg,
    50,
    reliable=True,
    latched=True,
    description="Unexpected expressions, from START to END.",
)
OVERLAY_IMAGE: Topic[CameraFrame] = Topic(
    "overlay/image",
    Image,
    CameraFrame,
    frame_to_msg,
    frame_from_msg,
    5,
    description="Camera image with boxes, ids, landmarks, emotions, anomalies, and maps where they are published; "
    "drawn only while somebody subscribes.",
)

#: Node name to the topics it subscribes to and those it publishes; all publish /diagnostics besides.
INPUTS: dict[str, tuple[Topic[Any], ...]] = {
    "video_source": (EMOTIONS,),  # only with `wait_for_emotions`
    "face_detector": (IMAGE, COMPRESSED_IMAGE),
    "emotion_recognizer": (FACES,),
    "anomaly_monitor": (EMOTIONS,),
    "overlay": (IMAGE, COMPRESSED_IMAGE, EMOTIONS, EMOTION_MAPS, ANOMALIES),
    "standards_bridge": (FACES, EMOTIONS),
}
OUTPUTS: dict[str, tuple[Topic[Any], ...]] = {
    "video_source": (IMAGE,),
    "face_detector": (FACES,),
    "emotion_recognizer": (EMOTIONS, EMOTION_MAPS),
    "anomaly_monitor": (ANOMALIES,),
    "overlay": (OVERLAY_IMAGE,),
    # In the messages of packages that need not be there, on topics that come and go with the faces.
    "standards_bridge": (),
}
