"""A thread that works on the newest input."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Worker(Generic[T]):
    """Runs `process` for one item after the other in a thread of its own.

    Args:
        process: must not raise.
        depth: how many items wait at most; the oldest gives way to a new one. 1 is "newest wins".
        on_drop: called for each item that gave way.
        name: of the thread.
    """

    def __init__(self, process: Callable[[T], None], depth: int, on_drop: Callable[[], None], name: str) -> None:
        self._process = process
        self._depth = depth
        self._on_drop = on_drop
        self._name = name
        self._items: deque[T] = deque()
        self._ready = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running = False

    def put(self, item: T) -> None:
        """Queue an item; ignored while the worker is stopped."""
        with self._ready:
            if not self._running:
                return
            dropped = len(self._items) >= self._depth
            if dropped:
                self._items.popleft()
            self._items.append(item)
            self._ready.notify()
        if dropped:
            self._on_drop()

    def start(self) -> None:
        """Start the thread."""
        with self._ready:
            self._running = True
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, drain: bool = False) -> None:
        """Let the item in work finish, with `drain` also those that wait, end the thread.

        May be called from the thread itself.
        """
        with self._ready:
            self._running = False
            if not drain:
                self._items.clear()
            self._ready.notify()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._ready:
                while self._running and not self._items:
                    self._ready.wait()
                if not self._items:
                    return
                item = self._items.popleft()
            self._process(item)
