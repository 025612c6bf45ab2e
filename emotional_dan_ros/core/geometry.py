"""Plane similarity and affine transforms on points.

An affine is a float32 (2, 3) matrix ``A`` that maps column points: ``q = A[:, :2] @ p + A[:, 2]``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def similarity_transform(src: NDArray[np.floating], dst: NDArray[np.floating]) -> NDArray[np.float32]:
    """Least-squares similarity (rotation, uniform scale, translation) that maps ``src`` to ``dst``.

    Reflections are not considered, as in Umeyama (1991) with the sign of the determinant fixed.

    Args:
        src: (N, 2) points, N >= 2, not all the same.
        dst: (N, 2) points.

    Returns:
        float32 (2, 3) affine.

    Raises:
        ValueError: the shapes differ or the source points coincide.
    """
    p = np.asarray(src, dtype=np.float64)
    q = np.asarray(dst, dtype=np.float64)
    if p.shape != q.shape or p.ndim != 2 or p.shape[1] != 2 or len(p) < 2:
        raise ValueError(f"expected two (N, 2) arrays with N >= 2, got {p.shape} and {q.shape}")
    p_mean, q_mean = p.mean(axis=0), q.mean(axis=0)
    pc, qc = p - p_mean, q - q_mean
    norm = float((pc * pc).sum())
    if norm < 1e-12:
        raise ValueError("the source points coincide: no similarity is defined")
    a = float((pc * qc).sum()) / norm
    b = float((pc[:, 0] * qc[:, 1] - pc[:, 1] * qc[:, 0]).sum()) / norm
    # Plain numbers here and below: with arrays of six, NumPy would take most of the time of following a face.
    (px, py), (qx, qy) = p_mean.tolist(), q_mean.tolist()
    return np.array([[a, -b, qx - a * px + b * py], [b, a, qy - b * px - a * py]], dtype=np.float32)


def apply_affine(points: NDArray[np.floating], affine: NDArray[np.floating]) -> NDArray[np.float32]:
    """Map points (..., 2) by a (2, 3) affine; float32 of the same shape."""
    a = np.asarray(affine, dtype=np.float64)
    return (np.asarray(points, dtype=np.float64) @ a[:, :2].T + a[:, 2]).astype(np.float32)


def invert_affine(affine: NDArray[np.floating]) -> NDArray[np.float32]:
    """Inverse of a (2, 3) affine.

    Raises:
        ValueError: the affine is singular.
    """
    (a, b, x), (c, d, y) = np.asarray(affine, dtype=np.float64).tolist()
    det = a * d - b * c
    if abs(det) < 1e-12:
        raise ValueError("the affine is singular: it has no inverse")
    a, b, c, d = d / det, -b / det, -c / det, a / det
    return np.array([[a, b, -a * x - b * y], [c, d, -c * x - d * y]], dtype=np.float32)


def compose_affine(outer: NDArray[np.floating], inner: NDArray[np.floating]) -> NDArray[np.float32]:
    """The affine that applies ``inner`` first and ``outer`` after it."""
    (a, b, x), (c, d, y) = np.asarray(outer, dtype=np.float64).tolist()
    (e, f, u), (g, h, v) = np.asarray(inner, dtype=np.float64).tolist()
    rows = [[a * e + b * g, a * f + b * h, a * u + b * v + x], [c * e + d * g, c * f + d * h, c * u + d * v + y]]
    return np.array(rows, dtype=np.float32)


def affine_scale(affine: NDArray[np.floating]) -> float:
    """Geometric-mean scale of an affine: output px per input px."""
    (a, b, _), (c, d, _) = np.asarray(affine, dtype=np.float64).tolist()
    return math.sqrt(abs(a * d - b * c))
