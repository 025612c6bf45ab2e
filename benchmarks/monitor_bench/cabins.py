"""Several passengers at once: cabins of four in which two or more are startled together by the road."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotional_dan_ros.core.anomaly import AnomalyMonitor, Calibration, MonitorConfig
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyKind, AnomalyPhase, EmotionState, FrameEmotions
from monitor_bench.scoring import GRACE_S
from monitor_bench.streams import FaceOutputs, Shown, Streams, make_streams

SEATS = 4
#: Time between two bumps in the road, and how long faces show them, s.
BETWEEN_S = (60.0, 150.0)
SHOWN_S = (3.0, 8.0)


@dataclass(frozen=True, slots=True)
class CabinScore:
    """What was raised in cabins.

    Attributes:
        asked: false alarms asked for, per hour.
        recall: share of bumps with a cabin event in them.
        bumps: how many there were.
        median_s: delay of those found.
        false_per_hour: cabin events outside bumps, per cabin-hour.
        hours: cabin-hours.
    """

    asked: float
    recall: float
    bumps: int
    median_s: float
    false_per_hour: float
    hours: float


def run_cabins(
    faces: FaceOutputs, calibration: Calibration, cabins: int, ride_s: float, hz: float, seed: int, asked: float
) -> CabinScore:
    """Ride with cabins of ordinary passengers and count cabin events in and outside of bumps."""
    bumps, delays, false, inside_s = 0, [], 0, 0.0
    for cabin in range(cabins):
        spans, streams = _ride(faces, ride_s, hz, seed + cabin)
        raised = _raised(AnomalyMonitor(MonitorConfig(false_alarms_per_hour=asked), calibration), streams)
        bumps += len(spans)
        inside_s += sum(end - start for start, end in spans)
        for start, end in spans:
            hits = [t for t in raised if start <= t < end]
            delays += [min(hits) - start] if hits else []
        false += sum(not any(start <= t < end for start, end in spans) for t in raised)
    hours = cabins * ride_s / 3600.0
    return CabinScore(
        asked,
        len(delays) / bumps,
        bumps,
        float(np.median(delays)) if delays else float("nan"),
        false / (hours - inside_s / 3600.0),
        hours,
    )


def _ride(faces: FaceOutputs, ride_s: float, hz: float, seed: int) -> tuple[list[tuple[float, float]], Streams]:
    """Draw a cabin; return the spans of its bumps (with grace) and its streams."""
    rng = np.random.default_rng(seed)
    forced: list[list[Shown]] = [[] for _ in range(SEATS)]
    spans: list[tuple[float, float]] = []
    now = rng.uniform(*BETWEEN_S)
    while now + SHOWN_S[1] + GRACE_S < ride_s:
        startled = rng.choice(SEATS, int(rng.integers(2, SEATS + 1)), replace=False)
        ends: list[float] = []
        for seat in startled:
            # People react within some tenths of a second of each other.
            start = now + rng.uniform(0.0, 0.5)
            ends.append(start + rng.uniform(*SHOWN_S))
            emotion = (Emotion.SURPRISE, Emotion.FEAR)[int(rng.integers(2))]
            forced[seat].append(Shown(emotion, start, ends[-1]))
        spans.append((now, max(ends) + GRACE_S))
        now = max(ends) + rng.uniform(*BETWEEN_S)
    return spans, make_streams(faces, SEATS, ride_s, hz, seed, unexpected=False, forced=forced)


def _raised(monitor: AnomalyMonitor, streams: Streams) -> list[float]:
    """Return when cabin events started, s."""
    boxes = [np.array([200.0 * i + 50, 100.0, 200.0 * i + 150, 220.0], dtype=np.float32) for i in range(SEATS)]
    valence, landmarks = np.full(3, 1 / 3, dtype=np.float32), np.zeros((68, 2), dtype=np.float32)
    raised: list[float] = []
    for frame in range(streams.probabilities.shape[1]):
        states = tuple(
            EmotionState(
                seat + 1,
                boxes[seat],
                streams.probabilities[seat, frame],
                valence,
                landmarks,
                float(streams.quality[seat, frame]),
            )
            for seat in range(SEATS)
        )
        at_s = frame / streams.hz
        for event in monitor.update(FrameEmotions(round(at_s * 1e9), "camera", (900, 400), "benchmark", states)):
            if event.kind is AnomalyKind.SEVERAL_PASSENGERS and event.phase is AnomalyPhase.START:
                raised.append(at_s)
    return raised
