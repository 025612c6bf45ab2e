"""Values handed from node to node inside one process, without ROS between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Listener = Callable[[Any], None]


class LocalBus:
    """Topics of one process by their resolved names; thread safe.

    A listener is called in the thread of the node that publishes and must return at once (nodes put the
    value into their worker's queue). Values are shared, so nobody writes to them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writers: dict[str, int] = {}
        self._listeners: dict[str, tuple[Listener, ...]] = {}

    def add_writer(self, topic: str) -> None:
        """Say that values of this topic come from inside the process."""
        with self._lock:
            self._writers[topic] = self._writers.get(topic, 0) + 1

    def remove_writer(self, topic: str) -> None:
        """Take back one `add_writer`."""
        with self._lock:
            self._writers[topic] -= 1

    def has_writer(self, topic: str) -> bool:
        """Whether values of this topic come from inside the process."""
        with self._lock:
            return self._writers.get(topic, 0) > 0

    def listen(self, topic: str, listener: Listener) -> None:
        """Call `listener` with every value of the topic from now on."""
        with self._lock:
            self._listeners[topic] = (*self._listeners.get(topic, ()), listener)

    def forget(self, topic: str, listener: Listener) -> None:
        """Take back one `listen`."""
        with self._lock:
            self._listeners[topic] = tuple(each for each in self._listeners.get(topic, ()) if each != listener)

    def num_listeners(self, topic: str) -> int:
        """How many listen to the topic."""
        with self._lock:
            return len(self._listeners.get(topic, ()))

    def publish(self, topic: str, value: object) -> None:
        """Hand a value to all listeners."""
        for listener in self._listeners.get(topic, ()):  # the tuple is replaced, never changed
            listener(value)
