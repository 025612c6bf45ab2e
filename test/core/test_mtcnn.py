"""The three networks against facenet-pytorch's own, on the same crops."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from emotional_dan_ros.core import mtcnn
from emotional_dan_ros.core.errors import UserError

facenet = pytest.importorskip("facenet_pytorch.models.mtcnn")


@pytest.fixture(scope="module")
def nets() -> mtcnn.MtcnnNets:
    return mtcnn.load_nets(torch.device("cpu"))


def bgr_bytes(count: int, height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(7)).float()


def as_facenet_wants(bgr: torch.Tensor) -> torch.Tensor:
    return (bgr.flip(1) - 127.5) * 0.0078125


@torch.inference_mode()
@pytest.mark.parametrize("size", [(12, 12), (13, 40), (61, 33)])
def test_proposals(nets: mtcnn.MtcnnNets, size: tuple[int, int]) -> None:
    images = bgr_bytes(2, *size)
    offsets, probabilities = facenet.PNet()(as_facenet_wants(images))
    logits, own_offsets = nets.proposal(images)
    assert_close(torch.sigmoid(logits), probabilities[:, 1], atol=1e-5, rtol=1e-4)
    assert_close(own_offsets, offsets, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("count", [1, 5])
def test_refinement(nets: mtcnn.MtcnnNets, count: int) -> None:
    crops = bgr_bytes(count, 24, 24)
    offsets, probabilities = facenet.RNet()(as_facenet_wants(crops))
    logits, own_offsets = nets.refine(crops)
    assert_close(torch.sigmoid(logits), probabilities[:, 1], atol=1e-5, rtol=1e-4)
    assert_close(own_offsets, offsets, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("count", [1, 5])
def test_output(nets: mtcnn.MtcnnNets, count: int) -> None:
    crops = bgr_bytes(count, 48, 48)
    offsets, points, probabilities = facenet.ONet()(as_facenet_wants(crops))
    logits, own_offsets, keypoints = nets.output(crops)
    assert_close(torch.sigmoid(logits), probabilities[:, 1], atol=1e-5, rtol=1e-4)
    assert_close(own_offsets, offsets, atol=1e-5, rtol=1e-4)
    # facenet-pytorch gives all x, then all y.
    assert_close(keypoints, torch.stack([points[:, :5], points[:, 5:]], dim=2), atol=1e-5, rtol=1e-4)


def test_without_the_package_of_the_weights_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mtcnn, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install --no-deps facenet-pytorch==2\.5\.3") as caught:
        mtcnn.load_nets(torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_a_package_without_the_weights_counts_as_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class EmptyPackage:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(mtcnn, "find_spec", lambda name: EmptyPackage)
    with pytest.raises(UserError, match="expected the face detector's weights"):
        mtcnn.load_nets(torch.device("cpu"))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(
    "shape", [(1, 10, 8, 9), (2, 3, 9, 8), (1, 28, 22, 22), (1, 4, 5, 7), (1, 2, 3, 4), (2, 1, 6, 3)]
)
def test_the_pooling_is_that_of_pytorch(size: int, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=torch.channels_last)
    assert torch.equal(mtcnn.MaxPool(size)(x), torch.nn.functional.max_pool2d(x, size, 2, ceil_mode=True))
