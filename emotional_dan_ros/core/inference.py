"""How EmotionalDAN is run: precision, threads and batches, on the CPU or a GPU."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.inference_cpu import CpuEngine
from emotional_dan_ros.core.inference_cuda import StaticBatchEngine
from emotional_dan_ros.core.inference_network import InferenceNetwork
from emotional_dan_ros.core.single_threads import SingleThreads
from emotional_dan_ros.model.network import EmotionalDAN

#: Instructions (names of /proc/cpuinfo; x86, then Arm) that multiply bfloat16. Where they are missing it is emulated,
#: which is slower than float32.
_BFLOAT16_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


class Precision(str, Enum):
    """Precision of the convolutions."""

    #: bfloat16 on processors that have instructions for it, float16 on GPUs, float32 elsewhere.
    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    #: On GPUs alone.
    FLOAT16 = "float16"


PRECISIONS: tuple[str, ...] = tuple(p.value for p in Precision)


class Engine(Protocol):
    """Runs the network on a batch."""

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Landmarks and logits of aligned crops.

        Args:
            crops: uint8 (N, 112, 112), N at least 1.

        Returns:
            (N, 2 * L + C): landmarks (x0, y0, x1, ...) in px of the crop, then logits. Nobody else writes to it.
        """
        ...


def make_engine(model: EmotionalDAN, device: torch.device, dtype: torch.dtype, num_threads: int = 1) -> Engine:
    """The engine for a device.

    Args:
        model: in evaluation mode.
        device: where to compute.
        dtype: of the convolutions; see `choose_dtype`.
        num_threads: of the processor, where it computes.
    """
    if device.type == "cpu":
        threads = SingleThreads(num_threads)
        return CpuEngine(threads.run(lambda: InferenceNetwork(model, dtype, device)), threads)
    return StaticBatchEngine(InferenceNetwork(model, dtype, device), device)


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype that a `Precision` means on a device.

    Raises:
        UserError: a precision that is unknown or that the device does not have.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == Precision.AUTO:
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if processor_has_bfloat16() else torch.float32
    if precision == Precision.FLOAT16 and device.type == "cpu":
        raise UserError("precision: float16 is for GPUs; set precision to auto, float32 or bfloat16, or device to cuda")
    dtype = getattr(torch, Precision(precision).value)
    assert isinstance(dtype, torch.dtype)
    return dtype


@lru_cache(maxsize=1)
def processor_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 by itself and PyTorch can make use of it."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return torch.backends.mkldnn.is_available() and names_bfloat16(cpuinfo)


def names_bfloat16(cpuinfo: str) -> bool:
    """Whether the text of Linux's /proc/cpuinfo names instructions for bfloat16."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    flags = {flag for key, _, value in lines if key.strip() in ("flags", "Features") for flag in value.split()}
    return not _BFLOAT16_INSTRUCTIONS.isdisjoint(flags)
