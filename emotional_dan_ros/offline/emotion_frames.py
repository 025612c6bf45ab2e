"""The emotions of a recording: as they were recorded, or by running the networks on its images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from rosbags.rosbag2 import Reader

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.tracking import FaceTracker
from emotional_dan_ros.core.types import FrameEmotions
from emotional_dan_ros.offline import bag_messages as messages
from emotional_dan_ros.offline.frame_pipeline import FramePipeline
from emotional_dan_ros.offline.inputs import Input, OrderedFrames, is_bag_spec
from emotional_dan_ros.offline.records import identified


def emotion_frames(job: Input, make_pipeline: Callable[[], FramePipeline]) -> Iterator[FrameEmotions]:
    """Yield the emotions of each frame of a recording.

    A bag with a topic of EmotionStateArray is read as it is, unless an image topic was asked for; of several
    such topics the first by name is taken. The networks run on anything else.

    Raises:
        UserError: the recording cannot be read.
    """
    path = Path(job.spec).expanduser()
    if is_bag_spec(job.spec) and job.topic is None and (topic := _emotion_topic(path)) is not None:
        yield from _recorded(path, topic)
        return
    with job.open() as source, make_pipeline() as pipeline:
        tracker = FaceTracker(pipeline.config.tracker)
        for _, emotions in identified(pipeline.process(OrderedFrames(source)), tracker):
            yield emotions


def _emotion_topic(path: Path) -> str | None:
    try:
        with Reader(path) as reader:
            topics = [c.topic for c in reader.connections if c.msgtype == messages.EMOTION_STATE_ARRAY]
    except Exception:  # a damaged bag; its images may still be read, and that way tells what is wrong
        return None
    return min(topics, default=None)


def _recorded(path: Path, topic: str) -> Iterator[FrameEmotions]:
    with Reader(path) as reader:
        wanted = [connection for connection in reader.connections if connection.topic == topic]
        frames = reader.messages(wanted)
        while True:
            try:
                found = next(frames, None)
            except Exception as error:  # whatever a damaged file makes the library raise
                reason = " ".join(str(error).split()) or type(error).__name__
                raise UserError(f"expected a whole recording, got damage in {path}: {reason}; repair it") from None
            if found is None:
                return
            yield _parsed(bytes(found[2]))


def _parsed(data: bytes) -> FrameEmotions:
    return messages.to_frame_emotions(messages.typestore().deserialize_cdr(data, messages.EMOTION_STATE_ARRAY))
