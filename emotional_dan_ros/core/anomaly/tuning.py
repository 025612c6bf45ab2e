"""From recordings of ordinary passengers to a setting that keeps the wanted false-alarm rate on them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from emotional_dan_ros.core.anomaly.calibration import Calibration
from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.anomaly.monitor import AnomalyMonitor
from emotional_dan_ros.core.anomaly.thresholds import Thresholds
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions

#: Settings of ``false_alarms_per_hour`` that are tried beside the given one.
TRIED_PER_HOUR = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
#: With no event in h hours the rate is below this over h with 95 % confidence (Poisson: exp(-3) = 0.05).
NONE_SEEN_BOUND = 3.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting and what came of it.

    Attributes:
        setting: of ``false_alarms_per_hour``.
        thresholds: derived from it.
        events: how many were started.
        hours: passenger-hours watched.
    """

    setting: float
    thresholds: Thresholds
    events: int
    hours: float

    @property
    def per_hour(self) -> float:
        """Events an hour of watching one passenger; 0 where nothing was watched."""
        return self.events / self.hours if self.hours > 0 else 0.0


class Tuner:
    """Runs monitors of several settings side by side over recordings.

    Args:
        config: settings to judge; the ones tried beside it differ in ``false_alarms_per_hour`` only.
        calibration: what thresholds are derived from; None as for `AnomalyMonitor`.

    Raises:
        UserError: settings that contradict each other.
    """

    def __init__(self, config: MonitorConfig, calibration: Calibration | None = None) -> None:
        rates = sorted({*TRIED_PER_HOUR, config.false_alarms_per_hour})
        self._given = config.false_alarms_per_hour
        self._max_gap_s = config.baseline.max_gap_s
        self._monitors = {
            rate: AnomalyMonitor(dataclasses.replace(config, false_alarms_per_hour=rate), calibration) for rate in rates
        }
        self._counts = dict.fromkeys(rates, 0)
        self._watched_s = 0.0
        self._last_ns: int | None = None

    @property
    def hours(self) -> float:
        """Passenger-hours watched so far."""
        return self._watched_s / 3600.0

    @property
    def calibration_warning(self) -> str:
        """As of `AnomalyMonitor`, of the emotions that came last."""
        return self._monitors[self._given].calibration_warning

    def add(self, frame: FrameEmotions) -> tuple[AnomalyEvent, ...]:
        """Take in a frame; return the events at the given setting."""
        if self._last_ns is not None and frame.stamp_ns > self._last_ns:
            self._watched_s += len(frame.states) * min((frame.stamp_ns - self._last_ns) * 1e-9, self._max_gap_s)
        self._last_ns = frame.stamp_ns
        result: tuple[AnomalyEvent, ...] = ()
        for rate, monitor in self._monitors.items():
            events = monitor.update(frame)
            self._counts[rate] += sum(event.phase is AnomalyPhase.START for event in events)
            if rate == self._given:
                result = events
        return result

    def end_recording(self) -> tuple[AnomalyEvent, ...]:
        """Close a recording, so that the next one starts with strangers; return the ENDs at the given setting."""
        self._last_ns = None
        ends = {rate: monitor.reset() for rate, monitor in self._monitors.items()}
        return ends[self._given]

    def trials(self) -> tuple[Trial, ...]:
        """Return all settings, from the strictest on."""
        return tuple(
            Trial(rate, monitor.thresholds, self._counts[rate], self.hours) for rate, monitor in self._monitors.items()
        )

    def proposal(self, wanted_per_hour: float) -> Trial | None:
        """Return the most sensitive setting that keeps the wanted rate, as do all stricter ones; None if none does.

        It presumes that nothing unexpected happens in the recordings.
        """
        best: Trial | None = None
        for trial in self.trials():
            if trial.per_hour > wanted_per_hour:
                break
            best = trial
        return best
