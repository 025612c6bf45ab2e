"""What an event says: emotion, probabilities, severity and a sentence."""

from __future__ import annotations

import math

import numpy as np

from emotional_dan_ros.core.anomaly.baseline import Rows
from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.anomaly.events import Finding
from emotional_dan_ros.core.anomaly.observer import EVIDENCE_CAP, PassengerObserver
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyKind


def of_passenger(
    observer: PassengerObserver, config: MonitorConfig, kind: AnomalyKind, row: int, share: float
) -> Finding:
    """Say what is seen of a passenger who is in the frame.

    Args:
        observer: holds the estimates.
        config: settings.
        kind: sudden change, startle or sustained negative.
        row: of the passenger.
        share: evidence over threshold of this kind.
    """
    if kind is AnomalyKind.SUDDEN_CHANGE:
        # At the threshold 0.5, at the cap 1.
        return _finding(observer, row, observer.change.emotions, share / EVIDENCE_CAP)
    if kind is AnomalyKind.STARTLE:
        return _finding(observer, row, observer.startle.emotions, float(observer.startle.level[row]))
    # Half of the level when it has just lasted long enough; the longer, the closer to all of it.
    lasting = 1.0 - 0.5 * min(config.sustained_negative.hold_s / max(float(observer.sustained.above_s[row]), 1e-9), 1.0)
    level = float(observer.sustained.level[row])
    return _finding(observer, row, observer.sustained.emotions, level * lasting)


def of_cabin(observer: PassengerObserver, rows: Rows) -> Finding:
    """Say what is seen of several passengers at once."""
    emotions = observer.change.emotions
    emotion = Emotion(int(emotions[np.argmax(observer.baselines.fast[rows][:, emotions].sum(axis=0))]))
    probability = float(observer.baselines.fast[rows, emotion].mean())
    expected = float(observer.baselines.slow[rows, emotion].mean())
    who = ", ".join(str(track) for track in sorted(observer.table.track_id[rows]))
    text = f"{len(rows)} passengers at once ({who}): {_numbers(emotion, probability, expected)}"
    return Finding(observer.cabin.severity(rows), emotion, probability, expected, text)


def of_lost(observer: PassengerObserver, config: MonitorConfig, row: int) -> Finding:
    """Say how a passenger looked when last seen. The longer a face was there, the more severe its loss."""
    table = observer.table
    there_s = (int(table.last_seen_ns[row]) - int(table.first_seen_ns[row])) * 1e-9
    severity = 1.0 - math.exp(-there_s / (6.0 * config.passenger_lost.gone_s))
    found = _finding(observer, row, np.arange(len(Emotion)), severity)
    text = f"gone after {there_s:.0f} s in sight, not at the border; last seen: {found.text}"
    return Finding(found.severity, found.emotion, found.probability, found.expected, text)


def _finding(observer: PassengerObserver, row: int, emotions: Rows, severity: float) -> Finding:
    """Take the emotion that shows most now, out of those watched."""
    fast, slow = observer.baselines.fast[row], observer.baselines.slow[row]
    emotion = Emotion(int(emotions[np.argmax(fast[emotions])]))
    probability, expected = float(fast[emotion]), float(slow[emotion])
    return Finding(severity, emotion, probability, expected, _numbers(emotion, probability, expected))


def _numbers(emotion: Emotion, probability: float, expected: float) -> str:
    return f"{emotion.name.lower()} {probability:.2f}, expected {expected:.2f}"
