"""Inputs of the process command: what the user names, opened, and told apart from other runs."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sources import SAMPLE, ImageSource, open_source
from emotional_dan_ros.offline.bag_source import BagSource, is_bag

#: A jump back in time beyond this is a recording that begins again; a smaller one is an image out of order.
RESTART_NS = 1_000_000_000
DEFAULT_FRAME_ID = "camera"
_MAX_LINES = 20


@dataclass(frozen=True)
class Input:
    """One input and the name of its folder of outputs."""

    spec: str
    name: str
    topic: str | None = None

    def open(self) -> ImageSource:
        """Open the recording.

        Raises:
            UserError: it cannot be opened.
        """
        if is_bag_spec(self.spec):
            return BagSource(Path(self.spec).expanduser(), self.topic)
        return open_source(self.spec)

    def identity(self) -> dict[str, Any]:
        """What tells this input from another one of the same name: sizes and times of its files."""
        path = Path(self.spec).expanduser()
        if self.spec == SAMPLE:
            return {"spec": SAMPLE}
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        stats = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
        return {"files": hashlib.sha256(json.dumps(stats).encode()).hexdigest(), "topic": self.topic}


def is_bag_spec(spec: str) -> bool:
    """Whether an input names a rosbag2 recording."""
    path = Path(spec).expanduser()
    return spec != SAMPLE and path.exists() and is_bag(path)


def expand(specs: Sequence[str], topic: str | None) -> list[Input]:
    """Resolve globs and give each input a name of its own, from its file name.

    Raises:
        UserError: a pattern that matches nothing, or a camera.
    """
    found: list[str] = []
    for spec in specs:
        if spec != SAMPLE and not Path(spec).expanduser().exists() and glob.has_magic(spec):
            matches = sorted(glob.glob(str(Path(spec).expanduser()), recursive=True))  # noqa: PTH207  absolute patterns too
            if not matches:
                raise UserError(f"expected files that match {spec!r}, got none; check the pattern")
            found += matches
        elif spec.isdigit() or "://" in spec or spec.startswith("/dev/video"):
            raise UserError(f"expected recordings, got the camera or stream {spec!r}; use `watch` or the nodes for it")
        else:
            found.append(spec)
    inputs: list[Input] = []
    taken: set[str] = set()
    for spec in dict.fromkeys(found):
        stem = Path(spec).expanduser().resolve().stem if spec != SAMPLE else SAMPLE
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        inputs.append(Input(spec, name, topic if is_bag_spec(spec) else None))
    return inputs


class StampOrder:
    """Takes frames whose stamps grow, except where a recording begins again.

    Attributes:
        out_of_order: how many frames were left out.
        first_wrong: number of the first of them, None where there is none.
    """

    def __init__(self) -> None:
        self.out_of_order = 0
        self.first_wrong: int | None = None
        self._index = -1
        self._last_ns: int | None = None

    def takes(self, stamp_ns: int) -> bool:
        """Whether the next frame is to be processed."""
        self._index += 1
        if self._last_ns is not None and self._last_ns - RESTART_NS <= stamp_ns <= self._last_ns:
            self.out_of_order += 1
            self.first_wrong = self._index if self.first_wrong is None else self.first_wrong
            return False
        self._last_ns = stamp_ns
        return True


class OrderedFrames:
    """The frames of a source with stamps that grow, except where a recording begins again.

    Attributes:
        out_of_order: how many images were left out because of their stamps.
        problems: what was not processed and why, one line each; complete after the last frame.
    """

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self._order = StampOrder()

    @property
    def out_of_order(self) -> int:
        """How many images were left out because of their stamps."""
        return self._order.out_of_order

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.uint8], str]]:
        """Yield (stamp in ns, image uint8 (H, W, 3) BGR, frame_id)."""
        self._order = StampOrder()
        for stamp_ns, image in self._source:
            if self._order.takes(stamp_ns):
                yield stamp_ns, image, getattr(self._source, "frame_id", DEFAULT_FRAME_ID)

    @property
    def problems(self) -> list[str]:
        """What was not processed and why."""
        return problem_lines(self._source.name, self._source.skipped, self._order)


def problem_lines(name: str, skipped: Sequence[str], order: StampOrder) -> list[str]:
    """What of a source was not processed and why, in a bounded number of lines."""
    lines = list(skipped[:_MAX_LINES])
    if len(skipped) > _MAX_LINES:
        lines.append(f"{name}: {len(skipped) - _MAX_LINES} more")
    if order.out_of_order:
        lines.append(
            f"{name}: {order.out_of_order} images whose stamps do not grow were left out, the first is "
            f"image {order.first_wrong}"
        )
    return lines


def fingerprint(identity: Mapping[str, Any], settings: Mapping[str, Any]) -> bytes:
    """What results depend on, as bytes that can be compared."""
    return json.dumps({"input": identity, "settings": settings}, sort_keys=True).encode()
