"""From alarms per hour to thresholds.

Two ways lead there. Theory: for evidence that is a log-likelihood ratio, Wald's inequality bounds the
rate at which independent looks cross a threshold by chance (`wald_threshold`). Measurement: a
network's errors last as long as the face that causes them, so looks are not independent; the
calibration saved with the weights says at which rate each kind's evidence crosses each threshold on
ordinary passengers seen through that network. Thresholds come from the measurement, and continue
with the theory's slope beyond what was measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import NUM_EMOTIONS

#: Written by ``python benchmarks/anomaly.py calibrate``.
CALIBRATION_FILE = Path(__file__).resolve().parents[2] / "weights" / "monitor_calibration.json"

#: How one passenger's false alarms are divided between the kinds that are switched on.
SHARES: Mapping[str, float] = {"sudden_change": 0.6, "startle": 0.2, "sustained_negative": 0.2}

#: The duration that sets each kind's pace: a kind run twice as slowly raises half as many alarms.
PACE: Mapping[str, str] = {
    "sudden_change": "sudden_change.evidence_s",
    "startle": "baseline.fast_s",
    "sustained_negative": "sustained_negative.hold_s",
}


#: No threshold of sudden change lies below this, nats.
LEAST_EVIDENCE = 0.1
#: Least evidence of each of several passengers, as a share of what one alone needs: those in one vehicle share
#: light and vibration, so chance is not as independent as the derivation has it.
LEAST_SHARE_OF_EACH = 0.3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where each kind's evidence becomes an event.

    Attributes:
        sudden_change: evidence in nats.
        startle: sum of the watched probabilities, 0..1.
        sustained_negative: sum of the watched probabilities, 0..1.
        several_passengers: evidence in nats of each passenger, by the number of passengers watched:
            entry 0 is for two, the last for that many and more.
    """

    sudden_change: float
    startle: float
    sustained_negative: float
    several_passengers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """How often one kind's evidence crosses a threshold on ordinary passengers.

    Attributes:
        pace_s: value of the kind's `PACE` setting during the measurement.
        alarms_per_hour: strictly falling, > 0, for one passenger.
        threshold: rising, as long as ``alarms_per_hour``.
    """

    pace_s: float
    alarms_per_hour: tuple[float, ...]
    threshold: tuple[float, ...]

    def threshold_at(self, alarms_per_hour: float, pace_s: float) -> float:
        """Interpolate over the logarithm of the rate; beyond the ends go on with the end's slope."""
        x = -np.log(self.alarms_per_hour)
        y = np.asarray(self.threshold)
        wanted = -math.log(alarms_per_hour * pace_s / self.pace_s)
        first = int(np.clip(np.searchsorted(x, wanted) - 1, 0, len(x) - 2))
        slope = (y[first + 1] - y[first]) / (x[first + 1] - x[first])
        return float(y[first] + slope * (wanted - x[first]))


@dataclass(frozen=True, slots=True)
class Prior:
    """What ordinary passengers look like to a model; both (7,) and sum to 1.

    Attributes:
        mean_output: mean of its probabilities.
        shares: emotion shares under which its probabilities are most likely (core/anomaly/change.py).
    """

    mean_output: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured on ordinary passengers through a model.

    Attributes:
        model_name: the weights it belongs to.
        source: how it was made, for people.
        hours: how many passenger-hours were watched.
        prior: what is expected of a passenger at first sight.
        curves: by kind (`SHARES`).
    """

    model_name: str
    source: str
    hours: float
    prior: Prior
    curves: Mapping[str, Curve]

    def thresholds(self, config: MonitorConfig) -> Thresholds:
        """Derive the thresholds that keep ``config.false_alarms_per_hour``."""
        flat = config.flat()
        enabled = sum(share for kind, share in SHARES.items() if flat[f"{kind}.enabled"]) or 1.0
        rate = {kind: config.false_alarms_per_hour * share / enabled for kind, share in SHARES.items()}
        at = {kind: curve.threshold_at(rate[kind], flat[PACE[kind]]) for kind, curve in self.curves.items()}
        sudden = self.curves["sudden_change"]
        own = max(at["sudden_change"], LEAST_EVIDENCE)
        several = tuple(
            min(max(sudden.threshold_at(rate_of_each, flat[PACE["sudden_change"]]), LEAST_SHARE_OF_EACH * own), own)
            for rate_of_each in coincidence_rates(config)
        )
        return Thresholds(
            sudden_change=own,
            startle=float(np.clip(at["startle"], 0.05, 0.995)),
            sustained_negative=float(np.clip(at["sustained_negative"], 0.05, 0.995)),
            several_passengers=several,
        )

    def as_json(self) -> str:
        """Return the file's text."""
        curves = {
            kind: {
                "pace_s": curve.pace_s,
                "alarms_per_hour": list(curve.alarms_per_hour),
                "threshold": list(curve.threshold),
            }
            for kind, curve in self.curves.items()
        }
        content = {
            "model_name": self.model_name,
            "source": self.source,
            "hours": self.hours,
            "prior": {"mean_output": list(self.prior.mean_output), "shares": list(self.prior.shares)},
            "curves": curves,
        }
        return json.dumps(content, indent=1) + "\n"


def wald_threshold(alarms_per_hour: float, evidence_s: float, alternatives: int = 1) -> float:
    """Return the CUSUM threshold in nats that theory gives for independent looks.

    The mean number of looks to a false alarm of a CUSUM over exact log-likelihood ratios is at least
    exp(threshold) (Lorden 1971, from Wald's inequality); several alternatives share the rate.
    """
    looks_per_hour = 3600.0 / evidence_s
    return math.log(looks_per_hour * alternatives / alarms_per_hour)


def coincidence_rates(config: MonitorConfig) -> tuple[float, ...]:
    """Return how often each of 2, 3, ... passengers may cross by chance, per hour.

    n independent passengers that each cross r times an hour cross in pairs within a window of w hours
    n (n - 1) w r^2 times an hour; solved for r at the accepted rate. Events that take more than two
    are rarer still, so the same rate is on the safe side.
    """
    window_h = config.several_passengers.window_s / 3600.0
    numbers = range(2, max(3, min(config.memory.max_passengers, 16)) + 1)
    return tuple(math.sqrt(config.false_alarms_per_hour / (n * (n - 1) * window_h)) for n in numbers)


def load_calibration(path: Path | str = CALIBRATION_FILE) -> Calibration:
    """Read a calibration file.

    Raises:
        UserError: the file is missing or is not a calibration.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        curves = {kind: _curve(kind, content["curves"][kind]) for kind in SHARES}
        return Calibration(
            model_name=str(content["model_name"]),
            source=str(content["source"]),
            hours=float(content["hours"]),
            prior=Prior(_shares(content["prior"]["mean_output"]), _shares(content["prior"]["shares"])),
            curves=curves,
        )
    except OSError as error:
        raise UserError(
            f"expected the monitor's calibration at {path}, got {error.strerror}; "
            "reinstall, or write one with 'python benchmarks/anomaly.py calibrate'"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"expected a monitor calibration in {path}, got {error!r}; write it anew") from None


def _curve(kind: str, content: Mapping[str, Any]) -> Curve:
    rates = tuple(float(value) for value in content["alarms_per_hour"])
    thresholds = tuple(float(value) for value in content["threshold"])
    if len(rates) < 2 or len(rates) != len(thresholds):
        raise ValueError(f"{kind} needs two or more rates and as many thresholds")
    if min(rates) <= 0 or np.any(np.diff(rates) >= 0) or np.any(np.diff(thresholds) < 0):
        raise ValueError(f"{kind} needs falling rates above 0 and rising thresholds")
    return Curve(float(content["pace_s"]), rates, thresholds)


def _shares(values: Sequence[float]) -> tuple[float, ...]:
    shares: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if shares.shape != (NUM_EMOTIONS,) or not np.all(shares > 0) or abs(float(shares.sum()) - 1.0) > 1e-3:
        raise ValueError(f"the prior needs {NUM_EMOTIONS} probabilities above 0 that sum to 1")
    return tuple(float(value) for value in shares / shares.sum())
