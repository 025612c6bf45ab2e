"""The process of one contender: ``python child.py MODULE FRAMES.npy``, driven line by line on stdin.

Every line is a number of seconds; frames are processed so long, and a line of JSON tells of them: times of the frames
in s, CPU time in s, faces seen in all of them, peak memory in MB.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

RATE_HZ = 30.0


def main() -> int:
    """Serve until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    step = importlib.import_module(f"contenders.{sys.argv[1]}").make()
    images = np.load(sys.argv[2])
    turn = 2 * (len(images) - 1)
    index = 0
    for line in sys.stdin:
        times_s, faces = [], 0
        cpu_s, end_s = time.process_time(), time.perf_counter() + float(line)
        while not times_s or time.perf_counter() < end_s:
            place = index % turn
            image, stamp_ns = images[min(place, turn - place)], round(index * 1e9 / RATE_HZ)
            before_s = time.perf_counter()
            faces += step(image, stamp_ns)
            times_s.append(time.perf_counter() - before_s)
            index += 1
        cpu_s = time.process_time() - cpu_s
        answer = {"times_s": times_s, "cpu_s": cpu_s, "faces": faces, "peak_mb": _peak_mb() - images.nbytes / 2**20}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


def _peak_mb() -> float:
    # Not common.measuring: this file runs on interpreters that have none of this project's requirements but numpy.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    raise SystemExit(main())
