"""Settings of the anomaly monitor: one place for each default, its unit and its bounds.

Durations end in ``_s`` and are seconds; nothing is counted in frames. `MonitorConfig.flat` and
`MonitorConfig.from_flat` give and take the dotted names that ROS parameters and the command line use,
e.g. ``sudden_change.memory_s``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES

#: Emotions that are unexpected in a passenger; neutral and happiness are left out so that smiling is none.
UNEXPECTED = ("sadness", "surprise", "fear", "disgust", "anger")
NEGATIVE = ("sadness", "fear", "disgust", "anger")


@dataclass(frozen=True, slots=True)
class BaselineConfig:
    """What is expected of a passenger.

    Attributes:
        slow_s: time constant of the slow baseline.
        fast_s: time constant of the fast estimate, whose values events report.
        prior_s: how many seconds of watching the prior (what the model says of ordinary passengers,
            saved with the weights) is worth at first sight.
        warmup_s: seconds a passenger must have been seen at full quality before ordinary evidence counts.
        warmup_factor: how much stronger evidence must be before that, at least 1.
        max_gap_s: the longest time one state stands for, however long ago the last one came.
        learning_in_anomaly: share of the learning speed that is left at full evidence, 0..1; above 0 a
            lasting change becomes the new baseline in the end.
    """

    slow_s: float = 180.0
    fast_s: float = 0.25
    prior_s: float = 15.0
    warmup_s: float = 6.0
    warmup_factor: float = 1.3
    max_gap_s: float = 0.5
    learning_in_anomaly: float = 0.3


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """Who is remembered, and for how long.

    Attributes:
        keep_s: a passenger not seen for longer is forgotten.
        carry_over_s: a new track may inherit the baseline of one lost at most this long ago ...
        carry_over_distance: ... if its face is at most this far away, in face sizes, and of like size.
        max_passengers: most passengers remembered at once; the one unseen the longest makes room.
    """

    keep_s: float = 120.0
    carry_over_s: float = 4.0
    carry_over_distance: float = 0.6
    max_passengers: int = 64


@dataclass(frozen=True, slots=True)
class EventConfig:
    """How events live.

    Attributes:
        end_fraction: an event ends when its evidence falls below this share of what started it, 0..1.
        refractory_s: no new event of the same kind and passenger for this long after an END.
        ongoing_period_s: at most one ONGOING per event in this time.
        unseen_s: an event ends when its passenger has not been seen for this long.
    """

    end_fraction: float = 0.4
    refractory_s: float = 3.0
    ongoing_period_s: float = 1.0
    unseen_s: float = 2.0


@dataclass(frozen=True, slots=True)
class SuddenChangeConfig:
    """CUSUM of the log-likelihood ratio against the passenger's own baseline.

    Attributes:
        enabled: whether events of this kind are raised.
        emotions: emotions whose appearance counts.
        evidence_s: how long one look must be to count as an independent one: evidence is gathered per
            second of watching, so that 60 Hz does not count the same face twelve times as often as 5 Hz.
        memory_s: time constant with which evidence is forgotten. A network's error on a face lasts as
            long as the face does; without forgetting, every long error would become an alarm.
        strengths: shares of the time that an unexpected emotion is assumed to show in the alternatives.
        familiar_s: after this long, evidence from a face that the passenger has shown before is worth half as
            much; a startle must come from a less familiar one.
    """

    enabled: bool = True
    emotions: tuple[str, ...] = UNEXPECTED
    evidence_s: float = 0.25
    memory_s: float = 0.8
    strengths: tuple[float, ...] = (0.9,)
    familiar_s: float = 2.0


@dataclass(frozen=True, slots=True)
class StartleConfig:
    """Surprise or fear that rises from low to high quickly.

    Attributes:
        enabled: whether events of this kind are raised.
        emotions: emotions whose sum is watched.
        rise_s: longest time from low to high.
        low: at or below this the sum is low, 0..1; what is high follows from the false-alarm rate.
        max_s: a startle ends after this long at the latest.
    """

    enabled: bool = True
    emotions: tuple[str, ...] = ("surprise", "fear")
    rise_s: float = 1.0
    low: float = 0.25
    max_s: float = 5.0


@dataclass(frozen=True, slots=True)
class SustainedNegativeConfig:
    """Negative emotions together above a level for a time; the level follows from the false-alarm rate.

    Attributes:
        enabled: whether events of this kind are raised.
        emotions: emotions whose sum is watched.
        hold_s: how long it must stay above the level.
        smoothing_s: time constant of the estimate that is compared with the level.
        margin: how far above the passenger's own baseline it must be as well, 0..1.
    """

    enabled: bool = True
    emotions: tuple[str, ...] = NEGATIVE
    hold_s: float = 5.0
    smoothing_s: float = 1.0
    margin: float = 0.2


@dataclass(frozen=True, slots=True)
class SeveralPassengersConfig:
    """Sudden changes of several passengers at once.

    Attributes:
        enabled: whether events of this kind are raised.
        window_s: their onsets lie at most this far apart.
        min_passengers: how many make an event, at least 2.
    """

    enabled: bool = True
    window_s: float = 2.0
    min_passengers: int = 2


@dataclass(frozen=True, slots=True)
class PassengerLostConfig:
    """A face that was there for long and is gone without having left.

    Attributes:
        enabled: whether events of this kind are raised.
        tracked_s: how long the face must have been there.
        gone_s: how long it must be gone.
        border: a face whose box was within this share of the image's size of the border has left, 0..0.5.
        max_s: the event ends after this long at the latest.
    """

    enabled: bool = True
    tracked_s: float = 10.0
    gone_s: float = 3.0
    border: float = 0.03
    max_s: float = 30.0


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
            _check_value(name, value)
        for lower, upper in _ORDERED:
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
            groups.setdefault(group, {})[inner] = _coerce(name, value, known[name])
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


#: Pairs of settings of which the first must be below the second.
_ORDERED = (
    ("baseline.fast_s", "baseline.slow_s"),
    ("baseline.warmup_s", "baseline.slow_s"),
    ("sudden_change.evidence_s", "sudden_change.memory_s"),
    ("sudden_change.memory_s", "baseline.slow_s"),
    ("sustained_negative.smoothing_s", "sustained_negative.hold_s"),
    ("sustained_negative.hold_s", "baseline.slow_s"),
    ("startle.rise_s", "startle.max_s"),
    ("baseline.fast_s", "startle.rise_s"),
    ("memory.carry_over_s", "memory.keep_s"),
    ("events.unseen_s", "memory.keep_s"),
    ("passenger_lost.gone_s", "memory.keep_s"),
)

#: Bounds (lowest, highest, whether the lowest itself is allowed) of what is not a duration.
_BOUNDS: Mapping[str, tuple[float, float, bool]] = {
    "false_alarms_per_hour": (0.0, math.inf, False),
    "baseline.warmup_factor": (1.0, 100.0, True),
    "baseline.learning_in_anomaly": (0.0, 1.0, True),
    "memory.carry_over_distance": (0.0, math.inf, True),
    "memory.max_passengers": (1, 10_000, True),
    "startle.low": (0.0, 1.0, True),
    "sustained_negative.margin": (0.0, 1.0, True),
    "several_passengers.min_passengers": (2, 10_000, True),
    "passenger_lost.border": (0.0, 0.5, True),
}

#: Durations that may be zero.
_MAY_BE_ZERO = frozenset(
    {"baseline.warmup_s", "memory.carry_over_s", "events.refractory_s", "events.ongoing_period_s",
     "passenger_lost.tracked_s"}
)  # fmt: skip


def _check_value(name: str, value: Any) -> None:
    if name == "events.end_fraction":
        # The start is at 1 of the derived threshold, so this is the pair "END above START".
        if not 0.0 <= value < 1.0:
            raise UserError(
                f"expected events.end_fraction in 0..1 and below 1 so that END lies below the START that "
                f"false_alarms_per_hour gives, got {value:g}; lower events.end_fraction"
            )
    elif name.endswith(".emotions"):
        if not value or any(emotion not in EMOTION_NAMES for emotion in value) or len(set(value)) != len(value):
            raise UserError(f"expected {name} as distinct names of {', '.join(EMOTION_NAMES)}, got {list(value)}")
    elif name == "sudden_change.strengths":
        if not value or not all(0.0 < strength < 1.0 for strength in value):
            raise UserError(f"expected {name} as numbers above 0 and below 1, got {list(value)}")
    elif name in _BOUNDS or name.endswith("_s"):
        low, high, with_low = _BOUNDS.get(name, (0.0, math.inf, name in _MAY_BE_ZERO))
        if not (low <= value <= high if with_low else low < value <= high) or math.isinf(value):
            bound = "at least" if with_low else "above"
            upper = "" if math.isinf(high) else f" and at most {high:g}"
            raise UserError(f"expected {name} {bound} {low:g}{upper}, got {value:g}")


def _coerce(name: str, value: Any, default: Any) -> Any:
    """Turn a parameter value into the type of its default, or say what was expected."""
    try:
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise TypeError
            return value
        if isinstance(default, tuple):
            if isinstance(value, str):
                raise TypeError
            return tuple(type(default[0])(entry) for entry in value)
        if isinstance(value, bool) or (isinstance(default, int) and int(value) != value):
            raise TypeError
        return type(default)(value)
    except (TypeError, ValueError, OverflowError):
        kind = f"a list of {type(default[0]).__name__}" if isinstance(default, tuple) else type(default).__name__
        raise UserError(f"expected {name} as {kind}, got {value!r}") from None
