"""Hold images back until the graph has answered the one before, so that a slow graph misses none."""

from __future__ import annotations

import threading
from typing import Final

from rclpy.node import Node

from emotional_dan_ros.msg import EmotionStateArray
from emotional_dan_ros.nodes.image_conversion import to_ns
from emotional_dan_ros.nodes.topics import EMOTIONS

#: An answer later than this is taken for lost: images travel best effort.
ANSWER_TIMEOUT_S: Final = 5.0
_LOOK_S: Final = 0.1


class Lockstep:
    """Waits for the emotions of the last published image.

    The subscription is an ordinary one, also where the recogniser lives in the same process: only the stamp
    of each answer is wanted, and late answers are no harm.

    Args:
        node: that publishes the images.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._answered = threading.Condition()
        self._answered_ns: int | None = None
        self._subscription = node.create_subscription(EmotionStateArray, EMOTIONS.name, self._hear, EMOTIONS.qos())

    def wait(self, stamp_ns: int | None, stop: threading.Event, timeout_s: float = ANSWER_TIMEOUT_S) -> bool:
        """Wait until the image of ``stamp_ns`` (None: there is none yet) is answered, ``stop`` is set, or too long.

        Returns:
            Whether the answer came.
        """
        if stamp_ns is None:
            return True
        waited_s = 0.0
        with self._answered:
            while self._answered_ns is None or self._answered_ns < stamp_ns:
                if stop.is_set() or waited_s >= timeout_s:
                    return False
                if not self._answered.wait(_LOOK_S):
                    waited_s += _LOOK_S
        return True

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)

    def _hear(self, message: EmotionStateArray) -> None:
        with self._answered:
            self._answered_ns = to_ns(message.header.stamp)
            self._answered.notify_all()
