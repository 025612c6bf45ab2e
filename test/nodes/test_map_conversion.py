"""Maps over the wire."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="no ROS 2 messages here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

from rclpy.serialization import deserialize_message, serialize_message

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import FaceMap, FrameMaps
from emotional_dan_ros.nodes.map_conversion import maps_from_msg, maps_to_msg

AFFINE = np.array([[0.5, 0.25, -3], [-0.25, 0.5, 7]], np.float32)
HEAT = np.arange(112 * 112, dtype=np.uint32).astype(np.uint8).reshape(112, 112)
FRAME = FrameMaps(3_000_000_009, "cabin", (640, 480), "rt", (FaceMap(4, Emotion.FEAR, AFFINE, HEAT),))


def test_by_hand():
    message = maps_to_msg(FRAME)
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (3, 9, "cabin")
    assert (message.image_width, message.image_height, message.model_name) == (640, 480, "rt")
    (face,) = message.maps
    assert (face.track_id, face.emotion) == (4, 4)
    assert face.map_from_source.tolist() == [0.5, 0.25, -3, -0.25, 0.5, 7]
    assert (face.map.encoding, face.map.width, face.map.height) == ("mono8", 112, 112)
    assert face.map.header == message.header
    assert face.map.data[112 * 5 + 7] == HEAT[5, 7]


def test_there_and_back():
    message = maps_to_msg(FRAME)
    back = maps_from_msg(deserialize_message(serialize_message(message), type(message)))
    assert (back.stamp_ns, back.frame_id, back.image_wh, back.model_name) == (
        FRAME.stamp_ns, FRAME.frame_id, FRAME.image_wh, FRAME.model_name,
    )  # fmt: skip
    (face,) = back.maps
    assert (face.track_id, face.emotion) == (4, Emotion.FEAR)
    np.testing.assert_array_equal(face.map_from_source, AFFINE, strict=True)
    np.testing.assert_array_equal(face.heat, HEAT, strict=True)


@pytest.mark.parametrize(("field", "value"), [("emotion", 7), ("encoding", "bgr8"), ("affine", 1e-20)])
def test_what_is_no_map_is_told_in_one_line(field, value):
    message = maps_to_msg(FRAME)
    if field == "emotion":
        message.maps[0].emotion = value
    elif field == "affine":  # can be inverted on paper, and would cover the whole image
        message.maps[0].map_from_source = np.array([value, 0, 0, 0, value, 0], np.float32)
    else:
        message.maps[0].map.encoding = value
    with pytest.raises(UserError) as caught:
        maps_from_msg(message)
    assert "\n" not in str(caught.value)
