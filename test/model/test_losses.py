"""The joint loss, worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from emotional_dan_ros.model.losses import emotion_loss, joint_loss, landmark_error, masked_mean


def face(eyes_px: float) -> Tensor:
    """Landmarks (1, 68, 2), all at the origin but for the second eye."""
    points = torch.zeros(1, 68, 2)
    points[:, 42:48] = torch.tensor([0.6, 0.8]) * eyes_px
    return points


def test_error_is_the_mean_distance_over_the_distance_of_the_eyes() -> None:
    target = face(eyes_px=20)
    predicted = target.clone()
    predicted[0, :34, 0] += 3
    predicted[0, :34, 1] += 4  # half of the points are 5 px off: 2.5 px on average
    torch.testing.assert_close(landmark_error(predicted, target), torch.tensor([2.5 / 20]))


def test_eyes_are_those_of_the_target() -> None:
    # Were they taken from the prediction, doubling it would divide by 20 and not by 10.
    target = face(eyes_px=10)
    expected = torch.tensor([(6 / 68 * 10) / 10])  # six points move by 10 px
    torch.testing.assert_close(landmark_error(2 * target, target), expected)


def test_eye_centres_are_means_of_their_six_points() -> None:
    target = torch.zeros(1, 68, 2)
    target[0, 36:42, 0] = torch.tensor([0.0, 1, 2, 3, 4, 5])
    target[0, 42:48, 0] = torch.tensor([10.0, 11, 12, 13, 14, 21])  # centres 2.5 and 13.5
    torch.testing.assert_close(landmark_error(target + torch.tensor([0.0, 1.1]), target), torch.tensor([0.1]))


def test_each_face_by_itself() -> None:
    target = torch.cat([face(10), face(20)])
    torch.testing.assert_close(landmark_error(target + torch.tensor([1.0, 0]), target), torch.tensor([0.1, 0.05]))


@pytest.mark.parametrize("shape", [(1, 68, 3), (1, 51, 2), (68, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Nx68x2"):
        landmark_error(torch.zeros(shape), torch.zeros(shape))


def test_coinciding_eyes_stay_finite() -> None:
    assert torch.isfinite(landmark_error(torch.ones(1, 68, 2), torch.zeros(1, 68, 2))).all()


def test_masked_mean() -> None:
    values = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    assert masked_mean(values, torch.tensor([True, False, True])) == 3.5
    nothing = masked_mean(values, torch.zeros(3, dtype=torch.bool))
    assert nothing == 0
    nothing.backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0, 0, 0]


def test_cross_entropy_of_classes_and_of_votes() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]))
    by_hand = -(math.log(0.25) + math.log(0.7)) / 2
    assert emotion_loss(logits, torch.tensor([1, 2])).item() == pytest.approx(by_hand)
    votes = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    by_hand = -(0.5 * math.log(0.5) + 0.5 * math.log(0.25) + math.log(0.7)) / 2
    assert emotion_loss(logits, votes).item() == pytest.approx(by_hand)


def test_joint_loss_is_half_and_half_and_skips_unknown_landmarks() -> None:
    target = torch.cat([face(10), face(10)])
    predicted = target + torch.tensor([1.0, 0])
    predicted[1] += 1e3  # of this face the landmarks are not known
    logits = torch.zeros(2, 7)
    valid = torch.tensor([True, False])
    loss = joint_loss(predicted, logits, target, torch.tensor([0, 6]), valid)
    assert loss.item() == pytest.approx(0.5 * 0.1 + 0.5 * math.log(7))
    weighted = joint_loss(predicted, logits, target, torch.tensor([0, 6]), valid, 2.0, 0.25)
    assert weighted.item() == pytest.approx(2 * 0.1 + 0.25 * math.log(7))


def test_autocast_logits_are_judged_in_float32() -> None:
    assert emotion_loss(torch.zeros(1, 7, dtype=torch.bfloat16), torch.tensor([3])).item() == pytest.approx(math.log(7))
