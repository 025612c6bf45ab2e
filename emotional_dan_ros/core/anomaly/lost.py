"""Passenger lost: a face that was there for long and is gone without having left at the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.anomaly.kind_config import PassengerLostConfig
from emotional_dan_ros.core.anomaly.passengers import PassengerTable


class LostWatch:
    """Finds passengers that vanished; each is told of once until seen again."""

    def __init__(self, config: PassengerLostConfig, capacity: int) -> None:
        self._config = config
        self._told = np.zeros(capacity, dtype=bool)

    def configure(self, config: PassengerLostConfig) -> None:
        """Go on with other settings."""
        self._config = config

    def seen(self, rows: NDArray[np.intp]) -> None:
        """Note who is in the picture (or, for a single row, whose row starts anew)."""
        self._told[rows] = False

    def vanished(self, table: PassengerTable, image_wh: tuple[int, int], stamp_ns: int) -> list[int]:
        """Return the rows of passengers that are now known to be lost."""
        config = self._config
        width, height = image_wh
        if width <= 0 or height <= 0:
            return []
        gone_s = (stamp_ns - table.last_seen_ns) * 1e-9
        there_s = (table.last_seen_ns - table.first_seen_ns) * 1e-9
        x0, y0, x1, y1 = table.box_xyxy.T
        margin_x, margin_y = config.border * width, config.border * height
        inside = (x0 > margin_x) & (y0 > margin_y) & (x1 < width - margin_x) & (y1 < height - margin_y)
        lost = (table.track_id > 0) & ~self._told & inside & (gone_s >= config.gone_s) & (there_s >= config.tracked_s)
        rows = np.flatnonzero(lost)
        self._told[rows] = True
        return [int(row) for row in rows]
