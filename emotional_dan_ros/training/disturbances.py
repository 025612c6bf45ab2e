"""What cabin cameras do to a picture of a face: little light, infrared lamps, blur, things in front of it.

Everything works on batches, float (N, 1, S, S) with intensities 0 .. 1, on the device where they are; random numbers
come from a CPU generator, so that a run repeats on any machine. Where a face is not chosen it comes back as it was.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_MOUTH, _EYES = tuple(range(48, 68)), tuple(range(36, 48))
_SIDES = ((*range(8), *range(17, 22), *range(36, 42), 48), (*range(9, 17), *range(22, 27), *range(42, 48), 54))
#: iBUG landmarks of what may be hidden: half as often one of the two sides as the mouth or the eyes.
_PARTS: tuple[tuple[int, ...], ...] = (_MOUTH, _MOUTH, _EYES, _EYES, *_SIDES)
#: Electrons at white of the darkest and the brightest picture that counts as dark, and a sensor's read noise.
_ELECTRONS, _READ_NOISE = (15.0, 250.0), 2.5


def side_light(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """Linear shading across the face, in any direction."""
    count, size, device = len(images), images.shape[-1], images.device
    angle = _uniform(rng, device, count) * 2 * math.pi
    ramp = torch.linspace(-0.5, 0.5, size, device=device)
    shade = torch.cos(angle)[:, None, None] * ramp + torch.sin(angle)[:, None, None] * ramp[:, None]
    depth = torch.where(chosen, _uniform(rng, device, count) * 1.2, torch.zeros((), device=device))
    return images * (1.0 + depth[:, None, None, None] * shade[:, None]).clamp_min(0.05)


def infrared(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """The look of near infrared under a lamp beside the camera.

    Light enters the skin and comes back scattered, so that shading flattens; skin is bright, lips and brows stand out
    less; the lamp is brightest somewhere on the face and falls off around it. An imitation: there were no such images.
    """
    count, size, device = len(images), images.shape[-1], images.device
    coarse = F.interpolate(images, size=(max(4, size // 8),) * 2, mode="area")
    shading = F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    flat = images - 0.7 * _uniform(rng, device, count, 1, 1, 1) * (shading - shading.mean(dim=(2, 3), keepdim=True))
    bright = flat.clamp(1e-4, 1.0) ** (0.5 + 0.4 * _uniform(rng, device, count, 1, 1, 1))
    centre = 0.5 + 0.4 * (_uniform(rng, device, 2, count, 1, 1) - 0.5)
    axis = torch.linspace(0, 1, size, device=device)
    distance2 = (axis - centre[0]) ** 2 + (axis[:, None] - centre[1]) ** 2
    lamp = 1.0 / (1.0 + 4.0 * _uniform(rng, device, count, 1, 1) * distance2)
    return torch.where(chosen[:, None, None, None], bright * lamp[:, None], images)


def blur(images: Tensor, chosen: Tensor, factor: float, rng: torch.Generator) -> Tensor:
    """Detail lost to up to ``factor`` times fewer pixels."""
    size = images.shape[-1]
    # One factor for the batch: resizing needs one size, and batches are many.
    small = max(8, int(size / (1.0 + (factor - 1.0) * float(torch.rand(1, generator=rng)))))
    soft = F.interpolate(images, size=(small, small), mode="area")
    soft = F.interpolate(soft, size=(size, size), mode="bilinear", align_corners=False)
    return torch.where(chosen[:, None, None, None], soft, images)


def sensor_noise(images: Tensor, chosen: Tensor, level: float, rng: torch.Generator) -> Tensor:
    """Noise of up to ``level`` of full scale, alike in dark and bright."""
    count, device = len(images), images.device
    scale = torch.where(chosen, _uniform(rng, device, count) * level, torch.zeros((), device=device))
    return images + scale[:, None, None, None] * torch.randn(images.shape, generator=rng).to(device)


def darkness(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """Little light, amplified: shot noise of 15 to 250 electrons at white, and 2.5 electrons of read noise.

    The grain is that of the camera's pixels, which are as large as the network's or up to twice as large. Intensities
    are clipped as the camera clips them.
    """
    count, size, device = len(images), images.shape[-1], images.device
    low, high = (math.log(e) for e in _ELECTRONS)
    white = torch.exp(low + (high - low) * _uniform(rng, device, count, 1, 1, 1))
    side = int(size * (0.5 + 0.5 * float(torch.rand(1, generator=rng))))
    grain = torch.randn(count, 1, side, side, generator=rng).to(device)
    grain = F.interpolate(grain, size=(size, size), mode="bilinear", align_corners=False)
    grain = grain / grain.std(dim=(2, 3), keepdim=True)
    noisy = images + torch.sqrt(images.clamp_min(0) / white + (_READ_NOISE / white) ** 2) * grain
    return torch.where(chosen[:, None, None, None], noisy.clamp(0, 1), images)


def hide_anything(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """A plain rectangle anywhere, 16 to 44 % of the crop's sides (cutout, DeVries and Taylor 2017)."""
    count, size, device = len(images), images.shape[-1], images.device
    centre = _uniform(rng, device, 2, count) * size
    half = (0.08 + 0.14 * _uniform(rng, device, 2, count)) * size
    patch = chosen[:, None, None, None] & _boxes(centre - half, centre + half, size)
    return torch.where(patch, _uniform(rng, device, count, 1, 1, 1), images)


def hide_part(images: Tensor, landmarks: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """The mouth, the eyes or one side of the face behind something uneven, as a hand, a mask or sunglasses.

    Args:
        images: see the module.
        landmarks: (N, 68, 2) px of ``images``; where they are arbitrary, so is what is hidden.
        chosen: bool (N,).
        rng: CPU generator.
    """
    count, size, device = len(images), images.shape[-1], images.device
    part = torch.randint(len(_PARTS), (count,), generator=rng).to(device)
    low, high = torch.empty(2, count, device=device), torch.empty(2, count, device=device)
    for number, indices in enumerate(_PARTS):
        points = landmarks[:, list(indices)]
        mine = part == number
        low = torch.where(mine, points.amin(dim=1).T, low)
        high = torch.where(mine, points.amax(dim=1).T, high)
    margin = (0.25 * _uniform(rng, device, count) * (high - low).amax(dim=0)).clamp_min(1)
    texture = F.interpolate(torch.randn(count, 1, 6, 6, generator=rng), size=(size, size), mode="bilinear")
    cover = _uniform(rng, device, count, 1, 1, 1) + 0.15 * _uniform(rng, device, count, 1, 1, 1) * texture.to(device)
    patch = chosen[:, None, None, None] & _boxes(low - margin, high + margin, size)
    return torch.where(patch, cover.clamp(0, 1), images)


def _uniform(rng: torch.Generator, device: torch.device, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=rng).to(device)


def _boxes(low: Tensor, high: Tensor, size: int) -> Tensor:
    """Bool (N, 1, size, size): pixels within boxes whose corners (x, y) are ``low`` and ``high``, each (2, N)."""
    pixel = torch.arange(size, device=low.device, dtype=torch.float32)
    columns = (pixel > low[0][:, None]) & (pixel < high[0][:, None])
    rows = (pixel > low[1][:, None]) & (pixel < high[1][:, None])
    return rows[:, None, :, None] & columns[:, None, None, :]
