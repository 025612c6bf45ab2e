"""Messages against the values of core.types: by hand, there and back, and over the wire format."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="no ROS 2 messages here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import RegionOfInterest

from emotional_dan_ros import msg
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import Emotion, Valence
from emotional_dan_ros.core.types import (
    AnomalyEvent,
    AnomalyKind,
    AnomalyPhase,
    EmotionState,
    Face,
    FrameEmotions,
    FrameFaces,
)
from emotional_dan_ros.nodes import message_conversion as mc

STAMP_NS = 1_700_000_000_123_456_789


def face(track_id: int = 3) -> Face:
    rng = np.random.default_rng(track_id)
    return Face(
        track_id=track_id,
        score=0.75,
        box_xyxy=np.array([10, 20, 110, 140], np.float32),
        keypoints_px=rng.uniform(0, 100, (5, 2)).astype(np.float32),
        crop_from_source=rng.normal(size=(2, 3)).astype(np.float32),
        crop=rng.integers(0, 256, (112, 112), dtype=np.uint8),
    )


def state(track_id: int = 3) -> EmotionState:
    rng = np.random.default_rng(track_id)
    return EmotionState(
        track_id=track_id,
        box_xyxy=np.array([10, 20, 110, 140], np.float32),
        probabilities=np.array([0.05, 0.05, 0.1, 0.5, 0.1, 0.1, 0.1], np.float32),
        valence_probabilities=np.array([0.2, 0.1, 0.7], np.float32),
        landmarks_px=rng.uniform(0, 100, (68, 2)).astype(np.float32),
        quality=0.5,
    )


def event() -> AnomalyEvent:
    return AnomalyEvent(
        stamp_ns=STAMP_NS,
        frame_id="cabin",
        event_id=2**40,
        track_id=0,
        kind=AnomalyKind.SEVERAL_PASSENGERS,
        phase=AnomalyPhase.ONGOING,
        severity=0.25,
        start_ns=STAMP_NS - 1_500_000_000,
        emotion=Emotion.FEAR,
        probability=0.5,
        expected_probability=0.125,
        description="Two passengers are afraid",
    )


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


def test_face_array_by_hand():
    frame = FrameFaces(STAMP_NS, "cabin", (640, 480), (face(),))
    message = mc.faces_to_msg(frame)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert (message.header.frame_id, message.image_width, message.image_height) == ("cabin", 640, 480)
    (first,) = message.faces
    assert (first.track_id, first.score) == (3, 0.75)
    assert first.roi == RegionOfInterest(x_offset=10, y_offset=20, width=100, height=120)
    assert first.keypoints[2:4].tolist() == face().keypoints_px[1].tolist()
    assert first.crop_from_source[3:].tolist() == face().crop_from_source[1].tolist()
    assert (first.crop.encoding, first.crop.width, first.crop.height, first.crop.step) == ("mono8", 112, 112, 112)
    assert first.crop.header == message.header
    assert first.crop.data[112 * 5 + 7] == face().crop[5, 7]


def test_face_array_there_and_back():
    frame = FrameFaces(STAMP_NS, "cabin", (640, 480), (face(3), face(9)))
    back = mc.faces_from_msg(over_the_wire(mc.faces_to_msg(frame)))
    assert (back.stamp_ns, back.frame_id, back.image_wh) == (frame.stamp_ns, frame.frame_id, frame.image_wh)
    for one, other in zip(frame.faces, back.faces, strict=True):
        assert (one.track_id, one.score) == (other.track_id, other.score)
        for name in ("box_xyxy", "keypoints_px", "crop_from_source", "crop"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)


def test_emotion_state_array_by_hand():
    message = mc.emotions_to_msg(FrameEmotions(STAMP_NS, "cabin", (640, 480), "rt", (state(),)))
    assert (message.model_name, message.image_width, message.image_height) == ("rt", 640, 480)
    (first,) = message.states
    assert first.header == message.header
    assert (first.emotion, first.confidence) == (msg.EmotionState.SURPRISE, 0.5)
    assert first.valence == msg.EmotionState.VALENCE_NEGATIVE
    assert first.landmarks[:4].tolist() == state().landmarks_px[:2].reshape(-1).tolist()


def test_emotion_state_array_there_and_back():
    frame = FrameEmotions(STAMP_NS, "cabin", (640, 480), "rt", (state(1), state(2)))
    back = mc.emotions_from_msg(over_the_wire(mc.emotions_to_msg(frame)))
    assert (back.stamp_ns, back.frame_id, back.image_wh) == (frame.stamp_ns, frame.frame_id, frame.image_wh)
    assert back.model_name == "rt"
    for one, other in zip(frame.states, back.states, strict=True):
        assert (one.track_id, one.quality, one.emotion, one.valence) == (
            other.track_id, other.quality, other.emotion, other.valence,
        )  # fmt: skip
        for name in ("box_xyxy", "probabilities", "valence_probabilities", "landmarks_px"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)


def test_no_faces_is_an_ordinary_value():
    assert mc.faces_from_msg(mc.faces_to_msg(FrameFaces(1, "", (8, 6)))).faces == ()
    assert mc.emotions_from_msg(mc.emotions_to_msg(FrameEmotions(1, "", (8, 6), "rt"))).states == ()


def test_anomaly_there_and_back():
    message = over_the_wire(mc.anomaly_to_msg(event()))
    assert message.track_id == msg.EmotionAnomaly.CABIN
    assert message.kind == msg.EmotionAnomaly.SEVERAL_PASSENGERS
    assert message.phase == msg.EmotionAnomaly.ONGOING
    assert (message.start.sec, message.start.nanosec) == (1_699_999_998, 623_456_789)
    assert mc.anomaly_from_msg(message) == event()


def test_an_unknown_kind_is_told_in_one_line():
    message = mc.anomaly_to_msg(event())
    message.kind = 99
    with pytest.raises(UserError, match="99"):
        mc.anomaly_from_msg(message)


@pytest.mark.parametrize(("width", "height"), [(112, 111), (0, 0)])
def test_a_crop_of_another_size_is_told_in_one_line(width, height):
    message = mc.faces_to_msg(FrameFaces(STAMP_NS, "cabin", (640, 480), (face(),)))
    message.faces[0].crop.width, message.faces[0].crop.height = width, height
    with pytest.raises(UserError):
        mc.faces_from_msg(message)


@pytest.mark.parametrize("affine", [[0.0] * 6, [1.0, 1.0, 0.0, 1.0, 1.0, 0.0], [float("nan")] * 6])
def test_an_affine_that_leads_nowhere_is_told_in_one_line(affine):
    message = mc.faces_to_msg(FrameFaces(STAMP_NS, "cabin", (640, 480), (face(),)))
    message.faces[0].crop_from_source = affine
    with pytest.raises(UserError, match="crop_from_source"):
        mc.faces_from_msg(message)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10.0, 20.0, 30.0, 40.0), (10, 20, 20, 20)),
        ((10.4, 20.6, 30.1, 40.0), (10, 20, 21, 20)),
        ((-5.0, -7.5, 3.0, 4.0), (0, 0, 3, 4)),
        ((90.0, 70.0, 120.0, 200.0), (90, 70, 10, 10)),
        ((150.0, 150.0, 170.0, 170.0), (100, 80, 0, 0)),
        ((-20.0, -20.0, -10.0, -10.0), (0, 0, 0, 0)),
    ],
)
def test_regions_of_interest_hold_the_box_and_stay_in_the_image(box, expected):
    roi = mc.roi_of(np.array(box, np.float32), (100, 80))
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == expected
    assert mc.roi_of(mc.box_of(roi), (100, 80)) == roi


def test_the_constants_of_the_messages_are_those_of_the_enums():
    for emotion in Emotion:
        assert getattr(msg.EmotionState, emotion.name) == emotion
    for valence in Valence:
        assert getattr(msg.EmotionState, f"VALENCE_{valence.name}") == valence
    for kind in AnomalyKind:
        assert getattr(msg.EmotionAnomaly, kind.name) == kind
    for phase in AnomalyPhase:
        assert getattr(msg.EmotionAnomaly, phase.name) == phase
