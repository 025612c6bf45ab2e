"""The whole network: what goes in and out, and that everything in it learns."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from emotional_dan_ros.model.config import ModelConfig, NormOrder
from emotional_dan_ros.model.losses import joint_loss
from emotional_dan_ros.model.network import EmotionalDAN

CONFIG = ModelConfig(image_size=32, width=0.125, feature_width=16, heatmap_half_px=4)


def make(config: ModelConfig = CONFIG, spread: float = 3.0) -> EmotionalDAN:
    """A network whose stages move the landmarks by some px."""
    torch.manual_seed(3)
    model = EmotionalDAN(config, 8 + 16 * torch.rand(68, 2))
    for stage in (model.stage1, model.stage2):
        nn.init.normal_(stage.landmarks.weight, std=spread)
    return model.eval()


def images(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("num_emotions", [3, 7])
def test_shapes(num_emotions: int) -> None:
    output = make(dataclasses.replace(CONFIG, num_emotions=num_emotions))(images(2))
    assert output.landmarks_stage1.shape == output.landmarks.shape == (2, 68, 2)
    assert output.logits.shape == (2, num_emotions)


def test_stages_that_add_nothing_give_the_mean_shape() -> None:
    # Stage 1 says the mean shape, so the transform is the identity; stage 2 adds nothing to it and moves it back.
    model = make(spread=0)
    output = model(images(2))
    expected = model.mean_shape.expand(2, -1, -1)
    torch.testing.assert_close(output.landmarks_stage1, expected)
    torch.testing.assert_close(output.landmarks, expected, rtol=0, atol=1e-5)


def test_stage_2_adds_in_its_own_frame() -> None:
    # Stage 1 says the mean shape twice as large; the transform back to it is a half, so that one px of stage 2
    # is two px of the image.
    model = make(spread=0)
    model.mean_shape -= model.mean_shape.mean(dim=0)
    with torch.no_grad():
        model.stage1.landmarks.bias.copy_(model.mean_shape.reshape(-1))
        model.stage2.landmarks.bias.copy_(torch.tensor([1.0, -3.0]).repeat(68))
    output = model(images(1))
    torch.testing.assert_close(output.landmarks[0], 2 * model.mean_shape + torch.tensor([2.0, -6.0]))


@pytest.mark.parametrize("order", list(NormOrder))
def test_batched_is_one_by_one(order: NormOrder) -> None:
    model, batch = make(dataclasses.replace(CONFIG, norm_order=order)), images(5)
    with torch.inference_mode():
        together = model(batch)
        alone = [model(batch[i : i + 1]) for i in range(5)]
    for part in range(3):
        torch.testing.assert_close(together[part], torch.cat([o[part] for o in alone]), rtol=1e-4, atol=1e-4)
    assert together.landmarks.std(dim=0).max() > 0.1  # the images do differ


def test_memory_format_does_not_matter() -> None:
    model, batch = make(), images(2)
    with torch.inference_mode():
        plain = model(batch)
        last = model.to(memory_format=torch.channels_last)(batch.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(plain.logits, last.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(plain.landmarks, last.landmarks, rtol=1e-4, atol=1e-4)


def test_geometry_stays_float32_under_autocast() -> None:
    model, batch = make(spread=0), images(2)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        output = model(batch)
    assert output.landmarks.dtype == output.landmarks_stage1.dtype == torch.float32
    torch.testing.assert_close(output.landmarks, model.mean_shape.expand(2, -1, -1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("order", list(NormOrder))
def test_every_weight_learns_from_the_joint_loss(order: NormOrder) -> None:
    model = make(dataclasses.replace(CONFIG, norm_order=order)).train()
    output = model(images(6))
    target = model.mean_shape.expand(6, -1, -1)
    valid = torch.ones(6, dtype=torch.bool)
    joint_loss(output.landmarks, output.logits, target, torch.arange(6), valid).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # A bias before batch normalisation is taken out again with the mean.
        if not (order is NormOrder.BN_RELU and name.endswith(".0.bias")):
            assert parameter.grad.abs().max() > 0, name


def test_the_emotion_teaches_stage_1_through_the_landmarks_too() -> None:
    model = make()
    landmarks, feature = model.stage1(images(1), model.mean_shape)
    landmarks = landmarks.detach().requires_grad_()
    _, logits = model.stage2(images(1), landmarks, feature.detach(), model.mean_shape)
    logits[0, 1].backward()
    assert landmarks.grad is not None
    assert torch.isfinite(landmarks.grad).all()
    assert landmarks.grad.abs().max() > 0


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 3, 32, 32), (1, 1, 48, 48), (1, 1, 32, 48)])
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected images of shape \(N, 1, 32, 32\), got"):
        make()(torch.zeros(shape))


def test_mean_shape_of_other_size_is_refused() -> None:
    with pytest.raises(ValueError, match="mean shape"):
        EmotionalDAN(CONFIG, torch.zeros(51, 2))


def test_reference_configuration_is_the_published_one() -> None:
    config = ModelConfig()
    assert (config.image_size, config.channels, config.feature_width) == (224, (64, 128, 256, 512), 256)
    assert (config.norm_order, config.bn_eps, config.heatmap_half_px) == (NormOrder.RELU_BN, 1e-3, 8)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image_size", 40),
        ("image_size", 16),
        ("width", 0.0),
        ("num_emotions", 8),
        ("num_landmarks", 51),
        ("feature_width", 4),
        ("dropout", 1.0),
        ("heatmap_half_px", 9),
        ("norm_order", "relu"),
    ],
)
def test_impossible_configurations_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=str(value)):
        ModelConfig.from_dict({**CONFIG.to_dict(), key: value})


def test_configuration_survives_being_stored() -> None:
    assert ModelConfig.from_dict(CONFIG.to_dict()) == CONFIG
    with pytest.raises(ValueError, match=r"unknown model setting widht; known are bn_eps, .*, width"):
        ModelConfig.from_dict({"widht": 1.0})
