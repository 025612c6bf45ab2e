"""Settings of each kind of anomaly."""

from __future__ import annotations

from dataclasses import dataclass

#: Emotions that are unexpected in a passenger; neutral and happiness are left out so that smiling is none.
UNEXPECTED = ("sadness", "surprise", "fear", "disgust", "anger")
NEGATIVE = ("sadness", "fear", "disgust", "anger")


@dataclass(frozen=True, slots=True)
class SuddenChangeConfig:
    """CUSUM of the log-likelihood ratio against the passenger's own baseline.

    Attributes:
        enabled: whether events of this kind are raised.
        emotions: emotions whose appearance counts.
        evidence_s: how long one look must be to count as an independent one: evidence is gathered per
            second of watching, so that 60 Hz does not count the same face twelve times as often as 5 Hz.
        memory_s: time constant with which evidence is forgotten, as far as frames repeat each other. A
            network's error on a face lasts as long as the face does; without forgetting, every long error
            would become an alarm.
        strengths: shares of the time that an unexpected emotion is assumed to show in the alternatives.
    """

    enabled: bool = True
    emotions: tuple[str, ...] = UNEXPECTED
    evidence_s: float = 0.25
    memory_s: float = 0.5
    strengths: tuple[float, ...] = (0.9, 0.5)


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
