"""Values as the pipeline makes them, for tests of what is written and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from emotional_dan_ros.core.labels import Emotion, valence_matrix
from emotional_dan_ros.core.types import (
    AnomalyEvent,
    AnomalyKind,
    AnomalyPhase,
    EmotionState,
    Face,
    FrameEmotions,
    FrameFaces,
)


@pytest.fixture
def make_emotions() -> Callable[..., FrameEmotions]:
    """``make_emotions(stamp_s, ids, seed=0)``: states with random probabilities in a 640x480 image."""

    def make(stamp_s: float, ids: Sequence[int] = (), seed: int = 0) -> FrameEmotions:
        rng = np.random.default_rng((seed, *ids))
        states = []
        for track_id in ids:
            probabilities = rng.dirichlet(np.ones(7)).astype(np.float32)
            box = np.sort(rng.uniform(-20, 660, (2, 2)), axis=0).astype(np.float32).reshape(4)
            landmarks = rng.uniform(0, 480, (68, 2)).astype(np.float32)
            quality = float(rng.uniform())
            states.append(
                EmotionState(track_id, box, probabilities, probabilities @ valence_matrix(), landmarks, quality)
            )
        return FrameEmotions(round(stamp_s * 1e9), "camera", (640, 480), "test", tuple(states))

    return make


@pytest.fixture
def make_faces() -> Callable[..., FrameFaces]:
    """``make_faces(stamp_s, ids)``: faces with random crops in a 640x480 image."""

    def make(stamp_s: float, ids: Sequence[int] = ()) -> FrameFaces:
        faces = []
        for track_id in ids:
            rng = np.random.default_rng(track_id)
            box = np.sort(rng.uniform(-20, 660, (2, 2)), axis=0).astype(np.float32).reshape(4)
            keypoints = rng.uniform(0, 480, (5, 2)).astype(np.float32)
            affine = rng.normal(size=(2, 3)).astype(np.float32)
            crop = rng.integers(0, 255, (112, 112), dtype=np.uint8)
            faces.append(Face(track_id, float(rng.uniform()), box, keypoints, affine, crop))
        return FrameFaces(round(stamp_s * 1e9), "camera", (640, 480), tuple(faces))

    return make


@pytest.fixture
def make_event() -> Callable[..., AnomalyEvent]:
    """``make_event(stamp_s, phase, event_id=1, track_id=1, start_s=None)``."""

    def make(
        stamp_s: float,
        phase: AnomalyPhase,
        event_id: int = 1,
        track_id: int = 1,
        start_s: float | None = None,
        kind: AnomalyKind = AnomalyKind.SUDDEN_CHANGE,
    ) -> AnomalyEvent:
        start_ns = round((stamp_s if start_s is None else start_s) * 1e9)
        stamp_ns = round(stamp_s * 1e9)
        return AnomalyEvent(
            stamp_ns, "camera", event_id, track_id, kind, phase, 0.7, start_ns, Emotion.FEAR, 0.8, 0.05, "fear 0.80"
        )

    return make
