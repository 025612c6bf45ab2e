"""What the machine can do at most, measured in the same run: matrix products and memory copy."""

from __future__ import annotations

import time

import numpy as np
import torch

_SIDES = (512, 1024, 2048)


def measure_ceilings(seconds: float = 0.3) -> dict[str, float]:
    """The largest rates seen.

    Args:
        seconds: for each kind and size.

    Returns:
        GFLOP/s of float32, bfloat16 and (GOP/s) int8 matrix products with the threads PyTorch is set to, those that
        this machine can compute; GB/s of a copy (bytes read and written).
    """
    ceilings = {}
    for name, make in {"float32": _float32, "bfloat16": _bfloat16, "int8": _int8}.items():
        rates = []
        for side in _SIDES:
            try:
                fastest_s = _fastest_s(make(side), seconds)
            except RuntimeError:  # no such kernel here
                break
            rates.append(2 * side**3 / fastest_s / 1e9)
            if fastest_s > seconds / 3:  # emulated: eight times as long for the next size would tell nothing more
                break
        if rates:
            ceilings[f"{name} GFLOP/s"] = round(max(rates), 1)
    source = np.ones(64 * 2**20, np.uint8)
    target = np.empty_like(source)
    ceilings["copy GB/s"] = round(2 * source.nbytes / _fastest_s(lambda: np.copyto(target, source), seconds) / 1e9, 1)
    return ceilings


def _float32(side: int):
    a, b = torch.randn(side, side), torch.randn(side, side)
    return lambda: torch.mm(a, b)


def _bfloat16(side: int):
    a, b = torch.randn(side, side).bfloat16(), torch.randn(side, side).bfloat16()
    return lambda: torch.mm(a, b)


def _int8(side: int):
    a, b = (torch.randint(-128, 127, (side, side), dtype=torch.int8) for _ in range(2))
    return lambda: torch._int_mm(a, b)


def _fastest_s(product, seconds: float) -> float:
    product()
    best_s, began_s = float("inf"), time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        before_s = time.perf_counter()
        product()
        best_s = min(best_s, time.perf_counter() - before_s)
    return best_s
