"""The network on the CPU: faces shared out among threads, each face's network on one of them.

Letting PyTorch share out every single layer among threads makes them meet forty times for a batch. Threads that
sleep while they wait (as they must beside other processes, see the package's comment on OpenMP) then take longer to
wake than a layer takes to compute. Here they meet once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Faces computed at once by a thread: more of them leave its cache.
MAX_FACES_AT_ONCE = 8
#: A batch is cut into as many parts where it has the faces, so that up to so many threads have work.
_PARTS = 4


class CpuEngine:
    """Runs a network on batches of any size; see `Engine`.

    The same batch always gives the same bits, whatever else the machine does and however many threads there are: which
    faces are computed together depends on their number and order alone.

    Args:
        network: uint8 (N, 112, 112) -> float32 (N, K).
        num_threads: how many compute; the settings of PyTorch for other threads stay what they are.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], num_threads: int) -> None:
        self._network = network
        self._num_threads = num_threads
        self._pool = _pool_of_single_threads(num_threads)

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [crops[part] for part in cut(len(crops))]
        if self._num_threads == 1 and torch.get_num_threads() == 1:
            return np.concatenate([self._compute(part) for part in parts])  # no better in another thread
        return np.concatenate(list(self._pool.map(self._compute, parts)))

    def _compute(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return self._network(torch.from_numpy(crops)).numpy()


def cut(count: int) -> list[slice]:
    """Which faces of a batch are computed together, in order."""
    size = min(MAX_FACES_AT_ONCE, max(1, count // _PARTS))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _pool_of_single_threads(count: int) -> ThreadPoolExecutor:
    """Threads in each of which PyTorch uses that thread alone."""
    here = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, thread_name_prefix="emotional_dan")
    everyone_is_here = threading.Barrier(count)

    def settle() -> None:
        everyone_is_here.wait()
        # The number of OpenMP's threads belongs to the thread that sets it, and a thread takes the process's number
        # at its first question, which must therefore come first.
        torch.get_num_threads()
        torch.set_num_threads(1)

    for future in [pool.submit(settle) for _ in range(count)]:
        future.result()
    torch.set_num_threads(here)  # the process's number, for threads that come later
    return pool
