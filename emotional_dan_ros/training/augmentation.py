"""Augmentation in batch, on the device that trains: what alignment and cameras do to a crop.

Every face is sampled from its stored crop by one random similarity (what remains after 5-point
alignment: keypoint noise, or a rough box), then disturbed as cabin cameras disturb (`disturbances`).
Brightness and contrast as such need no augmentation: the crop is standardised afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from emotional_dan_ros.core.types import CROP_SIZE_PX
from emotional_dan_ros.model.preprocess import standardise
from emotional_dan_ros.training import disturbances
from emotional_dan_ros.training.faceset import MARGIN

#: iBUG index of each landmark's mirror image.
FLIP_ORDER: tuple[int, ...] = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *(67, 66, 65),
)


@dataclass(frozen=True)
class AugmentationConfig:
    """How strongly training faces are disturbed. Standard deviations unless named otherwise.

    Attributes:
        rotation_deg: left over after alignment by keypoints.
        scale: of the natural logarithm of the scale.
        shift: fraction of the crop's side.
        rough: share of faces with `rough_factor` times that, as from a box without keypoints.
        flip: probability.
        gamma: of the natural logarithm of the exponent.
        side_light: probability of a linear shading across the face.
        blur: probability of losing detail, up to `blur_factor` times fewer pixels.
        noise: probability of sensor noise, up to `noise_level` of full scale.
        cutout: probability that a rectangle hides part of the face.
        darkness: probability of so little light that single electrons count.
        infrared: probability of the look of near infrared under a lamp.
        hidden_part: probability that the mouth, the eyes or one side of the face is hidden.
        mixup: share of faces that are blended with another before stage 2, where all are aligned (mixup, Zhang et
            al. 2018); their targets are blended alike, their landmarks do not count.
    """

    rotation_deg: float = 6.0
    scale: float = 0.06
    shift: float = 0.025
    rough: float = 0.3
    rough_factor: float = 2.0
    flip: float = 0.5
    gamma: float = 0.25
    side_light: float = 0.25
    blur: float = 0.25
    blur_factor: float = 2.5
    noise: float = 0.3
    noise_level: float = 0.06
    cutout: float = 0.35
    darkness: float = 0.0
    infrared: float = 0.0
    hidden_part: float = 0.0
    mixup: float = 0.0


@dataclass(frozen=True)
class Blend:
    """Which faces of a batch are blended, and how.

    Attributes:
        partner: int64 (N,), index of the other face.
        own: (N,), weight of the face itself, 0.5 .. 1; 1 where it is not blended.
    """

    partner: Tensor
    own: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """Blend ``values`` (N, ...) face by face."""
        own = self.own.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
        return own * values + (1 - own) * values[self.partner]


def draw_blend(config: AugmentationConfig, count: int, rng: torch.Generator, device: torch.device) -> Blend | None:
    """Partners and weights of a batch of ``count`` faces; None where blending is switched off."""
    if not config.mixup:
        return None
    chosen = torch.rand(count, generator=rng) < config.mixup
    # The larger part is the face's own, so that a blend has one main face.
    own = torch.where(chosen, 0.5 + 0.5 * torch.rand(count, generator=rng), 1.0)
    return Blend(torch.randperm(count, generator=rng).to(device), own.to(device))


def sample_crops(crops: Tensor, transform: Tensor, size: int) -> Tensor:
    """Sample network inputs from stored crops.

    Args:
        crops: float (N, B, B).
        transform: (N, 2, 3) affine from px of the result to px of ``crops``.
        size: side of the result.

    Returns:
        (N, 1, size, size).
    """
    side = crops.shape[-1]
    axis = torch.arange(size, device=crops.device, dtype=torch.float32)
    ys, xs = torch.meshgrid(axis, axis, indexing="ij")
    t = transform[:, :, :, None, None]
    positions = torch.stack([t[:, k, 0] * xs + t[:, k, 1] * ys + t[:, k, 2] for k in (0, 1)], dim=-1)
    grid = positions * (2.0 / (side - 1)) - 1.0
    return F.grid_sample(crops[:, None], grid, mode="bilinear", padding_mode="border", align_corners=True)


def plain_transform(count: int, base_px: int, size: int) -> Tensor:
    """The affine (N, 2, 3) from network px to stored-crop px that inference's alignment amounts to."""
    # Through the 112 px crop: both frames are that crop scaled about its centre.
    scale = (base_px / (CROP_SIZE_PX * MARGIN)) * (CROP_SIZE_PX / size)
    offset = (base_px - 1) / 2 - scale * (size - 1) / 2
    return torch.tensor([[scale, 0.0, offset], [0.0, scale, offset]]).repeat(count, 1, 1)


def plain_crops(crops: Tensor, size: int) -> Tensor:
    """Stored crops (N, B, B), uint8, as inference's alignment cuts them: (N, 1, size, size), grey 0 .. 1."""
    transform = plain_transform(crops.shape[0], crops.shape[-1], size).to(crops.device)
    return sample_crops(crops.float() / 255.0, transform, size)


def random_transform(config: AugmentationConfig, count: int, base_px: int, size: int, rng: torch.Generator) -> Tensor:
    """`plain_transform` disturbed: (N, 2, 3), without flips."""
    rough = torch.rand(count, generator=rng) < config.rough
    strength = torch.where(rough, config.rough_factor, 1.0)
    # Clamped at 2.5 standard deviations: beyond that the face leaves the crop and teaches nothing.
    normal = torch.randn(4, count, generator=rng).clamp(-2.5, 2.5) * strength
    angle = normal[0] * math.radians(config.rotation_deg)
    factor = torch.exp(normal[1] * config.scale)
    plain = plain_transform(count, base_px, size)
    scale = plain[:, 0, 0] * factor
    a, b = scale * torch.cos(angle), scale * torch.sin(angle)
    centre = (size - 1) / 2
    tx = (base_px - 1) / 2 - (a - b) * centre + normal[2] * config.shift * size * plain[:, 0, 0]
    ty = (base_px - 1) / 2 - (b + a) * centre + normal[3] * config.shift * size * plain[:, 0, 0]
    return torch.stack([torch.stack([a, -b, tx], 1), torch.stack([b, a, ty], 1)], 1)


def to_network_px(landmarks: Tensor, transform: Tensor) -> Tensor:
    """Landmarks (N, L, 2) of the stored crop in px of the network's input, by the inverse of ``transform``."""
    inverse = torch.linalg.inv(transform[:, :, :2].double()).float()
    return (landmarks - transform[:, None, :, 2]) @ inverse.transpose(1, 2)


class Augmenter:
    """Draws augmented batches.

    Random numbers come from a CPU generator whatever the device, so a run repeats on any machine.
    """

    def __init__(self, config: AugmentationConfig, image_size: int) -> None:
        self.config = config
        self.size = image_size
        self._flip_order = torch.tensor(FLIP_ORDER)

    def __call__(self, crops: Tensor, landmarks: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            crops: uint8 (N, B, B).
            landmarks: float32 (N, 68, 2) px of ``crops``.
            rng: CPU generator.

        Returns:
            standardised (N, 1, S, S) and landmarks (N, 68, 2) in its px.
        """
        count, device = crops.shape[0], crops.device
        transform = random_transform(self.config, count, crops.shape[-1], self.size, rng).to(device)
        images = sample_crops(crops.float() / 255.0, transform, self.size)
        points = to_network_px(landmarks, transform)
        flip = (torch.rand(count, generator=rng) < self.config.flip).to(device)
        images = torch.where(flip[:, None, None, None], images.flip(3), images)
        mirrored = points[:, self._flip_order.to(device)]
        mirrored = torch.stack([self.size - 1 - mirrored[..., 0], mirrored[..., 1]], dim=-1)
        points = torch.where(flip[:, None, None], mirrored, points)
        return standardise(self._disturb(images, points, rng)), points

    def plain(self, crops: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """The same without chance: what inference sees. Shapes as in `__call__`."""
        transform = plain_transform(crops.shape[0], crops.shape[-1], self.size).to(crops.device)
        return standardise(plain_crops(crops, self.size)), to_network_px(landmarks, transform)

    def _disturb(self, images: Tensor, points: Tensor, rng: torch.Generator) -> Tensor:
        config, count, device = self.config, images.shape[0], images.device

        def chosen(probability: float) -> Tensor:
            return (torch.rand(count, generator=rng) < probability).to(device)

        # In the order of the light's way: lamp and things before the face, lens, sensor; then what is painted over.
        gamma = torch.exp(torch.randn(count, 1, 1, 1, generator=rng) * config.gamma).to(device)
        images = images.clamp(1e-4, 1.0) ** gamma
        if config.infrared:
            images = disturbances.infrared(images, chosen(config.infrared), rng)
        if config.hidden_part:
            images = disturbances.hide_part(images, points, chosen(config.hidden_part), rng)
        images = disturbances.side_light(images, chosen(config.side_light), rng)
        images = disturbances.blur(images, chosen(config.blur), config.blur_factor, rng)
        if config.darkness:
            images = disturbances.darkness(images, chosen(config.darkness), rng)
        images = disturbances.sensor_noise(images, chosen(config.noise), config.noise_level, rng)
        return disturbances.hide_anything(images, chosen(config.cutout), rng)
