"""Measures against values worked by hand."""

import numpy as np
import pytest

from emotional_dan_ros.training import metrics


def test_confusion_recall_and_f1_by_hand():
    truth = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 0, 2])
    matrix = metrics.confusion_matrix(truth, predicted, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    recall = metrics.recall_per_class(matrix)
    assert recall[:3].tolist() == pytest.approx([2 / 3, 1 / 2, 1])
    assert np.isnan(recall[3])
    # F1: class 0: 4/6, class 1: 2/4, class 2: 1; class 3 does not occur.
    assert metrics.macro_f1(matrix) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_ece_by_hand():
    # Two faces at confidence 0.9, one right; two at 0.6, both right: (2*0.4 + 2*0.4) / 4.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    truth = np.array([0, 1, 0, 1])
    assert metrics.expected_calibration_error(probabilities, truth, bins=10) == pytest.approx(0.4)


def test_certain_and_right_is_calibrated():
    assert metrics.expected_calibration_error(np.eye(3), np.arange(3)) == pytest.approx(0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_finds_the_temperature_that_made_the_labels(temperature):
    rng = np.random.default_rng(3)
    logits = rng.normal(scale=2.5, size=(40_000, 7))
    # Gumbel-max: labels drawn from softmax(logits / temperature) without using our softmax.
    truth = (logits / temperature + rng.gumbel(size=logits.shape)).argmax(axis=1)
    assert metrics.fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.04)


def test_crowd_majority_by_hand():
    votes = np.array(
        [
            [6, 4, 0, 0, 0, 0, 0, 0, 0, 0],  # neutral
            [0, 2, 0, 2, 0, 0, 0, 0, 6, 0],  # too few votes on emotions
            [0, 0, 0, 0, 3, 0, 2, 5, 0, 0],  # contempt has more
            [0, 0, 5, 0, 0, 0, 0, 5, 0, 0],  # a tie with contempt counts
        ]
    )
    winner, usable = metrics.crowd_majority(votes)
    assert usable.tolist() == [True, False, False, True]
    assert winner[usable].tolist() == [0, 2]


def test_ferplus_majority_counts_the_known_number_of_faces(data_dir):
    votes = np.load(data_dir / "ferplus.npz")["votes"]
    usage = np.load(data_dir / "fer2013.npz")["usage"]
    _, usable = metrics.crowd_majority(votes)
    assert (usable & (usage == 1)).sum() == 3528
