"""What is raised on real video, and on an hour of neutral and smiling faces; each with its timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emotional_dan_ros.core.anomaly import AnomalyMonitor
from emotional_dan_ros.core.types import AnomalyPhase, EmotionState, FrameEmotions
from emotional_dan_ros.offline.emotion_frames import emotion_frames
from emotional_dan_ros.offline.frame_pipeline import FramePipeline, PipelineConfig
from emotional_dan_ros.offline.history import History
from emotional_dan_ros.offline.inputs import Input
from emotional_dan_ros.offline.timeline import write_timeline
from monitor_bench.streams import FaceOutputs, make_streams

VIDEO_SUFFIXES = frozenset({".mp4", ".mov"})


def run_clips(media: Path, weights: str, out: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run the whole pipeline on each video of a folder at the default settings."""
    config = PipelineConfig(weights=weights)
    results: list[dict[str, Any]] = []
    for path in sorted(p for p in media.iterdir() if p.suffix in VIDEO_SUFFIXES):
        frames = emotion_frames(Input(str(path), path.stem), lambda: FramePipeline(config))
        results.append(watch(path.stem, frames, out, tell))
    return results


def run_ordinary_hour(faces: FaceOutputs, out: Path, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Watch four passengers for a quarter of an hour each, one after the other, neutral and smiling."""
    streams = make_streams(faces, 4, 900.0, 10.0, seed, own_faces=3, unexpected=False)

    def frames() -> Iterator[FrameEmotions]:
        seat, door = np.array([[300, 200, 420, 350], [0, 200, 120, 350]], dtype=np.float32)
        valence = np.full(3, 1 / 3, dtype=np.float32)
        landmarks = np.zeros((68, 2), dtype=np.float32)
        for ride, probabilities in enumerate(streams.probabilities):
            for index, p in enumerate(probabilities):
                quality = float(streams.quality[ride, index])
                box = door if index == len(probabilities) - 1 else seat  # they leave, they do not vanish
                # Half a minute passes between passengers, so that nobody inherits a baseline.
                stamp_ns = round((ride * 930.0 + index / streams.hz) * 1e9)
                state = EmotionState(ride + 1, box, p, valence, landmarks, quality)
                yield FrameEmotions(stamp_ns, "camera", (640, 480), faces.name, (state,))

    return watch("an hour of neutral and smiling photographs", frames(), out, tell)


def watch(name: str, frames: Iterable[FrameEmotions], out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run the monitor at its default settings; write the timeline and return what was raised."""
    monitor, history = AnomalyMonitor(), History()
    events: list[dict[str, Any]] = []
    tell(f"{name}:")
    for frame in frames:
        history.add(frame)
        for event in monitor.update(frame):
            history.add_event(event)
            if event.phase is AnomalyPhase.START:
                at_s = (event.stamp_ns - (history.first_ns or 0)) * 1e-9
                tell(f"  {at_s:7.2f} s {event.kind.name.lower():<18} {event.severity:.2f} {event.description}")
                events.append({"at_s": at_s, "kind": event.kind.name.lower(), "description": event.description})
    for event in monitor.close("the recording ended"):
        history.add_event(event)
    if not events:
        tell("  nothing raised")
    out.mkdir(parents=True, exist_ok=True)
    write_timeline(out / f"{name.replace(' ', '_')}.png", history, name)
    return {"name": name, "duration_s": history.duration_s, "events": events}
