"""From a finished journal to the outputs; each appears under its name only when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.render import draw_overlay
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions, FrameFaces
from emotional_dan_ros.offline import bag_messages as messages
from emotional_dan_ros.offline.atomic import whole_or_nothing
from emotional_dan_ros.offline.history import History
from emotional_dan_ros.offline.inputs import OrderedFrames
from emotional_dan_ros.offline.journal import FrameRecord, Journal
from emotional_dan_ros.offline.mcap_writer import ResultBag
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
        monitor: settings of the anomaly monitor.
    """

    table: str
    video: bool
    images: bool
    merge: bool
    monitor: MonitorConfig

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


def judged(journal: Journal, config: MonitorConfig) -> Iterator[tuple[FrameRecord, FrameEmotions, list[AnomalyEvent]]]:
    """Yield each record with its emotions and the events the monitor raises at it.

    The last frame also carries the ENDs of the events that were still open.
    """
    monitor = AnomalyMonitor(config)
    held: tuple[FrameRecord, FrameEmotions, list[AnomalyEvent]] | None = None
    for record in journal.read():
        if held is not None:
            yield held
        frame = _emotions(record)
        held = (record, frame, list(monitor.update(frame)))
    if held is not None:
        held[2].extend(monitor.close("the recording ended"))
        yield held


def write_bag_and_table(
    journal: Journal,
    folder: Path,
    config: OutputConfig,
    frames: OrderedFrames | None,
    copy_topics: Callable[[ResultBag], None] | None = None,
) -> History:
    """Write the bag and the table; return what happened.

    Args:
        journal: complete.
        folder: of the outputs.
        config: which.
        frames: the input once more, where its images are wanted in the bag.
        copy_topics: writes what else belongs into the bag.
    """
    history, active = History(), _Active()
    with ExitStack() as stack:
        bag = stack.enter_context(ResultBag(stack.enter_context(whole_or_nothing(folder / BAG_NAME))))
        table = stack.enter_context(open_table(stack.enter_context(whole_or_nothing(folder / config.table_name))))
        images = iter(frames) if frames is not None else None
        for record, frame, events in judged(journal, config.monitor):
            if images is not None:
                stamp_ns, image, frame_id = next(images)
                bag.write_image(image, stamp_ns, frame_id)
                active.take(events)
                bag.write_image(draw_overlay(image, frame, active.events), stamp_ns, frame_id, OVERLAY_TOPIC)
            bag.write_serialized("/faces", record.stamp_ns, record.faces)
            bag.write_serialized("/emotions", record.stamp_ns, record.emotions)
            table.add(frame)
            history.add(frame)
            for event in events:
                bag.write_anomaly(event)
                history.add_event(event)
        if copy_topics is not None:
            copy_topics(bag)
    return history


def write_report_of(
    journal: Journal,
    path: Path,
    title: str,
    history: History,
    frames: OrderedFrames,
    problems: Sequence[str],
    explain: Explain,
) -> None:
    """Write the report; where there are anomalies, the input is decoded once more for their pictures."""
    spans = history.spans()
    thumbnails = collect(spans, _with_images(journal, frames), explain) if spans else []
    model_name = next((_emotions(record).model_name for record in journal.read()), "")
    write_report(path, title, history, thumbnails, problems, model_name)


def _with_images(journal: Journal, frames: OrderedFrames) -> Iterator[tuple[FrameFaces, NDArray[np.uint8]]]:
    store = messages.typestore()
    for record, (_, image, _) in zip(journal.read(), frames, strict=False):
        yield messages.to_frame_faces(store.deserialize_cdr(record.faces, messages.FACE_ARRAY)), image


def _emotions(record: FrameRecord) -> FrameEmotions:
    message = messages.typestore().deserialize_cdr(record.emotions, messages.EMOTION_STATE_ARRAY)
    return messages.to_frame_emotions(message)


def write_video(journal: Journal, path: Path, frames: OrderedFrames, rate_hz: float, config: MonitorConfig) -> None:
    """Decode the input once more and draw what the journal says onto it."""
    active = _Active()
    with whole_or_nothing(path, optional=True) as unfinished, VideoWriter(unfinished, rate_hz) as video:
        for (_, frame, events), (stamp_ns, image, _) in zip(judged(journal, config), frames, strict=False):
            active.take(events)
            video.write(stamp_ns, draw_overlay(image, frame, active.events))
