"""The numeric half of the monitor: from a frame's states to how close each kind is to an event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.baseline import Baselines, Floats, Rows
from emotional_dan_ros.core.anomaly.cabin import CabinWatch
from emotional_dan_ros.core.anomaly.calibration import Prior, Thresholds
from emotional_dan_ros.core.anomaly.change import ChangeEvidence
from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.anomaly.familiar import FamiliarFaces
from emotional_dan_ros.core.anomaly.passengers import PassengerTable
from emotional_dan_ros.core.anomaly.startle import StartleWatch
from emotional_dan_ros.core.anomaly.states import FrameStates
from emotional_dan_ros.core.anomaly.sustained import SustainedWatch
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

    def __init__(self, config: MonitorConfig, thresholds: Thresholds, prior: Prior) -> None:
        capacity = config.memory.max_passengers
        self._config = config
        self._thresholds = thresholds
        self.table = PassengerTable(config.memory)
        self.baselines = Baselines(config.baseline, np.asarray(prior.mean_output), capacity)
        self.familiar = FamiliarFaces(config.baseline.slow_s, capacity)
        self.change = ChangeEvidence(config.sudden_change, np.asarray(prior.shares), capacity)
        self.startle = StartleWatch(config.startle, capacity)
        self.sustained = SustainedWatch(config.sustained_negative, capacity)
        self.cabin = CabinWatch(
            config.several_passengers, config.events.end_fraction, thresholds.several_passengers, capacity
        )

    def welcome(self, row: int, first: Floats, stamp_ns: int) -> None:
        """Start a row with a new passenger's first probabilities (7,)."""
        self.baselines.clear(row, first)
        self.familiar.clear(row)
        self.change.clear(row, stamp_ns)
        self.startle.clear(row)
        self.sustained.clear(row, first)
        self.cabin.clear(row)

    def observe(self, rows: Rows, states: FrameStates, stamp_ns: int) -> tuple[Signal, ...]:
        """Take in a frame's states, which belong to ``rows``; return a signal for each kind of one passenger."""
        config, table, baselines = self._config, self.table, self.baselines
        elapsed_s = np.asarray((stamp_ns - table.last_seen_ns[rows]) * 1e-9, dtype=np.float64)
        gap_s = np.minimum(elapsed_s, config.baseline.max_gap_s)
        weight_s = gap_s * states.quality
        table.last_seen_ns[rows] = stamp_ns
        table.box_xyxy[rows] = states.boxes_xyxy

        strictness = baselines.strictness(rows)
        slow = baselines.slow[rows]
        needed = self._thresholds.sudden_change * strictness
        suspicion = np.minimum(self.change.evidence[rows].max(axis=1) / needed, 1.0)
        rate = baselines.learning_rate(rows, weight_s, suspicion)
        # What is hard to see is learnt slowly, so it is forgotten slowly too; out of sight it is not.
        forgotten_s = elapsed_s - HARD_TO_SEE * (gap_s - weight_s)
        baselines.update(rows, states.probabilities, weight_s, rate)
        learnt_s = baselines.learnt_s(weight_s, suspicion)
        familiar_s = self.familiar.update(rows, baselines.fast[rows], weight_s, learnt_s)
        evidence = self.change.update(
            rows, states.probabilities, weight_s, forgotten_s, familiar_s, rate, stamp_ns, EVIDENCE_CAP * needed
        )
        self.cabin.update(rows, evidence, strictness, stamp_ns)
        return (
            self._startle(rows, slow, strictness, familiar_s, stamp_ns),
            Signal(AnomalyKind.SUDDEN_CHANGE, evidence / needed, np.ones(len(rows), dtype=bool)),
            self._sustained(rows, states.probabilities, slow, weight_s, gap_s, strictness, stamp_ns),
        )

    def since_ns(self, kind: AnomalyKind, row: int) -> int:
        """Return the stamp at which what now starts an event of this kind began."""
        if kind is AnomalyKind.STARTLE:
            return int(self.startle.low_ns[row])
        if kind is AnomalyKind.SUSTAINED_NEGATIVE:
            return int(self.sustained.since_ns[row])
        return self.change.onset_of(row)

    def _startle(self, rows: Rows, slow: Floats, strictness: Floats, familiar_s: Floats, stamp_ns: int) -> Signal:
        level, rose = self.startle.update(rows, self.baselines.fast[rows], stamp_ns)
        usual = slow[:, self.startle.emotions].sum(axis=1)
        high = 1.0 - (1.0 - self._thresholds.startle) / strictness
        share = (level - usual) / np.maximum(high - usual, LEAST_RISE)
        return Signal(AnomalyKind.STARTLE, share, rose & (familiar_s < self._config.sudden_change.familiar_s))

    def _sustained(
        self,
        rows: Rows,
        probabilities: Floats,
        slow: Floats,
        weight_s: Floats,
        gap_s: Floats,
        strictness: Floats,
        stamp_ns: int,
    ) -> Signal:
        config = self._config.sustained_negative
        usual = slow[:, self.sustained.emotions].sum(axis=1)
        high = np.maximum(1.0 - (1.0 - self._thresholds.sustained_negative) / strictness, usual + config.margin)
        level, above_s = self.sustained.update(rows, probabilities, weight_s, gap_s, high, stamp_ns)
        share = (level - usual) / np.maximum(high - usual, LEAST_RISE)
        return Signal(AnomalyKind.SUSTAINED_NEGATIVE, share, above_s >= config.hold_s)
