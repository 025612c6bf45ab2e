"""Seeded weights for the port's proof: the same numbers wherever and whenever they are made.

Every variable is made from its name alone, in any order. The numbers come from the raw 64-bit output of
PCG64, which NumPy promises never to change (unlike the distributions built on it). `recorded` holds what the
published TensorFlow graph answered with these weights; see docs/port.md.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
NUM_LANDMARKS = 68


def uniform(seed: int, name: str, shape: tuple[int, ...], low: float = -1.0, high: float = 1.0) -> NDArray[np.float32]:
    """Numbers in ``low .. high``, a function of seed, name and shape."""
    raw = np.random.PCG64([seed, zlib.crc32(name.encode())]).random_raw(int(np.prod(shape, dtype=np.int64)))
    unit = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return (low + (high - low) * unit).astype(np.float32).reshape(shape)


def mean_shape(seed: int, size: int) -> NDArray[np.float32]:
    """68 points (x, y) spread over the middle of an image of side ``size``, px."""
    return uniform(seed, "MeanShape", (NUM_LANDMARKS, 2), 0.25 * size, 0.75 * size)


def images(seed: int, count: int, size: int) -> NDArray[np.float32]:
    """Standardised-looking pictures (N, S, S, 1): noise on top of smooth waves."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    waves = uniform(seed, "waves", (count, 3, 1, 1), 2.0, 9.0)
    smooth = np.sin(waves[:, 0] * x + waves[:, 1]) + np.cos(waves[:, 2] * y - waves[:, 0] * x)
    noise = uniform(seed, "InputImage", (count, size, size), -0.5, 0.5)
    return (smooth + noise).astype(np.float32)[..., None]


def similarity_moves(shape: NDArray[np.float32]) -> NDArray[np.float32]:
    """(4, 136): how the points of ``shape`` move per unit of x, y, angle (rad) and scale."""
    centred = shape - shape.mean(axis=0)
    turned = np.stack([-centred[:, 1], centred[:, 0]], axis=1)
    ones = np.ones(len(shape), dtype=np.float32)
    shift = [np.stack([ones, 0 * ones], axis=1), np.stack([0 * ones, ones], axis=1)]
    return np.stack([m.reshape(-1) for m in (*shift, turned, centred)])


def variable(seed: int, size: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Weights of one variable of the published graph.

    Kernels are scaled to keep activations near 1; statistics of batch normalisation are far from 0 and 1. What
    stage 1 adds to the mean shape is mostly shift, rotation and scale, different for each image, so that the
    transform between the stages is far from the identity; larger factors there would lift the rounding of float32
    at 224 px over 1e-4.
    """
    kind = name.rsplit("/", 1)[-1].removesuffix(":0")
    ranges = {"gamma": (0.6, 1.4), "beta": (-0.3, 0.3), "moving_mean": (-0.1, 0.6), "moving_variance": (0.4, 1.6)}
    if kind in ranges:
        return uniform(seed, name, shape, *ranges[kind])
    landmarks = shape[-1] == 2 * NUM_LANDMARKS
    if kind == "bias":
        bias = uniform(seed, name, shape, -0.2, 0.2)
        if landmarks and name.startswith("Stage1"):
            bias += np.array([0.04 * size, -0.03 * size, 0.25, 0.15], np.float32) @ similarity_moves(
                mean_shape(seed, size)
            )
        return bias
    fan_in = int(np.prod(shape[:-1]))
    kernel = uniform(seed, name, shape) * np.float32(np.sqrt(6.0 / fan_in))
    if not name.split("/")[1].startswith("conv") and shape[-1] <= 2 * NUM_LANDMARKS:
        kernel *= np.float32(0.2)
    if landmarks and name.startswith("Stage1"):
        parts = uniform(seed, name + "/parts", (shape[0], 4)) / np.float32(np.sqrt(shape[0]))
        parts *= np.array([0.02 * size, 0.02 * size, 0.06, 0.04], np.float32)
        kernel += parts @ similarity_moves(mean_shape(seed, size))
    return kernel


def variables(seed: int, size: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """All of them."""
    return {name: variable(seed, size, name, tuple(shape)) for name, shape in shapes.items()}


def recorded(size: int) -> tuple[dict[str, NDArray[np.float32]], dict[str, tuple[int, ...]], int]:
    """What the published graph answered at image size ``size``: outputs, variable shapes, seed."""
    with np.load(DATA / f"published_graph_{size}px.npz", allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    about = json.loads(str(arrays.pop("about")))
    return arrays, {name: tuple(shape) for name, shape in about["variables"].items()}, about["seed"]
