"""The package's messages to the values of core.types and back; pure functions, one pair for each message.

Regions of interest are whole pixels in messages, so a box read from a message is the smallest whole-pixel
box around the one that was written; every other number survives the way there and back bit by bit.
"""

from __future__ import annotations

from array import array
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import (
    CROP_SIZE_PX,
    NUM_LANDMARKS,
    AnomalyEvent,
    AnomalyKind,
    AnomalyPhase,
    EmotionState,
    Face,
    FrameEmotions,
    FrameFaces,
)
from emotional_dan_ros.msg import EmotionAnomaly as EmotionAnomalyMsg
from emotional_dan_ros.msg import EmotionState as EmotionStateMsg
from emotional_dan_ros.msg import EmotionStateArray as EmotionStateArrayMsg
from emotional_dan_ros.msg import Face as FaceMsg
from emotional_dan_ros.msg import FaceArray as FaceArrayMsg
from emotional_dan_ros.nodes.image_conversion import to_array, to_image, to_ns, to_time

#: Of an affine that takes a face of 100,000 px to its crop.
_SMALLEST_DETERMINANT = 1e-6


def faces_to_msg(frame: FrameFaces) -> FaceArrayMsg:
    """FrameFaces to FaceArray."""
    header = header_of(frame.stamp_ns, frame.frame_id)
    width, height = frame.image_wh
    return FaceArrayMsg(
        header=header, image_width=width, image_height=height, faces=[_face_to_msg(f, frame) for f in frame.faces]
    )


def faces_from_msg(message: FaceArrayMsg) -> FrameFaces:
    """FaceArray to FrameFaces.

    Raises:
        UserError: a crop is not mono8 of CROP_SIZE_PX x CROP_SIZE_PX, or its affine leads nowhere.
    """
    return FrameFaces(
        stamp_ns=to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        image_wh=(message.image_width, message.image_height),
        faces=tuple(_face_from_msg(face) for face in message.faces),
    )


def emotions_to_msg(frame: FrameEmotions) -> EmotionStateArrayMsg:
    """FrameEmotions to EmotionStateArray."""
    header = header_of(frame.stamp_ns, frame.frame_id)
    width, height = frame.image_wh
    return EmotionStateArrayMsg(
        header=header,
        image_width=width,
        image_height=height,
        model_name=frame.model_name,
        states=[_state_to_msg(state, frame, header) for state in frame.states],
    )


def emotions_from_msg(message: EmotionStateArrayMsg) -> FrameEmotions:
    """EmotionStateArray to FrameEmotions."""
    return FrameEmotions(
        stamp_ns=to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        image_wh=(message.image_width, message.image_height),
        model_name=message.model_name,
        states=tuple(_state_from_msg(state) for state in message.states),
    )


def anomaly_to_msg(event: AnomalyEvent) -> EmotionAnomalyMsg:
    """AnomalyEvent to EmotionAnomaly."""
    return EmotionAnomalyMsg(
        header=header_of(event.stamp_ns, event.frame_id),
        event_id=event.event_id,
        track_id=event.track_id,
        kind=int(event.kind),
        phase=int(event.phase),
        severity=float(event.severity),
        start=to_time(event.start_ns),
        emotion=int(event.emotion),
        probability=float(event.probability),
        expected_probability=float(event.expected_probability),
        description=event.description,
    )


def anomaly_from_msg(message: EmotionAnomalyMsg) -> AnomalyEvent:
    """EmotionAnomaly to AnomalyEvent.

    Raises:
        UserError: kind, phase or emotion is none of the constants of the message.
    """
    try:
        kind, phase, emotion = AnomalyKind(message.kind), AnomalyPhase(message.phase), Emotion(message.emotion)
    except ValueError as error:
        raise UserError(f"expected the constants of EmotionAnomaly.msg, got {error}; rebuild both sides") from error
    return AnomalyEvent(
        stamp_ns=to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        event_id=message.event_id,
        track_id=message.track_id,
        kind=kind,
        phase=phase,
        severity=message.severity,
        start_ns=to_ns(message.start),
        emotion=emotion,
        probability=message.probability,
        expected_probability=message.expected_probability,
        description=message.description,
    )


def faces_as_published(frame: FrameFaces) -> FrameFaces:
    """What a subscriber in another process would get of it: boxes in whole pixels, scores as float32.

    Nodes hand this to each other, so that a composed process computes bit by bit what separate ones do.
    """
    return replace(
        frame,
        faces=tuple(
            replace(f, score=float(np.float32(f.score)), box_xyxy=box_of(roi_of(f.box_xyxy, frame.image_wh)))
            for f in frame.faces
        ),
    )


def emotions_as_published(frame: FrameEmotions) -> FrameEmotions:
    """As `faces_as_published`: boxes in whole pixels, quality as float32."""
    return replace(
        frame,
        states=tuple(
            replace(s, quality=float(np.float32(s.quality)), box_xyxy=box_of(roi_of(s.box_xyxy, frame.image_wh)))
            for s in frame.states
        ),
    )


def header_of(stamp_ns: int, frame_id: str) -> Header:
    """Header of a camera frame."""
    return Header(stamp=to_time(stamp_ns), frame_id=frame_id)


def roi_of(box_xyxy: NDArray[np.float32], image_wh: tuple[int, int]) -> RegionOfInterest:
    """The smallest whole-pixel region around a box, clipped to the image (width and height may be 0)."""
    width, height = image_wh
    left, top = (max(0, int(np.floor(value))) for value in box_xyxy[:2])
    right, bottom = (int(np.ceil(value)) for value in box_xyxy[2:])
    left, top = min(left, width), min(top, height)
    right, bottom = min(max(right, left), width), min(max(bottom, top), height)
    return RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top)


def box_of(roi: RegionOfInterest) -> NDArray[np.float32]:
    """Region of interest to a float32 (4,) xyxy box."""
    return np.array((roi.x_offset, roi.y_offset, roi.x_offset + roi.width, roi.y_offset + roi.height), dtype=np.float32)


def _face_to_msg(face: Face, frame: FrameFaces) -> FaceMsg:
    return FaceMsg(
        track_id=face.track_id,
        score=float(face.score),
        roi=roi_of(face.box_xyxy, frame.image_wh),
        keypoints=np.ascontiguousarray(face.keypoints_px, dtype=np.float32).reshape(-1),
        crop_from_source=np.ascontiguousarray(face.crop_from_source, dtype=np.float32).reshape(-1),
        crop=to_image(face.crop, frame.stamp_ns, frame.frame_id),
    )


def affine_of(numbers: NDArray[np.float32] | array, field: str) -> NDArray[np.float32]:
    """An affine float32 (2, 3) of a message's six numbers, row by row.

    Raises:
        UserError: it cannot be inverted; ``field`` says where it came from.
    """
    affine = _floats(numbers, (2, 3))
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:, :2])) < _SMALLEST_DETERMINANT:
        raise UserError(
            f"expected an affine that can be inverted in {field}, got {affine.tolist()}; look who else publishes this"
        )
    return affine


def _face_from_msg(message: FaceMsg) -> Face:
    if (message.crop.encoding, message.crop.width, message.crop.height) != ("mono8", CROP_SIZE_PX, CROP_SIZE_PX):
        raise UserError(
            f"expected mono8 crops of {CROP_SIZE_PX}x{CROP_SIZE_PX} in Face.crop, got {message.crop.encoding!r} of "
            f"{message.crop.width}x{message.crop.height}; run face_detector and emotion_recognizer of the same version"
        )
    affine = affine_of(message.crop_from_source, "Face.crop_from_source")
    return Face(
        track_id=message.track_id,
        score=message.score,
        box_xyxy=box_of(message.roi),
        keypoints_px=_floats(message.keypoints, (5, 2)),
        crop_from_source=affine,
        crop=to_array(message.crop),
    )


def _state_to_msg(state: EmotionState, frame: FrameEmotions, header: Header) -> EmotionStateMsg:
    return EmotionStateMsg(
        header=header,
        track_id=state.track_id,
        roi=roi_of(state.box_xyxy, frame.image_wh),
        emotion=int(state.emotion),
        confidence=state.confidence,
        probabilities=np.ascontiguousarray(state.probabilities, dtype=np.float32),
        valence=int(state.valence),
        valence_probabilities=np.ascontiguousarray(state.valence_probabilities, dtype=np.float32),
        landmarks=np.ascontiguousarray(state.landmarks_px, dtype=np.float32).reshape(-1),
        quality=float(state.quality),
    )


def _state_from_msg(message: EmotionStateMsg) -> EmotionState:
    return EmotionState(
        track_id=message.track_id,
        box_xyxy=box_of(message.roi),
        probabilities=_floats(message.probabilities, (7,)),
        valence_probabilities=_floats(message.valence_probabilities, (3,)),
        landmarks_px=_floats(message.landmarks, (NUM_LANDMARKS, 2)),
        quality=message.quality,
    )


def _floats(values: NDArray[np.float32] | array, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32).reshape(shape)
