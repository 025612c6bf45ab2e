"""The package's results as the standard messages of others; pure functions that are given the message classes.

vision_msgs: Detection2DArray of the faces. REP-155 (ROS4HRI): what hri_msgs calls a face. Neither package is needed
to run this one, so nothing of them is imported here.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.labels import Emotion, Valence
from emotional_dan_ros.core.types import EmotionState, Face, FrameEmotions, FrameFaces
from emotional_dan_ros.nodes.message_conversion import header_of

#: hri_msgs/Expression's words for the seven emotions.
EXPRESSIONS = {
    Emotion.NEUTRAL: "neutral",
    Emotion.HAPPINESS: "happy",
    Emotion.SADNESS: "sad",
    Emotion.SURPRISE: "surprised",
    Emotion.FEAR: "scared",
    Emotion.DISGUST: "disgusted",
    Emotion.ANGER: "angry",
}
#: hri_msgs/FacialLandmarks: the 68 points of iBUG 300-W, then the two pupils.
_NUM_HRI_LANDMARKS = 70
#: Side of ROS4HRI's face images, px.
HRI_FACE_PX = 128


def face_id(track_id: int) -> str:
    """The id of a face under /humans/faces: starts with a letter, as REP-155 wants it of names."""
    return f"f{track_id:05d}"


def detections(frame: FrameFaces, vision_msgs: ModuleType) -> Any:
    """FrameFaces to vision_msgs/Detection2DArray; class "face", the track id as id."""
    header = header_of(frame.stamp_ns, frame.frame_id)
    result = vision_msgs.Detection2DArray(header=header)
    for face in frame.faces:
        detection = vision_msgs.Detection2D(header=header, id=str(face.track_id))
        left, top, right, bottom = (float(value) for value in face.box_xyxy)
        detection.bbox.center.position.x = (left + right) / 2
        detection.bbox.center.position.y = (top + bottom) / 2
        detection.bbox.size_x, detection.bbox.size_y = right - left, bottom - top
        hypothesis = vision_msgs.ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = "face", float(face.score)
        detection.results.append(hypothesis)
        result.detections.append(detection)
    return result


def tracked(frame: FrameFaces, hri_msgs: ModuleType) -> Any:
    """The ids of the faces in the frame: hri_msgs/IdsList."""
    return hri_msgs.IdsList(
        header=header_of(frame.stamp_ns, frame.frame_id), ids=[face_id(face.track_id) for face in frame.faces]
    )


def roi(face: Face, frame: FrameFaces, hri_msgs: ModuleType) -> Any:
    """The box in shares of the image: hri_msgs/NormalizedRegionOfInterest2D."""
    width, height = frame.image_wh
    left, top, right, bottom = (float(v) for v in np.clip(face.box_xyxy / (width, height, width, height), 0.0, 1.0))
    return hri_msgs.NormalizedRegionOfInterest2D(
        header=header_of(frame.stamp_ns, frame.frame_id),
        xmin=left,
        ymin=top,
        xmax=right,
        ymax=bottom,
        c=float(face.score),
    )


def aligned(face: Face) -> NDArray[np.uint8]:
    """The face with its eyes level: uint8 (HRI_FACE_PX, HRI_FACE_PX), grey."""
    return np.asarray(cv2.resize(face.crop, (HRI_FACE_PX, HRI_FACE_PX), interpolation=cv2.INTER_LINEAR), np.uint8)


def cropped(face: Face) -> NDArray[np.uint8]:
    """The face as it is in the image: the square around its box, uint8 (HRI_FACE_PX, HRI_FACE_PX), grey.

    Turned back from the aligned crop, so that the camera image need not come here; black where the crop ends.
    """
    left, top, right, bottom = (float(value) for value in face.box_xyxy)
    scale = max(right - left, bottom - top, 1.0) / HRI_FACE_PX  # source px per px of the result
    middle = (HRI_FACE_PX - 1) / 2
    source_from_result = np.array(
        [
            [scale, 0, (left + right - 1) / 2 - scale * middle],
            [0, scale, (top + bottom - 1) / 2 - scale * middle],
            [0, 0, 1],
        ]
    )
    crop_from_result = face.crop_from_source.astype(np.float64) @ source_from_result
    size = (HRI_FACE_PX, HRI_FACE_PX)
    return np.asarray(
        cv2.warpAffine(face.crop, crop_from_result, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8
    )


def landmarks(state: EmotionState, frame: FrameEmotions, hri_msgs: ModuleType) -> Any:
    """The landmarks in shares of the image: hri_msgs/FacialLandmarks; the pupils, not looked for, have c = 0."""
    width, height = frame.image_wh
    points = np.clip(state.landmarks_px / (width, height), 0.0, 1.0)
    message = hri_msgs.FacialLandmarks(header=header_of(frame.stamp_ns, frame.frame_id), width=width, height=height)
    point = hri_msgs.NormalizedPointOfInterest2D
    known = [point(x=float(x), y=float(y), c=float(state.quality)) for x, y in points]
    message.landmarks = known + [point() for _ in range(_NUM_HRI_LANDMARKS - len(known))]
    return message


def expression(state: EmotionState, frame: FrameEmotions, hri_msgs: ModuleType) -> Any:
    """The emotion: hri_msgs/Expression. Valence is P(positive) - P(negative); arousal is not known (NaN)."""
    return hri_msgs.Expression(
        header=header_of(frame.stamp_ns, frame.frame_id),
        expression=EXPRESSIONS[state.emotion],
        confidence=state.confidence,
        valence=float(state.valence_probabilities[Valence.POSITIVE] - state.valence_probabilities[Valence.NEGATIVE]),
        arousal=float("nan"),
    )
