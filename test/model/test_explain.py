"""Grad-CAM against its definition computed another way, and where its maps lie."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from emotional_dan_ros.model.config import ModelConfig
from emotional_dan_ros.model.explain import LAYERS, GradCam, Method
from emotional_dan_ros.model.network import EmotionalDAN

CONFIG = ModelConfig(image_size=32, width=0.125, feature_width=16, heatmap_half_px=4)


def make(spread: float = 0.0) -> EmotionalDAN:
    torch.manual_seed(3)
    model = EmotionalDAN(CONFIG, 8 + 16 * torch.rand(68, 2))
    nn.init.normal_(model.stage1.landmarks.weight, std=spread)
    return model.eval()


def images(count: int) -> Tensor:
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def hooked_cam(model: EmotionalDAN, module: nn.Module, batch: Tensor, target: int, method: Method) -> Tensor:
    """The map in the layer's own resolution, by hooks on the whole network: the textbook way."""
    kept: dict[str, Tensor] = {}

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        output.retain_grad()
        kept["activation"] = output

    handle = module.register_forward_hook(keep)
    model(batch).logits[:, target].sum().backward()
    handle.remove()
    activation = kept["activation"]
    assert activation.grad is not None
    cam = torch.zeros_like(activation[:, 0])
    for channel in range(activation.shape[1]):
        gradient = activation.grad[:, channel]
        weight = gradient if method is Method.HIRES_CAM else gradient.mean(dim=(1, 2))[:, None, None]
        cam = cam + weight * activation[:, channel]
    cam = cam.clamp_min(0)
    model.zero_grad()
    return (cam / cam.amax(dim=(1, 2), keepdim=True)).detach()


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize(("layer", "block", "conv"), [("conv4a", 3, 0), ("conv3b", 2, 1), ("conv1a", 0, 0)])
def test_is_the_textbook_map_where_the_transform_is_the_identity(
    layer: str, block: int, conv: int, method: Method
) -> None:
    model, batch = make(), images(3)
    expected = hooked_cam(model, model.stage2.trunk.blocks[block][conv], batch, 2, method)
    maps = GradCam(model, layer, method)(batch, torch.full((3,), 2)).maps
    upsampled = nn.functional.interpolate(expected[:, None], size=(32, 32), mode="bilinear")[:, 0]
    # The last row and column repeat, as everywhere in the resampling.
    torch.testing.assert_close(maps[:, :31, :31], upsampled[:, :31, :31], rtol=1e-4, atol=1e-4)


def test_maps_follow_the_face_back_into_the_input() -> None:
    # Stage 1 says the mean shape moved by (6, -3); stage 2 therefore sees the image moved by (-6, 3), and its
    # map has to be moved back.
    model = make()
    nn.init.zeros_(model.stage2.feature.weight)  # what stage 1 sees differs below; stage 2 must not know
    straight_input, moved_input = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    straight_input[..., 9:25, 9:23] = images(1)[..., :16, :14]
    moved_input[..., 6:22, 15:29] = images(1)[..., :16, :14]
    straight = GradCam(model)(straight_input, torch.tensor([1])).maps
    with torch.no_grad():
        model.stage1.landmarks.bias.copy_(torch.tensor([6.0, -3.0]).repeat(68))
    moved = GradCam(model)(moved_input, torch.tensor([1])).maps
    torch.testing.assert_close(moved[0, :28, 6:31], straight[0, 3:31, :25], rtol=1e-3, atol=1e-3)
    assert straight[0, 3:31, :25].max() > 0.5
    assert (moved[0, :, :6] == 0).all()  # left of what stage 2 sees
    assert (moved[0, 29:, :] == 0).all()  # and below it


def test_range_classes_and_batches() -> None:
    model, batch = make(spread=0.3), images(5)
    explained = GradCam(model)(batch)
    with torch.inference_mode():
        logits = model(batch).logits
    torch.testing.assert_close(explained.logits, logits, rtol=1e-4, atol=1e-5)
    assert explained.classes.tolist() == logits.argmax(dim=1).tolist()
    assert explained.maps.shape == (5, 32, 32)
    assert explained.maps.min() >= 0
    assert 0.5 < explained.maps.max() <= 1
    alone = torch.cat([GradCam(model)(batch[i : i + 1]).maps for i in range(5)])
    torch.testing.assert_close(explained.maps, alone, rtol=1e-3, atol=1e-3)


def test_nothing_that_speaks_for_the_class_is_an_empty_map() -> None:
    model = make()
    with torch.no_grad():
        model.stage2.emotion.weight.zero_()
    assert (GradCam(model)(images(2)).maps == 0).all()


def test_leaves_no_gradients_behind() -> None:
    model = make()
    GradCam(model)(images(1))
    assert all(p.grad is None for p in model.parameters())


def test_all_layers_work_and_others_are_refused() -> None:
    model = make()
    for layer in LAYERS:
        assert torch.isfinite(GradCam(model, layer)(images(1)).maps).all()
    with pytest.raises(ValueError, match=r"conv1a, .*, conv4b, got 'conv5a'"):
        GradCam(model, "conv5a")
