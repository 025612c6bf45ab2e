"""Time of the whole core on a frame: camera image in, emotion states of all passengers out; no ROS.

python benchmarks/core.py [--faces 1 4 8] [--sizes 1280x720 ...]
"""

from __future__ import annotations

from common import report
from common.measuring import measure
from common.pipeline import whole_core
from common.scenes import RATE_HZ, make_scene

#: The tracker takes up to a second to trust a doubtful face.
WARM_UP_FRAMES = 45


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__)
    parser.add_argument("--weights", default="rt", help="name of shipped weights or a .safetensors file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    args = parser.parse_args()
    head = report.begin(args)
    rows: list[report.Row] = []
    for size_wh in args.sizes:
        for faces in args.faces:
            scene = make_scene(faces, size_wh, args.media)
            core = whole_core(args.weights, args.device, args.threads)
            recognised: list[int] = []

            def step(index: int, core=core, scene=scene, recognised=recognised) -> None:
                stamp_ns = round(index * 1e9 / RATE_HZ)
                recognised.append(len(core(scene.image(index), stamp_ns).states))

            timing = measure(step, args.seconds, warm_up=WARM_UP_FRAMES, own_bytes=scene.num_bytes)
            seen = sum(recognised[WARM_UP_FRAMES:]) / len(recognised[WARM_UP_FRAMES:])
            row = report.Row("core", faces, size_wh, timing, {"recognised": seen})
            report.show(row, first=not rows)
            rows.append(row)
    report.finish("core", args, head, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
