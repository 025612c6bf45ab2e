"""Events, not flags: START, ONGOING at a bounded rate, END, exactly one START and one END for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emotional_dan_ros.core.anomaly.passenger_config import EventConfig
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyKind, AnomalyPhase

#: Row that stands for the whole cabin.
CABIN_ROW = -1


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector sees of an event now.

    Attributes:
        severity: 0..1.
        emotion: what it is about.
        probability: of ``emotion`` now, 0..1.
        expected: of ``emotion`` by the baseline, 0..1.
        text: what is seen, without who and for how long, e.g. ``"fear 0.81, expected 0.05"``.
    """

    severity: float
    emotion: Emotion
    probability: float
    expected: float
    text: str


@dataclass(slots=True)
class OpenEvent:
    """An event between START and END. Inside the event book only; not handed out to be changed."""

    event_id: int
    row: int
    track_id: int
    kind: AnomalyKind
    start_ns: int
    raised_ns: int
    told_ns: int
    finding: Finding
    peak_severity: float


class EventBook:
    """Opens, continues and closes events and numbers them."""

    def __init__(self, config: EventConfig, capacity: int, next_id: int = 1) -> None:
        self._config = config
        self.next_id = next_id
        self._open: dict[tuple[int, AnomalyKind], OpenEvent] = {}
        kinds = max(AnomalyKind) + 1
        #: Last row: the cabin.
        self._ended_ns = np.zeros((capacity + 1, kinds), dtype=np.int64)
        self._ended = np.zeros((capacity + 1, kinds), dtype=bool)

    def configure(self, config: EventConfig) -> None:
        """Go on with other settings; open events stay open."""
        self._config = config

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenEvent]:
        """Iterate over a copy, so that events may be closed on the way."""
        return iter(tuple(self._open.values()))

    def get(self, row: int, kind: AnomalyKind) -> OpenEvent | None:
        """Return the open event of a passenger and kind, if there is one."""
        return self._open.get((row, kind))

    def blocked(self, row: int, kind: AnomalyKind, stamp_ns: int) -> bool:
        """Whether an event of this kind is open or ended less than the refractory time ago."""
        if (row, kind) in self._open:
            return True
        if not self._ended[row, kind]:
            return False
        return (stamp_ns - int(self._ended_ns[row, kind])) * 1e-9 < self._config.refractory_s

    def start(
        self, row: int, track_id: int, kind: AnomalyKind, start_ns: int, stamp_ns: int, frame_id: str, finding: Finding
    ) -> AnomalyEvent:
        """Open an event; ``start_ns`` is when it began, ``stamp_ns`` the frame that showed it."""
        event = OpenEvent(self.next_id, row, track_id, kind, start_ns, stamp_ns, stamp_ns, finding, finding.severity)
        self.next_id += 1
        self._open[row, kind] = event
        return self._message(event, AnomalyPhase.START, stamp_ns, frame_id, _for(event, stamp_ns))

    def go_on(self, event: OpenEvent, stamp_ns: int, frame_id: str, finding: Finding) -> list[AnomalyEvent]:
        """Note what an open event looks like now; tell of it if the last telling is long enough ago."""
        event.finding = finding
        event.peak_severity = max(event.peak_severity, finding.severity)
        if stamp_ns == event.told_ns or (stamp_ns - event.told_ns) * 1e-9 < self._config.ongoing_period_s:
            return []
        event.told_ns = stamp_ns
        return [self._message(event, AnomalyPhase.ONGOING, stamp_ns, frame_id, _for(event, stamp_ns))]

    def end(self, event: OpenEvent, stamp_ns: int, frame_id: str, reason: str) -> AnomalyEvent:
        """Close an event; its END carries the highest severity it had."""
        del self._open[event.row, event.kind]
        self._ended[event.row, event.kind] = True
        self._ended_ns[event.row, event.kind] = stamp_ns
        text = f"{_for(event, stamp_ns)}; over: {reason}"
        return self._message(event, AnomalyPhase.END, stamp_ns, frame_id, text, event.peak_severity)

    def clear(self, row: int) -> None:
        """Forget the refractory times of a row whose passenger is forgotten."""
        self._ended[row] = False

    def clear_all(self) -> None:
        """Forget all refractory times."""
        self._ended[:] = False

    @staticmethod
    def _message(
        event: OpenEvent, phase: AnomalyPhase, stamp_ns: int, frame_id: str, text: str, severity: float | None = None
    ) -> AnomalyEvent:
        finding = event.finding
        return AnomalyEvent(
            stamp_ns=stamp_ns,
            frame_id=frame_id,
            event_id=event.event_id,
            track_id=event.track_id,
            kind=event.kind,
            phase=phase,
            severity=_unit(finding.severity if severity is None else severity),
            start_ns=event.start_ns,
            emotion=finding.emotion,
            probability=_unit(finding.probability),
            expected_probability=_unit(finding.expected),
            description=text,
        )


def _for(event: OpenEvent, stamp_ns: int) -> str:
    who = f"passenger {event.track_id}: " if event.row != CABIN_ROW else ""
    return f"{who}{event.finding.text}, for {(stamp_ns - event.start_ns) * 1e-9:.1f} s"


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
