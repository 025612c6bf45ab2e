"""The class order is public: messages, weights and published tables rely on it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from emotional_dan_ros.core.labels import (
    DEFAULT_VALENCE_OF,
    EMOTION_NAMES,
    Emotion,
    Valence,
    parse_valence_map,
    valence_matrix,
)

MSG = Path(__file__).resolve().parents[2] / "msg"


def _constants(name: str) -> dict[str, int]:
    text = (MSG / name).read_text(encoding="utf-8")
    return {key: int(value) for key, value in re.findall(r"^uint\d+ ([A-Z_]+)=(\d+)$", text, re.MULTILINE)}


def test_emotions_are_in_affectnets_order() -> None:
    assert EMOTION_NAMES == ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
    assert [int(e) for e in Emotion] == list(range(7))


def test_emotion_constants_of_the_message_agree() -> None:
    constants = _constants("EmotionState.msg")
    assert {e.name: int(e) for e in Emotion} | {f"VALENCE_{v.name}": int(v) for v in Valence} == constants


def test_labels_read_like_words() -> None:
    assert Emotion.HAPPINESS.label == "Happiness"
    assert Valence.NEGATIVE.label == "Negative"


def test_valence_matrix_folds_a_distribution() -> None:
    # By hand: neutral and surprise are neutral (.1 + .2), happiness positive (.3), the rest negative.
    probabilities = np.array([0.1, 0.3, 0.05, 0.2, 0.15, 0.12, 0.08], dtype=np.float32)
    np.testing.assert_allclose(probabilities @ valence_matrix(), [0.3, 0.3, 0.4], atol=1e-6)


def test_valence_matrix_follows_another_map() -> None:
    surprise_is_negative = {**DEFAULT_VALENCE_OF, Emotion.SURPRISE: Valence.NEGATIVE}
    assert valence_matrix(surprise_is_negative)[Emotion.SURPRISE].tolist() == [0.0, 0.0, 1.0]


def test_valence_matrix_names_what_is_missing() -> None:
    incomplete = {e: v for e, v in DEFAULT_VALENCE_OF.items() if e not in (Emotion.FEAR, Emotion.ANGER)}
    with pytest.raises(ValueError, match=r"missing: fear, anger"):
        valence_matrix(incomplete)


def test_parse_valence_map_reads_a_parameter() -> None:
    names = ["neutral", "positive", "negative", "Negative", "negative", "negative", "negative"]
    assert parse_valence_map(names) == {**DEFAULT_VALENCE_OF, Emotion.SURPRISE: Valence.NEGATIVE}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "expected 7 valence names"),
        (["neutral"] * 8, "got 8"),
        (["neutral"] * 6 + ["cross"], "valence of anger must be one of neutral, positive, negative, got 'cross'"),
    ],
)
def test_parse_valence_map_refuses(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_valence_map(names)
