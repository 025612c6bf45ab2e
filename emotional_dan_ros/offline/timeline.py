"""The picture of a recording: each passenger's seven probabilities over time, anomalies marked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.offline.atomic import whole_or_nothing
from emotional_dan_ros.offline.history import AnomalySpan, History, PassengerHistory

#: Matplotlib draws one figure at a time.
_LOCK = threading.Lock()
MAX_PASSENGERS = 12
MAX_POINTS = 3000
#: A passenger unseen for longer than this many usual steps leaves a gap in the lines.
GAP_STEPS = 5

#: Okabe and Ito's colours with a line style each: the lines can be told apart without colour.
_LINES: dict[Emotion, tuple[str, str]] = {
    Emotion.NEUTRAL: ("#7f7f7f", "-"),
    Emotion.HAPPINESS: ("#E69F00", "-"),
    Emotion.SADNESS: ("#0072B2", "-"),
    Emotion.SURPRISE: ("#009E73", "--"),
    Emotion.FEAR: ("#CC79A7", "-."),
    Emotion.DISGUST: ("#56B4E9", ":"),
    Emotion.ANGER: ("#D55E00", "--"),
}


def write_timeline(path: Path, history: History, title: str) -> None:
    """Write the timeline as PNG; it appears under its name only when whole.

    Time is in seconds from the first frame. At most MAX_PASSENGERS are drawn, those seen the longest; the title
    says how many were left out.
    """
    with _LOCK, whole_or_nothing(path) as unfinished:
        _figure(history, title).savefig(unfinished, format="png", dpi=110)


def _figure(history: History, title: str) -> Figure:
    everybody = history.passengers()
    chosen = sorted(everybody, key=lambda p: -len(p.stamps_ns))[:MAX_PASSENGERS]
    chosen.sort(key=lambda p: p.track_id)
    spans = history.spans()
    cabin_spans = [span for span in spans if span.track_id == 0]
    rows = max(1, len(chosen))
    figure = Figure(figsize=(12, 1.6 + 2.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    start_ns = history.first_ns or 0
    grid = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    left_out = len(everybody) - len(chosen)
    figure.suptitle(f"{title} ({left_out} more passengers, seen for less time)" if left_out else title)
    for axes, passenger in zip(grid, chosen, strict=False):
        _draw_passenger(axes, passenger, start_ns)
        own = [span for span in spans if span.track_id == passenger.track_id]
        _draw_spans(axes, own + cabin_spans, start_ns)
    for axes in grid:
        axes.set_xlim(0, max(history.duration_s, 1e-3))
        axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
    if not chosen:
        grid[0].text(0.5, 0.5, "no face was seen", ha="center", va="center", transform=grid[0].transAxes)
        _draw_spans(grid[0], spans, start_ns)
    else:
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(Emotion), frameon=False)
    grid[-1].set_xlabel("time from the first frame [s]")
    return figure


def _draw_passenger(axes: Axes, passenger: PassengerHistory, start_ns: int) -> None:
    seconds = (passenger.stamps_ns - start_ns) / 1e9
    seconds, probabilities = _thinned(seconds, passenger.probabilities)
    seconds, probabilities = _with_gaps(seconds, probabilities)
    alone = len(passenger.stamps_ns) == 1  # a line through one point is invisible
    for emotion, (colour, style) in _LINES.items():
        axes.plot(
            seconds,
            probabilities[:, emotion],
            color=colour,
            linestyle=style,
            linewidth=1.4,
            marker="o" if alone else "",
            label=emotion.label,
        )
    axes.set_ylabel(f"passenger #{passenger.track_id}\nprobability [0..1]")


def _draw_spans(axes: Axes, spans: Sequence[AnomalySpan], start_ns: int) -> None:
    for index, span in enumerate(spans):
        begin, end = (span.start_ns - start_ns) / 1e9, (span.end_ns - start_ns) / 1e9
        axes.axvspan(begin, max(end, begin), facecolor="#D55E00", alpha=0.13, hatch="//", edgecolor="#D55E00")
        axes.axvline(begin, color="black", linewidth=1.0)
        kind = span.kind.name.replace("_", " ").lower()
        who = "cabin: " if span.track_id == 0 else ""
        height = 0.97 - 0.13 * (index % 5)  # neighbours do not write over each other
        axes.annotate(
            f"{who}{kind} ({span.emotion.label.lower()}, {span.severity:.2f})",
            (begin, height),
            xytext=(3, 0),
            textcoords="offset points",
            va="top",
            fontsize=8,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )


def _thinned(
    seconds: NDArray[np.float64], values: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Means over equally many samples, so that a long recording stays drawable."""
    step = -(-len(seconds) // MAX_POINTS)
    if step <= 1:
        return seconds, values
    starts = np.arange(0, len(seconds), step)
    counts = np.diff(np.append(starts, len(seconds)))
    return (
        np.add.reduceat(seconds, starts) / counts,
        (np.add.reduceat(values, starts, axis=0) / counts[:, None]).astype(np.float32),
    )


def _with_gaps(
    seconds: NDArray[np.float64], values: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Insert a NaN row wherever the passenger was away, so that no line is drawn across the absence."""
    if len(seconds) < 2:
        return seconds, values
    steps = np.diff(seconds)
    after = np.flatnonzero(steps > GAP_STEPS * np.median(steps)) + 1
    return np.insert(seconds, after, np.nan), np.insert(values, after, np.nan, axis=0)
