"""How soon the anomaly monitor notices, and how seldom it cries wolf.

``python benchmarks/anomaly.py calibrate`` writes emotional_dan_ros/weights/monitor_calibration.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from monitor_bench.calibrate import calibrate  # noqa: E402
from monitor_bench.streams import synthetic_outputs  # noqa: E402

from emotional_dan_ros.core.anomaly import MonitorConfig  # noqa: E402
from emotional_dan_ros.core.anomaly.calibration import CALIBRATION_FILE  # noqa: E402


def main() -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["calibrate"])
    parser.add_argument("--outputs", choices=["synthetic"], default="synthetic")
    parser.add_argument("--hours", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    outputs = synthetic_outputs(2.0, 7000, 8, args.seed)
    rides = 40
    ride_s = args.hours * 3600.0 / rides
    result = calibrate(outputs.half(0), MonitorConfig(), rides, ride_s, 5.0, args.seed, "a synthetic classifier")
    CALIBRATION_FILE.parent.mkdir(parents=True, exist_ok=True)
    CALIBRATION_FILE.write_text(result.as_json(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
