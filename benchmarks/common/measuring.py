"""How long something takes, frame by frame."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Time of a frame.

    Attributes:
        frames: how many were measured.
        median_ms, p99_ms: wall time of a frame.
        frames_per_s: frames over the wall time of all of them.
        cpu_ms: user and system time of the measured process(es) for each frame, all threads.
        peak_mb: highest resident memory while measuring, of the measured process(es); without the test's own pictures.

    Both of the last are None where they cannot be told apart from those of other things.
    """

    frames: int
    median_ms: float
    p99_ms: float
    frames_per_s: float
    cpu_ms: float | None
    peak_mb: float | None


def measure(
    step: Callable[[int], object], seconds: float, warm_up: int = 5, min_frames: int = 20, own_bytes: int = 0
) -> Timing:
    """Call ``step(index)`` with 0, 1, 2, ... for so many seconds (and at least `min_frames` times).

    Args:
        step: what is measured; the first `warm_up` calls are not.
        seconds: how long.
        warm_up: calls before.
        min_frames: calls at least.
        own_bytes: memory of the test itself, which does not count.
    """
    for index in range(warm_up):
        step(index)
    gc.collect()
    forget_peak()
    times_s: list[float] = []
    cpu_s, began_s = time.process_time(), time.perf_counter()
    for index in count(warm_up):
        before_s = time.perf_counter()
        step(index)
        after_s = time.perf_counter()
        times_s.append(after_s - before_s)
        if after_s - began_s > seconds and len(times_s) >= min_frames:
            break
    cpu_s = time.process_time() - cpu_s
    return timing(times_s, sum(times_s), cpu_s, max(0.0, peak_mb() - own_bytes / 2**20))


def timing(
    times_s: Sequence[float], wall_s: float, cpu_s: float | None = None, memory_mb: float | None = None
) -> Timing:
    """Put measured numbers together."""
    times_ms = np.asarray(times_s) * 1e3
    return Timing(
        frames=len(times_s),
        median_ms=float(np.median(times_ms)),
        p99_ms=float(np.percentile(times_ms, 99)),
        frames_per_s=len(times_s) / wall_s,
        cpu_ms=None if cpu_s is None else cpu_s / len(times_s) * 1e3,
        peak_mb=memory_mb,
    )


def forget_peak(pid: int | str = "self") -> None:
    """Let the highest resident memory of a process begin anew (Linux)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def peak_mb(pid: int | str = "self") -> float:
    """Highest resident memory of a process since `forget_peak`."""
    return _status_kb(pid, "VmHWM") / 1024


def resident_mb(pid: int | str = "self") -> float:
    """Resident memory of a process now."""
    return _status_kb(pid, "VmRSS") / 1024


def _status_kb(pid: int | str, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))
