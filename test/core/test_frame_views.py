"""Views of a frame, resampled by OpenCV or by PyTorch, against a linear image whose px are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from emotional_dan_ros.core.boxes import overlaps
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.following import FaceFollower
from emotional_dan_ros.core.frame_views import DeviceViews, FrameViews, HostViews
from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.core.tracking import TrackerConfig
from emotional_dan_ros.core.types import Detection

DEVICES = [
    torch.device("cpu"),
    pytest.param(
        torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
    ),
]
pytestmark = pytest.mark.parametrize("device", DEVICES, ids=str)


@pytest.fixture(params=[HostViews, DeviceViews])
def views(request: pytest.FixtureRequest) -> type[HostViews | DeviceViews]:
    return request.param


def ramp(width: int, height: int) -> np.ndarray:
    """A smooth image that says of each px where it lies: blue by x, green by y, red constant."""
    x, y = np.meshgrid(np.linspace(20, 230, width), np.linspace(20, 230, height))
    return np.round(np.stack([x, y, np.full_like(x, 77)], axis=2)).astype(np.uint8)


def as_image(tensor: torch.Tensor) -> np.ndarray:
    """(1, 3, h, w) to (h, w, 3)."""
    (image,) = tensor.permute(0, 2, 3, 1).cpu().numpy()
    return image


@pytest.mark.parametrize("scale", [0.9, 0.5, 0.3, 0.11])
def test_a_scaled_view_covers_the_same_scene(views: type[FrameViews], device: torch.device, scale: float) -> None:
    small = as_image(views(ramp(320, 180), device).scaled(scale))
    assert small.shape == (round(180 * scale), round(320 * scale), 3)
    assert_allclose(small, ramp(*small.shape[1::-1]), atol=210 / min(small.shape[:2]) + 1)


@pytest.mark.parametrize("side", [12, 24, 48, 101, 203])
def test_crops_show_what_is_in_the_square_that_comes_with_them(
    views: type[FrameViews], device: torch.device, side: int
) -> None:
    asked = np.float32([31, 21, 31 + side, 21 + side])
    squares, crops, indices = views(ramp(321, 241), device).crops(asked[None], 24)
    assert crops.shape == (1, 3, 24, 24)
    assert indices.tolist() == [0]
    assert_allclose(squares, asked[None], atol=max(0.5, side / 24 / 2))
    crop = as_image(crops)
    # The image is linear: the mean of a square is the value at its centre, in px whose centres are at +0.5.
    centre_x, centre_y = (squares[0, :2] + squares[0, 2:]) / 2 - 0.5
    # Each halving may round a quarter of a grey level up.
    assert_allclose(crop.mean(axis=(0, 1)), [20 + 210 * centre_x / 320, 20 + 210 * centre_y / 240, 77], atol=1.0)
    assert_allclose(crop[:, -1, 0].mean() - crop[:, 0, 0].mean(), 210 / 320 * side * 23 / 24, rtol=0.1, atol=1.0)
    assert_allclose(crop[-1, :, 1].mean() - crop[0, :, 1].mean(), 210 / 240 * side * 23 / 24, rtol=0.1, atol=1.0)


def test_squares_of_several_sizes_come_in_their_order(views: type[FrameViews], device: torch.device) -> None:
    image = ramp(640, 480)
    asked = np.float32([[200, 50, 392, 242], [20, 20, 44, 44], [100, 300, 200, 400], [300, 300, 324, 324]])
    squares, crops, indices = views(image, device).crops(asked, 24)
    assert indices.tolist() == [0, 1, 2, 3]
    for square, crop in zip(squares, crops, strict=True):
        centre = ((square[:2] + square[2:]) / 2 - 0.5) / [639, 479]
        assert_allclose(crop.mean(dim=(1, 2))[:2].cpu(), 20 + 210 * centre, atol=1.0)


def test_outside_the_image_a_crop_is_black(views: type[FrameViews], device: torch.device) -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    _, crops, _ = views(white, device).crops(np.float32([[-24, -24, 24, 24]]), 48)
    crop = as_image(crops)
    assert_allclose([crop[:24].max(), crop[:, :24].max(), crop[24:, 24:].min()], [0, 0, 255], atol=0.01)


def test_squares_that_miss_the_image_are_left_out(views: type[FrameViews], device: torch.device) -> None:
    frame = views(np.zeros((50, 50, 3), np.uint8), device)
    squares, crops, indices = frame.crops(np.float32([[60, 0, 80, 20], [0, 0, 20, 20], [0, -30, 20, -10]]), 24)
    assert_array_equal(squares, [[0, 0, 20, 20]])
    assert indices.tolist() == [1]
    assert len(crops) == 1
    squares, crops, indices = frame.crops(np.zeros((0, 4), np.float32), 24)
    assert (squares.shape, crops.shape, indices.shape) == ((0, 4), (0, 3, 24, 24), (0,))


def test_grey_is_that_grey_in_three_channels(views: type[FrameViews], device: torch.device) -> None:
    grey = ramp(64, 48)[..., 0]
    frame, same = views(grey, device), views(np.stack([grey] * 3, axis=2), device)
    assert torch.equal(frame.scaled(0.4), same.scaled(0.4))
    square = np.float32([[5, 5, 40, 40]])
    assert torch.equal(frame.crops(square, 24)[1], same.crops(square, 24)[1])


def test_what_is_no_image_is_refused(views: type[FrameViews], device: torch.device) -> None:
    with pytest.raises(UserError):
        views(np.zeros((5, 5), np.float32), device)


def certain(faces: tuple[Detection, ...]) -> list[Detection]:
    """Without the weak ones that MTCNN sees here and there in cloth, with one way of resampling or another."""
    return [face for face in faces if face.score >= TrackerConfig().start_score]


def test_faces_followed_on_the_device_are_those_followed_on_the_host(device: torch.device) -> None:
    on_device = FaceFollower(FaceDetector(device=str(device), resample_on_device=True), 4)
    on_host = FaceFollower(FaceDetector(), 4)
    for i in range(6):
        image = sample_frame(2 * i)
        faces, others = (certain(follower.find(image, i * 33_000_000)) for follower in (on_device, on_host))
        assert len(faces) == len(others) == 2
        table = overlaps(np.stack([f.box_xyxy for f in faces]), np.stack([f.box_xyxy for f in others]))
        assert (table.max(axis=1) > 0.85).all()
        for face, j in zip(faces, table.argmax(axis=1), strict=True):
            distance_px = np.linalg.norm(face.keypoints_px - others[j].keypoints_px, axis=1).max()
            assert distance_px < 0.05 * (face.box_xyxy[2] - face.box_xyxy[0])
