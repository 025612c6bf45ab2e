"""Faces followed between keyframes against full detection on every frame: what is found, and what it costs.

python benchmarks/following.py [--intervals 5 10 15] [--every 1] [--clips two_people_head_pose.mp4 sample ...]

For each clip of ../shared/media and the built-in sample:

- faces: of those that full detection finds on every frame, the share that is found (overlap above one half), and
  how many are found beside them;
- switches: how often the id of a person changes (two people of a clip are told apart by the half of the picture);
- jitter: second difference of the keypoints from frame to frame in percent of the box's width, median and mean over
  all frames (the mean shows jumps at keyframes, too);
- ms: of detection, following and crops for each frame (mean, and the longest).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from common.machine import describe_machine, use_threads
from common.report import OUT
from common.scenes import MEDIA

from emotional_dan_ros.core.boxes import overlaps
from emotional_dan_ros.core.detector import FaceDetector
from emotional_dan_ros.core.perception import FaceFinder, identify
from emotional_dan_ros.core.sources import SAMPLE, open_source
from emotional_dan_ros.core.tracking import FaceTracker
from emotional_dan_ros.core.types import Face, FrameFaces

#: Clips with a person in either half of the picture.
TWO_PEOPLE = ("two_people_head_pose.mp4", SAMPLE)
#: Overlap above which two boxes are of the same face.
SAME_FACE = 0.5


@dataclass(frozen=True)
class Pass:
    """One way over a clip.

    Attributes:
        found: every face of each frame.
        switches: changes of a person's id.
        ids: how many there were.
        times_ms: of each frame.
    """

    found: list[FrameFaces]
    switches: int
    ids: int
    times_ms: list[float]


@dataclass(frozen=True)
class Row:
    """Figures of one clip with one interval; see the text above."""

    clip: str
    interval: int
    frames: int
    expected: int
    found: int
    beside: int
    switches: int
    ids: int
    jitter_median: float
    jitter_mean: float
    mean_ms: float
    longest_ms: float


def run(spec: str, two_people: bool, detector: FaceDetector, interval: int, every: int) -> Pass:
    """Go through a clip, or every n-th of its frames."""
    finder, tracker = FaceFinder(detector, interval), FaceTracker()
    found, times_ms, ids = [], [], set()
    last: dict[bool, int] = {}
    switches = 0
    with open_source(spec) as source:
        for index, (stamp_ns, image) in enumerate(source):
            if index % every:
                continue
            began_s = time.perf_counter()
            found.append(finder.find(image, stamp_ns, "camera"))
            times_ms.append((time.perf_counter() - began_s) * 1e3)
            for face in identify(tracker, found[-1]).faces:
                person = two_people and bool(face.keypoints_px[2, 0] > image.shape[1] / 2)
                switches += last.get(person, face.track_id) != face.track_id
                last[person] = face.track_id
                ids.add(face.track_id)
    return Pass(found, switches, len(ids), times_ms)


def compare(clip: str, interval: int, own: Pass, full: Pass) -> Row:
    """Figures of one way over a clip against full detection on every frame."""
    matched = beside = 0
    for frame, reference in zip(own.found, full.found, strict=True):
        table = overlaps(_boxes(reference.faces), _boxes(frame.faces)) > SAME_FACE
        matched += int(table.any(axis=1).sum())
        beside += int((~table.any(axis=0)).sum())
    jitter = _second_differences(own.found)
    return Row(
        clip=clip,
        interval=interval,
        frames=len(own.found),
        expected=sum(len(frame.faces) for frame in full.found),
        found=matched,
        beside=beside,
        switches=own.switches,
        ids=own.ids,
        jitter_median=float(np.median(jitter)) * 100,
        jitter_mean=float(np.mean(jitter)) * 100,
        mean_ms=float(np.mean(own.times_ms)),
        longest_ms=max(own.times_ms),
    )


def _boxes(faces: Sequence[Face]) -> np.ndarray:
    return np.stack([face.box_xyxy for face in faces]) if faces else np.zeros((0, 4), np.float32)


def _second_differences(frames: Sequence[FrameFaces]) -> list[float]:
    """Of the keypoints of each face that is there in three frames in a row, in widths of its box."""
    result = []
    for before, now, after in zip(frames, frames[1:], frames[2:], strict=False):
        for face in now.faces:
            first, third = _same(face, before), _same(face, after)
            if first is not None and third is not None:
                bend_px = first.keypoints_px - 2 * face.keypoints_px + third.keypoints_px
                width_px = face.box_xyxy[2] - face.box_xyxy[0]
                result.append(float(np.linalg.norm(bend_px, axis=1).mean() / width_px))
    return result or [float("nan")]


def _same(face: Face, frame: FrameFaces) -> Face | None:
    table = overlaps(face.box_xyxy[None], _boxes(frame.faces))[0]
    return frame.faces[int(table.argmax())] if table.size and table.max() > SAME_FACE else None


def show(row: Row) -> None:
    """One line of the table."""
    share = f"{row.found / row.expected:.2%}" if row.expected else "-"
    cells = (row.clip, row.interval, row.frames, f"{row.found} of {row.expected} ({share})", row.beside, row.switches,
             row.ids, f"{row.jitter_median:.2f}", f"{row.jitter_mean:.2f}", f"{row.mean_ms:.2f}",
             f"{row.longest_ms:.1f}")  # fmt: skip
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main() -> int:
    """Print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--intervals", type=int, nargs="+", default=[5, 10, 15], metavar="N", help="frames")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="take every n-th frame only (a slower camera)"
    )
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="default: all of the folder, and the sample")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="cores (default: all)")
    parser.add_argument("--media", type=Path, default=MEDIA, help="folder of the clips")
    parser.add_argument("--out", type=Path, default=OUT / "following.json", help="JSON to write")
    args = parser.parse_args()
    use_threads(args.threads)
    clips = args.clips or [*sorted(path.name for path in args.media.glob("*.m[po][4v]")), SAMPLE]
    detector = FaceDetector()
    rows: list[Row] = []
    print("| clip | interval | frames | faces | beside | switches | ids | jitter % | mean | ms | longest ms |")
    print("|---" * 11 + "|")
    for clip in clips:
        spec, two = (clip if clip == SAMPLE else str(args.media / clip)), clip in TWO_PEOPLE
        full = run(spec, two, detector, 1, args.every)
        for interval in [1, *args.intervals]:
            own = full if interval == 1 else run(spec, two, detector, interval, args.every)
            rows.append(compare(clip, interval, own, full))
            show(rows[-1])
    for interval in [1, *args.intervals]:
        of = [row for row in rows if row.interval == interval]
        found, expected = sum(row.found for row in of), sum(row.expected for row in of)
        print(
            f"interval {interval}: {found} of {expected} faces ({found / expected:.2%}), {sum(r.beside for r in of)} "
            f"beside them, {sum(row.switches for row in of)} switches"
        )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"benchmark": "following", "machine": describe_machine(args.threads), "every": args.every,
              "rows": [asdict(row) for row in rows]}  # fmt: skip
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"figures are in {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
