"""Time of a frame in offline processing: ``emotional-dan process`` on a video, as a user runs it.

A video is processed and then the beginning of it alone; the difference of the two, over the frames between, is the time
of a frame, and the shorter run shows what starting and finishing cost.

python benchmarks/offline.py [--faces 1 4 8] [--sizes 1280x720 ...] [--frames 150]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
from common import report
from common.measuring import Timing
from common.scenes import RATE_HZ, Scene, make_scene

SHORT_FRAMES = 15


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__)
    parser.add_argument("--frames", type=int, default=900, help="of the video (default: %(default)d)")
    args = parser.parse_args()
    head = report.begin(args)
    rows: list[report.Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for size_wh in args.sizes:
            for faces in args.faces:
                scene = make_scene(faces, size_wh, args.media)
                row = measure_offline(scene, args.frames, Path(folder))
                report.show(row, first=not rows)
                rows.append(row)
    report.finish("offline", args, head, rows)
    return 0


def measure_offline(scene: Scene, frames: int, folder: Path) -> report.Row:
    """One case."""
    name = f"{scene.faces}_{scene.size_wh[1]}"
    short = _write(scene, SHORT_FRAMES, folder / f"{name}_short.mp4")
    _process(short, folder / "results")  # reads everything from the disk, which is not counted
    short_s, short_cpu_s, _ = _process(short, folder / "again")
    long_s, long_cpu_s, peak_mb = _process(_write(scene, frames, folder / f"{name}_long.mp4"), folder / "results")
    between = frames - SHORT_FRAMES
    frame_ms = (long_s - short_s) / between * 1e3
    # A run as a whole has no distribution of frames: the mean stands for all.
    timing = Timing(between, frame_ms, frame_ms, 1e3 / frame_ms, (long_cpu_s - short_cpu_s) / between * 1e3, peak_mb)
    return report.Row("process", scene.faces, scene.size_wh, timing, {"start s": short_s})


def _write(scene: Scene, frames: int, path: Path) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE_HZ, scene.size_wh)
    for _, image in scene.frames(frames):
        writer.write(image)
    writer.release()
    return path


def _process(video: Path, out: Path) -> tuple[float, float, float]:
    """Wall time, CPU time and peak memory (of the largest process) of one run."""
    began_s = time.monotonic()
    command = [sys.executable, "-m", "emotional_dan_ros.cli", "process", str(video), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - began_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    raise SystemExit(main())
