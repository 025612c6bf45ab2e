"""The whole path, image in and emotions out, against what one would take instead, on the same frames in the same run.

Every way runs in a process of its own; they take turns, so that a machine that slows down slows all of them. Below are
the recognisers alone. The package fer is measured where an interpreter has it: --fer-python, by default
out/fer/bin/python, which

    python -m venv out/fer && out/fer/bin/pip install -r benchmarks/requirements-fer.txt

makes (fer brings another OpenCV than this project's, so it gets an environment of its own).

python benchmarks/rivals.py [--faces 1 4] [--sizes 1280x720] [--threads 2]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from common import report
from common.measuring import measure, timing
from common.scenes import Scene, make_scene

HERE = Path(__file__).resolve().parent
FER_PYTHON = HERE.parent / "out" / "fer" / "bin" / "python"
WAYS = {
    "ours": "this package",
    "fer_package": "fer",
    "plain": "MTCNN + rt, plainly",
    "efficientnet": "MTCNN + EfficientNet-B0",
}
ROUNDS = 4
#: Also until the tracker trusts doubtful faces.
WARM_UP_S = 1.5


class Contender:
    """One way's process."""

    def __init__(self, module: str, frames: Path, python: str) -> None:
        command = [python, str(HERE / "contenders" / "child.py"), module, str(frames)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def run(self, seconds: float) -> dict[str, Any]:
        """Process frames for so long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} ended with {self._process.wait()}")
        return dict(json.loads(answer))

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__)
    parser.set_defaults(faces=[1, 4], sizes=[(1280, 720)])
    parser.add_argument("--fer-python", default=str(FER_PYTHON) if FER_PYTHON.is_file() else sys.executable)
    args = parser.parse_args()
    head = report.begin(args)
    pythons = dict.fromkeys(WAYS, sys.executable)
    pythons["fer_package"] = args.fer_python
    if subprocess.run([args.fer_python, "-c", "import fer.fer"], capture_output=True, check=False).returncode != 0:
        print(f"{args.fer_python} has no package fer that can be imported: it is left out (see --help)")
        del pythons["fer_package"]
    rows: list[report.Row] = []
    for size_wh in args.sizes:
        for faces in args.faces:
            for row in compare(make_scene(faces, size_wh, args.media), pythons, args.seconds):
                report.show(row, first=not rows)
                rows.append(row)
    for faces in args.faces:
        for row in compare_networks(faces, args.seconds):
            report.show(row)
            rows.append(row)
    report.finish("rivals", args, head, rows)
    return 0


def compare(scene: Scene, pythons: dict[str, str], seconds: float) -> list[report.Row]:
    """All ways on one scene, in turns."""
    answers: dict[str, list[dict[str, Any]]] = {module: [] for module in pythons}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        frames = Path(folder) / "frames.npy"
        np.save(frames, np.stack(scene.images))
        contenders = {
            module: stack.enter_context(Contender(module, frames, python)) for module, python in pythons.items()
        }
        for contender in contenders.values():
            contender.run(WARM_UP_S)
        for _ in range(ROUNDS):
            for module, contender in contenders.items():
                answers[module].append(contender.run(seconds / ROUNDS))
    rows: list[report.Row] = []
    for module, parts in answers.items():
        times_s = [time_s for part in parts for time_s in part["times_s"]]
        cpu_s = sum(part["cpu_s"] for part in parts)
        t = timing(times_s, sum(times_s), cpu_s, parts[-1]["peak_mb"])
        figures = {"faces seen": sum(part["faces"] for part in parts) / len(times_s)}
        if rows:
            figures["times ours"] = (sum(times_s) / len(times_s)) * rows[0].timing.frames_per_s
        rows.append(report.Row(WAYS[module], scene.faces, scene.size_wh, t, figures))
    return rows


def compare_networks(faces: int, seconds: float) -> list[report.Row]:
    """The recognisers alone."""
    from contenders.networks import make_networks  # imports torchvision

    rows: list[report.Row] = []
    for name, compute in make_networks(faces).items():
        t = measure(lambda _, compute=compute: compute(), seconds)
        figures = {"times ours": rows[0].timing.frames_per_s / t.frames_per_s} if rows else {}
        rows.append(report.Row(f"network alone: {name}", faces, None, t, figures))
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
