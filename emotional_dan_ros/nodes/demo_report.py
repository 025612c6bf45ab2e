"""The demo's words: one line per second, and the summary at the end. Text only, no node."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from emotional_dan_ros.core.render import banner_text, emotion_lines
from emotional_dan_ros.core.types import AnomalyEvent, FrameEmotions
from emotional_dan_ros.offline.history import History


class Meter:
    """Rate and latency over the last second; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._done: deque[tuple[float, float | None]] = deque()

    def count(self, now_s: float, latency_s: float | None) -> None:
        """A frame's emotions came, ``latency_s`` after its image (None where the image was not seen)."""
        self._done.append((now_s, latency_s))

    def read(self, now_s: float) -> tuple[float, float | None]:
        """Frames per second and the median latency in seconds (None where there is none)."""
        while self._done and now_s - self._done[0][0] > 1.0:
            self._done.popleft()
        latencies = sorted(latency for _, latency in self._done if latency is not None)
        return float(len(self._done)), latencies[len(latencies) // 2] if latencies else None


def status_line(
    time_s: float, frame: FrameEmotions, active: Sequence[AnomalyEvent], rate_hz: float, latency_s: float | None
) -> str:
    """What the second brought: time of the recording, each passenger, anomalies, rate and latency."""
    people = [f"#{state.track_id} {', '.join(emotion_lines(state.probabilities))}" for state in frame.states]
    parts = [f"{time_s:6.1f} s", *(people or ["no face"])]
    parts += [banner_text(event) for event in active]
    latency = "" if latency_s is None else f", latency {latency_s * 1e3:.0f} ms"
    return " | ".join([*parts, f"{rate_hz:.0f} frames/s{latency}"])


def summary_lines(history: History, num_images: int) -> list[str]:
    """The recording in a few lines: frames, shares of emotions, anomalies."""
    counts = f"emotions of {history.num_frames}, faces in {history.num_frames_with_faces}"
    lines = [f"{num_images} images in {history.duration_s:.1f} s, {counts}"]
    for passenger in history.passengers():
        shares = sorted(passenger.shares().items(), key=lambda item: -item[1])
        words = ", ".join(f"{emotion.label} {share:.0%}" for emotion, share in shares if share >= 0.05)
        lines.append(f"#{passenger.track_id}: seen in {len(passenger.stamps_ns)} frames; {words}")
    first_ns = history.first_ns or 0
    for span in history.spans():
        who = f"#{span.track_id}" if span.track_id else "cabin"
        begin_s, end_s = (span.start_ns - first_ns) / 1e9, (span.end_ns - first_ns) / 1e9
        kind = span.kind.name.replace("_", " ").lower()
        lines.append(f"anomaly {begin_s:.1f} s to {end_s:.1f} s, {who}, {kind}: {span.description}")
    return lines
