"""Looks that recur, and those that do not."""

from __future__ import annotations

import numpy as np
import pytest

from emotional_dan_ros.core.anomaly import LooksConfig, OutputModel
from emotional_dan_ros.core.anomaly.looks import PLACES, Looks, allowing_for
from emotional_dan_ros.core.anomaly.output_model import SMALLEST, SPREAD
from emotional_dan_ros.core.anomaly.repetition import Repetition
from emotional_dan_ros.core.labels import NUM_EMOTIONS, Emotion
from test.core.anomaly.conftest import mostly

ROW = np.array([0])
EXPECTED = np.array([0.6, 0.35, 0.01, 0.01, 0.01, 0.01, 0.01])
UNEXPECTED = np.array([0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.2])


def _population(rng: np.random.Generator, count: int) -> np.ndarray:
    """Ordinary faces: all mixtures of neutral and happiness, some with sadness."""
    return rng.dirichlet((2.0, 1.5, 0.6, 0.1, 0.1, 0.1, 0.1), size=count)


@pytest.fixture(scope="module")
def outputs() -> OutputModel:
    looks = _population(np.random.default_rng(0), 400)
    return OutputModel(np.eye(NUM_EMOTIONS), np.zeros(NUM_EMOTIONS), looks, np.full(400, 1 / 400))


def _looks(outputs) -> Looks:
    return Looks(LooksConfig(), 0.3, outputs, EXPECTED, UNEXPECTED, 1)


def _show(looks: Looks, faces, each_s: float = 5.0, hz: float = 5.0) -> list[float]:
    """Show faces one after the other; return how usual each was when it came, before it was dwelt on."""
    usual = []
    for face in faces:
        for index in range(round(each_s * hz)):
            result = looks.update(ROW, face[None], face[None], np.array([1.0 / hz]), np.zeros(1))
            if index == 0:
                usual.append(float(result[0]))
    return usual


def test_likelihoods_are_the_outputs_where_nothing_was_learnt(outputs):
    p = np.random.default_rng(1).dirichlet(np.ones(7), size=20)
    p = np.maximum(p, SMALLEST) / np.maximum(p, SMALLEST).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs.likelihoods(p), p, rtol=1e-9)


def test_likelihoods_by_hand():
    """Squared and with twice the weight for surprise: softmax of 2 log p + offset."""
    offset = np.zeros(7)
    offset[Emotion.SURPRISE] = np.log(2.0)
    model = OutputModel(2.0 * np.eye(7), offset, np.eye(7), np.full(7, 1 / 7))
    p = np.full(7, 1 / 7)
    expected = np.ones(7)
    expected[Emotion.SURPRISE] = 2.0
    np.testing.assert_allclose(model.likelihoods(p[None])[0], expected / 8.0)


def test_commonness_counts_the_faces_near_by(outputs):
    """Against a direct sum over the sample."""
    at = np.array([mostly(Emotion.NEUTRAL, 0.7), mostly(Emotion.ANGER)]).astype(float)
    by_hand = [np.mean(np.exp(-np.square(outputs.looks - one).sum(axis=1) / (2 * SPREAD**2))) for one in at]
    np.testing.assert_allclose(outputs.commonness(at), by_hand, rtol=1e-6, atol=1e-12)
    assert by_hand[0] > 10 * by_hand[1]


def test_nothing_is_known_of_a_new_passenger(outputs):
    assert _show(_looks(outputs), [mostly(Emotion.NEUTRAL)]) == [pytest.approx(1.0, abs=0.01)]


def test_looks_that_recur_are_recognised_and_a_new_one_is_the_more_surprising(outputs):
    rng = np.random.default_rng(2)
    own = _population(rng, 5)
    looks = _looks(outputs)
    usual = _show(looks, own[rng.integers(5, size=60)])
    assert looks.recurring(ROW)[0] > 0.9
    assert np.median(usual[-20:]) > 2.0
    assert _show(looks, [mostly(Emotion.ANGER).astype(float)])[0] < 0.2


def test_strangers_in_turn_are_recognised_and_nothing_is_concluded(outputs):
    rng = np.random.default_rng(3)
    looks = _looks(outputs)
    usual = _show(looks, _population(rng, 80))
    assert looks.recurring(ROW)[0] < 0.2
    assert 0.5 < np.median(usual[-20:]) < 2.0
    assert _show(looks, [mostly(Emotion.ANGER).astype(float)])[0] > 0.7


def test_more_looks_than_places_are_no_trouble(outputs):
    looks = _looks(outputs)
    usual = _show(looks, _population(np.random.default_rng(4), 20 * PLACES), each_s=0.6)
    assert np.isfinite(usual).all()
    assert min(usual) > 0.0


def test_glimpses_are_not_remembered(outputs):
    looks = _looks(outputs)
    anger, calm = mostly(Emotion.ANGER).astype(float), mostly(Emotion.NEUTRAL).astype(float)
    for _ in range(40):
        _show(looks, [calm], each_s=4.0)
        _show(looks, [anger], each_s=0.2)
    assert _show(looks, [anger])[0] < 1.0


def test_odds_are_divided():
    np.testing.assert_allclose(allowing_for(np.array([1.0, 3.0, 0.5]), np.full(3, 0.75)), [0.75, 0.5, 6 / 7])


@pytest.mark.parametrize(("held_frames", "low", "high"), [(1, 0.0, 0.1), (50, 0.9, 1.0)])
def test_repetition_tells_frames_drawn_anew_from_faces_that_stay(held_frames, low, high):
    rng = np.random.default_rng(5)
    repetition, slow = Repetition(1), np.full((1, 7), 1 / 7)
    for index in range(4000):
        if index % held_frames == 0:
            face = rng.dirichlet(np.full(7, 0.5))
        result = repetition.update(ROW, face[None], slow, np.array([0.003]))
    assert low <= result[0] <= high
