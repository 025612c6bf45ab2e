"""Node: faces and emotions as vision_msgs and as ROS4HRI (REP-155), for those who know these and not ours."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image

from emotional_dan_ros.core.types import FrameEmotions, FrameFaces
from emotional_dan_ros.nodes import standards
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.health import WARN
from emotional_dan_ros.nodes.image_conversion import to_image
from emotional_dan_ros.nodes.inputs import WatchedInput
from emotional_dan_ros.nodes.run import leave, run
from emotional_dan_ros.nodes.topics import EMOTIONS, FACES


class StandardsBridgeNode(PipelineNode):
    """Translates; publishes only what its parameters ask for and the installed packages can say."""

    queue_depth = 20

    def __init__(self, **kwargs: Any) -> None:
        self._vision: ModuleType | None = None
        self._hri: ModuleType | None = None
        self._publishers_of_face: dict[int, dict[str, Publisher]] = {}
        self._detections: Publisher | None = None
        self._tracked: Publisher | None = None
        super().__init__("standards_bridge", **kwargs)

    def set_up(self) -> None:
        self._vision = self._messages("vision_msgs") if self.parameters["vision_msgs"] else None
        self._hri = self._messages("hri_msgs") if self.parameters["hri_msgs"] else None
        self._prefix = f"{self.parameters['hri_prefix'].rstrip('/')}/faces"
        if self._vision is not None:
            self._detections = self.create_publisher(
                self._vision.Detection2DArray, "faces/detections", qos_profile_sensor_data
            )
        if self._hri is not None:
            self._tracked = self.create_publisher(self._hri.IdsList, f"{self._prefix}/tracked", QoSProfile(depth=1))

    def begin(self) -> None:
        self._faces = WatchedInput(self, FACES)
        self._faces.open(self.enqueue)
        self.open_input(EMOTIONS, self.enqueue)

    def process(self, value: FrameFaces | FrameEmotions) -> None:
        if isinstance(value, FrameFaces):
            self._translate_faces(value)
        elif self._hri is not None:
            for state in value.states:
                publishers = self._publishers_of_face.get(state.track_id, {})
                if publishers:
                    publishers["landmarks"].publish(standards.landmarks(state, value, self._hri))
                    publishers["expression"].publish(standards.expression(state, value, self._hri))

    def tear_down(self) -> None:
        for track_id in list(self._publishers_of_face):
            self._forget(track_id)
        for publisher in (self._detections, self._tracked):
            if publisher is not None:
                self.destroy_publisher(publisher)
        self._detections = self._tracked = None

    def check(self) -> None:
        self._faces.check()

    def _translate_faces(self, frame: FrameFaces) -> None:
        if self._vision is not None and self._detections is not None:
            self._detections.publish(standards.detections(frame, self._vision))
        if self._hri is None or self._tracked is None:
            return
        present = {face.track_id for face in frame.faces}
        for track_id in set(self._publishers_of_face) - present:
            self._forget(track_id)
        for face in frame.faces:
            publishers = self._publishers_of_face.get(face.track_id) or self._announce(face.track_id, self._hri)
            publishers["roi"].publish(standards.roi(face, frame, self._hri))
            for name, picture in (("cropped", standards.cropped), ("aligned", standards.aligned)):
                if publishers[name].get_subscription_count():
                    publishers[name].publish(to_image(picture(face), frame.stamp_ns, frame.frame_id))
        self._tracked.publish(standards.tracked(frame, self._hri))

    def _announce(self, track_id: int, hri_msgs: ModuleType) -> dict[str, Publisher]:
        types = {
            "roi": hri_msgs.NormalizedRegionOfInterest2D,
            "cropped": Image,
            "aligned": Image,
            "landmarks": hri_msgs.FacialLandmarks,
            "expression": hri_msgs.Expression,
        }
        prefix = f"{self._prefix}/{standards.face_id(track_id)}"
        publishers = {name: self.create_publisher(kind, f"{prefix}/{name}", 1) for name, kind in types.items()}
        self._publishers_of_face[track_id] = publishers
        return publishers

    def _forget(self, track_id: int) -> None:
        for publisher in self._publishers_of_face.pop(track_id).values():
            self.destroy_publisher(publisher)

    def _messages(self, package: str) -> ModuleType | None:
        try:
            return importlib.import_module(f"{package}.msg")
        except ImportError:
            self.warn_once(package, WARN, f"{package} is not installed; nothing is published in its messages")
            return None


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return run("standards_bridge", lambda bus, _: [StandardsBridgeNode(bus=bus)], args)


if __name__ == "__main__":
    leave(main())
