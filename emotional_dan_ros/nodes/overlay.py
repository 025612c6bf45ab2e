"""Node: the camera image with what the pipeline says drawn onto it (`overlay/image`)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from emotional_dan_ros.core.images import as_bgr
from emotional_dan_ros.core.render import draw_overlay
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.frames import CameraFrame
from emotional_dan_ros.nodes.inputs import CameraInput
from emotional_dan_ros.nodes.run import run
from emotional_dan_ros.nodes.topics import ANOMALIES, EMOTIONS, OVERLAY_IMAGE

_LOOK_FOR_SUBSCRIBERS_S = 0.2
#: Images that wait for their emotions; about a second of a fast camera.
_MAX_WAITING = 60
_NS = 1e9

Drawing = tuple[CameraFrame, FrameEmotions | None]


class OverlayNode(PipelineNode):
    """Draws each image with the emotions of its own stamp; subscribes only while somebody watches."""

    def __init__(self, **kwargs: Any) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[int, CameraFrame] = OrderedDict()
        self._active: dict[int, AnomalyEvent] = {}
        self._last_emotions_ns: int | None = None
        self._camera: CameraInput | None = None
        super().__init__("overlay", **kwargs)

    def set_up(self) -> None:
        self._image = self.open_output(OVERLAY_IMAGE)

    def begin(self) -> None:
        self._look = self.create_timer(_LOOK_FOR_SUBSCRIBERS_S, self._follow_subscribers, clock=self.steady_clock)

    def end(self) -> None:
        self.destroy_timer(self._look)
        self._forget()

    def process(self, value: Drawing) -> None:
        frame, emotions = value
        with self._lock:
            active = tuple(self._active.values())
        picture = draw_overlay(as_bgr(frame.image), emotions, active)
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
            self.open_input(ANOMALIES, self._on_anomaly)
        elif not wanted and self._camera is not None:
            self.close_inputs()
            self._forget()
        self.health.set_fact("subscribers", str(self._image.num_subscribers))

    def _forget(self) -> None:
        self._camera = None
        with self._lock:
            self._waiting.clear()
            self._active.clear()
            self._last_emotions_ns = None
        self.health.clear("input")

    def _on_image(self, frame: CameraFrame) -> None:
        with self._lock:
            newest_ns = next(reversed(self._waiting), frame.stamp_ns)
            if frame.stamp_ns < newest_ns:  # time jumped back
                self._waiting.clear()
                self._last_emotions_ns = None
            if not self._waiting and self._last_emotions_ns is None:
                self._last_emotions_ns = frame.stamp_ns  # from here on emotions are waited for
            self._waiting[frame.stamp_ns] = frame
            if len(self._waiting) > _MAX_WAITING:
                self._waiting.popitem(last=False)
            waited_s = (frame.stamp_ns - (self._last_emotions_ns or frame.stamp_ns)) / _NS
        if waited_s > self.parameters["wait_for_emotions"]:
            self.enqueue((frame, None))

    def _on_emotions(self, emotions: FrameEmotions) -> None:
        frame: CameraFrame | None = None
        with self._lock:
            self._last_emotions_ns = emotions.stamp_ns
            if self._camera is not None and self._camera.is_unstamped and self._waiting:
                # Each node stamps such images with its own time of arrival; the newest is the best guess.
                frame = next(reversed(self._waiting.values()))
            else:
                while self._waiting and next(iter(self._waiting)) < emotions.stamp_ns:
                    self._waiting.popitem(last=False)
                if emotions.stamp_ns in self._waiting:
                    frame = self._waiting.pop(emotions.stamp_ns)
        if frame is not None:
            self.enqueue((frame, emotions))

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
    raise SystemExit(main())
