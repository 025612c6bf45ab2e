"""Node: a video, pictures, a camera or the built-in sample as a camera (`image`)."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sources import ImageSource, open_source
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.frames import CameraFrame
from emotional_dan_ros.nodes.lockstep import Lockstep
from emotional_dan_ros.nodes.run import leave, run
from emotional_dan_ros.nodes.topics import IMAGE

_NS = 1_000_000_000
_LOOK_FOR_SUBSCRIBERS_S = 0.05
_LINGER_S = 0.5
_SETTLE_S = 0.5


class VideoSourceNode(PipelineNode):
    """Publishes images with stamps at the recording's own rate."""

    def __init__(self, **kwargs: Any) -> None:
        self._source: ImageSource | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lockstep: Lockstep | None = None
        super().__init__("video_source", **kwargs)

    def set_up(self) -> None:
        self._source = self._open(start_ns=0)
        self.health.set_fact("camera", self.parameters["frame_id"])
        self.health.set_fact("source", self._source.name)
        self._image = self.open_output(IMAGE)

    def begin(self) -> None:
        self._stop.clear()
        if self.parameters["wait_for_emotions"] and self._source is not None and not self._source.is_live:
            self._lockstep = Lockstep(self)
        self._thread = threading.Thread(target=self._play, name=self.get_name(), daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        if self._lockstep is not None:
            self._lockstep.close()
            self._lockstep = None

    def tear_down(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def _open(self, start_ns: int) -> ImageSource:
        return open_source(
            self.parameters["source"],
            loop=self.parameters["loop"],
            start_stamp_ns=start_ns,
            rate_hz=self.parameters["folder_rate"],
            clock=self._now_ns,
        )

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _play(self) -> None:
        try:
            if self._wait_for_subscribers() and self._publish_all():
                self.get_logger().info("end of the input")
                if self.parameters["exit_at_end"]:
                    self.finished()
        except UserError as error:
            self.fail(str(error))
        except Exception as error:
            self.fail(f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")

    def _wait_for_subscribers(self) -> bool:
        """Wait as `wait_for_subscribers` says; False where the node was stopped meanwhile."""
        assert self._source is not None
        while not self._source.is_live and self._image.num_subscribers < self.parameters["wait_for_subscribers"]:
            if self._stop.wait(_LOOK_FOR_SUBSCRIBERS_S):
                return False
        # That a subscription is seen here does not say that it hears yet: it has to find this side, too, and so
        # have the nodes behind it. A camera's first images would be lost meanwhile; a recording's can wait.
        waits = not self._source.is_live and self.parameters["wait_for_subscribers"] > 0
        return not self._stop.wait(_SETTLE_S if waits else 0.0)

    def _publish_all(self) -> bool:
        """Publish until the input ends (True) or the node is stopped (False)."""
        assert self._source is not None
        live = self._source.is_live
        shift_ns = 0 if live or self.parameters["stamps"] == "zero" else self._now_ns()
        due_s = time.monotonic()
        previous_ns: int | None = None
        last_ns: int | None = None
        for stamp_ns, image in self._source:
            if not live and previous_ns is not None:
                due_s += (stamp_ns - previous_ns) / _NS / self.parameters["speed"]
            self._wait_for_answer(last_ns)
            previous_ns, last_ns = stamp_ns, stamp_ns + shift_ns
            if self._stop.wait(max(0.0, due_s - time.monotonic())):
                return False
            # Where decoding cannot keep up, the film slows down; it does not rush to catch up afterwards.
            due_s = max(due_s, time.monotonic() - 0.1)
            began_s = time.monotonic()
            self._image.publish(_frame(last_ns, self.parameters["frame_id"], image))
            self.health.done(time.monotonic(), time.monotonic() - began_s)
        self._wait_for_answer(last_ns)
        # A publisher that is destroyed takes along what has not left yet.
        self._stop.wait(_LINGER_S)
        for line in self._source.skipped:
            self.get_logger().warning(f"skipped {line}")
        return True

    def _wait_for_answer(self, stamp_ns: int | None) -> None:
        """With `wait_for_emotions`: wait for those of the image just published."""
        if self._lockstep is not None and not self._lockstep.wait(stamp_ns, self._stop) and not self._stop.is_set():
            self.get_logger().warning(f"no emotions came for the image of {stamp_ns} ns")


def _frame(stamp_ns: int, frame_id: str, image: NDArray[np.uint8]) -> CameraFrame:
    return CameraFrame(stamp_ns, frame_id, lambda: image, image.nbytes)


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop, or until the input ends and `exit_at_end` is set."""
    return run("video_source", lambda bus, _: [VideoSourceNode(bus=bus)], args)


if __name__ == "__main__":
    leave(main())
