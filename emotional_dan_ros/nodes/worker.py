"""A thread that works on the newest input."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: A worker that gives way to another one begins after this long all the same.
LONGEST_WAIT_S = 0.2


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
        self._busy = False
        self._ahead: Worker[Any] | None = None
        self._on_idle: Callable[[], None] = lambda: None

    @property
    def is_idle(self) -> bool:
        """Whether no item is in work and none waits."""
        return not self._busy and not self._items

    def give_way_to(self, other: Worker[Any]) -> None:
        """From now on begin no item while ``other`` is not idle, but wait for `LONGEST_WAIT_S` at most.

        What waits may still give way to newer items. To be called before either is started.
        """
        self._ahead = other
        other._on_idle = self._wake

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
        self._on_idle()

    def _wake(self) -> None:
        with self._ready:
            self._ready.notify()

    def _run(self) -> None:
        while True:
            with self._ready:
                while self._running and not self._items:
                    self._ready.wait()
                self._wait_for_way()
                if not self._items:
                    return
                item = self._items.popleft()
                self._busy = True
            self._process(item)
            self._busy = False
            if not self._items:
                self._on_idle()

    def _wait_for_way(self) -> None:
        until_s = time.monotonic() + LONGEST_WAIT_S
        while self._running and self._ahead is not None and not self._ahead.is_idle:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not self._ready.wait(left_s):
                return
