"""How soon the anomaly monitor notices, and how seldom it cries wolf (docs/monitor.md).

``python benchmarks/anomaly.py`` runs everything and leaves a table, curves (PNG) and figures (JSON) in the folder
of ``--out``; ``theory``, ``streams``, ``cabins``, ``clips`` and ``cost`` run a part. ``calibrate`` writes the table of
thresholds that ships beside the weights. The network's outputs on FER2013's PublicTest faces are computed first,
which takes minutes, and kept in ``--cache``. Faces that are measured on are never those that calibrated: each
half of them is seen with the calibration that the other half gave.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

# One thread: the arrays are small, and the figures should not depend on the number of cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
from monitor_bench import cabins, figure, outputs, real, theory  # noqa: E402
from monitor_bench.calibrate import calibrate  # noqa: E402
from monitor_bench.cost import cost_per_frame_us  # noqa: E402
from monitor_bench.streams import FaceOutputs, join, synthetic_outputs  # noqa: E402

from emotional_dan_ros.core.anomaly import Calibration, MonitorConfig, calibration_path  # noqa: E402
from emotional_dan_ros.core.errors import UserError  # noqa: E402
from emotional_dan_ros.model.weights import weights_path  # noqa: E402
from emotional_dan_ros.training.sources import checksum  # noqa: E402

COMMANDS = ("all", "calibrate", "theory", "streams", "cabins", "clips", "cost")
#: Unit-normal distance of the synthetic classifier's classes: right on 73 % of faces.
SYNTHETIC_DISTANCE = 2.0


def main() -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="all")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of fer2013.npz")
    parser.add_argument("--media", type=Path, default=ROOT.parent / "shared" / "media", help="folder of videos")
    parser.add_argument("--weights", default="rt", help="shipped name or safetensors file")
    parser.add_argument("--synthetic", action="store_true", help="a classifier drawn at random; needs no data")
    parser.add_argument("--cache", type=Path, help="the outputs on the faces (default: a file for the weights)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "anomaly")
    parser.add_argument(
        "--calibration", type=Path, help="what calibrate writes (default: NAME.monitor.json beside the weights)"
    )
    parser.add_argument("--hours", type=float, default=10.0, help="passenger-hours of streams")
    parser.add_argument("--calibration-hours", type=float, default=60.0)
    parser.add_argument("--hz", type=float, default=5.0, help="frames per second of the streams")
    parser.add_argument("--poses", type=int, default=4, help="of each face")
    parser.add_argument("--cabins", type=int, default=16, help="how many cabins, each a quarter of an hour")
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--kswin-rides", type=int, default=8, help="passengers (of a quarter of an hour) for KSWIN")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        figures: dict[str, Any] = {"seed": args.seed, "python": platform.python_version(), "numpy": np.__version__}
        if args.command == "calibrate":
            return run_calibrate(args)
        if args.command in ("all", "theory"):
            figures["theory"] = run_theory(args)
        if args.command in ("all", "streams"):
            figures["streams"] = run_streams(args)
        if args.command in ("all", "cabins"):
            figures["cabins"] = run_cabins(args)
        if args.command in ("all", "clips") and not args.synthetic:
            figures["clips"] = run_clips(args)
        if args.command in ("all", "cost"):
            figures["cost_us"] = run_cost()
    except UserError as error:
        print(f"anomaly.py: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{args.command}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"figures and curves are in {args.out}")
    return 0


def run_calibrate(args: argparse.Namespace) -> int:
    """Write the table that lies beside the weights."""
    if args.synthetic and not args.calibration:
        raise UserError("calibrate: expected --calibration FILE with --synthetic, whose table belongs to no weights")
    faces = _faces(args, "ferplus")
    what = "a synthetic classifier" if args.synthetic else "FER2013's PublicTest faces, FER+ labels"
    source = f"{what}; python benchmarks/anomaly.py calibrate --seed {args.seed}"
    result = _calibrate(args, faces, source)
    path = args.calibration or calibration_path(args.weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(result.as_json(), encoding="utf-8")
    print(f"wrote {path}")
    return 0


def run_theory(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare with the exact CUSUM."""
    rows: list[dict[str, Any]] = []
    print(f"\nMean delay at a mean time of {theory.RUN_LENGTH_S:g} s to a false alarm, independent frames")
    for family in theory.FAMILIES:
        for hz in (10.0, 30.0):
            c = theory.compare(family, hz, args.seed, MonitorConfig())
            rows.append({**dataclasses.asdict(c), "ratio": c.ratio})
            print(
                f"{c.family:<30} {hz:3.0f} Hz  exact {c.exact_s:5.3f} s  monitor {c.monitor_s:5.3f} s  "
                f"ratio {c.ratio:4.2f}",
                flush=True,
            )
    return rows


def run_streams(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run monitor and rivals on faces."""
    faces = _faces(args, "ferplus")
    calibrations = [_calibrate(args, faces.without(half, 2), "the other half of the faces") for half in (0, 1)]
    rows: list[dict[str, Any]] = []
    curves: dict[str, list[real.Point]] = {}
    for index, case in enumerate(real.CASES):
        labelled = _faces(args, case.labels)
        parts = [
            real.streams_of(case, labelled.part(half, 2), args.hours / 2, args.hz, args.seed + 100 + half)
            for half in (0, 1)
        ]
        streams = join(parts)
        print(f"\n{case.name}: {streams.hours:.1f} h, {len(streams.episodes)} unexpected episodes", flush=True)
        halves = list(zip(parts, calibrations, strict=True))
        points = real.monitor_points(halves, real.ASKED_PER_HOUR, _tell)
        if not args.no_rivals and index < 2:
            points += real.rival_points(streams, _tell, args.kswin_rides)
            curves[case.name] = points
        print(f"at {real.ALLOWED_PER_HOUR:g} false alarm/h or fewer:")
        for method in dict.fromkeys(point.method for point in points):
            point = real.best([p for p in points if p.method == method])
            print(f"  {real.line(point)}", flush=True)
        rows += [real.as_row(case.name, point) for point in points]
    if curves:
        title = f"Unexpected episodes of 3 s and longer, {args.hours:g} h a curve, model {faces.name}"
        figure.write_curves(args.out / "recall.png", curves, title)
    return rows


def run_cabins(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Startle several passengers at once."""
    faces = _faces(args, "ferplus")
    calibration = _calibrate(args, faces.without(1, 2), "the other half of the faces")
    rows: list[dict[str, Any]] = []
    print("\nSeveral passengers at once, cabins of four")
    for asked in (0.1, 1.0, 4.0):
        s = cabins.run_cabins(faces.part(1, 2), calibration, args.cabins, real.RIDE_S, args.hz, args.seed, asked)
        rows.append(dataclasses.asdict(s))
        _tell(
            f"{asked:g} asked: {s.recall:.1%} of {s.bumps} found, delay {s.median_s:.2f} s, "
            f"{s.false_per_hour:.2f} false alarms/h in {s.hours:g} cabin-hours"
        )
    return rows


def run_clips(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the monitor on videos and on an hour of ordinary photographs."""
    from monitor_bench import clips  # imports torch

    results: list[dict[str, Any]] = []
    print("\nWhat is raised at the default settings")
    if args.media.is_dir():
        results += clips.run_clips(args.media, args.weights, args.out, _tell)
    else:
        print(f"  no videos: expected a folder at {args.media} (--media)")
    if (args.data / "photos.npz").is_file():
        faces = outputs.compute_photos(args.data, args.weights, 60, args.poses, args.seed, lambda _: None)
        results.append(clips.run_ordinary_hour(faces, args.out, args.seed, _tell))
    else:
        print(f"  no photographs: expected photos.npz in {args.data} (--data)")
    return results


def run_cost() -> dict[str, float]:
    """Measure the time of a frame."""
    median, p99 = cost_per_frame_us()
    print(f"\nCost of a frame with 8 passengers: median {median:.0f} us, 99th percentile {p99:.0f} us")
    return {"median": median, "p99": p99}


def _calibrate(args: argparse.Namespace, faces: FaceOutputs, source: str) -> Calibration:
    rides = round(args.calibration_hours * 3600.0 / real.RIDE_S)
    return calibrate(faces, MonitorConfig(), rides, real.RIDE_S, 5.0, args.seed, source, _tell)


def _faces(args: argparse.Namespace, labels: str) -> FaceOutputs:
    if args.synthetic:
        return synthetic_outputs(SYNTHETIC_DISTANCE, 7000, args.poses, args.seed)
    cache = args.cache or ROOT / "out" / f"monitor_outputs_{checksum(weights_path(args.weights))[:12]}.npz"
    if not cache.is_file():
        if not (args.data / "fer2013.npz").is_file():
            raise UserError(
                f"expected fer2013.npz in {args.data}, found none; name its folder with --data, or --synthetic"
            )
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(cache, **outputs.compute(args.data, args.weights, args.poses, args.seed, _tell))
    return outputs.load(cache, labels)


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
