"""The anomaly monitor's calibration for weights of one's own."""

from __future__ import annotations

import sys

from emotional_dan_ros.core.anomaly import Calibration, calibration_for, calibration_path
from emotional_dan_ros.core.shipped_weights import is_shipped_name
from emotional_dan_ros.model.weights import weights_path


def own_calibration(weights: str) -> Calibration | None:
    """The calibration that lies beside a weights file.

    Args:
        weights: a shipped name or the path of a safetensors file.

    Returns:
        None for shipped weights, whose calibration the monitor finds by itself, and where no calibration lies beside
        the file; the latter is told on stderr.

    Raises:
        UserError: there is no such file, or what lies beside it is not a calibration.
    """
    if is_shipped_name(weights):
        return None
    found = calibration_for(weights_path(weights))
    if found is None:
        print(
            f"the anomaly monitor has no calibration for {weights} (expected {calibration_path(weights)}) and takes "
            "that of the default weights: how many false alarms to expect is not known; see 'Other weights' in "
            "docs/monitor.md",
            file=sys.stderr,
        )
    return found
