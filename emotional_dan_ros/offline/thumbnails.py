"""Small pictures of a passenger before, at and after the start of each anomaly, and where the network looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.alignment import warp_crop
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import Face, FrameFaces
from emotional_dan_ros.offline.history import AnomalySpan

#: Seconds from the start of the anomaly, and what that is called.
MOMENTS: tuple[tuple[float, str], ...] = ((-1.0, "1 s before"), (0.0, "at the start"), (1.0, "1 s after"))
#: Most anomalies with pictures, the most severe ones: bounds the size of the report.
MAX_SPANS = 40
HEIGHT_PX = 150
_JPEG_QUALITY = 80
#: Side of what is cut out, in sides of the face: hands and hair belong to an expression.
_CONTEXT = 1.8


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One picture.

    Attributes:
        event_id: of the anomaly.
        moment: name of one of MOMENTS.
        jpeg: the passenger, or the whole image where the anomaly is the cabin's.
        map_jpeg: the aligned face with a map of where the network looks for the anomaly's emotion; empty where the
            face is not seen.
    """

    event_id: int
    moment: str
    jpeg: bytes
    map_jpeg: bytes = b""


#: Aligned crop, uint8 (112, 112), and an emotion to the crop with the map laid over it, uint8 (112, 112, 3) BGR.
Explain = Callable[[NDArray[np.uint8], Emotion], NDArray[np.uint8]]


def collect(
    spans: Sequence[AnomalySpan],
    frames: Iterable[tuple[FrameFaces, NDArray[np.uint8]]],
    explain: Explain | None = None,
) -> list[Thumbnail]:
    """Cut the pictures out of the frames, going through them once and no further than needed.

    Args:
        spans: anomalies.
        frames: faces and image (uint8 (H, W, 3), BGR) of each frame, stamps growing.
        explain: paints the maps; None for pictures without.

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
    last_seen: dict[int, Face] = {}
    position = 0
    for frame, image in frames:
        if position >= len(wanted):
            break
        faces = {face.track_id: face for face in frame.faces}
        last_seen |= faces
        while position < len(wanted) and wanted[position][0] <= frame.stamp_ns:
            _, name, span = wanted[position]
            place, face = last_seen.get(span.track_id), faces.get(span.track_id)
            jpeg = _cut(image, np.zeros(4, np.float32) if place is None else place.box_xyxy)
            map_jpeg = b""
            if explain is not None and face is not None:
                map_jpeg = _small_jpeg(explain(warp_crop(image, face.crop_from_source), span.emotion))
            result.append(Thumbnail(span.event_id, name, jpeg, map_jpeg))
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
    return _small_jpeg(image)


def _small_jpeg(image: NDArray[np.uint8]) -> bytes:
    scale = HEIGHT_PX / image.shape[0]
    size = (max(1, round(image.shape[1] * scale)), HEIGHT_PX)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    _, data = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return bytes(data)
