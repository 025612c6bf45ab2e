"""Where the time goes between the camera's stamp and the emotions: publishing, transport, conversion, finding, naming.

First with a camera in another process, whose images cross a process boundary; then with pictures handed over as
objects, beside the time of the core alone on the same pictures in the same process. One image is under way at a time.

python benchmarks/ros_cost.py [--faces 4] [--sizes 1280x720] [--seconds 5]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from common import report
from common.camera import Camera
from common.measuring import timing
from common.processes import Children
from common.scenes import Scene, make_scene
from common.tapped_cabin import WARM_UP_FRAMES

CABIN = str(Path(__file__).resolve().parent / "common" / "tapped_cabin.py")
Passed = Mapping[str, int]


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__, seconds=5.0)
    parser.set_defaults(faces=[4], sizes=[(1280, 720)])
    args = parser.parse_args()
    head = report.begin(args)
    rows: list[report.Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for size_wh in args.sizes:
            for faces in args.faces:
                scene = make_scene(faces, size_wh, args.media)
                measured = over_ros(scene, args.seconds, Path(folder)) + in_process(scene, args.seconds, Path(folder))
                for row in measured:
                    report.show(row, first=not rows)
                    rows.append(row)
    report.finish("ros_cost", args, head, rows)
    return 0


def over_ros(scene: Scene, seconds: float, folder: Path) -> list[report.Row]:
    """The camera in a process of its own."""
    out = folder / "ros.json"
    camera = Camera()
    publishing: dict[int, int] = {}
    try:
        camera.load(scene)
        with Children([[CABIN, str(out)]]) as children:
            camera.wait_for_graph(children)
            end_s, index = time.monotonic() + seconds, 0
            while time.monotonic() < end_s or index < 2 * WARM_UP_FRAMES:
                stamp_ns = camera.publish(index)
                publishing[stamp_ns] = time.time_ns()
                camera.wait_for(stamp_ns)
                index += 1
    finally:
        camera.close()
    passed = {int(stamp): times for stamp, times in json.loads(out.read_text(encoding="utf-8"))["passed"].items()}
    whole = [
        {**passed[stamp], "stamp": stamp, "published": published, "heard": camera.heard[stamp][0]}
        for stamp, published in list(publishing.items())[WARM_UP_FRAMES:]
        if stamp in camera.heard and "emotions" in passed.get(stamp, {})
    ]
    stages: dict[str, Callable[[Passed], int]] = {
        "over ROS: publish() in the camera": lambda t: t["published"] - t["stamp"],
        "over ROS: stamp to arrival (publishing and transport)": lambda t: t["image"] - t["stamp"],
        "over ROS: waking the worker and conversion": lambda t: t["decoded"] - t["image"],
        "over ROS: detection, tracking, alignment": lambda t: t["faces"] - t["decoded"],
        "over ROS: recognition": lambda t: t["emotions"] - t["faces"],
        "over ROS: emotions to the listener": lambda t: t["heard"] - t["emotions"],
        "over ROS: stamp to listener": lambda t: t["heard"] - t["stamp"],
    }
    return [_row(name, scene, [stage(t) / 1e9 for t in whole]) for name, stage in stages.items()]


def in_process(scene: Scene, seconds: float, folder: Path) -> list[report.Row]:
    """Pictures as objects."""
    out, pictures = folder / "objects.json", folder / "pictures.npy"
    np.save(pictures, np.stack(scene.images))
    command = [sys.executable, CABIN, str(out), str(pictures), str(seconds)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    result = json.loads(out.read_text(encoding="utf-8"))
    whole = [t for t in result["passed"].values() if "emotions" in t][WARM_UP_FRAMES:]
    graph_s = [(t["emotions"] - t["image"]) / 1e9 for t in whole]
    core_s = result["core_s"]
    added_ms = (np.mean(graph_s) - np.mean(core_s)) * 1e3
    return [
        _row("as objects: detection, tracking, alignment", scene, [(t["faces"] - t["image"]) / 1e9 for t in whole]),
        _row("as objects: recognition", scene, [(t["emotions"] - t["faces"]) / 1e9 for t in whole]),
        _row("as objects: image to emotions", scene, graph_s, {"more than the core, ms": added_ms}),
        _row("the core alone", scene, core_s),
    ]


def _row(what: str, scene: Scene, times_s: Sequence[float], extra: Mapping[str, float] | None = None) -> report.Row:
    return report.Row(
        what,
        scene.faces,
        scene.size_wh,
        timing(times_s, sum(times_s)),
        {"mean ms": float(np.mean(times_s)) * 1e3, **(extra or {})},
    )


if __name__ == "__main__":
    raise SystemExit(main())
