"""The report: one HTML file with everything in it, for people without any of our software."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.labels import Emotion, Valence, valence_matrix
from emotional_dan_ros.offline.atomic import whole_or_nothing
from emotional_dan_ros.offline.history import AnomalySpan, History, PassengerHistory
from emotional_dan_ros.offline.thumbnails import Thumbnail
from emotional_dan_ros.offline.timeline import GAP_STEPS

_TEMPLATE = Path(__file__).with_name("report.html")
#: Points of all timelines together: an hour of two passengers at 10 Hz stays well under 5 MB.
MAX_POINTS = 24_000
MIN_POINTS = 500
#: Passengers with a timeline of their own, those seen the longest.
MAX_PASSENGERS = 24


def write_report(
    path: Path,
    title: str,
    history: History,
    thumbnails: Sequence[Thumbnail],
    problems: Sequence[str],
    model_name: str,
) -> None:
    """Write the report; it appears under its name only when whole.

    Args:
        path: of the HTML file.
        title: of the recording.
        history: what happened.
        thumbnails: pictures of the anomalies.
        problems: what was not processed and why, one line each.
        model_name: of the weights.
    """
    data = report_data(title, history, thumbnails, problems, model_name)
    # "<" must not appear within a script element: a title could end it.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    page = _TEMPLATE.read_text(encoding="utf-8")
    page = page.replace("{{title}}", html.escape(title)).replace("{{data}}", text)
    with whole_or_nothing(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")


def report_data(
    title: str,
    history: History,
    thumbnails: Sequence[Thumbnail],
    problems: Sequence[str],
    model_name: str,
) -> dict[str, Any]:
    """Everything the page shows, as JSON values; times are seconds from the first frame."""
    everybody = history.passengers()
    chosen = sorted(everybody, key=lambda p: -len(p.stamps_ns))[:MAX_PASSENGERS]
    chosen.sort(key=lambda p: p.track_id)
    points = max(MIN_POINTS, MAX_POINTS // max(1, len(chosen)))
    start_ns = history.first_ns or 0
    pictures: dict[int, dict[str, list[str]]] = {}
    for thumbnail in thumbnails:
        jpegs = [jpeg for jpeg in (thumbnail.jpeg, thumbnail.map_jpeg) if jpeg]
        uris = ["data:image/jpeg;base64," + base64.b64encode(jpeg).decode() for jpeg in jpegs]
        pictures.setdefault(thumbnail.event_id, {})[thumbnail.moment] = uris
    return {
        "title": title,
        "model": model_name,
        "duration": round(history.duration_s, 3),
        "frames": history.num_frames,
        "framesWithFaces": history.num_frames_with_faces,
        "emotions": [emotion.label for emotion in Emotion],
        "valences": [valence.label for valence in Valence],
        "passengers": [_passenger(p, start_ns, points) for p in chosen],
        "leftOut": len(everybody) - len(chosen),
        "anomalies": [_anomaly(span, start_ns, pictures.get(span.event_id, {})) for span in history.spans()],
        "problems": list(problems),
    }


def _passenger(passenger: PassengerHistory, start_ns: int, points: int) -> dict[str, Any]:
    """Columns of numbers; probabilities and quality in thousandths, null where the passenger was away."""
    seconds = (passenger.stamps_ns - start_ns) / 1e9
    valences = passenger.probabilities @ valence_matrix()
    values = np.concatenate([passenger.probabilities, valences, passenger.quality[:, None]], axis=1)
    steps = np.diff(seconds)
    breaks = np.flatnonzero(steps > GAP_STEPS * np.median(steps)) + 1 if len(steps) else np.zeros(0, np.int64)
    times, rows = _thinned(seconds, values, breaks, points)
    columns = [[None if np.isnan(v) else round(float(v) * 1000) for v in column] for column in rows.T]
    return {
        "id": passenger.track_id,
        "states": len(passenger.stamps_ns),
        "t": [round(float(t), 2) for t in times],
        "p": columns[: len(Emotion)],
        "v": columns[len(Emotion) : len(Emotion) + len(Valence)],
        "q": columns[-1],
        "shares": [round(share, 4) for share in passenger.shares().values()],
    }


def _thinned(
    seconds: NDArray[np.float64], values: NDArray[np.float32], breaks: NDArray[np.int64], points: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means over equally many samples, never across an absence, with a row of NaN in each absence."""
    step = max(1, -(-len(seconds) // points))
    times: list[NDArray[np.float64]] = []
    rows: list[NDArray[np.float64]] = []
    for begin, end in zip([0, *breaks], [*breaks, len(seconds)], strict=True):
        if times:
            times.append((seconds[begin - 1 : begin] + seconds[begin : begin + 1]) / 2)
            rows.append(np.full((1, values.shape[1]), np.nan))
        starts = np.arange(begin, end, step) - begin
        counts = np.diff(np.append(starts, end - begin))
        times.append(np.add.reduceat(seconds[begin:end], starts) / counts)
        rows.append(np.add.reduceat(values[begin:end].astype(np.float64), starts, axis=0) / counts[:, None])
    return np.concatenate(times), np.concatenate(rows)


def _anomaly(span: AnomalySpan, start_ns: int, pictures: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "id": span.event_id,
        "passenger": span.track_id,
        "kind": span.kind.name.replace("_", " ").lower(),
        "begin": round((span.start_ns - start_ns) / 1e9, 2),
        "end": round((span.end_ns - start_ns) / 1e9, 2),
        "severity": round(span.severity, 2),
        "emotion": span.emotion.label,
        "description": span.description,
        "pictures": pictures,
    }
