"""Put what a pipeline says into the outputs of a recording: bag, annotated video, timeline."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.render import draw_overlay
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions, FrameFaces
from emotional_dan_ros.offline.atomic import whole_or_nothing
from emotional_dan_ros.offline.history import History
from emotional_dan_ros.offline.mcap_writer import ResultBag
from emotional_dan_ros.offline.timeline import write_timeline
from emotional_dan_ros.offline.video_writer import VideoWriter

BAG_NAME = "bag"
VIDEO_NAME = "annotated.mp4"
TIMELINE_NAME = "timeline.png"

#: Images wait for their emotions; a live pipeline that has fallen so far behind has dropped them.
MAX_WAITING = 60
#: A frame without emotions of its own is shown with those of the last one, up to this age.
_STALE_NS = 500_000_000


@final
class Recorder:
    """Collects images, faces, emotions and anomalies in the order in which they come; a context manager.

    On leaving the block normally, ``bag/``, ``annotated.mp4`` (if any image came) and ``timeline.png`` appear in
    the folder, each whole, and replace those of an earlier run; on an exception nothing appears or changes.

    Args:
        folder: made if need be.
        title: of the timeline.
        rate_hz: of the annotated video.
        image_topic: base topic of the images in the bag.
    """

    def __init__(self, folder: Path, title: str, rate_hz: float, image_topic: str = "/image") -> None:
        self.history = History()
        self._folder = folder
        self._title = title
        self._rate_hz = rate_hz
        self._image_topic = image_topic
        self._stack = ExitStack()
        self._waiting: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._emotions: OrderedDict[int, FrameEmotions] = OrderedDict()
        self._latest: FrameEmotions | None = None
        self._active: dict[int, AnomalyEvent] = {}

    def __enter__(self) -> Recorder:
        bag_path = self._stack.enter_context(whole_or_nothing(self._folder / BAG_NAME))
        self._video_path = self._stack.enter_context(whole_or_nothing(self._folder / VIDEO_NAME, optional=True))
        self._video = self._stack.enter_context(VideoWriter(self._video_path, self._rate_hz))
        self._bag = self._stack.enter_context(ResultBag(bag_path, self._image_topic))
        return self

    def __exit__(self, *exc: object) -> None:
        if exc[0] is None:
            with self._stack:
                while self._waiting:
                    self._draw_oldest()
                write_timeline(self._folder / TIMELINE_NAME, self.history, self._title)
        else:
            self._stack.__exit__(*exc)  # type: ignore[arg-type]

    @property
    def active(self) -> list[AnomalyEvent]:
        """Anomalies that have started and not ended."""
        return list(self._active.values())

    def add_image(self, image_bgr: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> None:
        """Take in a camera image, uint8 (H, W, 3) BGR."""
        self._bag.write_image(image_bgr, stamp_ns, frame_id)
        self._waiting[stamp_ns] = image_bgr
        if len(self._waiting) > MAX_WAITING:
            self._draw_oldest()

    def add_faces(self, frame: FrameFaces) -> None:
        """Take in the faces of a frame."""
        self._bag.write_faces(frame)

    def add_emotions(self, frame: FrameEmotions) -> None:
        """Take in the emotions of a frame; images up to its stamp have waited long enough."""
        self._bag.write_emotions(frame)
        self.history.add(frame)
        self._emotions[frame.stamp_ns] = frame
        if len(self._emotions) > MAX_WAITING:
            self._emotions.popitem(last=False)
        while self._waiting and next(iter(self._waiting)) <= frame.stamp_ns:
            self._draw_oldest()

    def add_event(self, event: AnomalyEvent) -> None:
        """Take in a START, ONGOING or END."""
        self._bag.write_anomaly(event)
        self.history.add_event(event)
        if event.phase is AnomalyPhase.END:
            self._active.pop(event.event_id, None)
        else:
            self._active[event.event_id] = event

    def _draw_oldest(self) -> None:
        stamp_ns, image = self._waiting.popitem(last=False)
        own = self._emotions.get(stamp_ns)
        self._latest = own or self._latest
        fresh = self._latest is not None and 0 <= stamp_ns - self._latest.stamp_ns <= _STALE_NS
        self._video.write(stamp_ns, draw_overlay(image, self._latest if fresh else None, self.active))
