"""The network on a GPU: batches of fixed sizes, recorded once as CUDA graphs and replayed.

At these sizes a GPU computes faster than Python can tell it what to do. A graph is told once; what remains for each
batch is one copy to the device, one launch and one copy back, after which the host waits for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros.core.types import CROP_SIZE_PX

#: Batches are padded to the next of these; larger ones are computed without a graph.
GRAPH_SIZES: tuple[int, ...] = (1, 2, 4, 8)
_WARM_UP_ROUNDS = 3

Step = Callable[[], None]
#: Turns a step on fixed tensors into one that repeats it.
Recorder = Callable[[Step], Step]


class StaticBatchEngine:
    """Runs a network on batches of any size; see `Engine`.

    Args:
        network: uint8 (N, 112, 112) -> float32 (N, K), both on the device, without synchronising.
        device: of the network.
        sizes: batch sizes to record, ascending.
        record: how; None for CUDA graphs on CUDA devices and plain repetition on others.

    A graph is recorded when a batch of its size comes for the first time.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        device: torch.device,
        sizes: Sequence[int] = GRAPH_SIZES,
        record: Recorder | None = None,
    ) -> None:
        self._network = network
        self._device = device
        self._sizes = tuple(sizes)
        on_cuda = device.type == "cuda"
        self._record = record or (record_cuda_graph if on_cuda else repeat)
        self._stream = torch.cuda.Stream(device) if on_cuda else None
        if self._stream is not None:
            # The network's tensors may still be on their way to the device.
            self._stream.wait_stream(torch.cuda.current_stream(device))
        self._batches: dict[int, _StaticBatch] = {}

    @torch.inference_mode()
    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            return self._batch_for(len(crops))(crops)

    def _batch_for(self, count: int) -> _StaticBatch:
        size = next((s for s in self._sizes if s >= count), None)
        if size is None:
            # Large batches keep the device busy by themselves, and each size would hold memory of its own.
            return _StaticBatch(self._network, count, self._device, repeat, self._stream)
        if size not in self._batches:
            self._batches[size] = _StaticBatch(self._network, size, self._device, self._record, self._stream)
        return self._batches[size]


class _StaticBatch:
    """One batch size with its memory on both sides."""

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        size: int,
        device: torch.device,
        record: Recorder,
        stream: torch.cuda.Stream | None,
    ) -> None:
        # Copies from and to memory that is not pinned make the host wait.
        pinned = device.type == "cuda"
        shape = (size, CROP_SIZE_PX, CROP_SIZE_PX)
        self._stream = stream
        self._host_crops = torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned)
        self._crops = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._host_result: Tensor | None = None
        self._result: Tensor | None = None

        def step() -> None:
            self._result = network(self._crops)

        self._replay = record(step)
        self._pinned = pinned

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        count = len(crops)
        # Rows beyond the count keep what they held: rows do not touch each other.
        self._host_crops.numpy()[:count] = crops
        self._crops.copy_(self._host_crops, non_blocking=True)
        self._replay()
        assert self._result is not None
        if self._host_result is None:
            self._host_result = torch.empty(self._result.shape, dtype=self._result.dtype, pin_memory=self._pinned)
        self._host_result.copy_(self._result, non_blocking=True)
        if self._stream is not None:
            self._stream.synchronize()
        return self._host_result[:count].numpy().copy()


def repeat(step: Step) -> Step:
    """A `Recorder` that records nothing: the step itself, for devices without graphs."""
    return step


def record_cuda_graph(step: Step) -> Step:
    """A `Recorder` of CUDA graphs; to be called on the stream that is to run them."""
    # Libraries choose their algorithms and allocate in the first rounds, which a graph must not hold.
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=torch.backends.cudnn.allow_tf32):
        for _ in range(_WARM_UP_ROUNDS):
            step()
        torch.cuda.current_stream().synchronize()
        graph = torch.cuda.CUDAGraph()
        # Other threads (the detector's) go on meanwhile.
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            step()
    return graph.replay
