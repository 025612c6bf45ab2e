"""Draw what the pipeline says onto the camera image.

Sizes follow the image, so that a label reads the same on 320x240 and on 4K. Passengers differ in colour
(Okabe and Ito's set, told apart with any colour vision) and always also by the number on their label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.heat_maps import paint_face_maps
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, EmotionState, FaceMap, FrameEmotions

#: Okabe and Ito (2008), "Color Universal Design", without black, as BGR; ordered so that neighbours also
#: differ in lightness.
PASSENGER_COLOURS_BGR: tuple[tuple[int, int, int], ...] = (
    (233, 180, 86),
    (0, 94, 213),
    (66, 228, 240),
    (115, 158, 0),
    (0, 159, 230),
    (178, 114, 0),
    (167, 121, 204),
)
_BANNER_BGR = (0, 0, 170)
_WHITE = (255, 255, 255)
_DARK = (20, 20, 20)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FAR_PX = 1 << 15
_FONT_PX = 22  # height of a capital of this font at scale 1
_MAX_BANNERS = 3
#: A second or third emotion is named only where it is likely enough to matter.
_RUNNER_UP = 0.10
_MAX_NAMED = 3

_Plate = tuple[int, int, int, int]  # x, y, width, height of a label, px


def colour_of(track_id: int) -> tuple[int, int, int]:
    """BGR colour of a passenger; the same id has the same colour in every picture."""
    return PASSENGER_COLOURS_BGR[(track_id - 1) % len(PASSENGER_COLOURS_BGR)]


def emotion_lines(probabilities: NDArray[np.float32]) -> list[str]:
    """Name the likeliest emotions of one face, ``["Happiness 0.85", "Surprise 0.12"]``, likeliest first.

    Args:
        probabilities: float (7,), `Emotion` order.
    """
    order = np.argsort(-probabilities, kind="stable")[:_MAX_NAMED]
    named = [i for rank, i in enumerate(order) if rank == 0 or probabilities[i] >= _RUNNER_UP]
    return [f"{Emotion(int(i)).label} {probabilities[i]:.2f}" for i in named]


def draw_overlay(
    image_bgr: NDArray[np.uint8],
    emotions: FrameEmotions | None,
    active: Sequence[AnomalyEvent] = (),
    maps: Sequence[FaceMap] = (),
) -> NDArray[np.uint8]:
    """Return a copy of the image with boxes, ids, landmarks, top emotions, anomalies and maps.

    Args:
        image_bgr: uint8 (H, W, 3).
        emotions: of this frame, or None where they are not known; states that are not finite are left out.
        active: events that go on (phase END is left out); shown as banners along the lower edge.
        maps: where the network looked in this frame; laid over the faces, under everything else.

    Raises:
        ValueError: the image is not uint8 (H, W, 3).
    """
    if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or image_bgr.dtype != np.uint8:
        raise ValueError(f"expected uint8 (H, W, 3), got {image_bgr.dtype} {image_bgr.shape}")
    canvas = np.ascontiguousarray(image_bgr).copy()
    paint_face_maps(canvas, maps)
    states = [state for state in emotions.states if _can_be_drawn(state)] if emotions is not None else []
    for state in states:
        _draw_face(canvas, state)
    placed: list[_Plate] = []
    for state in states:  # labels last: no box or landmark of a neighbour runs through the words
        placed.append(_draw_label(canvas, state, placed))
    _draw_banners(canvas, [event for event in active if event.phase is not AnomalyPhase.END])
    return canvas


def _can_be_drawn(state: EmotionState) -> bool:
    """Whether all numbers are numbers: states may come from anywhere."""
    return all(bool(np.isfinite(a).all()) for a in (state.box_xyxy, state.probabilities, state.landmarks_px))


def _whole_px(values: NDArray[np.float32]) -> Any:
    """Nested lists of whole px that OpenCV draws with; what lies far outside of every image stays outside."""
    return np.rint(np.clip(values, -_FAR_PX, _FAR_PX)).astype(int).tolist()


def _unit_px(canvas: NDArray[np.uint8]) -> float:
    """A length that grows with the picture: 1 at 480 rows, not below what stays legible."""
    height, width = canvas.shape[:2]
    return max(0.62, min(height / 480.0, width / 640.0))


def _draw_face(canvas: NDArray[np.uint8], state: EmotionState) -> None:
    unit = _unit_px(canvas)
    colour = colour_of(state.track_id)
    x0, y0, x1, y1 = _whole_px(state.box_xyxy)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), _DARK, max(2, round(3.5 * unit)))
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, max(1, round(2 * unit)))
    radius = max(1, round(1.4 * unit))
    for x, y in _whole_px(state.landmarks_px):
        cv2.circle(canvas, (x, y), radius, colour, cv2.FILLED)


def _draw_label(canvas: NDArray[np.uint8], state: EmotionState, placed: Sequence[_Plate]) -> _Plate:
    unit = _unit_px(canvas)
    lines = emotion_lines(state.probabilities)
    lines[0] = f"#{state.track_id} {lines[0]}"
    scale = 0.5 * unit
    line_px = round(_FONT_PX * scale * 1.75)
    pad = max(2, round(4 * unit))
    width = max(_text_width(line, scale) for line in lines) + 2 * pad
    height = line_px * len(lines) + pad
    x, y = _label_corner(canvas, state, width, height, placed)
    _plate(canvas, x, y, width, height, _DARK)
    cv2.rectangle(canvas, (x, y), (x + max(2, pad // 2), y + height - 1), colour_of(state.track_id), cv2.FILLED)
    for index, line in enumerate(lines):
        _text(canvas, line, x + pad + max(2, pad // 2), y + line_px * (index + 1) - pad // 2, scale)
    return x, y, width, height


def _label_corner(
    canvas: NDArray[np.uint8], state: EmotionState, width: int, height: int, placed: Sequence[_Plate]
) -> tuple[int, int]:
    """Above the box, or else below it, beside it or in it: the first place inside the image that is still free."""
    image_height, image_width = canvas.shape[:2]
    x0, y0, x1, y1 = _whole_px(state.box_xyxy)
    wishes = [(x0, y0 - height), (x0, y1), (x1, y0), (x0 - width, y0), (x0, y0)]
    corners = [
        (int(np.clip(x, 0, max(0, image_width - width))), int(np.clip(y, 0, max(0, image_height - height))))
        for x, y in wishes
    ]
    fits = [corner for corner, wish in zip(corners, wishes, strict=True) if corner[1] == wish[1]] or corners
    free = [(x, y) for x, y in fits if not any(_overlap((x, y, width, height), other) for other in placed)]
    return (free or fits)[0]


def _overlap(a: _Plate, b: _Plate) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def _draw_banners(canvas: NDArray[np.uint8], events: Sequence[AnomalyEvent]) -> None:
    unit = _unit_px(canvas)
    scale = 0.55 * unit
    pad = max(2, round(5 * unit))
    height = round(_FONT_PX * scale) + 2 * pad
    shown = sorted(events, key=lambda event: -event.severity)[:_MAX_BANNERS]
    lines = [banner_text(event) for event in shown]
    if len(events) > len(shown):
        lines[-1] += f"  (+{len(events) - len(shown)} more)"
    for row, line in enumerate(reversed(lines), start=1):  # the lower edge: heads are rarely there
        top = canvas.shape[0] - row * height
        _plate(canvas, 0, top, canvas.shape[1], height, _BANNER_BGR)
        fitted = _fit(line, scale, canvas.shape[1] - 2 * pad)
        _text(canvas, fitted, pad, top + height - pad, scale)


def banner_text(event: AnomalyEvent) -> str:
    """One line for an anomaly, ``"! #2 Startle: ..."``; the cabin has no number."""
    who = f"#{event.track_id}" if event.track_id else "Cabin"
    kind = event.kind.name.replace("_", " ").capitalize()
    return f"! {who} {kind}: {event.description}"


def _fit(text: str, scale: float, width_px: int) -> str:
    if _text_width(text, scale) <= width_px:
        return text
    low, high = 0, len(text)
    while low < high:  # longest beginning that fits with the dots
        middle = (low + high + 1) // 2
        if _text_width(text[:middle] + "...", scale) <= width_px:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "..."


def _text_width(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, _thickness(scale))[0][0])


def _thickness(scale: float) -> int:
    return max(1, round(1.8 * scale))


def _text(canvas: NDArray[np.uint8], text: str, x: int, baseline_y: int, scale: float) -> None:
    ascii_text = text.encode("ascii", "replace").decode()  # Hershey fonts hold nothing else
    cv2.putText(canvas, ascii_text, (x, baseline_y), _FONT, scale, _WHITE, _thickness(scale), cv2.LINE_AA)


def _plate(canvas: NDArray[np.uint8], x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> None:
    """Lay a mostly opaque rectangle under words: legible on any picture, and the picture shimmers through."""
    region = canvas[max(0, y) : max(0, y + height), x : x + width]
    if region.size:
        region[:] = cv2.addWeighted(region, 0.25, np.full_like(region, colour), 0.75, 0)
