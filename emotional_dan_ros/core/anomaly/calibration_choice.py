"""Which calibration the monitor uses: that of the weights whose emotions it gets."""

from __future__ import annotations

from emotional_dan_ros.core.anomaly.calibration import Calibration, shipped_calibration
from emotional_dan_ros.core.anomaly.config import MonitorConfig
from emotional_dan_ros.core.anomaly.thresholds import Thresholds
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.shipped_weights import DEFAULT_WEIGHTS


class CalibrationChoice:
    """A calibration that was given stays; else it follows the weights.

    Args:
        given: the calibration to use; None begins with the default weights'.
        follows: take the calibration that ships for the weights that `take` names.

    Attributes:
        current: the calibration in use.
        model_name: the weights that were named last; None before the first.

    Raises:
        UserError: the calibration cannot be read.
    """

    def __init__(self, given: Calibration | None, follows: bool) -> None:
        self._follows = follows
        self.current = given or shipped_calibration(DEFAULT_WEIGHTS)
        self.model_name: str | None = None

    @property
    def warning(self) -> str:
        """What is wrong where thresholds were measured with other weights than the emotions come from; else empty."""
        measured = self.current.model_name
        if self.model_name is None or self.model_name == measured:
            return ""
        return (
            f"emotions come from the weights {self.model_name!r}, but the monitor's thresholds were measured with "
            f"{measured!r}: how many false alarms to expect is not known; see 'Other weights' in docs/monitor.md"
        )

    def take(self, model_name: str, config: MonitorConfig) -> Thresholds | None:
        """From now on emotions come from these weights; returns other thresholds where another calibration follows.

        Raises:
            UserError: a setting contradicts that calibration; then nothing is changed.
        """
        thresholds = None
        if self._follows and model_name != self.current.model_name:
            calibration = shipped_calibration(model_name)
            thresholds = derive_thresholds(calibration, config)
            self.current = calibration
        self.model_name = model_name
        return thresholds


def derive_thresholds(calibration: Calibration, config: MonitorConfig) -> Thresholds:
    """Thresholds that keep ``config.false_alarms_per_hour``.

    Raises:
        UserError: a setting contradicts a derived threshold.
    """
    thresholds = calibration.thresholds(config)
    if config.startle.low >= thresholds.startle:
        raise UserError(
            f"expected startle.low below the high level that follows from false_alarms_per_hour, got startle.low "
            f"{config.startle.low:g} and {thresholds.startle:.2f} (false_alarms_per_hour "
            f"{config.false_alarms_per_hour:g}); lower one of them"
        )
    return thresholds
