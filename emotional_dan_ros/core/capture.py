"""Videos and cameras through OpenCV: opened without its own words, with a rate and with stamps that can be trusted."""

from __future__ import annotations

import os
from typing import Any

# FFmpeg inside OpenCV prints pages about a broken file; our one line says what the user needs.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2

#: Assumed where a video or camera does not say; 25 is PAL's.
DEFAULT_VIDEO_RATE_HZ = 25.0

_SILENT = 0  # cv::utils::logging::LOG_LEVEL_SILENT


def open_capture(spec: str | int, backend: int = cv2.CAP_FFMPEG) -> cv2.VideoCapture:
    """Open without OpenCV's own warnings: the caller says what the user needs in one line."""
    # OpenCV 4.6 has these functions at its top, newer ones in a module of their own.
    control: Any = cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2
    level = control.getLogLevel()
    control.setLogLevel(_SILENT)
    try:
        return cv2.VideoCapture(spec, backend)
    finally:
        control.setLogLevel(level)


def rate_of(capture: cv2.VideoCapture) -> float:
    """Frames per second, as the video or camera says, or what is assumed."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return float(rate) if 0 < rate < 1000 else DEFAULT_VIDEO_RATE_HZ


class FileStamps:
    """From the stamps in a video file to stamps that start at 0 and grow.

    Args:
        rate_hz: of the video.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._first_ns: int | None = None
        self._previous_ns = -self._period_ns

    def next(self, file_ns: int) -> int:
        """Stamp of the next frame, whose stamp in the file is given."""
        self._first_ns = file_ns if self._first_ns is None else self._first_ns
        stamp_ns = file_ns - self._first_ns
        if stamp_ns <= self._previous_ns:  # some containers repeat or lose stamps
            stamp_ns = self._previous_ns + self._period_ns
        self._previous_ns = stamp_ns
        return stamp_ns


def file_ns(capture: cv2.VideoCapture) -> int:
    """Stamp in the file of the frame that was grabbed last."""
    return round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
