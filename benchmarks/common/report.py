"""Command line, table and JSON that all benchmarks have in common."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.ceilings import measure_ceilings
from common.machine import describe_machine, use_threads
from common.measuring import Timing
from common.scenes import MEDIA

OUT = Path(__file__).resolve().parents[2] / "out" / "bench"
DEFAULT_FACES = (1, 4, 8)
DEFAULT_SIZES = ((640, 360), (1280, 720), (1920, 1080))


@dataclass(frozen=True)
class Row:
    """One measured case.

    Attributes:
        what: the thing that was measured, e.g. "MTCNN".
        faces: in the picture; None where it does not matter.
        size_wh: of the picture; None where it does not matter.
        timing: what came out.
        extra: further figures by name with unit, e.g. {"found": 4.0}; in the table, too.
    """

    what: str
    faces: int | None
    size_wh: tuple[int, int] | None
    timing: Timing
    extra: Mapping[str, float] = field(default_factory=dict)


def options(doc: str | None, seconds: float = 3.0) -> argparse.ArgumentParser:
    """A parser with what every benchmark understands; ``begin`` takes its result."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, nargs="+", default=list(DEFAULT_FACES), metavar="N")
    parser.add_argument("--sizes", type=_size, nargs="+", default=list(DEFAULT_SIZES), metavar="WxH")
    parser.add_argument("--seconds", type=float, default=seconds, help="for each case (default: %(default)g)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="cores (default: all)")
    parser.add_argument("--media", type=Path, default=MEDIA, help="folder of the clips that the faces are from")
    parser.add_argument("--out", type=Path, help="JSON to write (default: out/bench/<name>.json)")
    return parser


def begin(args: argparse.Namespace) -> dict[str, Any]:
    """Set threads and measure the ceilings; returns the head of the report."""
    use_threads(args.threads)
    machine, ceilings = describe_machine(args.threads), measure_ceilings()
    print(f"{machine['processor']}, {args.threads} threads; " + ", ".join(f"{k} {v:g}" for k, v in ceilings.items()))
    return {"machine": machine, "ceilings": ceilings}


def show(row: Row, first: bool = False) -> None:
    """Print one line of the table as soon as it is known; with `first` the head before it."""
    if first:
        print(_line(("what", "faces", "size", "median ms", "99 % ms", "frames/s", "CPU ms", "peak MB", "")))
        print("|---" * 9 + "|")
    t = row.timing
    size = "x".join(map(str, row.size_wh)) if row.size_wh else "-"
    extra = ", ".join(f"{name} {value:.4g}" for name, value in row.extra.items())
    cells = (row.what, "-" if row.faces is None else str(row.faces), size, f"{t.median_ms:.2f}", f"{t.p99_ms:.2f}",
             f"{t.frames_per_s:.1f}", "-" if t.cpu_ms is None else f"{t.cpu_ms:.2f}",
             "-" if t.peak_mb is None else f"{t.peak_mb:.0f}", extra)  # fmt: skip
    print(_line(cells), flush=True)


def finish(name: str, args: argparse.Namespace, head: Mapping[str, object], rows: Sequence[Row]) -> None:
    """Write the JSON."""
    path: Path = args.out or OUT / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {"benchmark": name, **head, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"figures are in {path}")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _size(text: str) -> tuple[int, int]:
    width, height = text.lower().split("x")
    return int(width), int(height)
