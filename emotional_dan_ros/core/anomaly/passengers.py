"""Who is watched: a table with a row for each passenger, found by track id.

Rows are numbers into arrays that this table and the detectors hold side by side, so that a frame's
passengers are updated together. The table has a fixed size; memory does not grow with time or tracks.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.passenger_config import MemoryConfig


class PassengerTable:
    """Rows of passengers.

    Attributes (all of length ``config.max_passengers``):
        track_id: int64, 0 where the row is free.
        last_seen_ns, first_seen_ns: int64 stamps.
        box_xyxy: float64 (n, 4), where the face was last, source px.
    """

    def __init__(self, config: MemoryConfig) -> None:
        self._config = config
        n = config.max_passengers
        self.track_id = np.zeros(n, dtype=np.int64)
        self.last_seen_ns = np.zeros(n, dtype=np.int64)
        self.first_seen_ns = np.zeros(n, dtype=np.int64)
        self.box_xyxy = np.zeros((n, 4), dtype=np.float64)
        self._row_of: dict[int, int] = {}

    def configure(self, config: MemoryConfig) -> None:
        """Go on with other settings, but for ``max_passengers``, which is the table's size."""
        self._config = config

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def capacity(self) -> int:
        """Most passengers at once."""
        return len(self.track_id)

    def row(self, track_id: int) -> int | None:
        """Return the row of a track, or None where it is not known."""
        return self._row_of.get(track_id)

    def rows(self) -> NDArray[np.intp]:
        """Return all rows in use."""
        return np.flatnonzero(self.track_id)

    def expired(self, stamp_ns: int) -> NDArray[np.intp]:
        """Return the rows of passengers that have not been seen for longer than they are kept."""
        unseen_s = (stamp_ns - self.last_seen_ns) * 1e-9
        return np.flatnonzero((self.track_id > 0) & (unseen_s > self._config.keep_s))

    def free(self, row: int) -> None:
        """Forget the passenger of a row."""
        del self._row_of[int(self.track_id[row])]
        self.track_id[row] = 0

    def longest_unseen(self, visible: Collection[int]) -> int | None:
        """Return the row in use that was seen the longest ago, leaving out tracks in ``visible``."""
        others = [row for track, row in self._row_of.items() if track not in visible]
        return min(others, key=lambda row: (int(self.last_seen_ns[row]), row)) if others else None

    def inherit(
        self, track_id: int, box_xyxy: NDArray[np.float64], stamp_ns: int, visible: Collection[int]
    ) -> int | None:
        """Give a new track the row of a passenger lost a moment ago at the same place, if there is one."""
        best: tuple[float, int] | None = None
        for other, row in self._row_of.items():
            if other in visible or (stamp_ns - int(self.last_seen_ns[row])) * 1e-9 > self._config.carry_over_s:
                continue
            distance = _distance_in_faces(self.box_xyxy[row], box_xyxy)
            if distance <= self._config.carry_over_distance and (best is None or (distance, row) < best):
                best = (distance, row)
        if best is None:
            return None
        row = best[1]
        del self._row_of[int(self.track_id[row])]
        self._take(row, track_id)
        return row

    def add(self, track_id: int, stamp_ns: int) -> int | None:
        """Give a new track a free row; None where there is none."""
        if len(self._row_of) == self.capacity:
            return None
        row = int(np.argmin(self.track_id > 0))
        self._take(row, track_id)
        self.first_seen_ns[row] = stamp_ns
        self.last_seen_ns[row] = stamp_ns
        return row

    def _take(self, row: int, track_id: int) -> None:
        self._row_of[track_id] = row
        self.track_id[row] = track_id


def _distance_in_faces(box: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the distance of two boxes' centres over the larger one's side; infinite where sizes differ."""
    side = float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 0.0)))
    other_side = float(np.sqrt(max((other[2] - other[0]) * (other[3] - other[1]), 0.0)))
    larger, smaller = max(side, other_side), min(side, other_side)
    if smaller <= 0.0 or larger > 1.6 * smaller:
        return float("inf")
    shift = (box[:2] + box[2:] - other[:2] - other[2:]) / 2.0
    return float(np.hypot(shift[0], shift[1])) / larger
