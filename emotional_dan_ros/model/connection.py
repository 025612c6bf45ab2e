"""What joins stage 1 to stage 2: similarity transform, resampling, heat map (DAN, section 3).

All functions are batched and differentiable. Products are written out element by element, not as
matrix products, because autocast would round those to half precision, which costs whole pixels. Points
are (x, y) px of the network's input with pixel
centres at integers; a transform is an affine (N, 2, 3): ``q = A[:, :, :2] @ p + A[:, :, 2]``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def similarity_to(landmarks: Tensor, mean_shape: Tensor) -> Tensor:
    """Least-squares similarity from each face's landmarks to the mean shape.

    Args:
        landmarks: (N, L, 2).
        mean_shape: (L, 2).

    Returns:
        (N, 2, 3) affine from input px to px of the canonical frame.
    """
    source_mean = landmarks.mean(dim=1, keepdim=True)
    target_mean = mean_shape.mean(dim=0)
    p = landmarks - source_mean
    q = mean_shape - target_mean
    norm = (p * p).sum(dim=(1, 2))
    a = (p * q).sum(dim=(1, 2)) / norm
    b = (p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]).sum(dim=1) / norm
    mx, my = source_mean[:, 0, 0], source_mean[:, 0, 1]
    return _similarity(a, b, target_mean[0] - (a * mx - b * my), target_mean[1] - (b * mx + a * my))


def invert_similarity(transform: Tensor) -> Tensor:
    """Inverse of similarities (N, 2, 3), in closed form so that it exports everywhere."""
    a, b = transform[:, 0, 0], transform[:, 1, 0]
    tx, ty = transform[:, 0, 2], transform[:, 1, 2]
    det = a * a + b * b
    ia, ib = a / det, -b / det
    return _similarity(ia, ib, -(ia * tx - ib * ty), -(ib * tx + ia * ty))


def transform_points(points: Tensor, transform: Tensor) -> Tensor:
    """Map points (N, L, 2) by affines (N, 2, 3)."""
    x, y = points[..., 0], points[..., 1]
    t = transform[:, :, None, :]
    return torch.stack(
        [t[:, 0, :, 0] * x + t[:, 0, :, 1] * y + t[:, 0, :, 2], t[:, 1, :, 0] * x + t[:, 1, :, 1] * y + t[:, 1, :, 2]],
        dim=-1,
    )


def resample(image: Tensor, transform: Tensor) -> Tensor:
    """Bilinear image of ``image`` in the frame that ``transform`` leads to.

    As in the original, source positions are clamped to 0 .. S-2 (not S-1), so the border repeats.

    Args:
        image: (N, C, S, S).
        transform: (N, 2, 3) from px of ``image`` to px of the result.

    Returns:
        (N, C, S, S).
    """
    size = image.shape[-1]
    inverse = invert_similarity(transform)
    axis = torch.arange(size, device=image.device, dtype=transform.dtype)
    ys, xs = torch.meshgrid(axis, axis, indexing="ij")
    pixels = torch.stack([xs, ys], dim=-1).reshape(1, size * size, 2)
    positions = transform_points(pixels.expand(image.shape[0], -1, -1), inverse).clamp(0, size - 2)
    grid = (positions * (2.0 / (size - 1)) - 1.0).reshape(-1, size, size, 2)
    sampled = F.grid_sample(image.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return sampled.to(image.dtype)


def landmark_heatmap(landmarks: Tensor, size: int, half_px: int) -> Tensor:
    """``1 / (1 + distance to the nearest landmark)`` in a square around each landmark, 0 elsewhere.

    The square of a landmark whose integer part is (i, j) covers columns i - half_px .. i + half_px - 1 and
    rows likewise; landmarks are clamped so that it lies inside the image.

    Args:
        landmarks: (N, L, 2).
        size: side of the image in px.
        half_px: half side of the square.

    Returns:
        (N, 1, size, size), differentiable in the landmarks where they are not clamped.
    """
    n = landmarks.shape[0]
    points = landmarks.clamp(half_px, size - 1 - half_px)
    whole = points.detach().floor()
    offsets = torch.arange(-half_px, half_px, device=landmarks.device, dtype=landmarks.dtype)
    fraction = points - whole
    dx = offsets - fraction[..., 0:1]
    dy = offsets - fraction[..., 1:2]
    # The distance itself has no gradient at 0; the tiny constant keeps it finite there.
    squared = dy[..., :, None].square() + dx[..., None, :].square()
    values = 1.0 / (1.0 + torch.sqrt(squared + 1e-12))
    columns = whole[..., 0:1].long() + offsets.long()
    rows = whole[..., 1:2].long() + offsets.long()
    index = (rows[..., :, None] * size + columns[..., None, :]).reshape(n, -1)
    flat = torch.zeros(n, size * size, device=landmarks.device, dtype=values.dtype)
    flat = flat.scatter_reduce(1, index, values.reshape(n, -1), reduce="amax")
    return flat.reshape(n, 1, size, size)


def _similarity(a: Tensor, b: Tensor, tx: Tensor, ty: Tensor) -> Tensor:
    """Affines (N, 2, 3) with rows (a, -b, tx) and (b, a, ty)."""
    return torch.stack([torch.stack([a, -b, tx], dim=1), torch.stack([b, a, ty], dim=1)], dim=1)
