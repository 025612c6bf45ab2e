"""Time to find the faces of a picture, without knowing anything of the picture before: the full detector.

python benchmarks/detection.py [--faces 1 4 8] [--sizes 1280x720 ...]
"""

from __future__ import annotations

from common import report
from common.measuring import measure
from common.scenes import make_scene

from emotional_dan_ros.core.detector import FaceDetector


def main() -> int:
    """Print a table and write JSON."""
    args = report.options(__doc__).parse_args()
    head = report.begin(args)
    detector = FaceDetector()
    rows: list[report.Row] = []
    for size_wh in args.sizes:
        for faces in args.faces:
            scene = make_scene(faces, size_wh, args.media)
            found: list[int] = []
            timing = measure(
                lambda i, scene=scene, found=found: found.append(len(detector.detect(scene.image(i)))),
                args.seconds,
                own_bytes=scene.num_bytes,
            )
            row = report.Row("full detection", faces, size_wh, timing, {"found": sum(found) / len(found)})
            report.show(row, first=not rows)
            rows.append(row)
    report.finish("detection", args, head, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
