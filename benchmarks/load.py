"""Latency under load: a camera at 30 Hz for a while, the graph composed (or as processes) on the cores that are given.

Says the time from stamp to emotion; how many images led to no emotions, how many of these the detector never received
(overtaken in the middleware's queue of one, or lost) and how many the nodes dropped because a newer one had come; the
memory at the beginning and at the end, and what the graph uses before any camera is there.

python benchmarks/load.py [--duration 300] [--rate 30] [--faces 4] [--sizes 1280x720] [--threads 2]
"""

from __future__ import annotations

import time

from common import report
from common.camera import Camera
from common.measuring import timing
from common.processes import Children
from common.scenes import RATE_HZ, make_scene
from graph import MODES

IDLE_S = 5.0
SETTLE_S = 4.0
#: After the last image its emotions have so long to come.
LINGER_S = 1.0
#: The nodes give their counters once a second.
COUNTERS_S = 1.5
NODES = ("face_detector", "emotion_recognizer")


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__)
    parser.set_defaults(faces=[4], sizes=[(1280, 720)])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["composed"])
    parser.add_argument("--rate", type=float, default=RATE_HZ, help="images per second (default: %(default)g)")
    parser.add_argument("--duration", type=float, default=300.0, help="seconds of load (default: %(default)g)")
    args = parser.parse_args()
    head = report.begin(args)
    rows: list[report.Row] = []
    for mode in args.modes:
        commands = [["-m", f"emotional_dan_ros.nodes.{name}", *rest] for name, *rest in MODES[mode]]
        for size_wh in args.sizes:
            for faces in args.faces:
                camera = Camera()
                try:
                    camera.load(make_scene(faces, size_wh, args.media))
                    with Children(commands) as children:
                        rows.append(measure_load(mode, faces, size_wh, camera, children, args.rate, args.duration))
                finally:
                    camera.close()
                report.show(rows[-1], first=len(rows) == 1)
    report.finish("load", args, head, rows)
    return 0


def measure_load(
    mode: str,
    faces: int,
    size_wh: tuple[int, int],
    camera: Camera,
    children: Children,
    rate_hz: float,
    duration_s: float,
) -> report.Row:
    """One case."""
    idle = idle_share(camera, children)
    camera.wait_for_graph(children)
    play(camera, rate_hz, SETTLE_S)
    children.forget_peaks()
    camera.heard.clear()
    camera.listen_until(time.monotonic() + COUNTERS_S)
    before = {name: dict(camera.counters[name]) for name in NODES}
    first_mb, cpu_s = children.resident_mb(), children.cpu_s()
    sent_ns = play(camera, rate_hz, duration_s)
    cpu_s = children.cpu_s() - cpu_s
    camera.listen_until(time.monotonic() + LINGER_S + COUNTERS_S)
    children.check()
    change = {name: {k: v - before[name].get(k, 0) for k, v in camera.counters[name].items()} for name in NODES}
    times_s = [(camera.heard[stamp_ns][0] - stamp_ns) / 1e9 for stamp_ns in sent_ns if stamp_ns in camera.heard]
    figures = {
        "sent": len(sent_ns),
        "without emotions": len(sent_ns) - len(times_s),
        "not received": len(sent_ns) - change["face_detector"]["received"],
        "dropped": sum(change[name]["dropped"] for name in NODES),
        "recognised": sum(camera.heard[stamp_ns][1] for stamp_ns in sent_ns if stamp_ns in camera.heard) / len(times_s),
        "max ms": max(times_s) * 1e3,
        "cores": cpu_s / duration_s,
        "MB at begin": first_mb,
        "MB at end": children.resident_mb(),
        "idle cores": idle,
    }
    return report.Row(mode, faces, size_wh, timing(times_s, duration_s, cpu_s, children.peak_mb()), figures)


def idle_share(camera: Camera, children: Children) -> float:
    """Cores that the graph uses while no camera is there."""
    camera.wait_for_graph(children)
    camera.listen_until(time.monotonic() + SETTLE_S)
    cpu_s = children.cpu_s()
    camera.listen_until(time.monotonic() + IDLE_S)
    return (children.cpu_s() - cpu_s) / IDLE_S


def play(camera: Camera, rate_hz: float, seconds: float) -> list[int]:
    """Publish at a fixed rate and listen; returns the stamps."""
    began_s = time.monotonic()
    stamps_ns = []
    for index in range(round(seconds * rate_hz)):
        camera.listen_until(began_s + index / rate_hz)
        stamps_ns.append(camera.publish(index))
    return stamps_ns


if __name__ == "__main__":
    raise SystemExit(main())
