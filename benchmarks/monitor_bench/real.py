"""The monitor and its rivals on streams of real faces seen through the network, at equal false alarms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from emotional_dan_ros.core.anomaly import AnomalyMonitor, Calibration, MonitorConfig
from monitor_bench import rivals
from monitor_bench.scoring import Alarm, Score, run_monitor, score
from monitor_bench.streams import FaceOutputs, Streams, join, make_streams, true_labels

#: Settings of ``false_alarms_per_hour`` that are run.
ASKED_PER_HOUR = (0.02, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0)
#: Methods are compared where they raise at most this many false alarms an hour.
ALLOWED_PER_HOUR = 1.0
RIDE_S = 900.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Point:
    """A method at one setting."""

    method: str
    setting: str
    score: Score


@dataclass(frozen=True, slots=True)
class Case:
    """Kind of passengers.

    Attributes:
        name: for the table.
        own_faces: see `make_streams`.
        labels: whose labels say what a face shows.
        certain: whether the network is replaced by the true labels.
    """

    name: str
    own_faces: int | None
    labels: str
    certain: bool = False


CASES = (
    Case("passengers with faces of their own, FER+ labels", 3, "ferplus"),
    Case("a stranger's face in each episode, FER+ labels", None, "ferplus"),
    Case("passengers with faces of their own, FER2013 labels", 3, "fer2013"),
    Case("a stranger's face in each episode, FER2013 labels", None, "fer2013"),
    Case("true labels in place of the network", 3, "ferplus", certain=True),
)


def streams_of(case: Case, outputs: FaceOutputs, hours: float, hz: float, seed: int) -> Streams:
    """Draw the case's streams from one half of the faces."""
    streams = make_streams(outputs, round(hours * 3600.0 / RIDE_S), RIDE_S, hz, seed, own_faces=case.own_faces)
    return true_labels(streams) if case.certain else streams


def monitor_points(halves: Sequence[tuple[Streams, Calibration]], asked: Sequence[float], tell: Tell) -> list[Point]:
    """Run the monitor at several settings of its one parameter.

    Each half of the streams is seen with the calibration that the faces of the other half gave.
    """
    streams = join([part for part, _ in halves])
    points: list[Point] = []
    for rate in asked:
        alarms: list[Alarm] = []
        rides = 0
        for part, calibration in halves:
            settings: dict[str, Any] = {
                "false_alarms_per_hour": rate,
                "several_passengers.enabled": False,
                "memory.max_passengers": len(part.probabilities),
            }
            monitor = AnomalyMonitor(MonitorConfig.from_flat(settings), calibration)
            alarms += [dataclasses.replace(a, ride=a.ride + rides) for a in run_monitor(monitor, part)]
            rides += len(part.probabilities)
        points.append(Point("monitor", f"{rate:g} asked", score(streams, alarms)))
        tell(line(points[-1]))
    return points


def rival_points(streams: Streams, tell: Tell, slow_rides: int) -> list[Point]:
    """Run all rivals at all settings; the slowest, KSWIN, on the first ``slow_rides`` passengers only."""
    points: list[Point] = []
    for smoothing_s in rivals.SMOOTHING_S:
        for setting, alarms in rivals.threshold_alarms(streams, smoothing_s).items():
            points.append(Point("smoothed threshold", setting, score(streams, alarms)))
    tell(line(best(points)))
    try:
        detectors = rivals.river_settings()
    except ImportError:
        tell("river is not installed: its detectors are left out (pip install river)")
        return points
    for name, (make, settings) in detectors.items():
        mine: list[Point] = []
        rides = min(slow_rides, len(streams.probabilities)) if name == "KSWIN" else len(streams.probabilities)
        part = rivals.first_rides(streams, rides)
        for setting in settings:
            alarms = rivals.river_alarms(make, setting, part, rides)
            shown = ", ".join(f"{key} {value:g}" for key, value in setting.items() if key not in ("mode", "seed"))
            mine.append(Point(name, shown, score(part, alarms)))
        tell(line(best(mine)))
        points += mine
    return points


def best(points: Sequence[Point]) -> Point:
    """Return the point with the highest recall among those with few enough false alarms, else with the fewest."""
    allowed = [point for point in points if point.score.false_per_hour <= ALLOWED_PER_HOUR]
    if allowed:
        return max(allowed, key=lambda point: point.score.recall)
    return min(points, key=lambda point: point.score.false_per_hour)


def line(point: Point) -> str:
    """Return a row of the table."""
    s = point.score
    return (
        f"{point.method:<20} {point.setting:<44} recall {s.recall:6.1%} of {s.episodes:4d}  delay {s.median_s:5.2f} s, "
        f"90 % {s.p90_s:5.2f} s  {s.false_per_hour:7.2f} false alarms/h"
    )


def as_row(case: str, point: Point) -> dict[str, Any]:
    """Return a point for JSON."""
    return {"case": case, "method": point.method, "setting": point.setting, **dataclasses.asdict(point.score)}
