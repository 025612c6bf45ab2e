"""The demo's lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emotional_dan_ros.core.labels import Emotion, valence_matrix
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyKind, AnomalyPhase, EmotionState, FrameEmotions
from emotional_dan_ros.nodes.demo_report import Meter, status_line, summary_lines
from emotional_dan_ros.offline.history import History


def _frame(stamp_s: float, *probabilities: list[float]) -> FrameEmotions:
    states = []
    for index, values in enumerate(probabilities, start=1):
        p = np.asarray(values, np.float32)
        landmarks = np.zeros((68, 2), np.float32)
        states.append(EmotionState(index, np.zeros(4, np.float32), p, p @ valence_matrix(), landmarks, 1.0))
    return FrameEmotions(round(stamp_s * 1e9), "", (640, 480), "test", tuple(states))


HAPPY = [0.0, 0.875, 0.0, 0.125, 0.0, 0.0, 0.0]
SAD = [0.0, 0.0, 0.75, 0.25, 0.0, 0.0, 0.0]
EVENT = AnomalyEvent(
    0, "", 1, 2, AnomalyKind.STARTLE, AnomalyPhase.START, 0.5, 1_000_000_000, Emotion.FEAR, 0.8, 0.1, "fear rose"
)


def test_status_line() -> None:
    line = status_line(3.25, _frame(3.25, HAPPY, SAD), [EVENT], 14.0, 0.0849)
    assert line == (
        "   3.2 s | #1 Happiness 0.88, Surprise 0.12 | #2 Sadness 0.75, Surprise 0.25 | ! #2 Startle: fear rose | "
        "14 frames/s, latency 85 ms"
    )
    assert status_line(0, _frame(0), [], 0.0, None) == "   0.0 s | no face | 0 frames/s"


def test_meter_looks_at_the_last_second() -> None:
    meter = Meter()
    assert meter.read(0.0) == (0.0, None)
    for index in range(20):
        meter.count(index * 0.1, 0.050 + 0.001 * index if index % 2 else None)
    rate_hz, latency_s = meter.read(1.9)
    assert rate_hz == 11  # 0.9 s to 1.9 s, both ends
    assert latency_s == pytest.approx(0.065)
    assert meter.read(99.0) == (0.0, None)


def test_summary() -> None:
    history = History()
    for index in range(10):
        history.add(_frame(20 + index / 10, HAPPY if index < 8 else SAD))
    history.add_event(replace(EVENT, start_ns=20_500_000_000, stamp_ns=20_700_000_000))
    lines = summary_lines(history, 12)
    assert lines[0] == "12 images in 0.9 s, emotions of 10, faces in 10"
    assert lines[1] == "#1: seen in 10 frames; Happiness 80%, Sadness 20%"
    assert lines[2] == "anomaly 0.5 s to 0.7 s, #2, startle: fear rose"
