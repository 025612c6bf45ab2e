"""The three networks of MTCNN, made ready for uint8 BGR images.

Architecture: Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks", 2016. The weights are those that the package facenet-pytorch carries; that package is not
imported, because importing it costs more than a second (it brings torchvision), only its files are
read.

Beside the weights nothing is taken as it comes: the colour order and the input scaling
``(x - 127.5) / 128`` live in the first convolution of each network, so that a camera image is neither
converted nor normalised, and everything runs channels-last, which is how such an image lies in memory
(half the time of the usual layout on CPUs, where the wide, shallow first layers dominate).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from emotional_dan_ros.core.errors import UserError

#: Step between two windows that the first network judges, px.
PROPOSAL_STRIDE_PX = 2
#: Sides of the crops that the second and the third network judge, px.
REFINE_CROP_PX = 24
OUTPUT_CROP_PX = 48


class MaxPool(nn.Module):
    """The greatest of each window, every second px; the last window of a row or column may reach over the border.

    What ``nn.MaxPool2d(size, 2, ceil_mode=True)`` gives, which goes through each window by itself: for a number of
    channels that is no multiple of 16 that takes, on CPUs, up to eight times as long as comparing whole rows.

    Args:
        size: side of the window, px.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, ceil((H - size) / 2) + 1, ceil((W - size) / 2) + 1)."""
        if x.is_cuda:
            return nn.functional.max_pool2d(x, self.size, 2, ceil_mode=True)
        return self._along(self._along(x, 2), 3)

    def _along(self, x: Tensor, dim: int) -> Tensor:
        length = -(-(x.shape[dim] - self.size) // 2) + 1
        first, *others = (_every_second(x, dim, offset, length) for offset in range(self.size))
        for other in others:
            if other.shape[dim] == length:
                first = torch.maximum(first, other)
            else:  # the last window is cut off by the border
                inside = torch.maximum(first.narrow(dim, 0, length - 1), other)
                first = torch.cat([inside, first.narrow(dim, length - 1, 1)], dim)
        return first


def _every_second(x: Tensor, dim: int, offset: int, at_most: int) -> Tensor:
    part = x[:, :, offset::2] if dim == 2 else x[:, :, :, offset::2]
    return part.narrow(dim, 0, min(at_most, part.shape[dim]))


class ProposalNet(nn.Module):
    """First network: slides over an image and judges each 12 px window."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = MaxPool(2)
        self.conv2 = nn.Conv2d(10, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Judge every window of float BGR images (N, 3, H, W), 0..255.

        Returns:
            Logit of "face" (N, h, w) and box offsets (N, 4, h, w) in units of the window.
        """
        x = self.pool1(self.prelu1(self.conv1(image)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        classes = self.conv4_1(x)
        return classes[:, 1] - classes[:, 0], self.conv4_2(x)


class RefineNet(nn.Module):
    """Second network: judges 24 px crops and corrects their boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 28, 3)
        self.prelu1 = nn.PReLU(28)
        self.pool1 = MaxPool(3)
        self.conv2 = nn.Conv2d(28, 48, 3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, 2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Judge float BGR crops (N, 3, 24, 24), 0..255: logit of "face" (N,), box offsets (N, 4)."""
        x = self.pool1(self.prelu1(self.conv1(crops)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_columns_first(x)))
        classes = self.dense5_1(x)
        return classes[:, 1] - classes[:, 0], self.dense5_2(x)


class OutputNet(nn.Module):
    """Third network: judges 48 px crops, corrects their boxes and says where the five keypoints are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, 2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(1152, 256)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge float BGR crops (N, 3, 48, 48), 0..255.

        Returns:
            Logit of "face" (N,), box offsets (N, 4) and keypoints (N, 5, 2) as x, y; offsets and
            keypoints in units of the box.
        """
        x = self.pool1(self.prelu1(self.conv1(crops)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_columns_first(x)))
        classes = self.dense6_1(x)
        keypoints = self.dense6_3(x).reshape(-1, 2, 5).transpose(1, 2)
        return classes[:, 1] - classes[:, 0], self.dense6_2(x), keypoints


def _columns_first(x: Tensor) -> Tensor:
    """Flatten (N, C, H, W) in the order W, H, C, which the published dense layers expect."""
    return x.permute(0, 3, 2, 1).flatten(1)


@dataclass(frozen=True)
class MtcnnNets:
    """The three networks, on one device, ready for float BGR images 0..255."""

    proposal: ProposalNet
    refine: RefineNet
    output: OutputNet


def load_nets(device: torch.device) -> MtcnnNets:
    """Read the published weights onto a device.

    Raises:
        UserError: the package that carries the weights is not installed.
    """
    folder = _weights_folder()
    nets = MtcnnNets(ProposalNet(), RefineNet(), OutputNet())
    for net, name in ((nets.proposal, "pnet.pt"), (nets.refine, "rnet.pt"), (nets.output, "onet.pt")):
        net.load_state_dict(torch.load(folder / name, map_location="cpu", weights_only=True))
        _take_bgr_bytes(net.conv1)
        net.requires_grad_(False).eval().to(device).to(memory_format=torch.channels_last)
    return nets


def _weights_folder() -> Path:
    spec = find_spec("facenet_pytorch")
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders or not (Path(folders[0]) / "data" / "pnet.pt").is_file():
        raise UserError(
            "expected the face detector's weights in the Python package facenet-pytorch, got none; "
            "do: pip install --no-deps facenet-pytorch==2.5.3"
        )
    return Path(folders[0]) / "data"


def _take_bgr_bytes(conv: nn.Conv2d) -> None:
    """Let a convolution made for RGB in -1..1 take BGR in 0..255; exact, as it does not pad."""
    with torch.no_grad():
        weight = conv.weight.flip(1) / 128.0
        conv.bias = nn.Parameter(cast("Tensor", conv.bias) - 127.5 * weight.sum(dim=(1, 2, 3)))
        conv.weight.copy_(weight)
