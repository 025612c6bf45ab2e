"""Time from a camera's image to the emotions over ROS: the nodes as processes of their own, and composed.

One image is under way at a time: the next is sent when the emotions of the last have come, so that the figures are
those of the way and not of queues (benchmarks/load.py has those). The camera is a process of its own; CPU time and
memory are those of the nodes.

python benchmarks/graph.py [--modes processes composed] [--faces 1 4 8] [--sizes 1280x720 ...]
"""

from __future__ import annotations

import time

from common import report
from common.camera import Camera
from common.measuring import timing
from common.processes import Children
from common.scenes import make_scene

MODES = {
    "processes": (["face_detector"], ["emotion_recognizer"], ["anomaly_monitor"]),
    "composed": (["cabin", "--no-overlay"],),
}
#: The tracker takes up to a second to trust a doubtful face.
WARM_UP_FRAMES = 45


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    args = parser.parse_args()
    head = report.begin(args)
    rows: list[report.Row] = []
    camera = Camera()
    try:
        for mode in args.modes:
            commands = [["-m", f"emotional_dan_ros.nodes.{name}", *rest] for name, *rest in MODES[mode]]
            with Children(commands) as children:
                for size_wh in args.sizes:
                    for faces in args.faces:
                        camera.load(make_scene(faces, size_wh, args.media))
                        camera.wait_for_graph(children)
                        row = measure_graph(mode, faces, size_wh, camera, children, args.seconds)
                        report.show(row, first=not rows)
                        rows.append(row)
    finally:
        camera.close()
    report.finish("graph", args, head, rows)
    return 0


def measure_graph(
    mode: str, faces: int, size_wh: tuple[int, int], camera: Camera, children: Children, seconds: float
) -> report.Row:
    """One case."""
    for index in range(WARM_UP_FRAMES):
        camera.wait_for(camera.publish(index))
    children.forget_peaks()
    times_s: list[float] = []
    states, lost, index = 0, 0, WARM_UP_FRAMES
    cpu_s, began_s = children.cpu_s(), time.monotonic()
    while time.monotonic() - began_s < seconds:
        stamp_ns = camera.publish(index)
        index += 1
        if not camera.wait_for(stamp_ns):
            lost += 1
            continue
        came_ns, seen = camera.heard[stamp_ns]
        times_s.append((came_ns - stamp_ns) / 1e9)
        states += seen
    wall_s, cpu_s = time.monotonic() - began_s, children.cpu_s() - cpu_s
    children.check()
    figures = {"recognised": states / len(times_s), "lost": lost}
    return report.Row(mode, faces, size_wh, timing(times_s, wall_s, cpu_s, children.peak_mb()), figures)


if __name__ == "__main__":
    raise SystemExit(main())
