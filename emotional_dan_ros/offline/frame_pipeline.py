"""Frames in, records out: the same core as the nodes, stages overlapped on the cores there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.detector_config import DetectorConfig
from emotional_dan_ros.core.keyframes import DEFAULT_DETECTION_INTERVAL
from emotional_dan_ros.core.perception import FaceFinder
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.tracking import TrackerConfig
from emotional_dan_ros.core.types import FrameFaces
from emotional_dan_ros.offline.records import FrameRecord

#: Frames that wait between two stages; bounds the memory.
_LOOK_AHEAD = 4


@dataclass(frozen=True)
class PipelineConfig:
    """What is run on each frame.

    Attributes:
        weights: shipped name or path.
        device: auto, cpu, cuda or cuda:N; of both networks.
        detector: how faces are looked for.
        detection_interval: from one keyframe to the next, in frames; between them faces are followed.
        tracker: how passengers are told apart.
        with_crops: keep the aligned crops in the records (12.5 KB a face).
    """

    weights: str = "rt"
    device: str = "auto"
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    detection_interval: int = DEFAULT_DETECTION_INTERVAL
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    with_crops: bool = False


@final
class FramePipeline:
    """Finds and recognises faces; a context manager.

    Decoding, detection and recognition of different frames overlap; the records come in the order of the frames
    and are the same as without overlap.

    Raises:
        UserError: weights or device are not there.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config
        self._detector = FaceDetector(config.detector, config.device)
        self._recognizer = EmotionRecognizer.load(config.weights, config.device)
        # Each stage computes in a thread of its own; more threads within a stage would only get in their way.
        torch.set_num_threads(1)
        self._decoding = ThreadPoolExecutor(1, "decode")
        self._recognising = ThreadPoolExecutor(1, "recognise", initializer=torch.set_num_threads, initargs=(1,))

    def __enter__(self) -> FramePipeline:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        self._decoding.shutdown(cancel_futures=True)
        self._recognising.shutdown(cancel_futures=True)

    def process(self, frames: Iterable[tuple[int, NDArray[np.uint8], str]]) -> Iterator[FrameRecord]:
        """Yield a record for each frame of (stamp in ns, image uint8 BGR, frame_id), in their order.

        The first frame is a keyframe: what was processed before has no influence.
        """
        finder = FaceFinder(self._detector, self.config.detection_interval)
        pending: deque[Future[FrameRecord]] = deque()
        for stamp_ns, image, frame_id in self._ahead(iter(frames)):
            found = finder.find(image, stamp_ns, frame_id)
            pending.append(self._recognising.submit(self._recognise, found))
            while len(pending) > _LOOK_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _ahead(
        self, frames: Iterator[tuple[int, NDArray[np.uint8], str]]
    ) -> Iterator[tuple[int, NDArray[np.uint8], str]]:
        waiting = deque(self._decoding.submit(next, frames, None) for _ in range(_LOOK_AHEAD))
        while True:
            frame = waiting.popleft().result()
            if frame is None:
                return
            waiting.append(self._decoding.submit(next, frames, None))
            yield frame

    def _recognise(self, found: FrameFaces) -> FrameRecord:
        return FrameRecord(found, self._recognizer.recognize(found))
