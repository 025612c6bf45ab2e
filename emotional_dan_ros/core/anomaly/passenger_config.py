"""Settings of what is known of passengers, and of how events live."""

from __future__ import annotations

from dataclasses import dataclass


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
    warmup_factor: float = 1.05
    max_gap_s: float = 0.5
    learning_in_anomaly: float = 0.3


@dataclass(frozen=True, slots=True)
class LooksConfig:
    """How a passenger's face has looked to the network before.

    Attributes:
        shortest_s: a look that is held for less is not remembered.
        longest_s: a look that is held for longer counts as seen again.
        new_looks: the chance that a passenger whose looks recur shows a new one is this over itself plus the
            number of looks seen.
        unsure_factor: how much stronger evidence must be where it is not known that looks recur, at least 1.
    """

    shortest_s: float = 0.5
    longest_s: float = 10.0
    new_looks: float = 2.0
    unsure_factor: float = 1.4


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
