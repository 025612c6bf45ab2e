"""``emotional-dan process``: recordings in, results out, without ROS."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotional_dan_ros.core.anomaly import AnomalyMonitor, MonitorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.model.weights import weights_path
from emotional_dan_ros.offline.engine import EmbeddedEngine
from emotional_dan_ros.offline.frame_pipeline import FramePipeline, PipelineConfig
from emotional_dan_ros.offline.inputs import expand, fingerprint
from emotional_dan_ros.offline.job import Outcome, run_job
from emotional_dan_ros.offline.maps import MapPainter
from emotional_dan_ros.offline.outputs import OutputConfig
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
    parser.add_argument("--table", choices=("parquet", "csv"), help="default: parquet where pyarrow is installed")
    parser.add_argument("--video", action="store_true", help="write an annotated video too")
    parser.add_argument(
        "--images", action="store_true", help="put images and annotated images into the bag too, as JPEG"
    )
    parser.add_argument("--merge", action="store_true", help="copy the topics of an input bag into the bag")
    parser.add_argument("--crops", action="store_true", help="keep the aligned face crops in the bag")
    parser.add_argument("--force", action="store_true", help="replace the results of another run")


def run(args: argparse.Namespace) -> int:
    """Process every input; returns 0 if all were processed without a loss, else 1."""
    jobs = expand(args.inputs, args.topic)
    pipeline_config = PipelineConfig(weights=args.weights, device=args.device, with_crops=args.crops)
    output_config = OutputConfig(
        table=args.table or default_format(),
        video=args.video,
        images=args.images,
        merge=args.merge,
        crops=args.crops,
        tracker=pipeline_config.tracker,
        monitor=MonitorConfig(),
    )
    settings = _settings(pipeline_config, output_config)
    AnomalyMonitor(output_config.monitor)  # what is wrong with it is told now, and not after the last frame

    explain = MapPainter(args.weights, args.device)
    outcomes: list[Outcome] = []
    failures: dict[str, str] = {}
    with EmbeddedEngine(lambda: FramePipeline(pipeline_config)) as engine:
        for job in jobs:
            line = ProgressLine(job.name)
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
                continue
            line.end("was already done" if outcome.was_done else _in_words(outcome))
            outcomes.append(outcome)
    return _summarise(outcomes, failures, args.out)


def _settings(pipeline: PipelineConfig, outputs: OutputConfig) -> dict[str, Any]:
    weights = weights_path(pipeline.weights)
    return {
        "version": RESULTS_VERSION,
        "weights": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "detector": asdict(pipeline.detector),
        "tracker": asdict(pipeline.tracker),
        "monitor": asdict(outputs.monitor),
        "crops": pipeline.with_crops,
        "table": outputs.table,
        "video": outputs.video,
        "images": outputs.images,
        "merge": outputs.merge,
    }


class ProgressLine:
    """One line that is written over on a terminal, and now and then a line of its own elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tty = sys.stderr.isatty()
        self._began_s = time.monotonic()
        self._began_at: int | None = None
        self._shown_s = self._began_s

    def show(self, done: int, total: int | None) -> None:
        """Say how far it is; called for every frame, writes a few times a second at most."""
        now_s = time.monotonic()
        if self._began_at is None:  # frames of an earlier run do not count for the rate
            self._began_at, self._began_s = done - 1, now_s
        if now_s - self._shown_s < (0.2 if self._tty else 10.0) or now_s - self._began_s < 1.0:
            return
        self._shown_s = now_s
        rate_hz = (done - self._began_at) / max(now_s - self._began_s, 1e-6)
        text = f"{self._name}: {done} frames, {rate_hz:.0f} frames/s"
        if total:
            left_s = max(0, total - done) / max(rate_hz, 1e-6)
            share = min(1.0, done / total)
            bar = "#" * round(20 * share)
            text = (
                f"{self._name} [{bar:<20}] {share:4.0%}, {done}/{total} frames, {rate_hz:.0f} frames/s, "
                f"{int(left_s) // 60}:{int(left_s) % 60:02d} left"
            )
        self._write(text, end="" if self._tty else "\n")

    def end(self, text: str) -> None:
        """Say how it ended, on a line that stays."""
        self._write(f"{self._name}: {text}", end="\n")

    def _write(self, text: str, end: str) -> None:
        start = "\r\x1b[K" if self._tty else ""
        print(f"{start}{text}", end=end, file=sys.stderr, flush=True)


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
