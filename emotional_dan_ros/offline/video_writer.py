"""Write stamped pictures as an MP4 of constant rate."""

from __future__ import annotations

from pathlib import Path
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError

MAX_RATE_HZ = 60.0
#: A pause longer than this in the stamps is not stretched into a still of the same length.
MAX_PAUSE_S = 10.0


@final
class VideoWriter:
    """An MP4 being written; a context manager.

    MP4 players expect a constant rate, so every tick of the rate shows the newest picture of its time; pictures
    of another size than the first are fitted into it.

    Args:
        path: of the file; encoded as MPEG-4 part 2, the one codec that OpenCV's wheels carry for MP4.
        rate_hz: frames per second, at most MAX_RATE_HZ.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path = path
        self._rate_hz = min(max(rate_hz, 1.0), MAX_RATE_HZ)
        self._writer: cv2.VideoWriter | None = None
        self._wh = (0, 0)
        self._tick_stamp_ns = 0
        self._pending: NDArray[np.uint8] | None = None
        self.num_written = 0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def write(self, stamp_ns: int, image_bgr: NDArray[np.uint8]) -> None:
        """Add a picture, uint8 (H, W, 3) BGR, with a stamp not older than the last one.

        Raises:
            UserError: the file cannot be written.
        """
        if self._writer is None:
            self._open(image_bgr)
            self._tick_stamp_ns = stamp_ns
        period_ns = 1e9 / self._rate_hz
        if self._pending is not None:
            ticks = round((stamp_ns - self._tick_stamp_ns) / period_ns)
            for _ in range(min(max(0, ticks), round(MAX_PAUSE_S * self._rate_hz))):
                self._write_pending()
            self._tick_stamp_ns += round(max(0, ticks) * period_ns)
        self._pending = image_bgr if image_bgr.shape[1::-1] == self._wh else _fitted(image_bgr, self._wh)

    def close(self) -> None:
        """Write the last picture and finish the file; without any picture there is no file."""
        if self._writer is not None:
            self._write_pending()
            self._writer.release()
            self._writer = None

    def _open(self, image_bgr: NDArray[np.uint8]) -> None:
        height, width = image_bgr.shape[:2]
        self._wh = (width + width % 2, height + height % 2)  # the codec wants even sides
        fourcc = cv2.VideoWriter_fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._path), fourcc, self._rate_hz, self._wh)
        if not self._writer.isOpened():
            raise UserError(f"expected to write a video to {self._path}, got no writer; check folder, rights and space")

    def _write_pending(self) -> None:
        if self._writer is not None and self._pending is not None:
            self._writer.write(self._pending)
            self.num_written += 1


def _fitted(image_bgr: NDArray[np.uint8], wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale into the frame without distortion, on black."""
    height, width = image_bgr.shape[:2]
    scale = min(wh[0] / width, wh[1] / height)
    if abs(wh[0] - width) <= 1 and abs(wh[1] - height) <= 1:
        scale = 1.0  # only made even
    inner_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = np.zeros((wh[1], wh[0], 3), dtype=np.uint8)
    left, top = (wh[0] - inner_wh[0]) // 2, (wh[1] - inner_wh[1]) // 2
    canvas[top : top + inner_wh[1], left : left + inner_wh[0]] = cv2.resize(image_bgr, inner_wh)
    return canvas
