"""The demo: play an input through the real graph, separate processes over DDS, and keep what it says.

``emotional-dan demo [INPUT] [--out DIR]``; `make demo` calls it.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path
from types import FrameType

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.images import as_bgr
from emotional_dan_ros.core.sources import SAMPLE, ImageSource, open_source
from emotional_dan_ros.core.types import FrameEmotions
from emotional_dan_ros.nodes.child_processes import ChildProcesses
from emotional_dan_ros.nodes.collector import Collector
from emotional_dan_ros.nodes.demo_report import Meter, status_line, summary_lines
from emotional_dan_ros.nodes.frames import CameraFrame
from emotional_dan_ros.offline.atomic import sweep_unfinished
from emotional_dan_ros.offline.recorder import BAG_NAME, TIMELINE_NAME, VIDEO_NAME, Recorder

EXIT_INTERRUPTED = 130
_START_TIMEOUT_S = 120.0
#: The input has ended: so long may the graph be silent before it counts as done.
_SILENCE_S = 3.0
_SPIN_S = 0.05


class Demo:
    """One run: what is heard goes to the recorder and, once a second, to the terminal."""

    def __init__(self, source: ImageSource, recorder: Recorder, namespace: str) -> None:
        self.collector = Collector(
            self._take_image, recorder.add_faces, self._take_emotions, recorder.add_event, namespace
        )
        self.num_images = 0
        self._recorder = recorder
        self._meter = Meter()
        self._began_s = time.monotonic()
        self._latest: FrameEmotions | None = None
        self._last_image_ns: int | None = None
        self._heard_s = time.monotonic()
        self._printed_s = 0.0
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.collector)

    def listen(self) -> None:
        """Take in what has come, for a moment."""
        self._executor.spin_once(timeout_sec=_SPIN_S)

    def spin(self) -> None:
        """Take in what has come, for a moment, and print when a second has passed."""
        self.listen()
        now_s = time.monotonic()
        if self._latest is not None and now_s - self._printed_s >= 1.0:
            self._printed_s = now_s
            self._print(self._latest, now_s)

    def is_done(self) -> bool:
        """Whether the last image has its emotions, or nothing has come for a while."""
        if self._latest is not None and self._latest.stamp_ns == self._last_image_ns:
            return True
        return time.monotonic() - self._heard_s > _SILENCE_S

    def close(self) -> None:
        """Stop listening."""
        self._executor.shutdown(timeout_sec=0.0)
        self.collector.destroy_node()

    def _take_image(self, frame: CameraFrame) -> None:
        self.num_images += 1
        self._last_image_ns = frame.stamp_ns
        self._heard_s = time.monotonic()
        self._recorder.add_image(as_bgr(frame.image), frame.stamp_ns, frame.frame_id)

    def _take_emotions(self, frame: FrameEmotions, latency_s: float | None) -> None:
        now_s = time.monotonic()
        if self._latest is None:
            print(f"first emotions {now_s - self._began_s:.1f} s after the start", flush=True)
            self._printed_s = now_s
        self._latest, self._heard_s = frame, now_s
        self._meter.count(now_s, latency_s)
        self._recorder.add_emotions(frame)

    def _print(self, frame: FrameEmotions, now_s: float) -> None:
        rate_hz, latency_s = self._meter.read(now_s)
        first_ns = self._recorder.history.first_ns or 0
        time_s = (frame.stamp_ns - first_ns) / 1e9
        print(status_line(time_s, frame, self._recorder.active, rate_hz, latency_s), flush=True)


def run_demo(spec: str, folder: Path, device: str, every_frame: bool) -> int:
    """Play ``spec`` through the graph; returns the exit code.

    Raises:
        UserError: the input cannot be opened, a node cannot work or has ended.
    """
    stop_signals: list[int] = []

    def note_signal(number: int, _: FrameType | None) -> None:
        stop_signals.append(number)

    with open_source(spec) as source:  # told before anything is started or written
        pass
    namespace = f"/demo_{os.getpid()}"  # a graph of its own, also beside a running one
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    previous = {number: signal.signal(number, note_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    folder.mkdir(parents=True, exist_ok=True)
    sweep_unfinished(folder)
    try:
        with (
            Recorder(folder, source.name, source.rate_hz) as recorder,
            ChildProcesses(["-r", f"__ns:={namespace}"]) as children,
        ):
            _start(children, spec, device, every_frame)
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
            demo = Demo(source, recorder, namespace)
            try:
                _play(demo, children, stop_signals)
                children.stop(meanwhile=demo.listen)
            finally:
                demo.close()
                rclpy.try_shutdown()
            history, num_images = recorder.history, demo.num_images
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    print("\n".join(summary_lines(history, num_images)))
    names = [name for name in (VIDEO_NAME, TIMELINE_NAME, BAG_NAME) if (folder / name).exists()]
    print(f"written: {', '.join(str(folder / name) for name in names)}", flush=True)
    return EXIT_INTERRUPTED if stop_signals and not source.is_live else 0


def _start(children: ChildProcesses, spec: str, device: str, every_frame: bool) -> None:
    threads = max(1, (os.cpu_count() or 2) // 2)  # two nodes compute at the same time
    computing = {"device": device, "num_threads": threads}
    children.start("emotion_recognizer", computing)
    children.start("face_detector", computing)
    children.start("anomaly_monitor", {})
    source: dict[str, object] = {"source": spec, "wait_for_subscribers": 2, "exit_at_end": True}
    if every_frame:
        source |= {"wait_for_emotions": True, "speed": 100.0}
    children.start("video_source", source)


def _play(demo: Demo, children: ChildProcesses, stop_signals: list[int]) -> None:
    """Spin until the input has ended and its results are in, or a signal came.

    Raises:
        UserError: a node cannot work or has ended.
    """
    print("starting the nodes ...", flush=True)
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    ready = False
    while not stop_signals:
        demo.spin()
        _check(demo, children)
        if not ready:
            ready = demo.collector.open_when_ready()
            if not ready and time.monotonic() > deadline_s:
                raise UserError(
                    f"expected the nodes to be active within {_START_TIMEOUT_S:.0f} s, got silence; "
                    "see whether this machine lets ROS 2 processes find each other (ROS_DOMAIN_ID, loopback multicast)"
                )
        elif children["video_source"].process.poll() == 0 and demo.is_done():
            return


def _check(demo: Demo, children: ChildProcesses) -> None:
    for name, reason in demo.collector.faults.items():
        raise UserError(f"{name} cannot work: {reason}")
    for child in children.failed():
        raise UserError(f"{child.name} ended with code {child.process.returncode}: {child.last_words()}")
    for child in children.ended():
        if child.name != "video_source":
            raise UserError(f"{child.name} ended before the input did: {child.last_words()}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of ``emotional-dan demo``."""
    parser.add_argument(
        "input",
        nargs="?",
        default=SAMPLE,
        help="a video, an image, a folder of images, a camera index, or 'sample' (default)",
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the outputs (default: out)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument(
        "--every-frame",
        action="store_true",
        help="wait with each image for the emotions of the one before, so that none is dropped; not in real time",
    )


def run(args: argparse.Namespace) -> int:
    """Run ``emotional-dan demo``; returns the exit code."""
    return run_demo(args.input or SAMPLE, args.out, args.device, args.every_frame)
