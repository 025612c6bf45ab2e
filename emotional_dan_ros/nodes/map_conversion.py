"""Maps of where the network looked to EmotionMapArray and back; pure functions."""

from __future__ import annotations

import numpy as np

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import FaceMap, FrameMaps
from emotional_dan_ros.msg import EmotionMap as EmotionMapMsg
from emotional_dan_ros.msg import EmotionMapArray as EmotionMapArrayMsg
from emotional_dan_ros.nodes.image_conversion import to_array, to_image, to_ns
from emotional_dan_ros.nodes.message_conversion import affine_of, header_of


def maps_to_msg(frame: FrameMaps) -> EmotionMapArrayMsg:
    """FrameMaps to EmotionMapArray."""
    width, height = frame.image_wh
    return EmotionMapArrayMsg(
        header=header_of(frame.stamp_ns, frame.frame_id),
        image_width=width,
        image_height=height,
        model_name=frame.model_name,
        maps=[_map_to_msg(face, frame) for face in frame.maps],
    )


def maps_from_msg(message: EmotionMapArrayMsg) -> FrameMaps:
    """EmotionMapArray to FrameMaps.

    Raises:
        UserError: a map is not mono8, of no emotion, or its affine leads nowhere.
    """
    return FrameMaps(
        stamp_ns=to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        image_wh=(message.image_width, message.image_height),
        model_name=message.model_name,
        maps=tuple(_map_from_msg(face) for face in message.maps),
    )


def _map_to_msg(face: FaceMap, frame: FrameMaps) -> EmotionMapMsg:
    return EmotionMapMsg(
        track_id=face.track_id,
        emotion=int(face.emotion),
        map_from_source=np.ascontiguousarray(face.map_from_source, dtype=np.float32).reshape(-1),
        map=to_image(face.heat, frame.stamp_ns, frame.frame_id),
    )


def _map_from_msg(message: EmotionMapMsg) -> FaceMap:
    heat = to_array(message.map)
    if heat.ndim != 2 or message.emotion not in tuple(Emotion):
        raise UserError(
            f"expected a mono8 map of an emotion from 0 to {max(Emotion)}, got {message.map.encoding} of "
            f"{message.emotion}; run emotion_recognizer and overlay of the same version"
        )
    return FaceMap(
        track_id=message.track_id,
        emotion=Emotion(message.emotion),
        map_from_source=affine_of(message.map_from_source, "EmotionMap.map_from_source"),
        heat=heat,
    )
