"""The numeric half of the monitor: from a frame's states to how close each kind is to an event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.baseline import Baselines, Floats, Rows
from emotional_dan_ros.core.anomaly.cabin import CabinWatch
from emotional_dan_ros.core.anomaly.calibration import Prior
from emotional_dan_ros.core.anomaly.change import ChangeEvidence
from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.anomaly.looks import Looks
from emotional_dan_ros.core.anomaly.output_model import OutputModel
from emotional_dan_ros.core.anomaly.passengers import PassengerTable
from emotional_dan_ros.core.anomaly.repetition import Repetition
from emotional_dan_ros.core.anomaly.startle import StartleWatch
from emotional_dan_ros.core.anomaly.states import FrameStates
from emotional_dan_ros.core.anomaly.sustained import SustainedWatch
from emotional_dan_ros.core.anomaly.thresholds import Thresholds
from emotional_dan_ros.core.types import AnomalyKind

#: Evidence is kept at or below this many times its threshold, so that an END is not put off for long.
EVIDENCE_CAP = 2.0
#: How much of its speed forgetting loses at quality 0.
HARD_TO_SEE = 0.95
#: Levels are compared relative to the distance between usual and high, taken as at least this.
LEAST_RISE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """How close a frame's passengers are to an event of one kind.

    Attributes:
        kind: of the event.
        share: float64 (m,), 0 or less where all is as expected, 1 where an event starts.
        ready: bool (m,), whether the other conditions of a start hold.
    """

    kind: AnomalyKind
    share: Floats
    ready: NDArray[np.bool_]

    @property
    def starting(self) -> NDArray[np.bool_]:
        """(m,) whether an event starts."""
        return self.ready & (self.share >= 1.0)


class PassengerObserver:
    """Estimates and detectors of all passengers, side by side; a row for each."""

    def __init__(self, config: MonitorConfig, thresholds: Thresholds, prior: Prior, outputs: OutputModel) -> None:
        capacity = config.memory.max_passengers
        self._config = config
        self._thresholds = thresholds
        self._outputs = outputs
        expected = np.asarray(prior.shares)
        self.table = PassengerTable(config.memory)
        self.baselines = Baselines(config.baseline, np.asarray(prior.mean_output), capacity)
        self.repetition = Repetition(capacity)
        self.change = ChangeEvidence(config.sudden_change, expected, capacity)
        unexpected = self.change.alternatives[:, -1]
        learning = config.baseline.learning_in_anomaly
        self.looks = Looks(config.looks, learning, outputs, expected, unexpected, capacity)
        self.startle = StartleWatch(config.startle, capacity)
        self.sustained = SustainedWatch(config.sustained_negative, capacity)
        self.cabin = CabinWatch(config.several_passengers, config.events.end_fraction, capacity)

    def configure(self, config: MonitorConfig, thresholds: Thresholds) -> None:
        """Go on with other settings; what is known of passengers stays. ``max_passengers`` must be the same."""
        self._config, self._thresholds = config, thresholds
        self.table.configure(config.memory)
        self.baselines.configure(config.baseline)
        self.looks.configure(config.looks, config.baseline.learning_in_anomaly)
        self.change.configure(config.sudden_change)
        self.startle.configure(config.startle)
        self.sustained.configure(config.sustained_negative)
        self.cabin.configure(config.several_passengers, config.events.end_fraction)

    def welcome(self, row: int, first: Floats, stamp_ns: int) -> None:
        """Start a row with a new passenger's first probabilities (7,)."""
        self.baselines.clear(row, first)
        self.repetition.clear(row, first)
        self.looks.clear(row, first)
        self.change.clear(row, stamp_ns)
        self.startle.clear(row)
        self.sustained.clear(row, first)
        self.cabin.clear(row)

    def observe(self, rows: Rows, states: FrameStates, stamp_ns: int) -> tuple[Signal, ...]:
        """Take in a frame's states, which belong to ``rows``; return a signal for each kind of one passenger."""
        config, table, baselines, p = self._config, self.table, self.baselines, states.probabilities
        elapsed_s = np.asarray((stamp_ns - table.last_seen_ns[rows]) * 1e-9, dtype=np.float64)
        gap_s = np.minimum(elapsed_s, config.baseline.max_gap_s)
        weight_s = gap_s * states.quality
        table.last_seen_ns[rows] = stamp_ns
        table.box_xyxy[rows] = states.boxes_xyxy

        strictness = self.strictness(rows)
        slow = baselines.slow[rows]
        needed = self._thresholds.sudden_change * strictness
        suspicion = np.minimum(self.change.evidence[rows].max(axis=1) / needed, 1.0)
        rate = baselines.learning_rate(rows, weight_s, suspicion)
        # What is hard to see is learnt slowly, so it is forgotten slowly too; out of sight it is not.
        forgotten_s = elapsed_s - HARD_TO_SEE * (gap_s - weight_s)
        baselines.update(rows, p, weight_s, rate)
        repetition = self.repetition.update(rows, p, slow, rate)
        fast = baselines.fast[rows]
        # Frames that are drawn anew have no looks that could recur.
        usualness = self.looks.update(rows, p, fast, weight_s, suspicion) ** repetition
        likelihoods = self._outputs.likelihoods(p)
        evidence = self.change.update(
            rows, likelihoods, weight_s, forgotten_s, repetition, usualness, rate, stamp_ns, EVIDENCE_CAP * needed
        )
        self.cabin.update(rows, evidence / (self._of_each(len(rows)) * strictness), stamp_ns)
        return (
            self._startle(rows, fast, slow, usualness, strictness, stamp_ns),
            Signal(AnomalyKind.SUDDEN_CHANGE, evidence / needed, np.ones(len(rows), dtype=bool)),
            self._sustained(rows, p, slow, usualness, weight_s, gap_s, strictness, stamp_ns),
        )

    def strictness(self, rows: Rows) -> Floats:
        """Return (m,) how much stronger evidence must be: above 1 of passengers of whom little is known."""
        result: Floats = np.maximum(self.baselines.strictness(rows), self.looks.strictness(rows))
        return result

    def _of_each(self, watched: int) -> float:
        """Return the evidence of each passenger, in nats, that the cabin's kind takes."""
        of_each = self._thresholds.several_passengers
        return of_each[min(max(watched - 2, 0), len(of_each) - 1)]

    def since_ns(self, kind: AnomalyKind, row: int) -> int:
        """Return the stamp at which what now starts an event of this kind began."""
        if kind is AnomalyKind.STARTLE:
            return int(self.startle.low_ns[row])
        if kind is AnomalyKind.SUSTAINED_NEGATIVE:
            return int(self.sustained.since_ns[row])
        return self.change.onset_of(row)

    def _startle(
        self,
        rows: Rows,
        fast: Floats,
        slow: Floats,
        usualness: Floats,
        strictness: Floats,
        stamp_ns: int,
    ) -> Signal:
        level, rose = self.startle.update(rows, fast, usualness, stamp_ns)
        usual = slow[:, self.startle.emotions].sum(axis=1)
        high = 1.0 - (1.0 - self._thresholds.startle) / strictness
        share = (level - usual) / np.maximum(high - usual, LEAST_RISE)
        return Signal(AnomalyKind.STARTLE, share, rose)

    def _sustained(
        self,
        rows: Rows,
        probabilities: Floats,
        slow: Floats,
        usualness: Floats,
        weight_s: Floats,
        gap_s: Floats,
        strictness: Floats,
        stamp_ns: int,
    ) -> Signal:
        config = self._config.sustained_negative
        usual = slow[:, self.sustained.emotions].sum(axis=1)
        high = 1.0 - (1.0 - self._thresholds.sustained_negative) / strictness
        high = np.maximum(high, usual + config.margin)
        level, above_s = self.sustained.update(rows, probabilities, usualness, weight_s, gap_s, high, stamp_ns)
        share = (level - usual) / np.maximum(high - usual, LEAST_RISE)
        return Signal(AnomalyKind.SUSTAINED_NEGATIVE, share, above_s >= config.hold_s)
