"""The anomaly monitor: unexpected expressions, found fast and with few false alarms.

A pure state machine over time (design: docs/monitor.md). Feed it every frame's states; it returns the
events that the frame caused.
"""

from __future__ import annotations

from emotional_dan_ros.core.anomaly.calibration import (
    Calibration,
    Prior,
    calibration_for,
    calibration_path,
    load_calibration,
    shipped_calibration,
)
from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.anomaly.kind_config import (
    PassengerLostConfig,
    SeveralPassengersConfig,
    StartleConfig,
    SuddenChangeConfig,
    SustainedNegativeConfig,
)
from emotional_dan_ros.core.anomaly.monitor import AnomalyMonitor
from emotional_dan_ros.core.anomaly.output_model import OutputModel
from emotional_dan_ros.core.anomaly.passenger_config import BaselineConfig, EventConfig, LooksConfig, MemoryConfig
from emotional_dan_ros.core.anomaly.thresholds import Curve, Thresholds

__all__ = [
    "AnomalyMonitor",
    "BaselineConfig",
    "Calibration",
    "Curve",
    "EventConfig",
    "LooksConfig",
    "MemoryConfig",
    "MonitorConfig",
    "OutputModel",
    "PassengerLostConfig",
    "Prior",
    "SeveralPassengersConfig",
    "StartleConfig",
    "SuddenChangeConfig",
    "SustainedNegativeConfig",
    "Thresholds",
    "calibration_for",
    "calibration_path",
    "load_calibration",
    "shipped_calibration",
]
