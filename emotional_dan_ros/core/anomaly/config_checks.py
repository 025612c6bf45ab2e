"""What settings may be: bounds, types, and pairs that must not contradict each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES

#: Pairs of settings of which the first must be below the second.
ORDERED = (
    ("baseline.fast_s", "baseline.slow_s"),
    ("baseline.warmup_s", "baseline.slow_s"),
    ("sudden_change.evidence_s", "sudden_change.memory_s"),
    ("sudden_change.memory_s", "baseline.slow_s"),
    ("sustained_negative.smoothing_s", "sustained_negative.hold_s"),
    ("sustained_negative.hold_s", "baseline.slow_s"),
    ("startle.rise_s", "startle.max_s"),
    ("baseline.fast_s", "startle.rise_s"),
    ("looks.shortest_s", "looks.longest_s"),
    ("memory.carry_over_s", "memory.keep_s"),
    ("events.unseen_s", "memory.keep_s"),
    ("passenger_lost.gone_s", "memory.keep_s"),
)

#: Bounds (lowest, highest, whether the lowest itself is allowed) of what is not a duration.
_BOUNDS: Mapping[str, tuple[float, float, bool]] = {
    "false_alarms_per_hour": (0.0, math.inf, False),
    "baseline.warmup_factor": (1.0, 100.0, True),
    "baseline.learning_in_anomaly": (0.0, 1.0, True),
    "looks.new_looks": (0.0, math.inf, False),
    "looks.unsure_factor": (1.0, 100.0, True),
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


def check_value(name: str, value: Any) -> None:
    """Raise UserError where a setting is out of bounds."""
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


def coerce(name: str, value: Any, default: Any) -> Any:
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
