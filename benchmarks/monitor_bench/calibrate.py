"""From a network's outputs on ordinary passengers to the table that ships beside its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly import Calibration, Curve, MonitorConfig, OutputModel, Prior, Thresholds
from emotional_dan_ros.core.anomaly.calibration import PACE, SHARES
from emotional_dan_ros.core.anomaly.observer import PassengerObserver
from emotional_dan_ros.core.anomaly.states import FrameStates
from emotional_dan_ros.core.types import AnomalyKind
from monitor_bench.fit import expected_of, fit_outputs
from monitor_bench.streams import FaceOutputs, Streams, make_streams

#: Rates that are looked up, per hour; those with too few alarms behind them are left out.
RATES = (60.0, 30.0, 15.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.12, 0.06)
#: A rate is known where at least this many alarms were counted.
FEWEST_ALARMS = 6
#: Thresholds at or below this are crossed all the time.
LOWEST = 0.05
#: Learning slows down near the thresholds, so they are found by going round a few times.
ROUNDS = 2
#: Faces are divided into this many parts: what is learnt from the others is judged on each.
FOLDS = 4

Series = dict[str, NDArray[np.float32]]


def calibrate(
    faces: FaceOutputs,
    config: MonitorConfig,
    rides: int,
    ride_s: float,
    hz: float,
    seed: int,
    source: str,
    tell: Callable[[str], None] = print,
) -> Calibration:
    """Learn what the outputs mean; measure how often each kind would cross each threshold on ordinary passengers.

    Each passenger is one person, made of a few faces of their own. The faces of a fold are judged by what was
    learnt from the other folds.
    """
    folds: list[tuple[Streams, Prior, OutputModel]] = []
    for fold in range(FOLDS):
        learnt = faces.without(fold, FOLDS)
        outputs = fit_outputs(learnt, seed)
        rides_of_it = max(rides // FOLDS, 1)
        streams = make_streams(faces.part(fold, FOLDS), rides_of_it, ride_s, hz, seed + fold, unexpected=False)
        folds.append((streams, _prior(learnt, outputs, ride_s, hz, seed), outputs))
    outputs = fit_outputs(faces, seed)
    prior = _prior(faces, outputs, ride_s, hz, seed)
    hours = sum(streams.hours for streams, _, _ in folds)
    thresholds = Thresholds(10.0, 0.9, 0.9, (10.0,))
    for _ in range(ROUNDS):
        series = [observe(*each, config, thresholds) for each in folds]
        curves = {
            kind: Curve(float(config.flat()[PACE[kind]]), *_curve([s[kind] for s in series], hours / FOLDS, hz, config))
            for kind in SHARES
        }
        result = Calibration(faces.name, source, round(hours, 2), prior, outputs, curves)
        thresholds = result.thresholds(config)
        tell(f"{hours:.0f} h of ordinary passengers: {thresholds}")
    return result


def _prior(faces: FaceOutputs, outputs: OutputModel, ride_s: float, hz: float, seed: int) -> Prior:
    streams = make_streams(faces, 40, ride_s, hz, seed, unexpected=False)
    return expected_of(streams.probabilities[:, ::20].reshape(-1, streams.probabilities.shape[-1]), outputs)


def observe(
    streams: Streams, prior: Prior, outputs: OutputModel, config: MonitorConfig, thresholds: Thresholds
) -> Series:
    """Return for each kind what is compared with its threshold, float32 (rides, frames)."""
    rides, frames = streams.probabilities.shape[:2]
    observer = PassengerObserver(
        MonitorConfig.from_flat({**config.flat(), "memory.max_passengers": rides}), thresholds, prior, outputs
    )
    rows = np.arange(rides)
    values: Series = {kind: np.zeros((rides, frames), dtype=np.float32) for kind in SHARES}
    ids, boxes = tuple(range(1, rides + 1)), np.zeros((rides, 4))
    for frame in range(frames):
        stamp_ns = round(frame / streams.hz * 1e9)
        quality = streams.quality[:, frame].astype(np.float64)
        states = FrameStates(ids, streams.probabilities[:, frame].astype(np.float64), boxes, quality, 0)
        if frame == 0:
            for row in rows:
                observer.table.add(int(row) + 1, stamp_ns)
                observer.welcome(int(row), states.probabilities[row], stamp_ns)
        strictness = observer.strictness(rows)
        usual = observer.baselines.slow[:, observer.sustained.emotions].sum(axis=1)
        signals = {signal.kind: signal for signal in observer.observe(rows, states, stamp_ns)}
        values["sudden_change"][:, frame] = observer.change.evidence.max(axis=1) / strictness
        # A level that must be stricter is compared with 1 - (1 - threshold) / strictness.
        startle = 1.0 - (1.0 - observer.startle.level) * strictness
        values["startle"][:, frame] = np.where(signals[AnomalyKind.STARTLE].ready, startle, 0.0)
        level = observer.sustained.level
        enough = level > usual + config.sustained_negative.margin
        values["sustained_negative"][:, frame] = np.where(enough, 1.0 - (1.0 - level) * strictness, 0.0)
    hold = max(round(config.sustained_negative.hold_s * streams.hz), 1)
    values["sustained_negative"] = _least_of_last(values["sustained_negative"], hold + 1)
    return values


def _least_of_last(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the least of the last ``count`` values of each row, 0 where there are not so many yet."""
    result = np.zeros_like(values)
    least = np.lib.stride_tricks.sliding_window_view(values, count, axis=1).min(axis=2)
    result[:, count - 1 :] = least
    return result


def _curve(
    folds: Sequence[NDArray[np.float32]], fold_hours: float, hz: float, config: MonitorConfig
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Find the threshold of each rate by halving; return rates and thresholds."""
    apart = round((config.events.refractory_s + 1.0) * hz)
    rates: list[float] = []
    levels: list[float] = []
    for rate in RATES:
        if rate * fold_hours * len(folds) < FEWEST_ALARMS:
            break
        low, high = 0.0, max(float(values.max()) for values in folds)
        for _ in range(20):
            middle = (low + high) / 2.0
            counted = [_count(values >= middle, apart) / fold_hours for values in folds]
            if float(np.mean(counted)) > rate:
                low = middle
            else:
                high = middle
        if high > (levels[-1] if levels else LOWEST):
            rates.append(rate)
            levels.append(round(high, 4))
    return tuple(rates), tuple(levels)


def _count(above: NDArray[np.bool_], apart: int) -> int:
    """Count alarms: what is less than ``apart`` frames after the last one belongs to the same."""
    rides, frames = np.nonzero(above)
    if not len(rides):
        return 0
    new = (np.diff(rides) > 0) | (np.diff(frames) > apart)
    return int(new.sum()) + 1
