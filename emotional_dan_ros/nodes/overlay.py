"""Node: the camera image with what the pipeline says drawn onto it (`overlay/image`)."""

from __future__ import annotations

import threading
from typing import Any

from emotional_dan_ros.core.images import as_bgr
from emotional_dan_ros.core.render import draw_overlay
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions, FrameMaps
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.drawings import Drawing, Drawings
from emotional_dan_ros.nodes.frames import CameraFrame
from emotional_dan_ros.nodes.inputs import CameraInput
from emotional_dan_ros.nodes.ports import InputPort
from emotional_dan_ros.nodes.run import leave, run
from emotional_dan_ros.nodes.topics import ANOMALIES, EMOTION_MAPS, EMOTIONS, OVERLAY_IMAGE

_LOOK_FOR_SUBSCRIBERS_S = 0.2


class OverlayNode(PipelineNode):
    """Draws each image with the emotions of its own stamp; subscribes only while somebody watches."""

    def __init__(self, **kwargs: Any) -> None:
        self._lock = threading.Lock()
        self._drawings = Drawings()
        self._active: dict[int, AnomalyEvent] = {}
        self._camera: CameraInput | None = None
        self._maps: InputPort[FrameMaps] | None = None
        self._expects_maps = False
        super().__init__("overlay", **kwargs)

    def set_up(self) -> None:
        self._image = self.open_output(OVERLAY_IMAGE)

    def begin(self) -> None:
        self._look = self.create_timer(_LOOK_FOR_SUBSCRIBERS_S, self._follow_subscribers, clock=self.steady_clock)

    def end(self) -> None:
        self.destroy_timer(self._look)
        self._forget()

    def process(self, value: Drawing) -> None:
        frame = value.frame
        with self._lock:
            active = tuple(self._active.values())
        maps = value.maps.maps if value.maps is not None else ()
        picture = draw_overlay(as_bgr(frame.image), value.emotions, active, maps)
        self._image.publish(CameraFrame(frame.stamp_ns, frame.frame_id, lambda: picture, picture.nbytes))

    def check(self) -> None:
        if self._camera is not None:
            self._camera.check()

    def _follow_subscribers(self) -> None:
        wanted = self._image.num_subscribers > 0
        if wanted and self._camera is None:
            self._camera = CameraInput(self, self._on_image)
            self._camera.open()
            self.open_input(EMOTIONS, self._on_emotions)
            self._maps = self.open_input(EMOTION_MAPS, self._on_maps)
            self.open_input(ANOMALIES, self._on_anomaly)
        elif not wanted and self._camera is not None:
            self.close_inputs()
            self._forget()
        self._expects_maps = self._maps is not None and self._maps.has_publisher()
        self.health.set_fact("subscribers", str(self._image.num_subscribers))

    def _forget(self) -> None:
        self._camera = self._maps = None
        with self._lock:
            self._drawings.clear()
            self._active.clear()
        self.health.clear("input")

    def _on_image(self, frame: CameraFrame) -> None:
        with self._lock:
            ready = self._drawings.image(frame, self.parameters["wait_for_emotions"])
        self._draw(ready)

    def _on_emotions(self, emotions: FrameEmotions) -> None:
        unstamped = self._camera is not None and self._camera.is_unstamped
        with self._lock:
            ready = self._drawings.emotions(emotions, self._expects_maps, unstamped)
        self._draw(ready)

    def _on_maps(self, maps: FrameMaps) -> None:
        with self._lock:
            ready = self._drawings.maps(maps)
        self._draw(ready)

    def _draw(self, ready: list[Drawing]) -> None:
        for drawing in ready:
            self.enqueue(drawing)

    def _on_anomaly(self, event: AnomalyEvent) -> None:
        with self._lock:
            if event.phase is AnomalyPhase.END:
                self._active.pop(event.event_id, None)
            else:
                self._active[event.event_id] = event


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return run("overlay", lambda bus, _: [OverlayNode(bus=bus)], args)


if __name__ == "__main__":
    leave(main())
