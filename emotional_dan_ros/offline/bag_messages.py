"""The package's messages for bags, without ROS: type definitions from msg/ and conversions for `rosbags`.

What ends up in a bag is what the nodes publish for the same values.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.types import (
    CROP_SIZE_PX,
    NUM_LANDMARKS,
    AnomalyEvent,
    EmotionState,
    Face,
    FrameEmotions,
    FrameFaces,
)

PACKAGE = "emotional_dan_ros"
MESSAGE_NAMES = ("Face", "FaceArray", "EmotionState", "EmotionStateArray", "EmotionAnomaly")
FACE_ARRAY = f"{PACKAGE}/msg/FaceArray"
EMOTION_STATE_ARRAY = f"{PACKAGE}/msg/EmotionStateArray"
EMOTION_ANOMALY = f"{PACKAGE}/msg/EmotionAnomaly"
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"


def message_folder() -> Path:
    """Return the folder of our .msg files: beside the package in a checkout, else in share/ of the installation.

    Raises:
        UserError: neither is there.
    """
    here = Path(__file__).resolve()
    checkout = here.parents[2] / "msg"
    shares = [parent / "share" / PACKAGE / "msg" for parent in here.parents]
    for folder in (checkout, *shares):
        if (folder / "FaceArray.msg").is_file():
            return folder
    raise UserError(
        f"expected {PACKAGE}'s message definitions in {checkout} or share/{PACKAGE}/msg of the installation, got "
        f"neither; install the package again"
    )


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """ROS 2 Jazzy's types and ours."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name in MESSAGE_NAMES:
        text = (message_folder() / f"{name}.msg").read_text(encoding="utf-8")
        types.update(get_types_from_msg(text, f"{PACKAGE}/msg/{name}"))
    store.register(types)
    return store


def _new(type_name: str, **fields: Any) -> Any:
    return typestore().types[type_name](**fields)


def _time(stamp_ns: int) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return _new("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)


def _header(stamp_ns: int, frame_id: str) -> Any:
    return _new("std_msgs/msg/Header", stamp=_time(stamp_ns), frame_id=frame_id)


def _roi(box_xyxy: NDArray[np.float32], image_wh: tuple[int, int]) -> Any:
    """The smallest whole-pixel region around a box, clipped to the image."""
    width, height = image_wh
    x0, y0, x1, y1 = box_xyxy.tolist()
    left, right = min(max(0, math.floor(x0)), width), min(max(0, math.ceil(x1)), width)
    top, bottom = min(max(0, math.floor(y0)), height), min(max(0, math.ceil(y1)), height)
    return _new(
        "sensor_msgs/msg/RegionOfInterest",
        x_offset=left,
        y_offset=top,
        height=max(0, bottom - top),
        width=max(0, right - left),
        do_rectify=False,
    )


def _floats(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1)


def grey_image(image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Any:
    """sensor_msgs/Image, mono8, of a uint8 (H, W) array."""
    height, width = image.shape
    data = np.ascontiguousarray(image).reshape(-1)
    header = _header(stamp_ns, frame_id)
    return _new(
        IMAGE, header=header, height=height, width=width, encoding="mono8", is_bigendian=0, step=width, data=data
    )


def jpeg_image(image_bgr: NDArray[np.uint8], stamp_ns: int, frame_id: str, quality: int = 90) -> Any:
    """sensor_msgs/CompressedImage, JPEG, of a uint8 (H, W, 3) BGR array."""
    ok, data = cv2.imencode(".jpg", image_bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not ok:
        raise ValueError(f"expected an image that JPEG can hold, got {image_bgr.dtype} {image_bgr.shape}")
    return _new(COMPRESSED_IMAGE, header=_header(stamp_ns, frame_id), format="jpeg", data=np.asarray(data).reshape(-1))


def face_array(frame: FrameFaces, with_crops: bool = True) -> Any:
    """FaceArray of the faces of a frame; without crops each crop is an empty image."""
    return _new(
        FACE_ARRAY,
        header=_header(frame.stamp_ns, frame.frame_id),
        image_width=frame.image_wh[0],
        image_height=frame.image_wh[1],
        faces=[_face(face, frame, with_crops) for face in frame.faces],
    )


def _face(face: Face, frame: FrameFaces, with_crops: bool) -> Any:
    crop = face.crop if with_crops else np.empty((0, 0), np.uint8)
    return _new(
        f"{PACKAGE}/msg/Face",
        track_id=face.track_id,
        score=float(face.score),
        roi=_roi(face.box_xyxy, frame.image_wh),
        keypoints=_floats(face.keypoints_px),
        crop_from_source=_floats(face.crop_from_source),
        crop=grey_image(crop, frame.stamp_ns, frame.frame_id),
    )


def as_published(frame: FrameFaces) -> FrameFaces:
    """Boxes and scores as they are after the way through a message."""
    faces = tuple(
        replace(face, score=float(np.float32(face.score)), box_xyxy=_box(_roi(face.box_xyxy, frame.image_wh)))
        for face in frame.faces
    )
    return replace(frame, faces=faces)


def emotion_state_array(frame: FrameEmotions) -> Any:
    """EmotionStateArray of the emotions of a frame."""
    return _new(
        EMOTION_STATE_ARRAY,
        header=_header(frame.stamp_ns, frame.frame_id),
        image_width=frame.image_wh[0],
        image_height=frame.image_wh[1],
        model_name=frame.model_name,
        states=[_state(state, frame) for state in frame.states],
    )


def _state(state: EmotionState, frame: FrameEmotions) -> Any:
    return _new(
        f"{PACKAGE}/msg/EmotionState",
        header=_header(frame.stamp_ns, frame.frame_id),
        track_id=state.track_id,
        roi=_roi(state.box_xyxy, frame.image_wh),
        emotion=int(state.emotion),
        confidence=state.confidence,
        probabilities=_floats(state.probabilities),
        valence=int(state.valence),
        valence_probabilities=_floats(state.valence_probabilities),
        landmarks=_floats(state.landmarks_px),
        quality=float(state.quality),
    )


def emotion_anomaly(event: AnomalyEvent) -> Any:
    """EmotionAnomaly of an event."""
    return _new(
        EMOTION_ANOMALY,
        header=_header(event.stamp_ns, event.frame_id),
        event_id=event.event_id,
        track_id=event.track_id,
        kind=int(event.kind),
        phase=int(event.phase),
        severity=float(event.severity),
        start=_time(event.start_ns),
        emotion=int(event.emotion),
        probability=float(event.probability),
        expected_probability=float(event.expected_probability),
        description=event.description,
    )


def to_frame_faces(message: Any) -> FrameFaces:
    """FaceArray to the values of core; an empty crop (written without crops) becomes a black one."""
    return FrameFaces(
        stamp_ns=stamp_of(message.header),
        frame_id=message.header.frame_id,
        image_wh=(message.image_width, message.image_height),
        faces=tuple(_to_face(face) for face in message.faces),
    )


def to_frame_emotions(message: Any) -> FrameEmotions:
    """EmotionStateArray to the values of core."""
    return FrameEmotions(
        stamp_ns=stamp_of(message.header),
        frame_id=message.header.frame_id,
        image_wh=(message.image_width, message.image_height),
        model_name=message.model_name,
        states=tuple(_to_state(state) for state in message.states),
    )


def stamp_of(header: Any) -> int:
    """Stamp of a std_msgs/Header in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def _to_face(message: Any) -> Face:
    crop = np.asarray(message.crop.data, np.uint8)
    side = CROP_SIZE_PX
    return Face(
        track_id=message.track_id,
        score=message.score,
        box_xyxy=_box(message.roi),
        keypoints_px=np.asarray(message.keypoints, np.float32).reshape(5, 2),
        crop_from_source=np.asarray(message.crop_from_source, np.float32).reshape(2, 3),
        crop=crop.reshape(side, side) if crop.size == side * side else np.zeros((side, side), np.uint8),
    )


def _to_state(message: Any) -> EmotionState:
    return EmotionState(
        track_id=message.track_id,
        box_xyxy=_box(message.roi),
        probabilities=np.asarray(message.probabilities, np.float32),
        valence_probabilities=np.asarray(message.valence_probabilities, np.float32),
        landmarks_px=np.asarray(message.landmarks, np.float32).reshape(NUM_LANDMARKS, 2),
        quality=message.quality,
    )


def _box(roi: Any) -> NDArray[np.float32]:
    corners = (roi.x_offset, roi.y_offset, roi.x_offset + roi.width, roi.y_offset + roi.height)
    return np.array(corners, dtype=np.float32)
