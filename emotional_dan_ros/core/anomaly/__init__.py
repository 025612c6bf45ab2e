"""The anomaly monitor: unexpected expressions, found fast and with few false alarms.

A pure state machine over time (design: docs/monitor.md). Feed it every frame's states; it returns the
events that the frame caused.
"""

from __future__ import annotations

from emotional_dan_ros.core.anomaly.calibration import Calibration, Prior, Thresholds, load_calibration
from emotional_dan_ros.core.anomaly.config import (
    BaselineConfig,
    EventConfig,
    MemoryConfig,
    MonitorConfig,
    PassengerLostConfig,
    SeveralPassengersConfig,
    StartleConfig,
    SuddenChangeConfig,
    SustainedNegativeConfig,
)
from emotional_dan_ros.core.anomaly.monitor import AnomalyMonitor

__all__ = [
    "AnomalyMonitor",
    "BaselineConfig",
    "Calibration",
    "EventConfig",
    "MemoryConfig",
    "MonitorConfig",
    "PassengerLostConfig",
    "Prior",
    "SeveralPassengersConfig",
    "StartleConfig",
    "SuddenChangeConfig",
    "SustainedNegativeConfig",
    "Thresholds",
    "load_calibration",
]
