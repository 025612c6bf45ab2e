"""From the records of all frames to the outputs; each appears under its name only when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly import AnomalyMonitor, Calibration, MonitorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.render import draw_overlay
from emotional_dan_ros.core.tracking import FaceTracker, TrackerConfig
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions, FrameFaces
from emotional_dan_ros.offline.atomic import whole_or_nothing
from emotional_dan_ros.offline.history import History
from emotional_dan_ros.offline.inputs import OrderedFrames
from emotional_dan_ros.offline.mcap_writer import ResultBag
from emotional_dan_ros.offline.records import FrameRecord, identified
from emotional_dan_ros.offline.report import write_report
from emotional_dan_ros.offline.table import open_table
from emotional_dan_ros.offline.thumbnails import Explain, collect
from emotional_dan_ros.offline.video_writer import VideoWriter

BAG_NAME = "bag"
VIDEO_NAME = "annotated.mp4"
TIMELINE_NAME = "timeline.png"
REPORT_NAME = "report.html"
OVERLAY_TOPIC = "/overlay/image"


@dataclass(frozen=True)
class OutputConfig:
    """Which outputs are wanted.

    Attributes:
        table: csv or parquet.
        video: write the annotated video.
        images: put the images and the annotated images into the bag, as JPEG.
        merge: copy the topics of an input bag into the bag.
        crops: put the aligned face crops into the bag; the records must hold them.
        tracker: how passengers are told apart.
        monitor: settings of the anomaly monitor.
        calibration: of the monitor; None takes what ships for the weights.
    """

    table: str
    video: bool
    images: bool
    merge: bool
    crops: bool
    tracker: TrackerConfig
    monitor: MonitorConfig
    calibration: Calibration | None = None

    @property
    def table_name(self) -> str:
        """File name of the table."""
        return f"states.{self.table}"


class _Active:
    """The events that have started and not ended."""

    def __init__(self) -> None:
        self._events: dict[int, AnomalyEvent] = {}

    def take(self, events: Sequence[AnomalyEvent]) -> None:
        for event in events:
            if event.phase is AnomalyPhase.END:
                self._events.pop(event.event_id, None)
            else:
                self._events[event.event_id] = event

    @property
    def events(self) -> list[AnomalyEvent]:
        return list(self._events.values())


#: Gives the records of all frames from the first on, as often as it is called.
Records = Callable[[], Iterator[FrameRecord]]
#: Faces and emotions of the known passengers of a frame, and the events at it.
Judged = tuple[FrameFaces, FrameEmotions, list[AnomalyEvent]]


def judged(records: Records, config: OutputConfig) -> Iterator[Judged]:
    """Yield each frame with the events the monitor raises at it.

    The last frame also carries the ENDs of the events that were still open.
    """
    monitor = AnomalyMonitor(config.monitor, config.calibration)
    held: Judged | None = None
    for faces, emotions in identified(records(), FaceTracker(config.tracker)):
        if held is not None:
            yield held
        held = (faces, emotions, list(monitor.update(emotions)))
    if held is not None:
        held[2].extend(monitor.close("the recording ended"))
        yield held


def _with_images(frames: OrderedFrames, judgements: Iterable[Judged]) -> Iterator[tuple[NDArray[np.uint8], Judged]]:
    """Yield each frame with its image; frames that were not processed are passed over.

    Raises:
        UserError: the input has changed since its frames were processed.
    """
    images = iter(frames)
    for judgement in judgements:
        stamp_ns = judgement[0].stamp_ns
        image = next((image for image_ns, image, _ in images if image_ns == stamp_ns), None)
        if image is None:
            raise UserError(f"expected the image of {stamp_ns} ns again, got none; process the changed input anew")
        yield image, judgement


def write_bag_and_table(
    records: Records,
    folder: Path,
    config: OutputConfig,
    frames: OrderedFrames | None,
    copy_topics: Callable[[ResultBag], None] | None = None,
) -> History:
    """Write the bag and the table; return what happened.

    Args:
        records: of all frames.
        folder: of the outputs.
        config: which.
        frames: the input once more, where its images are wanted in the bag.
        copy_topics: writes what else belongs into the bag.
    """
    history, active = History(), _Active()
    with ExitStack() as stack:
        bag = stack.enter_context(ResultBag(stack.enter_context(whole_or_nothing(folder / BAG_NAME))))
        table = stack.enter_context(open_table(stack.enter_context(whole_or_nothing(folder / config.table_name))))

        def take(judgement: Judged) -> None:
            faces, emotions, events = judgement
            bag.write_faces(faces, config.crops)
            bag.write_emotions(emotions)
            table.add(emotions)
            history.add(emotions)
            for event in events:
                bag.write_anomaly(event)
                history.add_event(event)

        if frames is None:
            for judgement in judged(records, config):
                take(judgement)
        else:
            for image, judgement in _with_images(frames, judged(records, config)):
                faces, emotions, events = judgement
                active.take(events)
                overlay = draw_overlay(image, emotions, active.events)
                bag.write_image(image, faces.stamp_ns, faces.frame_id)
                bag.write_image(overlay, faces.stamp_ns, faces.frame_id, OVERLAY_TOPIC)
                take(judgement)
        if copy_topics is not None:
            copy_topics(bag)
    return history


def write_report_of(
    records: Records,
    path: Path,
    title: str,
    config: OutputConfig,
    history: History,
    frames: OrderedFrames,
    problems: Sequence[str],
    explain: Explain,
) -> None:
    """Write the report; where there are anomalies, the input is decoded once more for their pictures."""
    spans = history.spans()
    pictures = ((faces, image) for image, (faces, _, _) in _with_images(frames, judged(records, config)))
    thumbnails = collect(spans, pictures, explain) if spans else []
    model_name = next((record.emotions.model_name for record in records()), "")
    write_report(path, title, history, thumbnails, problems, model_name)


def write_video(records: Records, path: Path, frames: OrderedFrames, rate_hz: float, config: OutputConfig) -> None:
    """Decode the input once more and draw what was seen onto it."""
    active = _Active()
    with whole_or_nothing(path, optional=True) as unfinished, VideoWriter(unfinished, rate_hz) as video:
        for image, (faces, emotions, events) in _with_images(frames, judged(records, config)):
            active.take(events)
            video.write(faces.stamp_ns, draw_overlay(image, emotions, active.events))
