"""Frames in, journal records out: the same core as the nodes, stages overlapped on the cores there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_dan_ros.core.detector import DetectorConfig, FaceDetector
from emotional_dan_ros.core.explanation import CropExplainer, paint_map
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.perception import FacePipeline
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.tracking import FaceTracker, TrackerConfig
from emotional_dan_ros.core.types import Detection, FrameFaces
from emotional_dan_ros.offline import bag_messages as messages
from emotional_dan_ros.offline.journal import FrameRecord

#: Frames that wait between two stages; bounds the memory.
_LOOK_AHEAD = 4


@dataclass(frozen=True)
class PipelineConfig:
    """What is run on each frame.

    Attributes:
        weights: shipped name or path.
        device: auto, cpu, cuda or cuda:N; of both networks.
        detector: how faces are looked for.
        tracker: how they are followed.
        with_crops: keep the aligned crops in the records (12.5 KB a face).
    """

    weights: str = "rt"
    device: str = "auto"
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    with_crops: bool = False


class _RememberingDetector:
    """Keeps what the detector said, which the tracker reports only in part."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self.last: tuple[Detection, ...] = ()

    def detect(self, image: NDArray[np.uint8]) -> tuple[Detection, ...]:
        self.last = self._detector.detect(image)
        return self.last


@final
class FramePipeline:
    """Detects, tracks and recognises; a context manager.

    Decoding, detection and recognition of different frames overlap; the records come in the order of the frames
    and are the same as without overlap.

    Raises:
        UserError: weights or device are not there.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self._detector = _RememberingDetector(FaceDetector(config.detector, config.device))
        self._tracker = FaceTracker(config.tracker)
        self._faces = FacePipeline(self._detector, self._tracker)
        self._with_crops = config.with_crops
        self._explainer: CropExplainer | None = None
        self._recognizer = EmotionRecognizer.load(config.weights, config.device)
        # Each stage computes in a thread of its own; more threads within a stage would only get in their way.
        torch.set_num_threads(1)
        self._decoding = ThreadPoolExecutor(1, "decode")
        self._recognising = ThreadPoolExecutor(1, "recognise", initializer=torch.set_num_threads, initargs=(1,))

    def __enter__(self) -> FramePipeline:
        return self

    def __exit__(self, *exc: object) -> None:
        self._decoding.shutdown(cancel_futures=True)
        self._recognising.shutdown(cancel_futures=True)

    @property
    def model_name(self) -> str:
        """Name of the weights."""
        return self._recognizer.model_name

    def replay(self, stamp_ns: int, detections: Sequence[Detection]) -> None:
        """Bring the tracks to where they were after a frame that was processed in an earlier run."""
        self._tracker.update(stamp_ns, detections)

    def explain(self, crop: NDArray[np.uint8], emotion: Emotion) -> NDArray[np.uint8]:
        """Lay over a crop, uint8 (112, 112), what speaks for an emotion: uint8 (112, 112, 3), BGR."""
        if self._explainer is None:
            self._explainer = CropExplainer(self._recognizer)
        explanation = self._explainer.explain(crop[None], np.array([int(emotion)]))
        return paint_map(crop, explanation.maps[0])

    def process(self, frames: Iterable[tuple[int, NDArray[np.uint8], str]]) -> Iterator[FrameRecord]:
        """Yield a record for each frame of (stamp in ns, image uint8 BGR, frame_id), in their order."""
        pending: deque[Future[FrameRecord]] = deque()
        for stamp_ns, image, frame_id in self._ahead(iter(frames)):
            # What the nodes hand to each other passes through messages: boxes in whole pixels, numbers in float32.
            found = messages.as_published(self._faces.process(image, stamp_ns, frame_id))
            pending.append(self._recognising.submit(self._recognise, found, self._detector.last))
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

    def _recognise(self, found: FrameFaces, detections: tuple[Detection, ...]) -> FrameRecord:
        store = messages.typestore()
        faces = messages.face_array(found, self._with_crops)
        emotions = messages.emotion_state_array(self._recognizer.recognize(found))
        return FrameRecord(
            found.stamp_ns,
            detections,
            bytes(store.serialize_cdr(faces, messages.FACE_ARRAY)),
            bytes(store.serialize_cdr(emotions, messages.EMOTION_STATE_ARRAY)),
        )
