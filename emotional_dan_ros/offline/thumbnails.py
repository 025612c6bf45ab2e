"""Small pictures of a passenger before, at and after the start of each anomaly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.types import FrameEmotions
from emotional_dan_ros.offline.history import AnomalySpan

#: Seconds from the start of the anomaly, and what that is called.
MOMENTS: tuple[tuple[float, str], ...] = ((-1.0, "1 s before"), (0.0, "at the start"), (1.0, "1 s after"))
#: Most anomalies with pictures, the most severe ones: bounds the size of the report.
MAX_SPANS = 60
HEIGHT_PX = 150
_JPEG_QUALITY = 80
#: Side of what is cut out, in sides of the face: hands and hair belong to an expression.
_CONTEXT = 1.8


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One picture: which anomaly, which of MOMENTS, JPEG bytes."""

    event_id: int
    moment: str
    jpeg: bytes


def collect(spans: Sequence[AnomalySpan], frames: Iterable[tuple[FrameEmotions, NDArray[np.uint8]]]) -> list[Thumbnail]:
    """Cut the pictures out of the frames, going through them once and no further than needed.

    Args:
        spans: anomalies.
        frames: emotions and image (uint8 (H, W, 3), BGR) of each frame, stamps growing.

    Returns:
        For each anomaly at most one picture for each moment; the first frame at or after the moment is taken, and
        the passenger's last known place where the face is not seen then.
    """
    chosen = sorted(spans, key=lambda span: -span.severity)[:MAX_SPANS]
    wanted = sorted(
        ((span.start_ns + round(offset_s * 1e9), name, span) for span in chosen for offset_s, name in MOMENTS),
        key=lambda item: item[0],
    )
    result: list[Thumbnail] = []
    boxes: dict[int, NDArray[np.float32]] = defaultdict(lambda: np.zeros(4, np.float32))
    position = 0
    for frame, image in frames:
        if position >= len(wanted):
            break
        boxes.update({state.track_id: state.box_xyxy for state in frame.states})
        while position < len(wanted) and wanted[position][0] <= frame.stamp_ns:
            _, name, span = wanted[position]
            result.append(Thumbnail(span.event_id, name, _cut(image, boxes[span.track_id])))
            position += 1
    return result


def _cut(image: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> bytes:
    """JPEG of the face with its surroundings; of the whole image where the box is empty."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    half = max(x1 - x0, y1 - y0) * _CONTEXT / 2
    if half > 0:
        centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
        left, right = max(0, round(centre_x - half)), min(width, round(centre_x + half))
        top, bottom = max(0, round(centre_y - half)), min(height, round(centre_y + half))
        if right - left >= 2 and bottom - top >= 2:
            image = image[top:bottom, left:right]
    scale = HEIGHT_PX / image.shape[0]
    size = (max(1, round(image.shape[1] * scale)), HEIGHT_PX)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    _, data = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return bytes(data)
