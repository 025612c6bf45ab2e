"""Node: camera image to tracked faces with aligned crops (`image` to `faces`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from emotional_dan_ros.core.detector_config import DetectorConfig
from emotional_dan_ros.core.perception import FacePipeline
from emotional_dan_ros.core.tracking import FaceTracker, TrackerConfig
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.frames import CameraFrame
from emotional_dan_ros.nodes.inputs import CameraInput
from emotional_dan_ros.nodes.message_conversion import faces_as_published
from emotional_dan_ros.nodes.orientation import Orientation
from emotional_dan_ros.nodes.parameters import Values
from emotional_dan_ros.nodes.run import leave, run
from emotional_dan_ros.nodes.threads import set_num_threads
from emotional_dan_ros.nodes.topics import FACES

if TYPE_CHECKING:
    from emotional_dan_ros.core.detector import FaceDetector

C = TypeVar("C", DetectorConfig, TrackerConfig)


class FaceDetectorNode(PipelineNode):
    """Detects, tracks and aligns faces."""

    def __init__(self, **kwargs: Any) -> None:
        # Kept over reconfigurations: ids are never reused within a run.
        self._tracker = FaceTracker()
        self._detector: FaceDetector | None = None
        self._orientation = Orientation()
        super().__init__("face_detector", **kwargs)

    def set_up(self) -> None:
        # PyTorch takes more than a second to load. Meanwhile the graph learns of this node: it could not hear it
        # before that anyway, and a node that is started again is back the earlier.
        from emotional_dan_ros.core.detector import FaceDetector

        set_num_threads(self.parameters["num_threads"])
        values = self.parameters.values
        self._detector = FaceDetector(_config(DetectorConfig, "detector.", values), self.parameters["device"])
        self._pipeline = FacePipeline(self._detector, self._tracker, self.parameters["detection_interval"])
        self.apply(values, frozenset(values))
        self._detector.warm_up()  # the first image does not pay for it
        self.health.set_fact("device", str(self._detector.device))
        self.health.set_fact("model", "MTCNN")
        self._faces = self.open_output(FACES)

    def begin(self) -> None:
        self._camera = CameraInput(self, self.enqueue)
        self._camera.open()

    def process(self, value: CameraFrame) -> None:
        orientation = self._orientation
        frame = self._pipeline.process(orientation.upright(value.image), value.stamp_ns, value.frame_id)
        if not orientation.is_upright:
            frame = orientation.to_source(frame)
        self._faces.publish(faces_as_published(frame))

    def end(self) -> None:
        self._pipeline.reset()

    def tear_down(self) -> None:
        self._detector = None

    def apply(self, values: Values, changed: frozenset[str]) -> None:
        detector_config = _config(DetectorConfig, "detector.", values)
        self._tracker.config = _config(TrackerConfig, "tracker.", values)
        if self._detector is not None:
            self._detector.config = detector_config
        self._orientation = Orientation(values["rotation"], values["mirrored"])

    def check(self) -> None:
        self._camera.check()


def _config(config_class: type[C], prefix: str, values: Values) -> C:
    return config_class(**{name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)})


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return run("face_detector", lambda bus, _: [FaceDetectorNode(bus=bus)], args)


if __name__ == "__main__":
    leave(main())
