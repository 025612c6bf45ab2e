"""A network begins as one that was trained for another image size."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.network import EmotionalDAN
from emotional_dan_ros.training.resizing import can_resize, resized_state

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
    other.load_state_dict(resized_state(model, config.image_size))
    return other


def test_the_same_size_is_the_same_network(small):
    assert all(tensor is small.state_dict()[name] or torch.equal(tensor, small.state_dict()[name])
               for name, tensor in resized_state(small, 32).items())  # fmt: skip


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
    resized_state(small, 64)
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())


@pytest.mark.parametrize(("change", "can"), [({}, True), ({"width": 0.25}, False), ({"feature_width": 32}, False)])
def test_what_cannot_be_bridged(change, can):
    assert can_resize(SMALL, dataclasses.replace(LARGE, **change)) is can
