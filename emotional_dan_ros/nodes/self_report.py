"""What a node says of itself: /diagnostics once a second, and problems in the log, but not over and over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile

from emotional_dan_ros.nodes.health import ERROR, WARN, Health
from emotional_dan_ros.nodes.ports import InputPort, OutputPort

REPORT_PERIOD_S = 1.0
#: A problem that comes and goes is on /diagnostics each time, but in the log not more often than this.
LOG_SILENCE_S = 60.0


class SelfReport:
    """Publishes the health of a node.

    Args:
        node: that reports.
        kind: what it is, whatever its name.
        health: its counters and problems.
        state: gives its lifecycle state, e.g. "active".
        look_after: called before each report, to find problems.
    """

    def __init__(
        self, node: Node, kind: str, health: Health, state: Callable[[], str], look_after: Callable[[], None]
    ) -> None:
        self._node = node
        self._kind = kind
        self._health = health
        self._state = state
        self._look_after = look_after
        self._told_s: dict[str, float] = {}
        self._ros_time_ns, self._ros_time_moved_s = 0, time.monotonic()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", QoSProfile(depth=10))

    def warn(self, key: str, level: bytes, text: str, silence_s: float = LOG_SILENCE_S) -> None:
        """Put a problem on /diagnostics and, when it was not said for `silence_s`, into the log."""
        self._health.report(key, level, text)
        now_s = time.monotonic()
        told_s = self._told_s.get(text)
        if told_s is None or now_s - told_s > silence_s:
            self._told_s[text] = now_s
            if level == ERROR:  # rclpy wants one severity per line of code
                self._node.get_logger().error(text)
            else:
                self._node.get_logger().warning(text)

    def give(self) -> None:
        """Look after problems and publish."""
        state = self._state()
        if state == "active":
            self._check_clock()
        self._look_after()
        name = self._node.get_fully_qualified_name().lstrip("/")
        status = self._health.status(f"{name}: {self._kind}", state, time.monotonic())
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def check_qos(self, ports: Iterable[InputPort[Any] | OutputPort[Any]]) -> None:
        """Report publishers and subscriptions that do not hear or are not heard."""
        lines = [line for port in ports for line in port.mismatches()]
        if lines:
            self.warn("qos", ERROR, "; ".join(lines))
        else:
            self._health.clear("qos")

    def _check_clock(self) -> None:
        if not self._node.get_parameter("use_sim_time").value:
            return
        now_ns, now_s = self._node.get_clock().now().nanoseconds, time.monotonic()
        if now_ns != self._ros_time_ns:
            self._ros_time_ns, self._ros_time_moved_s = now_ns, now_s
            self._health.clear("clock")
        elif now_s - self._ros_time_moved_s > 2 * REPORT_PERIOD_S:
            self.warn("clock", WARN, "use_sim_time is true but /clock stands still or is not published")
