"""``emotional-dan watch``: a quick look at a camera or video without ROS."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly import AnomalyMonitor
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.keyframes import DEFAULT_DETECTION_INTERVAL
from emotional_dan_ros.core.perception import FacePipeline
from emotional_dan_ros.core.recognizer import EmotionRecognizer
from emotional_dan_ros.core.render import banner_text, draw_overlay
from emotional_dan_ros.core.sources import ImageSource, open_source
from emotional_dan_ros.core.tracking import FaceTracker
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase
from emotional_dan_ros.offline.own_calibration import own_calibration
from emotional_dan_ros.offline.watch_page import WatchPage

DEFAULT_PORT = 8765
_WINDOW = "emotional-dan"
_MAX_LISTED = 200
_FRAME_ID = "camera"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of ``emotional-dan watch``."""
    parser.add_argument(
        "source", nargs="?", default="0", help="camera index, video, image, folder or sample (default: 0)"
    )
    parser.add_argument("--window", action="store_true", help="show a window instead of a web page; q ends it")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"of the web page (default: {DEFAULT_PORT})")
    parser.add_argument("--loop", action="store_true", help="play a recording again and again")
    parser.add_argument("--weights", default="rt", help="name of shipped weights or a .safetensors file (default: rt)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Watch until the source ends, q is pressed in the window, or Ctrl-C."""
    with open_source(args.source, loop=args.loop) as source, Newest(source) as newest:
        watcher = Watcher(args.weights, args.device)
        if args.window:
            for picture, _ in watcher.look(newest):
                cv2.imshow(_WINDOW, picture)
                if cv2.waitKey(1) & 0xFF == ord("q"):
                    break
            cv2.destroyAllWindows()
            return 0
        with WatchPage(args.port) as page, suppress(KeyboardInterrupt):
            print(f"watching {source.name} on {page.url} (Ctrl-C ends it)", flush=True)
            for picture, status in watcher.look(newest):
                _, jpeg = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 80))
                page.show(bytes(jpeg), status, watcher.anomalies)
    return 0


class Newest:
    """Plays a source at its own rate and hands out the newest frame; older ones are dropped, as in the nodes.

    A context manager; iteration ends with the source.
    """

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self._changed = threading.Condition()
        self._frame: tuple[int, NDArray[np.uint8]] | None = None
        self._ended = False
        self._stop = threading.Event()
        self.num_dropped = 0
        self._thread = threading.Thread(target=self._play, name="source", daemon=True)

    def __enter__(self) -> Newest:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._frame is not None)
                frame, self._frame = self._frame, None
            if frame is None:
                return
            yield frame

    def _play(self) -> None:
        begin_s, first_ns = time.monotonic(), None
        try:
            for stamp_ns, image in self._source:
                first_ns = stamp_ns if first_ns is None else first_ns
                due_s = begin_s + (stamp_ns - first_ns) / 1e9
                if self._stop.wait(0 if self._source.is_live else max(0.0, due_s - time.monotonic())):
                    return
                with self._changed:
                    self.num_dropped += self._frame is not None
                    self._frame = (stamp_ns, image)
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


class Watcher:
    """The whole pipeline in one object: frames in, annotated pictures and a line of status out."""

    def __init__(self, weights: str, device: str) -> None:
        self._recognizer = EmotionRecognizer.load(weights, device)
        self._faces = FacePipeline(FaceDetector(device=device), FaceTracker(), DEFAULT_DETECTION_INTERVAL)
        self._monitor = AnomalyMonitor(calibration=own_calibration(weights))
        self._active: dict[int, AnomalyEvent] = {}
        self.anomalies: list[str] = []
        """What happened, newest first."""

    def look(self, frames: Newest) -> Iterator[tuple[NDArray[np.uint8], str]]:
        """Yield the annotated picture, uint8 (H, W, 3) BGR, and a status line for each frame."""
        for stamp_ns, image in frames:
            begin_s = time.monotonic()
            emotions = self._recognizer.recognize(self._faces.process(image, stamp_ns, _FRAME_ID))
            for event in self._monitor.update(emotions):
                self._note(event)
            picture = draw_overlay(image, emotions, list(self._active.values()))
            spent_s = time.monotonic() - begin_s
            faces = "1 face" if len(emotions.states) == 1 else f"{len(emotions.states)} faces"
            yield picture, f"{faces}, {spent_s * 1e3:.0f} ms, {frames.num_dropped} frames left out"

    def _note(self, event: AnomalyEvent) -> None:
        if event.phase is AnomalyPhase.END:
            self._active.pop(event.event_id, None)
        else:
            self._active[event.event_id] = event
        if event.phase is AnomalyPhase.START:
            line = f"{time.strftime('%H:%M:%S')} {banner_text(event)}"
            self.anomalies = [line, *self.anomalies][:_MAX_LISTED]
            print(line, file=sys.stderr, flush=True)
