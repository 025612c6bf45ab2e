"""Moving the prior towards what people vote for moves the answers there."""

import numpy as np
import pytest

from emotional_dan_ros.training.class_prior import prior_curve


def votes_for(*emotions: int) -> np.ndarray:
    """Ten votes each for one emotion."""
    return np.eye(10)[list(emotions)] * 10


def test_a_timid_network_follows_the_votes_as_the_prior_moves():
    # Four faces on which the network is undecided between neutral and sadness, leaning to sadness. The file calls
    # all of them sad, people call three of them neutral.
    logits = np.tile([2.0, -6, 2.5, -6, -6, -6, -6], (4, 1))
    labels = np.full(4, 2)
    points = {p.shift: p for p in prior_curve(logits, labels, votes_for(0, 0, 0, 2), shifts=(0.0, 1.0))}
    assert (points[0.0].labels, points[0.0].majority) == (1.0, 0.25)
    assert (points[1.0].labels, points[1.0].majority) == (0.0, 0.75)
    assert points[1.0].recall["neutral"] == 1.0
    assert points[1.0].recall["fear"] is None


def test_a_network_whose_answers_have_the_votes_frequencies_keeps_its_answers():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 700)
    logits = 20.0 * np.eye(7)[truth]
    first, *others = prior_curve(logits, truth, votes_for(*truth))
    assert first.labels == pytest.approx(1.0)
    assert all(p.labels == first.labels and p.majority == first.majority for p in others)
