"""Time to recognise the faces of a frame: aligned crops in, emotion states with landmarks out.

python benchmarks/recognition.py [--faces 1 4 8] [--weights rt]
"""

from __future__ import annotations

from common import report
from common.measuring import measure
from common.pipeline import face_pipeline
from common.scenes import make_scene

from emotional_dan_ros.core.recognizer import EmotionRecognizer

SIZE_WH = (1280, 720)


def main() -> int:
    """Print a table and write JSON."""
    parser = report.options(__doc__)
    parser.add_argument("--weights", default="rt", help="name of shipped weights or a .safetensors file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    args = parser.parse_args()
    head = report.begin(args)
    recognizer = EmotionRecognizer.load(args.weights, args.device, args.threads)
    rows: list[report.Row] = []
    for faces in args.faces:
        scene = make_scene(faces, SIZE_WH, args.media)
        pipeline = face_pipeline(args.device)
        frames = [pipeline.process(image, stamp_ns, "camera") for stamp_ns, image in scene.frames(len(scene.images))]
        frames = [frame for frame in frames if len(frame.faces) == faces]
        recognizer.warm_up((faces,))
        timing = measure(lambda i, frames=frames: recognizer.recognize(frames[i % len(frames)]), args.seconds)
        row = report.Row(f"{recognizer.model_name} on {recognizer.device}", faces, None, timing)
        report.show(row, first=not rows)
        rows.append(row)
    report.finish("recognition", args, head, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
