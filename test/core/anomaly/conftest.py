"""A hand-made calibration and frames, so that these tests do not depend on the shipped file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from emotional_dan_ros.core.anomaly import Calibration, Curve, OutputModel, Prior
from emotional_dan_ros.core.labels import NUM_EMOTIONS, Emotion
from emotional_dan_ros.core.types import EmotionState, FrameEmotions

IMAGE_WH = (1280, 720)


@pytest.fixture(scope="session")
def calibration() -> Calibration:
    """Round numbers: 1 alarm an hour at 4 nats, and at 0.7 of the probability; outputs that are what they say."""
    ordinary = np.stack([mostly(Emotion.NEUTRAL), mostly(Emotion.HAPPINESS), mostly(Emotion.NEUTRAL, 0.6)])
    return Calibration(
        model_name="by hand",
        source="test",
        hours=1.0,
        prior=Prior((0.5, 0.3, 0.05, 0.04, 0.04, 0.03, 0.04), (0.6, 0.35, 0.01, 0.01, 0.01, 0.01, 0.01)),
        outputs=OutputModel(
            np.eye(NUM_EMOTIONS), np.zeros(NUM_EMOTIONS), ordinary.astype(np.float64), np.array([0.5, 0.35, 0.15])
        ),
        curves={
            "sudden_change": Curve(0.25, (100.0, 1.0), (2.0, 4.0)),
            "startle": Curve(0.25, (100.0, 1.0), (0.5, 0.7)),
            "sustained_negative": Curve(5.0, (100.0, 1.0), (0.5, 0.7)),
        },
    )


def mostly(emotion: Emotion, share: float = 0.94) -> np.ndarray:
    """Return probabilities with ``share`` on one emotion and the rest alike."""
    result = np.full(NUM_EMOTIONS, (1.0 - share) / (NUM_EMOTIONS - 1), dtype=np.float32)
    result[emotion] = share
    return result


def state(
    track_id: int, probabilities: np.ndarray, box: Sequence[float] | None = None, quality: float = 1.0
) -> EmotionState:
    """Return a state; faces of different ids lie apart unless a box is given."""
    left = 100.0 + 150.0 * (track_id % 7)
    xyxy = box if box is not None else (left, 200.0, left + 100.0, 320.0)
    return EmotionState(
        track_id=track_id,
        box_xyxy=np.asarray(xyxy, dtype=np.float32),
        probabilities=probabilities,
        valence_probabilities=np.full(3, 1 / 3, dtype=np.float32),
        landmarks_px=np.zeros((68, 2), dtype=np.float32),
        quality=quality,
    )


def frame(at_s: float, *states: EmotionState) -> FrameEmotions:
    """Return a frame at a time in seconds."""
    return FrameEmotions(round(at_s * 1e9), "camera", IMAGE_WH, "by hand", states)


def play(
    monitor, until_s: float, what: Callable[[float], Mapping[int, Emotion]], hz: float = 10.0, from_s: float = 0.0
) -> list:
    """Feed a monitor frames in which each track shows the emotion that ``what(seconds)`` says; return events."""
    events = []
    for index in range(round((until_s - from_s) * hz)):
        at_s = from_s + index / hz
        shown = [state(track, mostly(emotion)) for track, emotion in what(at_s).items()]
        events += monitor.update(frame(at_s, *shown))
    return events
