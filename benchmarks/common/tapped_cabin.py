"""The composed graph with a look at when each value passes; a program of its own (benchmarks/ros_cost.py runs it).

python tapped_cabin.py OUT.json                       an image topic is the camera
python tapped_cabin.py OUT.json FRAMES.npy SECONDS    pictures are handed over as objects, one at a time

OUT.json gets, for each stamp in ns (as text), when what passed: {"image": ns, "decoded": ns, "faces": ns, ...}.
In the second form the program ends by itself, and the file also gets "core_s": times of the core alone on the same
pictures, before the graph starts.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from emotional_dan_ros.nodes import cabin, frames
from emotional_dan_ros.nodes.bus import LocalBus
from emotional_dan_ros.nodes.frames import CameraFrame
from emotional_dan_ros.nodes.run import run

RATE_HZ = 30.0
WARM_UP_FRAMES = 30
_START_S = 60.0


class TappedBus(LocalBus):
    """Notes when values pass."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_ns: dict[int, dict[str, int]] = defaultdict(dict)
        self.emotions_came = threading.Event()

    def publish(self, topic: str, value: Any) -> None:
        self.passed_ns[value.stamp_ns].setdefault(topic.strip("/"), time.time_ns())
        super().publish(topic, value)
        if topic == "/emotions":
            self.emotions_came.set()


def main() -> int:
    """Run the graph until it is interrupted, or until the pictures were shown long enough."""
    out, *shown = sys.argv[1:]
    bus = TappedBus()
    result: dict[str, object] = {}
    note_decoding(bus)

    def make_nodes(_: LocalBus, options: Any) -> Any:
        if shown:
            bus.add_writer("/image")
        nodes = cabin.make_nodes(bus, options)
        if shown:
            arguments = (bus, pictures, float(shown[1]), nodes)
            threading.Thread(target=show, args=arguments, daemon=True).start()
        return nodes

    if shown:
        pictures = np.load(shown[0])
        result["core_s"] = time_core(pictures, float(shown[1]))
    code = run("cabin", make_nodes, ["--no-overlay"], cabin.add_arguments)
    result["passed"] = {str(stamp_ns): passed for stamp_ns, passed in bus.passed_ns.items()}
    Path(out).write_text(json.dumps(result), encoding="utf-8")
    return code


def note_decoding(bus: TappedBus) -> None:
    """Also note when the image of a message was made."""
    decode = frames.to_array

    def timed(message: Any) -> Any:
        image = decode(message)
        bus.passed_ns[frames.to_ns(message.header.stamp)].setdefault("decoded", time.time_ns())
        return image

    frames.to_array = timed


def time_core(pictures: Any, seconds: float) -> list[float]:
    """The core alone."""
    from common.pipeline import whole_core

    core = whole_core()
    times_s = []
    end_s = time.perf_counter() + seconds
    index = 0
    while time.perf_counter() < end_s or index < 2 * WARM_UP_FRAMES:
        stamp_ns = round(index * 1e9 / RATE_HZ)
        before_s = time.perf_counter()
        core(picture(pictures, index), stamp_ns)
        times_s.append(time.perf_counter() - before_s)
        index += 1
    return times_s[WARM_UP_FRAMES:]


def show(bus: TappedBus, pictures: Any, seconds: float, nodes: Any) -> None:
    """Hand pictures over, each when the emotions of the last have come."""
    start_s = time.monotonic() + _START_S
    while not bus.emotions_came.wait(0.2) and time.monotonic() < start_s:  # the nodes begin to listen one by one
        bus.publish("/image", CameraFrame(time.time_ns(), "camera", lambda: pictures[0]))
    index, end_s = 0, time.monotonic() + seconds
    while time.monotonic() < end_s or index < 2 * WARM_UP_FRAMES:
        image = picture(pictures, index)
        bus.emotions_came.clear()
        bus.publish("/image", CameraFrame(time.time_ns(), "camera", lambda image=image: image, image.nbytes))
        if not bus.emotions_came.wait(_START_S):
            break
        index += 1
    nodes[0].finished()


def picture(pictures: Any, index: int) -> Any:
    """Forth and back for ever."""
    turn = 2 * (len(pictures) - 1)
    place = index % turn
    return pictures[min(place, turn - place)]


if __name__ == "__main__":
    raise SystemExit(main())
