"""What happened, kept small: every state of every passenger at some forty bytes, and the anomalies as spans."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.labels import NUM_EMOTIONS, Emotion
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyKind, AnomalyPhase, FrameEmotions


@dataclass(frozen=True, slots=True, eq=False)
class PassengerHistory:
    """All states of one passenger.

    Attributes:
        track_id: as in the messages.
        stamps_ns: int64 (N,), growing.
        probabilities: float32 (N, 7), `Emotion` order.
        quality: float32 (N,), 0..1.
    """

    track_id: int
    stamps_ns: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    quality: NDArray[np.float32]

    def shares(self) -> dict[Emotion, float]:
        """Share of the states in which each emotion was the most probable one; they sum to 1."""
        counts = np.bincount(self.probabilities.argmax(axis=1), minlength=NUM_EMOTIONS)
        return {emotion: float(counts[emotion]) / len(self.stamps_ns) for emotion in Emotion}


@dataclass(frozen=True, slots=True)
class AnomalySpan:
    """One anomaly from its start to its end.

    Attributes:
        end_ns: stamp of END, or the last stamp heard of where none came.
        severity: the highest over the span, 0..1.
        description: of the most severe message before END.
    """

    event_id: int
    track_id: int
    kind: AnomalyKind
    start_ns: int
    end_ns: int
    severity: float
    emotion: Emotion
    description: str


class _Columns:
    def __init__(self) -> None:
        self.stamps_ns = array("q")
        self.probabilities = array("f")
        self.quality = array("f")


class History:
    """Collects frames and anomalies as they come."""

    def __init__(self) -> None:
        self.num_frames = 0
        self.num_frames_with_faces = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._columns: dict[int, _Columns] = {}
        self._spans: dict[int, AnomalySpan] = {}

    def add(self, frame: FrameEmotions) -> None:
        """Take in the states of a frame."""
        self.num_frames += 1
        self.num_frames_with_faces += bool(frame.states)
        self.first_ns = frame.stamp_ns if self.first_ns is None else min(self.first_ns, frame.stamp_ns)
        self.last_ns = frame.stamp_ns if self.last_ns is None else max(self.last_ns, frame.stamp_ns)
        for state in frame.states:
            columns = self._columns.setdefault(state.track_id, _Columns())
            columns.stamps_ns.append(frame.stamp_ns)
            columns.probabilities.extend(state.probabilities.tolist())
            columns.quality.append(state.quality)

    def add_event(self, event: AnomalyEvent) -> None:
        """Take in a START, ONGOING or END."""
        known = self._spans.get(event.event_id)
        if known is not None and (event.phase is AnomalyPhase.END or known.severity >= event.severity):
            # What END says of the passenger is how it is over, not what it was.
            severity = max(known.severity, event.severity)
            self._spans[event.event_id] = replace(known, end_ns=event.stamp_ns, severity=severity)
            return
        self._spans[event.event_id] = AnomalySpan(
            event_id=event.event_id,
            track_id=event.track_id,
            kind=event.kind,
            start_ns=event.start_ns if known is None else known.start_ns,
            end_ns=event.stamp_ns,
            severity=event.severity,
            emotion=event.emotion,
            description=event.description,
        )

    def passengers(self) -> list[PassengerHistory]:
        """Everybody seen, in the order of their ids."""
        return [
            PassengerHistory(
                track_id,
                np.array(columns.stamps_ns, dtype=np.int64),
                np.array(columns.probabilities, dtype=np.float32).reshape(-1, NUM_EMOTIONS),
                np.array(columns.quality, dtype=np.float32),
            )
            for track_id, columns in sorted(self._columns.items())
        ]

    def spans(self) -> list[AnomalySpan]:
        """All anomalies in the order of their starts."""
        return sorted(self._spans.values(), key=lambda span: (span.start_ns, span.event_id))

    @property
    def duration_s(self) -> float:
        """Time between the first and the last frame."""
        if self.first_ns is None or self.last_ns is None:
            return 0.0
        return (self.last_ns - self.first_ns) / 1e9
