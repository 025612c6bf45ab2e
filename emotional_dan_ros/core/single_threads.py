"""Threads on each of which PyTorch computes alone.

Letting PyTorch share out every single layer among threads makes them meet dozens of times for an image. Threads that
sleep while they wait (as they must beside other processes, see the package's comment on OpenMP) then take longer to
wake than a layer takes to compute. Here whole networks are shared out, and threads meet once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

A = TypeVar("A")
B = TypeVar("B")


class SingleThreads:
    """So many threads; the settings of PyTorch for other threads stay what they are.

    Args:
        count: of threads, at least 1.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = _pool_of_single_threads(count)

    def map(self, compute: Callable[[A], B], items: Sequence[A]) -> list[B]:
        """Compute each item on one of the threads, in inference mode; results in the order of the items."""

        def infer(item: A) -> B:
            with torch.inference_mode():
                return compute(item)

        if self._count == 1 and torch.get_num_threads() == 1:
            return [infer(item) for item in items]  # no better in another thread
        return list(self._pool.map(infer, items))

    def run(self, compute: Callable[[], B]) -> B:
        """Compute one thing on one of the threads."""
        (result,) = self.map(lambda _: compute(), (None,))
        return result


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
