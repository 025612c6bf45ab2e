"""The values between the parts: frozen, with the same constants as the messages."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from emotional_dan_ros.core.labels import Emotion, Valence
from emotional_dan_ros.core.types import (
    CROP_SIZE_PX,
    NUM_LANDMARKS,
    AnomalyKind,
    AnomalyPhase,
    EmotionState,
    FrameEmotions,
    FrameFaces,
)

MSG = Path(__file__).resolve().parents[2] / "msg"


def _state(probabilities: list[float], valences: list[float]) -> EmotionState:
    return EmotionState(
        track_id=1,
        box_xyxy=np.array([0, 0, 10, 10], dtype=np.float32),
        probabilities=np.array(probabilities, dtype=np.float32),
        valence_probabilities=np.array(valences, dtype=np.float32),
        landmarks_px=np.zeros((NUM_LANDMARKS, 2), dtype=np.float32),
        quality=0.5,
    )


def test_the_top_class_comes_with_its_probability() -> None:
    state = _state([0.1, 0.1, 0.05, 0.05, 0.5, 0.1, 0.1], [0.15, 0.1, 0.75])
    assert state.emotion is Emotion.FEAR
    assert state.confidence == pytest.approx(0.5)
    assert state.valence is Valence.NEGATIVE


def test_values_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        _state([1, 0, 0, 0, 0, 0, 0], [1, 0, 0]).quality = 1.0  # type: ignore[misc]


def test_no_faces_is_an_ordinary_value() -> None:
    assert FrameFaces(stamp_ns=5, frame_id="camera", image_wh=(640, 480)).faces == ()
    assert FrameEmotions(stamp_ns=5, frame_id="camera", image_wh=(640, 480), model_name="rt").states == ()


def test_anomaly_constants_of_the_message_agree() -> None:
    text = (MSG / "EmotionAnomaly.msg").read_text(encoding="utf-8")
    constants = {key: int(value) for key, value in re.findall(r"^uint8 ([A-Z_]+)=(\d+)$", text, re.MULTILINE)}
    assert {member.name: int(member) for enum in (AnomalyKind, AnomalyPhase) for member in enum} == constants


def test_array_lengths_of_the_messages_agree() -> None:
    assert f"float32[{2 * NUM_LANDMARKS}] landmarks" in (MSG / "EmotionState.msg").read_text(encoding="utf-8")
    assert f"mono8, {CROP_SIZE_PX}x{CROP_SIZE_PX}" in (MSG / "Face.msg").read_text(encoding="utf-8")
