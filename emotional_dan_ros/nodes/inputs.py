"""Inputs that notice when nothing comes, and the camera's input with all its peculiarities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.frames import CameraFrame
from emotional_dan_ros.nodes.health import ERROR, WARN
from emotional_dan_ros.nodes.ports import InputPort
from emotional_dan_ros.nodes.stamp_watch import Stamp, StampWatch
from emotional_dan_ros.nodes.topics import COMPRESSED_IMAGE, IMAGE, Topic

_NS = 1e9
#: Silence is on /diagnostics at once, but in the log only after the time that other nodes take to load.
_LOADING_S = 5.0
#: Best-effort messages above this size get lost in Fast DDS's default shared memory (docs/troubleshooting.md).
_LARGE_BYTES = 300_000


class WatchedInput:
    """An input port whose silence is told on /diagnostics.

    Args:
        node: the node.
        topic: what is received.
        level: how bad silence is.
    """

    def __init__(self, node: PipelineNode, topic: Topic[Any], level: bytes = WARN) -> None:
        self._node = node
        self._topic = topic
        self._level = level
        self._port: InputPort[Any] | None = None
        self._last_ns = 0

    def open(self, receive: Callable[[Any], None], name: str | None = None, reliable: bool | None = None) -> None:
        """Start to receive."""

        def came(value: Any) -> None:
            self._last_ns = self._node.get_clock().now().nanoseconds
            receive(value)

        self._last_ns = self._node.get_clock().now().nanoseconds
        self._port = self._node.open_input(self._topic, came, name, self._topic.qos(reliable))

    def check(self) -> None:
        """Look whether something came within `stall_timeout`; called once a second."""
        if self._port is None:
            return
        now_ns = self._node.get_clock().now().nanoseconds
        self._last_ns = min(self._last_ns, now_ns)  # simulation time may have jumped back
        if self._last_ns == 0:  # or begins only now, perhaps with the date of a recording
            self._last_ns = now_ns
        timeout_s = self._node.parameters["stall_timeout"]
        if now_ns - self._last_ns <= timeout_s * _NS:
            self._node.clear("input")
            return
        name = self._port.name
        if self._port.is_local:
            text = f"nothing came on {name} for more than {timeout_s:g} s; see the nodes before this one"
        elif not self._port.publishers():
            text = (
                f"nobody publishes {name}; start the camera or the node before this one, or remap "
                f"{self._topic.name}:=<its topic>"
            )
        else:
            text = f"nothing came on {name} for more than {timeout_s:g} s, although it is published"
        if now_ns - self._last_ns <= (timeout_s + _LOADING_S) * _NS:
            self._node.health.report("input", self._level, text)
        else:
            self._node.warn_once("input", self._level, text)


class CameraInput:
    """The camera's images: transport, reliability, stamps, losses.

    Args:
        node: has the parameters image_transport, reliability, max_rate and stall_timeout.
        receive: gets every frame that is new; called in the executor's or a publishing node's thread.
    """

    def __init__(self, node: PipelineNode, receive: Callable[[CameraFrame], None]) -> None:
        self._node = node
        self._receive = receive
        self._compressed = node.parameters["image_transport"] == "compressed"
        self._watch = StampWatch()
        self._input = WatchedInput(node, COMPRESSED_IMAGE if self._compressed else IMAGE, ERROR)
        self._num_bytes = 0
        self._last_passed_ns: int | None = None
        self.is_unstamped = False

    def open(self) -> None:
        """Start to receive."""
        # A remapping of `image` moves the compressed topic along, as with image_transport.
        base = self._node.resolve_topic_name(IMAGE.name)
        name = f"{base}/compressed" if self._compressed else base
        self._input.open(self._on_frame, name, self._node.parameters["reliability"] == "reliable")

    def check(self) -> None:
        """Look for stalls and losses; called once a second."""
        self._input.check()
        share = self._watch.lost_share()
        if not share:
            self._node.clear("loss")
        elif self._num_bytes > _LARGE_BYTES:
            self._lossy(
                "best-effort images above 300 KB outgrow Fast DDS's default buffers: start the camera's driver with "
                "FASTRTPS_DEFAULT_PROFILES_FILE at this package's config/fastdds.xml, or set reliability to reliable "
                "on both sides"
            )
        else:
            self._lossy(
                "the network or this machine is overloaded: lower the camera's rate, or set reliability to reliable"
            )

    def _lossy(self, remedy: str) -> None:
        # The share itself changes all the time and would make a new log line of every look.
        self._node.health.set_fact("lost images (%)", f"{self._watch.lost_share() * 100:.0f}")
        self._node.warn_once("loss", WARN, f"many images are lost between the camera and this node; {remedy}")

    def _on_frame(self, frame: CameraFrame) -> None:
        self._num_bytes = frame.num_bytes
        if self._node.health.set_fact("camera", frame.frame_id):
            self._node.get_logger().info(f"first image of camera frame {frame.frame_id!r}")
        verdict = self._watch.judge(frame.stamp_ns)
        self.is_unstamped = verdict is Stamp.MISSING
        if verdict is Stamp.MISSING:
            self._node.warn_once("stamps", WARN, "the camera does not stamp its images; times of arrival are used")
            frame = frame.restamped(self._node.get_clock().now().nanoseconds)
            verdict = self._watch.arrived(frame.stamp_ns)
        else:
            self._node.clear("stamps")
        if verdict is Stamp.REPEATED:
            self._node.health.dropped()
            return
        if verdict is Stamp.JUMPED_BACK:
            self._last_passed_ns = None
            self._node.get_logger().info("the camera's time jumped back (a loop or a restart); starting anew")
        if not self._too_soon(frame.stamp_ns):
            self._receive(frame)

    def _too_soon(self, stamp_ns: int) -> bool:
        rate_hz = self._node.parameters["max_rate"]
        # Half a millisecond of jitter must not halve a rate that equals the camera's.
        if rate_hz and self._last_passed_ns is not None and stamp_ns - self._last_passed_ns < _NS / rate_hz - 5e5:
            return True
        self._last_passed_ns = stamp_ns
        return False
