"""Alarms against the truth: what was found, how soon, and how often without cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotional_dan_ros.core.anomaly import AnomalyMonitor
from emotional_dan_ros.core.types import AnomalyKind, AnomalyPhase, EmotionState, FrameEmotions
from monitor_bench.streams import Streams

#: Alarms this soon after an unexpected episode are neither hits nor false.
GRACE_S = 2.0
#: Episodes at least this long count.
LONG_S = 3.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """A START."""

    ride: int
    at_s: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What a detector did on streams.

    Attributes:
        recall: share of unexpected episodes of 3 s and longer with an alarm in them.
        episodes: how many of these there were.
        median_s, p90_s: delay of the first alarm from the episode's start, of those found.
        false_per_hour: alarms outside unexpected episodes, over the hours outside.
        hours: passenger-hours in all.
    """

    recall: float
    episodes: int
    median_s: float
    p90_s: float
    false_per_hour: float
    hours: float


def score(streams: Streams, alarms: Sequence[Alarm]) -> Score:
    """Count."""
    by_ride: dict[int, list[float]] = {}
    for alarm in alarms:
        by_ride.setdefault(alarm.ride, []).append(alarm.at_s)
    spans: dict[int, list[tuple[float, float]]] = {}
    delays: list[float] = []
    counted = 0
    for episode in streams.episodes:
        spans.setdefault(episode.ride, []).append((episode.start_s, episode.end_s + GRACE_S))
        if episode.end_s - episode.start_s >= LONG_S:
            counted += 1
            hits = [t for t in by_ride.get(episode.ride, ()) if episode.start_s <= t < episode.end_s]
            if hits:
                delays.append(min(hits) - episode.start_s)
    false = sum(
        not any(start <= t < end for start, end in spans.get(ride, ()))
        for ride, times in by_ride.items()
        for t in times
    )
    outside_h = streams.hours - sum(end - start for ride in spans.values() for start, end in ride) / 3600.0
    return Score(
        recall=len(delays) / counted if counted else float("nan"),
        episodes=counted,
        median_s=float(np.median(delays)) if delays else float("nan"),
        p90_s=float(np.percentile(delays, 90)) if delays else float("nan"),
        false_per_hour=false / outside_h,
        hours=streams.hours,
    )


def run_monitor(monitor: AnomalyMonitor, streams: Streams) -> list[Alarm]:
    """Feed streams, one passenger for each ride side by side in one picture, and collect the STARTs."""
    rides, frames = streams.probabilities.shape[:2]
    boxes = [np.array([200.0 * i + 10, 100.0, 200.0 * i + 110, 220.0], dtype=np.float32) for i in range(rides)]
    valence, landmarks = np.full(3, 1 / 3, dtype=np.float32), np.zeros((68, 2), dtype=np.float32)
    image_wh = (200 * rides + 20, 400)
    alarms: list[Alarm] = []
    for frame in range(frames):
        quality = streams.quality[:, frame].tolist()
        states = tuple(
            EmotionState(ride + 1, boxes[ride], streams.probabilities[ride, frame], valence, landmarks, quality[ride])
            for ride in range(rides)
        )
        stamp_ns = round(frame / streams.hz * 1e9)
        for event in monitor.update(FrameEmotions(stamp_ns, "camera", image_wh, "benchmark", states)):
            if event.phase is AnomalyPhase.START and event.kind is not AnomalyKind.SEVERAL_PASSENGERS:
                alarms.append(Alarm(event.track_id - 1, frame / streams.hz, event.kind.name.lower()))
    return alarms
