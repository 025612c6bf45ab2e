"""All settings of the anomaly monitor: each default, unit and bound is written once.

Durations end in ``_s`` and are seconds; nothing is counted in frames. `MonitorConfig.flat` and
`MonitorConfig.from_flat` give and take the dotted names that ROS parameters and the command line use,
e.g. ``sudden_change.memory_s``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emotional_dan_ros.core.anomaly.config_checks import ORDERED, check_value, coerce
from emotional_dan_ros.core.anomaly.kind_config import (
    PassengerLostConfig,
    SeveralPassengersConfig,
    StartleConfig,
    SuddenChangeConfig,
    SustainedNegativeConfig,
)
from emotional_dan_ros.core.anomaly.passenger_config import BaselineConfig, EventConfig, LooksConfig, MemoryConfig
from emotional_dan_ros.core.errors import UserError


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """All settings of `AnomalyMonitor`.

    Attributes:
        false_alarms_per_hour: false alarms accepted in an hour of watching one ordinary passenger, all
            kinds of one passenger together; and, apart from these, of the whole cabin's kind. All
            thresholds are derived from it (core/anomaly/calibration.py).

    Raises:
        UserError: a value is out of bounds, or two contradict each other (both are named).
    """

    false_alarms_per_hour: float = 1.0
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    looks: LooksConfig = field(default_factory=LooksConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    events: EventConfig = field(default_factory=EventConfig)
    sudden_change: SuddenChangeConfig = field(default_factory=SuddenChangeConfig)
    startle: StartleConfig = field(default_factory=StartleConfig)
    sustained_negative: SustainedNegativeConfig = field(default_factory=SustainedNegativeConfig)
    several_passengers: SeveralPassengersConfig = field(default_factory=SeveralPassengersConfig)
    passenger_lost: PassengerLostConfig = field(default_factory=PassengerLostConfig)

    def __post_init__(self) -> None:
        flat = self.flat()
        for name, value in flat.items():
            check_value(name, value)
        for lower, upper in ORDERED:
            if flat[lower] >= flat[upper]:
                raise UserError(
                    f"expected {lower} below {upper}, got {lower} {flat[lower]:g} and {upper} {flat[upper]:g}; "
                    "lower the first or raise the second"
                )

    def flat(self) -> dict[str, Any]:
        """Return all settings by dotted name."""
        result: dict[str, Any] = {}
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if dataclasses.is_dataclass(value):
                for inner in dataclasses.fields(value):
                    result[f"{entry.name}.{inner.name}"] = getattr(value, inner.name)
            else:
                result[entry.name] = value
        return result

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> MonitorConfig:
        """Build settings from dotted names; what is not named keeps its default.

        Raises:
            UserError: an unknown name, a value of the wrong type or out of bounds, a contradiction.
        """
        default = cls()
        known = default.flat()
        groups: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            if name not in known:
                raise UserError(f"expected a monitor setting, got {name!r}; known are {', '.join(known)}")
            group, _, inner = name.rpartition(".")
            groups.setdefault(group, {})[inner] = coerce(name, value, known[name])
        top = groups.pop("", {})
        parts = {group: dataclasses.replace(getattr(default, group), **inner) for group, inner in groups.items()}
        return dataclasses.replace(default, **top, **parts)

    def scaled(self, factor: float) -> MonitorConfig:
        """Return the same settings for a clock that runs ``factor`` times as long.

        All durations are multiplied and the rate divided, so that the same states with stamps multiplied
        by ``factor`` cause the same events.
        """
        flat = {name: value * factor for name, value in self.flat().items() if name.endswith("_s")}
        return MonitorConfig.from_flat(
            {**self.flat(), **flat, "false_alarms_per_hour": self.false_alarms_per_hour / factor}
        )
