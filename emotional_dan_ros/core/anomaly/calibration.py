"""From alarms per hour to thresholds.

Two ways lead there. Theory: for evidence that is a log-likelihood ratio, Wald's inequality bounds the
rate at which independent looks cross a threshold by chance (`thresholds.wald_threshold`). Measurement: a
network's errors last as long as the face that causes them, so looks are not independent; the
calibration saved with the weights says at which rate each kind's evidence crosses each threshold on
ordinary passengers seen through that network. Thresholds come from the measurement, and continue
with its last slope beyond what was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.anomaly.output_model import OutputModel
from emotional_dan_ros.core.anomaly.thresholds import Curve, Thresholds, coincidence_rates
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import NUM_EMOTIONS
from emotional_dan_ros.core.shipped_weights import DEFAULT_WEIGHTS, WEIGHTS_DIR, is_shipped_name

#: Calibrations lie beside the weights they belong to; written by ``python benchmarks/anomaly.py calibrate``.
_SUFFIX = ".monitor.json"

#: How one passenger's false alarms are divided between the kinds that are switched on.
SHARES: Mapping[str, float] = {"sudden_change": 0.8, "startle": 0.1, "sustained_negative": 0.1}

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
class Prior:
    """What ordinary passengers look like to a model; both (7,) and sum to 1.

    Attributes:
        mean_output: mean of its probabilities.
        shares: emotion shares under which its outputs are most likely (core/anomaly/change.py).
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
        outputs: how to read the model's outputs.
        curves: by kind (`SHARES`).
    """

    model_name: str
    source: str
    hours: float
    prior: Prior
    outputs: OutputModel
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
            startle=float(np.clip(at["startle"], 0.05, 0.999)),
            sustained_negative=float(np.clip(at["sustained_negative"], 0.05, 0.999)),
            several_passengers=several,
        )

    def as_json(self) -> str:
        """Return the file's text."""
        content = {
            "model_name": self.model_name,
            "source": self.source,
            "hours": self.hours,
            "prior": {"mean_output": list(self.prior.mean_output), "shares": list(self.prior.shares)},
            "outputs": {
                "slope": _rows(self.outputs.slope),
                "offset": _rows(self.outputs.offset),
                "looks": _rows(self.outputs.looks),
                "share": _rows(self.outputs.share),
            },
            "curves": {
                kind: {
                    "pace_s": curve.pace_s,
                    "alarms_per_hour": list(curve.alarms_per_hour),
                    "threshold": list(curve.threshold),
                }
                for kind, curve in self.curves.items()
            },
        }
        return _compact(content) + "\n"


def calibration_path(weights: Path | str) -> Path:
    """Where the calibration for weights lies: ``NAME.monitor.json`` beside ``NAME.safetensors``.

    Args:
        weights: a shipped name or the path of a safetensors file, as for `EmotionRecognizer.load`.
    """
    stem = WEIGHTS_DIR / str(weights) if is_shipped_name(weights) else Path(weights).with_suffix("")
    return stem.with_name(stem.name + _SUFFIX)


def calibration_for(weights: Path | str) -> Calibration | None:
    """The calibration that lies beside weights; None where there is none.

    Raises:
        UserError: there is one, but it is not a calibration.
    """
    path = calibration_path(weights)
    return load_calibration(path) if path.is_file() else None


def shipped_calibration(model_name: str) -> Calibration:
    """The calibration that ships for the weights that call themselves so, or else the default weights'.

    Raises:
        UserError: the file is missing or is not a calibration.
    """
    # The name comes from messages: it is looked for among the files that are there and never made into a path.
    shipped = {path.name.removesuffix(_SUFFIX): path for path in WEIGHTS_DIR.glob(f"*{_SUFFIX}")}
    return load_calibration(shipped.get(model_name, calibration_path(DEFAULT_WEIGHTS)))


def load_calibration(path: Path | str) -> Calibration:
    """Read a calibration file.

    Raises:
        UserError: the file is missing or is not a calibration.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(
            model_name=str(content["model_name"]),
            source=str(content["source"]),
            hours=float(content["hours"]),
            prior=Prior(_shares(content["prior"]["mean_output"]), _shares(content["prior"]["shares"])),
            outputs=_outputs(content["outputs"]),
            curves={kind: _curve(kind, content["curves"][kind]) for kind in SHARES},
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


def _outputs(content: Mapping[str, Any]) -> OutputModel:
    slope, offset, looks, share = (np.asarray(content[name], dtype=np.float64) for name in _OUTPUT_PARTS)
    n = len(share)
    if slope.shape != (NUM_EMOTIONS, NUM_EMOTIONS) or offset.shape != (NUM_EMOTIONS,):
        raise ValueError(f"outputs need a slope of {NUM_EMOTIONS} x {NUM_EMOTIONS} and an offset of {NUM_EMOTIONS}")
    if looks.shape != (n, NUM_EMOTIONS) or share.shape != (n,) or n == 0 or abs(float(share.sum()) - 1.0) > 0.01:
        raise ValueError(f"outputs need looks of {NUM_EMOTIONS} probabilities each and their shares, which sum to 1")
    if not all(np.isfinite(part).all() for part in (slope, offset, looks, share)):
        raise ValueError("outputs need finite numbers")
    return OutputModel(slope, offset, looks, share / share.sum())


_OUTPUT_PARTS = ("slope", "offset", "looks", "share")


def _shares(values: Sequence[float]) -> tuple[float, ...]:
    shares: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if shares.shape != (NUM_EMOTIONS,) or not np.all(shares > 0) or abs(float(shares.sum()) - 1.0) > 1e-3:
        raise ValueError(f"the prior needs {NUM_EMOTIONS} probabilities above 0 that sum to 1")
    return tuple(float(value) for value in shares / shares.sum())


def _rows(values: NDArray[np.float64]) -> list[Any]:
    result: list[Any] = np.round(values, 4).tolist()
    return result


def _compact(content: Any, depth: int = 0) -> str:
    """Write JSON with a line for each list of numbers."""
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(content, dict):
        entries = (f"{inner}{json.dumps(key)}: {_compact(value, depth + 1)}" for key, value in content.items())
        return "{\n" + ",\n".join(entries) + f"\n{outer}}}"
    if isinstance(content, list) and content and isinstance(content[0], list):
        return "[\n" + ",\n".join(inner + json.dumps(row) for row in content) + f"\n{outer}]"
    return json.dumps(content)
