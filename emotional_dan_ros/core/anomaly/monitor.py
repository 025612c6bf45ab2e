"""The monitor: frames in, events out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotional_dan_ros.core.anomaly import findings
from emotional_dan_ros.core.anomaly.baseline import Rows
from emotional_dan_ros.core.anomaly.calibration import Calibration
from emotional_dan_ros.core.anomaly.calibration_choice import CalibrationChoice, derive_thresholds
from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.anomaly.events import CABIN_ROW, EventBook, OpenEvent
from emotional_dan_ros.core.anomaly.lost import LostWatch
from emotional_dan_ros.core.anomaly.observer import PassengerObserver, Signal
from emotional_dan_ros.core.anomaly.states import FrameStates, gather
from emotional_dan_ros.core.anomaly.thresholds import Thresholds
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyKind, FrameEmotions

#: A passenger has one event of these at a time: a startle is a sudden change too.
_ONSETS = (AnomalyKind.STARTLE, AnomalyKind.SUDDEN_CHANGE)


class AnomalyMonitor:
    """Watches passengers over time; raises an event when an expression is unexpected for that passenger.

    Not safe to share between threads. Memory is bounded by ``config.memory.max_passengers``.

    Args:
        config: settings; the defaults where None.
        calibration: what thresholds and the prior are derived from. None takes the one that ships for the weights
            that the frames name, and the default weights' for others (`calibration_warning` says so).
        thresholds: to use in place of derived ones (for calibrating).

    Attributes:
        config, thresholds: the ones in use.
        dropped_states: how many states were not valid (`states.gather`) or found no room.

    Raises:
        UserError: the calibration cannot be read, or a setting contradicts a derived threshold.
    """

    def __init__(
        self,
        config: MonitorConfig | None = None,
        calibration: Calibration | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        self._calibration = CalibrationChoice(calibration, follows=calibration is None and thresholds is None)
        self.config = config or MonitorConfig()
        self.thresholds = thresholds or derive_thresholds(self._calibration.current, self.config)
        self.dropped_states = 0
        self._enabled = _enabled(self.config)
        self._book = EventBook(self.config.events, self.config.memory.max_passengers)
        self._seen_any: bool
        self._stamp_ns: int
        self._frame_id: str
        self._forget_all()

    @property
    def num_passengers(self) -> int:
        """How many passengers are remembered."""
        return len(self._observer.table)

    @property
    def num_open_events(self) -> int:
        """How many events have started and not ended."""
        return len(self._book)

    @property
    def model_name(self) -> str | None:
        """The weights that the last frame's emotions came from; None before the first."""
        return self._calibration.model_name

    @property
    def calibration_warning(self) -> str:
        """What is wrong where thresholds were measured with other weights than the emotions come from; else empty."""
        return self._calibration.warning

    def update(self, frame: FrameEmotions) -> tuple[AnomalyEvent, ...]:
        """Take in a frame and return the events it caused.

        States that are not valid are dropped and counted. A stamp before the last one resets the monitor
        first, as do emotions of other weights; the ENDs of that carry the last frame's stamp. A stamp equal to the
        last one adds no evidence.

        Raises:
            UserError: other weights ship with a calibration that a setting contradicts.
        """
        events: list[AnomalyEvent] = []
        if frame.model_name != self.model_name:
            events += self._follow(frame.model_name)
        if self._seen_any and frame.stamp_ns < self._stamp_ns:
            events += self.close("time went back")
            self._forget_all()
        self._seen_any = True
        self._stamp_ns = frame.stamp_ns
        self._frame_id = frame.frame_id
        for row in self._observer.table.expired(frame.stamp_ns):
            events += self._forget(int(row), "not seen for long")
        states, rows = self._find_rows(gather(frame.states), events)
        self.dropped_states += states.dropped
        signals = self._observer.observe(rows, states, frame.stamp_ns)
        self._lost.seen(rows)
        if len(self._book):
            events += self._continue(rows, signals)
        events += self._start(rows, signals)
        events += self._watch_cabin()
        if len(self._observer.table) > len(rows) or len(self._book):
            events += self._watch_lost(frame.image_wh)
        return tuple(events)

    def reconfigure(self, config: MonitorConfig) -> tuple[AnomalyEvent, ...]:
        """Go on with other settings; return the ENDs of events of kinds that are switched off.

        What is known of passengers stays, unless ``memory.max_passengers`` changes: then the monitor is reset.

        Raises:
            UserError: a setting contradicts a derived threshold; then nothing is changed.
        """
        thresholds = derive_thresholds(self._calibration.current, config)
        same_size = config.memory.max_passengers == self.config.memory.max_passengers
        events = () if same_size else self.close("the settings changed")
        self.config, self.thresholds, self._enabled = config, thresholds, _enabled(config)
        if not same_size:
            self._book = EventBook(config.events, config.memory.max_passengers, self._book.next_id)
            self._forget_all()
            return events
        self._book.configure(config.events)
        self._lost.configure(config.passenger_lost)
        self._observer.configure(config, thresholds)
        return tuple(self._end(event, "switched off") for event in self._book if event.kind not in self._enabled)

    def reset(self) -> tuple[AnomalyEvent, ...]:
        """Forget all passengers; return the ENDs of all open events."""
        events = self.close("the monitor was reset")
        self._forget_all()
        return events

    def close(self, reason: str) -> tuple[AnomalyEvent, ...]:
        """Return the ENDs of all open events with the reason in their descriptions; baselines stay."""
        return tuple(self._end(event, reason) for event in self._book)

    def _follow(self, model_name: str) -> tuple[AnomalyEvent, ...]:
        """Start anew for emotions of other weights, with their calibration."""
        self.thresholds = self._calibration.take(model_name, self.config) or self.thresholds
        events = self.close("emotions come from other weights")
        self._forget_all()
        return events

    # Who is there

    def _forget_all(self) -> None:
        self._seen_any = False
        self._stamp_ns = 0
        self._frame_id = ""
        self._observer = PassengerObserver(
            self.config, self.thresholds, self._calibration.current.prior, self._calibration.current.outputs
        )
        self._lost = LostWatch(self.config.passenger_lost, self.config.memory.max_passengers)
        self._book.clear_all()

    def _forget(self, row: int, reason: str) -> list[AnomalyEvent]:
        events = [self._end(event, reason) for event in self._book if event.row == row]
        self._observer.cabin.clear(row)
        self._observer.table.free(row)
        return events

    def _find_rows(self, states: FrameStates, events: list[AnomalyEvent]) -> tuple[FrameStates, Rows]:
        """Find the row of each state, making rows for new passengers; leave out states that find no room.

        ENDs of passengers who must make room are added to ``events``.
        """
        table = self._observer.table
        rows = [table.row(track_id) for track_id in states.track_ids]
        if None in rows:
            visible = frozenset(states.track_ids)
            for index, track_id in enumerate(states.track_ids):
                if rows[index] is None:
                    rows[index] = table.inherit(track_id, states.boxes_xyxy[index], self._stamp_ns, visible)
                if rows[index] is None:
                    oldest = table.longest_unseen(visible) if len(table) == table.capacity else None
                    if oldest is not None:
                        events += self._forget(oldest, "too many passengers")
                    rows[index] = row = table.add(track_id, self._stamp_ns)
                    if row is not None:
                        self._observer.welcome(row, states.probabilities[index], self._stamp_ns)
                        self._book.clear(row)
            states = states.select([index for index, row in enumerate(rows) if row is not None])
        return states, np.array([row for row in rows if row is not None], dtype=np.intp)

    # What happens to them

    def _continue(self, rows: Rows, signals: Sequence[Signal]) -> list[AnomalyEvent]:
        """End or go on with the open events of single passengers."""
        config = self.config.events
        place = {int(row): index for index, row in enumerate(rows)}
        shares = {signal.kind: signal.share for signal in signals}
        events: list[AnomalyEvent] = []
        for event in self._book:
            if event.kind not in shares:
                continue
            index = place.get(event.row)
            if index is None:
                unseen_s = (self._stamp_ns - int(self._observer.table.last_seen_ns[event.row])) * 1e-9
                if unseen_s > config.unseen_s:
                    events.append(self._end(event, "out of sight"))
                continue
            share = float(shares[event.kind][index])
            finding = findings.of_passenger(self._observer, self.config, event.kind, event.row, share)
            lasted_s = (self._stamp_ns - event.raised_ns) * 1e-9
            if share < config.end_fraction:
                event.finding = finding
                events.append(self._end(event, "back to what is expected"))
            elif event.kind is AnomalyKind.STARTLE and lasted_s >= self.config.startle.max_s:
                events.append(self._end(event, "startled for as long as one can be"))
            else:
                events += self._book.go_on(event, self._stamp_ns, self._frame_id, finding)
        return events

    def _start(self, rows: Rows, signals: Sequence[Signal]) -> list[AnomalyEvent]:
        """Start events of single passengers."""
        events: list[AnomalyEvent] = []
        for signal in signals:
            if signal.kind not in self._enabled:
                continue
            for index in np.flatnonzero(signal.starting):
                row, share = int(rows[index]), float(signal.share[index])
                if self._blocked(row, signal.kind):
                    continue
                finding = findings.of_passenger(self._observer, self.config, signal.kind, row, share)
                since_ns = self._observer.since_ns(signal.kind, row)
                events.append(self._begin(row, signal.kind, since_ns, finding))
        return events

    def _blocked(self, row: int, kind: AnomalyKind) -> bool:
        kinds = _ONSETS if kind in _ONSETS else (kind,)
        return any(self._book.blocked(row, other, self._stamp_ns) for other in kinds)

    def _watch_cabin(self) -> list[AnomalyEvent]:
        """Start, go on with or end the event of several passengers at once."""
        kind, cabin = AnomalyKind.SEVERAL_PASSENGERS, self.config.several_passengers
        if kind not in self._enabled:
            return []
        watch, table = self._observer.cabin, self._observer.table
        for row in np.flatnonzero(watch.high):
            if (self._stamp_ns - int(table.last_seen_ns[row])) * 1e-9 > self.config.events.unseen_s:
                watch.clear(int(row))
        event = self._book.get(CABIN_ROW, kind)
        if event is not None:
            rows = np.flatnonzero(watch.high)
            if len(rows) < cabin.min_passengers:
                return [self._end(event, "back to what is expected")]
            return self._book.go_on(event, self._stamp_ns, self._frame_id, findings.of_cabin(self._observer, rows))
        rows = watch.together(self._stamp_ns)
        if len(rows) < cabin.min_passengers or self._book.blocked(CABIN_ROW, kind, self._stamp_ns):
            return []
        since_ns = min(self._observer.change.onset_of(int(row)) for row in rows)
        return [self._begin(CABIN_ROW, kind, since_ns, findings.of_cabin(self._observer, rows))]

    def _watch_lost(self, image_wh: tuple[int, int]) -> list[AnomalyEvent]:
        """Start events of passengers who vanished, end those of passengers who are back or given up."""
        kind, table = AnomalyKind.PASSENGER_LOST, self._observer.table
        if kind not in self._enabled:
            return []
        events: list[AnomalyEvent] = []
        for event in self._book:
            if event.kind is kind:
                if int(table.last_seen_ns[event.row]) == self._stamp_ns:
                    events.append(self._end(event, "back in sight"))
                elif (self._stamp_ns - event.raised_ns) * 1e-9 >= self.config.passenger_lost.max_s:
                    events.append(self._end(event, "given up"))
                else:
                    events += self._book.go_on(event, self._stamp_ns, self._frame_id, event.finding)
        for row in self._lost.vanished(table, image_wh, self._stamp_ns):
            if not self._book.blocked(row, kind, self._stamp_ns):
                finding = findings.of_lost(self._observer, self.config, row)
                events.append(self._begin(row, kind, int(table.last_seen_ns[row]), finding))
        return events

    def _begin(self, row: int, kind: AnomalyKind, since_ns: int, finding: findings.Finding) -> AnomalyEvent:
        track_id = 0 if row == CABIN_ROW else int(self._observer.table.track_id[row])
        return self._book.start(row, track_id, kind, since_ns, self._stamp_ns, self._frame_id, finding)

    def _end(self, event: OpenEvent, reason: str) -> AnomalyEvent:
        return self._book.end(event, self._stamp_ns, self._frame_id, reason)


def _enabled(config: MonitorConfig) -> frozenset[AnomalyKind]:
    flat = config.flat()
    return frozenset(kind for kind in AnomalyKind if flat[f"{kind.name.lower()}.enabled"])
