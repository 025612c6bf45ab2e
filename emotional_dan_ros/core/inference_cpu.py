"""The network on the CPU: faces shared out among threads, each face's network on one of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_dan_ros.core.single_threads import SingleThreads

#: Faces computed at once by a thread: more of them leave its cache.
MAX_FACES_AT_ONCE = 8
#: A batch is cut into as many parts where it has the faces. On two cores two faces together take less than one after
#: the other on each: the weights, which are most of what one face reads, pass through the cache once.
_PARTS = 2


class CpuEngine:
    """Runs a network on batches of any size; see `Engine`.

    The same batch always gives the same bits, whatever else the machine does and however many threads there are: which
    faces are computed together depends on their number and order alone.

    Args:
        network: uint8 (N, 112, 112) -> float32 (N, K).
        threads: those that compute. Make the network on one of them: in which order oneDNN wants the weights depends on
            how many threads share a layer, and weights in another order are put right in every call.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], threads: SingleThreads) -> None:
        self._network = network
        self._threads = threads

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate(self._threads.map(self._compute, [crops[part] for part in cut(len(crops))]))

    def _compute(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._network(torch.from_numpy(crops)).numpy()


def cut(count: int) -> list[slice]:
    """Which faces of a batch are computed together, in order."""
    size = max(1, min(MAX_FACES_AT_ONCE, -(-count // _PARTS)))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
