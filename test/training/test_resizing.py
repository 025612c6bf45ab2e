"""A network begins as one that was trained for another image size, or with a wider dense feature."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from emotional_dan_ros.model.config import ModelConfig, NormOrder
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.training.resizing import can_resize, rectified, resized_state

SMALL = ModelConfig(image_size=32, width=0.125, feature_width=16, heatmap_half_px=2)
LARGE = dataclasses.replace(SMALL, image_size=64, heatmap_half_px=4, dropout=0.1)


@pytest.fixture
def small() -> EmotionalDAN:
    torch.manual_seed(1)
    model = EmotionalDAN(SMALL, torch.rand(68, 2) * 31).eval()
    for stage in (model.stage1, model.stage2):
        torch.nn.init.normal_(stage.landmarks.weight)
        torch.nn.init.normal_(stage.landmarks.bias)
    torch.nn.init.normal_(model.stage2.feature.bias)
    return model


def resized(model: EmotionalDAN, config: ModelConfig) -> EmotionalDAN:
    other = EmotionalDAN(config).eval()
    other.load_state_dict(resized_state(model, config))
    return other


def test_the_same_size_is_the_same_network(small):
    assert all(tensor is small.state_dict()[name] or torch.equal(tensor, small.state_dict()[name])
               for name, tensor in resized_state(small, SMALL).items())  # fmt: skip


def test_a_shape_stays_the_shape(small):
    large = resized(small, LARGE)
    # Edges of the image map onto each other: the centre of the first pixel of four lies between the first two of eight.
    assert torch.allclose(large.mean_shape, small.mean_shape * 2 + 0.5)
    feature = torch.randn(5, 16)
    assert torch.allclose(large.stage1.landmarks(feature), 2 * small.stage1.landmarks(feature), atol=1e-5)


def test_what_a_dense_layer_reads_of_an_even_picture_is_the_same(small):
    channels = SMALL.channels[-1]
    even = torch.rand(3, channels, 1, 1)
    of_small = small.stage1.trunk.fc1[0](even.expand(-1, -1, 2, 2).flatten(1))
    of_large = resized(small, LARGE).stage1.trunk.fc1[0](even.expand(-1, -1, 4, 4).flatten(1))
    assert torch.allclose(of_small, of_large, atol=1e-5)


def test_the_picture_that_stage_1_hands_on_is_the_same_but_finer(small):
    feature = torch.rand(2, 16)
    coarse = small.stage2.feature(feature).reshape(2, 1, 16, 16)
    fine = resized(small, LARGE).stage2.feature(feature).reshape(2, 1, 32, 32)
    assert torch.allclose(torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear"), fine, atol=1e-5)


def test_the_other_network_stays_as_it_is(small):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    resized_state(small, dataclasses.replace(LARGE, feature_width=8))
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())


@pytest.mark.parametrize("order", NormOrder)
def test_units_of_the_feature_that_never_change_can_go_and_nothing_else_does(order):
    torch.manual_seed(2)
    wide = dataclasses.replace(SMALL, norm_order=order)
    model = EmotionalDAN(wide, torch.rand(68, 2) * 31).eval()
    silent = torch.tensor([0, 3, 7, 11])
    for stage in (model.stage1, model.stage2):
        norm = stage.trunk.fc1[1 if order is NormOrder.BN_RELU else 2]
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias)
        torch.nn.init.normal_(stage.landmarks.weight, std=0.1)
        with torch.no_grad():
            norm.weight[silent] = 0
    image = torch.rand(4, 1, 32, 32)
    before = model(image)
    after = resized(model, dataclasses.replace(wide, feature_width=12))(image)
    # What such a unit always says goes into the biases of what reads it.
    assert torch.allclose(after.landmarks_stage1, before.landmarks_stage1, atol=1e-4)
    assert torch.allclose(after.landmarks, before.landmarks, atol=1e-3)
    assert torch.allclose(after.logits, before.logits, atol=1e-4)


def test_units_that_move_more_remain_and_the_others_count_with_their_mean():
    torch.manual_seed(3)
    model = EmotionalDAN(dataclasses.replace(SMALL, norm_order="bn_relu")).eval()
    stage = model.stage2
    norm = stage.trunk.fc1[1]
    with torch.no_grad():
        norm.weight.fill_(0.01)
        norm.weight[4:12] = torch.tensor([2.0, -3.0] * 4)
        norm.bias.normal_()
        stage.landmarks.weight.normal_()
        stage.emotion.weight.normal_()
    state = resized_state(model, dataclasses.replace(model.config, feature_width=8))
    assert torch.equal(state["stage2.trunk.fc1.1.weight"], norm.weight[4:12])
    assert torch.equal(state["stage2.emotion.weight"], stage.emotion.weight[:, 4:12])
    # Deviations of a hundredth leave a unit of negative mean at 0 and one of positive mean at that.
    dropped = [0, 1, 2, 3, 12, 13, 14, 15]
    constant = stage.emotion.weight[:, dropped] @ norm.bias[dropped].clamp_min(0)
    assert torch.allclose(state["stage2.emotion.bias"], stage.emotion.bias + constant, atol=0.02)


def test_mean_and_deviation_of_a_rectified_normal_variable():
    mean, deviation = torch.tensor([0.0, 1.0, -0.5]), torch.tensor([1.0, 2.0, 0.7])
    draws = (mean + deviation * torch.randn(400_000, 3, generator=torch.Generator().manual_seed(4))).clamp_min(0)
    first, spread = rectified(mean, deviation)
    assert torch.allclose(first, draws.mean(dim=0), atol=0.01)
    assert torch.allclose(spread, draws.std(dim=0), atol=0.01)


@pytest.mark.parametrize(
    ("change", "can"),
    [({}, True), ({"feature_width": 8}, True), ({"width": 0.25}, False), ({"feature_width": 32}, False)],
)
def test_what_cannot_be_bridged(change, can):
    assert can_resize(SMALL, dataclasses.replace(LARGE, **change)) is can
