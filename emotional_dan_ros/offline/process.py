"""``emotional-dan process``: recordings in, results out, without ROS."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.keyframes import DEFAULT_DETECTION_INTERVAL
from emotional_dan_ros.model.weights import weights_path
from emotional_dan_ros.offline.engine import EmbeddedEngine, Engine
from emotional_dan_ros.offline.frame_pipeline import FramePipeline, PipelineConfig
from emotional_dan_ros.offline.inputs import Input, expand, fingerprint
from emotional_dan_ros.offline.job import Outcome, run_job
from emotional_dan_ros.offline.maps import MapPainter
from emotional_dan_ros.offline.outputs import OutputConfig
from emotional_dan_ros.offline.own_calibration import own_calibration
from emotional_dan_ros.offline.progress import Board
from emotional_dan_ros.offline.ray_engine import DEFAULT_PIECE_FRAMES, RayEngine
from emotional_dan_ros.offline.table import default_format

EXIT_INCOMPLETE = 1
#: Changes when results of the same input would; such results are not mixed.
RESULTS_VERSION = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of ``emotional-dan process``."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="rosbag2 folders or files, videos, images, folders, patterns, sample"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder; each input gets a folder of its own in it")
    parser.add_argument("--topic", help="image topic, for bags with several")
    parser.add_argument("--weights", default="rt", help="name of shipped weights or a .safetensors file (default: rt)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--detection-interval",
        type=int,
        default=DEFAULT_DETECTION_INTERVAL,
        metavar="N",
        help=f"detect on every Nth frame, follow between; 1 detects on each (default: {DEFAULT_DETECTION_INTERVAL})",
    )
    parser.add_argument("--table", choices=("parquet", "csv"), help="default: parquet where pyarrow is installed")
    parser.add_argument("--video", action="store_true", help="write an annotated video too")
    parser.add_argument(
        "--images", action="store_true", help="put images and annotated images into the bag too, as JPEG"
    )
    parser.add_argument("--merge", action="store_true", help="copy the topics of an input bag into the bag")
    parser.add_argument("--crops", action="store_true", help="keep the aligned face crops in the bag")
    parser.add_argument(
        "--engine", choices=("embedded", "ray"), default="embedded", help="where frames are processed: here or on Ray"
    )
    parser.add_argument("--address", help="of a running Ray cluster; without it one is started here")
    parser.add_argument("--workers", type=int, help="pieces that Ray works on at a time (default: one per core)")
    parser.add_argument(
        "--chunk-frames",
        type=int,
        default=DEFAULT_PIECE_FRAMES,
        help=f"length of the pieces that Ray gets (default: {DEFAULT_PIECE_FRAMES})",
    )
    parser.add_argument("--force", action="store_true", help="replace the results of another run")


def run(args: argparse.Namespace) -> int:
    """Process every input; returns 0 if all were processed without a loss, else 1."""
    _check(args)
    jobs = expand(args.inputs, args.topic)
    pipeline_config = PipelineConfig(
        weights=args.weights,
        device=args.device,
        detection_interval=args.detection_interval,
        with_crops=args.crops,
    )
    output_config = OutputConfig(
        table=args.table or default_format(),
        video=args.video,
        images=args.images,
        merge=args.merge,
        crops=args.crops,
        tracker=pipeline_config.tracker,
        monitor=MonitorConfig(),
        calibration=own_calibration(args.weights),
    )
    settings = _settings(pipeline_config, output_config)
    AnomalyMonitor(
        output_config.monitor, output_config.calibration
    )  # what is wrong with it is told now, and not after the last frame

    explain = MapPainter(args.weights, args.device)
    outcomes: list[Outcome] = []
    failures: dict[str, str] = {}

    def process_one(job: Input, engine: Engine, board: Board) -> None:
        line = board.line(job.name)
        try:
            # Opening comes before identifying: what is missing is told as such.
            with job.open():
                pass
            run_id = fingerprint(job.identity(), settings)
            folder = args.out / job.name
            outcome = run_job(job, folder, run_id, engine, output_config, explain, line.show, args.force)
        except (UserError, OSError) as error:
            failures[job.spec] = " ".join(str(error).split())
            line.end(f"failed: {failures[job.spec]}")
            return
        line.end("was already done" if outcome.was_done else _in_words(outcome))
        outcomes.append(outcome)

    if args.engine == "embedded":
        with EmbeddedEngine(lambda: FramePipeline(pipeline_config)) as engine:
            for job in jobs:
                process_one(job, engine, Board(1))
    else:
        _on_ray(args, jobs, pipeline_config, process_one)
    place = {job.name: index for index, job in enumerate(jobs)}
    outcomes.sort(key=lambda outcome: place[outcome.name])
    return _summarise(outcomes, failures, args.out)


def _on_ray(
    args: argparse.Namespace,
    jobs: Sequence[Input],
    config: PipelineConfig,
    process_one: Callable[[Input, Engine, Board], None],
) -> None:
    """Process several inputs at a time, so that short ones keep all workers busy."""
    board = Board(len(jobs))
    with ExitStack() as stack:
        engine = stack.enter_context(RayEngine(config, args.address, args.workers, board.say, args.chunk_frames))
        threads = stack.enter_context(ThreadPoolExecutor(min(len(jobs), engine.num_workers + 1), "input"))
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)
        stack.callback(engine.stop)
        for future in [threads.submit(process_one, job, engine, board) for job in jobs]:
            future.result()


def _check(args: argparse.Namespace) -> None:
    for name in ("workers", "chunk_frames", "detection_interval"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')}: expected at least 1, got {value}")
    if args.engine != "ray" and (args.address or args.workers):
        raise UserError("--address and --workers: expected --engine ray with them, got the embedded engine")


def _settings(pipeline: PipelineConfig, outputs: OutputConfig) -> dict[str, Any]:
    weights = weights_path(pipeline.weights)
    settings: dict[str, Any] = {
        "version": RESULTS_VERSION,
        "weights": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "detector": asdict(pipeline.detector),
        "detection_interval": pipeline.detection_interval,
        "tracker": asdict(pipeline.tracker),
        "monitor": asdict(outputs.monitor),
        "crops": pipeline.with_crops,
        "table": outputs.table,
        "video": outputs.video,
        "images": outputs.images,
        "merge": outputs.merge,
    }
    if outputs.calibration is not None:  # the shipped ones belong to the weights
        settings["calibration"] = hashlib.sha256(outputs.calibration.as_json().encode()).hexdigest()
    return settings


def _in_words(outcome: Outcome) -> str:
    rate_hz = outcome.num_frames / max(outcome.seconds, 1e-6)
    return f"{outcome.num_frames} frames in {outcome.seconds:.1f} s ({rate_hz:.0f} frames/s)"


def _summarise(outcomes: Sequence[Outcome], failures: dict[str, str], out: Path) -> int:
    incomplete = [outcome for outcome in outcomes if outcome.problems]
    for outcome in incomplete:
        for problem in outcome.problems:
            print(f"{outcome.name}: not processed: {problem}", file=sys.stderr)
    for spec, reason in failures.items():
        print(f"failed: {spec}: {reason}", file=sys.stderr)
    total = len(outcomes) + len(failures)
    print(f"{len(outcomes) - len(incomplete)} of {total} inputs processed completely; results in {out}")
    return EXIT_INCOMPLETE if incomplete or failures else 0
