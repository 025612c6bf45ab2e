"""vision_msgs and ROS4HRI, against the definitions of those packages, or stand-ins of the same fields where absent."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import EmotionState, Face, FrameEmotions, FrameFaces
from emotional_dan_ros.nodes import standards
from emotional_dan_ros.nodes.standards_bridge import StandardsBridgeNode
from emotional_dan_ros.nodes.topics import EMOTIONS, FACES

STAMP_NS = 5_000_000_007
FACE = Face(
    track_id=12,
    score=0.75,
    box_xyxy=np.array([64, 48, 128, 144], np.float32),
    keypoints_px=np.zeros((5, 2), np.float32),
    crop_from_source=np.eye(2, 3, dtype=np.float32),
    crop=np.full((112, 112), 9, np.uint8),
)
STATE = EmotionState(
    track_id=12,
    box_xyxy=FACE.box_xyxy,
    probabilities=np.array([0.1, 0.6, 0, 0.1, 0, 0.1, 0.1], np.float32),
    valence_probabilities=np.array([0.2, 0.6, 0.2], np.float32),
    landmarks_px=np.stack((np.arange(68), np.full(68, 120)), axis=1).astype(np.float32),
    quality=0.5,
)
FACES_FRAME = FrameFaces(STAMP_NS, "cabin", (640, 480), (FACE,))
EMOTIONS_FRAME = FrameEmotions(STAMP_NS, "cabin", (640, 480), "rt", (STATE,))


class Fields(SimpleNamespace):
    """A message that takes any field."""


def hri():
    try:
        import hri_msgs.msg
    except ImportError:
        names = "IdsList NormalizedRegionOfInterest2D NormalizedPointOfInterest2D FacialLandmarks Expression"
        return SimpleNamespace(**dict.fromkeys(names.split(), Fields))
    return hri_msgs.msg


def test_region_in_shares_of_the_image():
    roi = standards.roi(FACE, FACES_FRAME, hri())
    assert (roi.xmin, roi.ymin, roi.xmax, roi.ymax) == pytest.approx((0.1, 0.1, 0.2, 0.3))
    assert roi.c == 0.75
    assert (roi.header.stamp.sec, roi.header.stamp.nanosec, roi.header.frame_id) == (5, 7, "cabin")


def test_landmarks_in_shares_of_the_image_with_pupils_unknown():
    message = standards.landmarks(STATE, EMOTIONS_FRAME, hri())
    assert len(message.landmarks) == 70
    assert (message.width, message.height) == (640, 480)
    assert message.landmarks[64].x == pytest.approx(0.1)
    assert message.landmarks[64].y == pytest.approx(0.25)
    assert message.landmarks[67].c == 0.5
    assert [getattr(point, "c", 0.0) for point in message.landmarks[68:]] == [0.0, 0.0]


def test_expression():
    message = standards.expression(STATE, EMOTIONS_FRAME, hri())
    assert message.expression == "happy"
    assert message.confidence == pytest.approx(0.6)
    assert message.valence == pytest.approx(0.4)
    assert math.isnan(message.arousal)


def test_every_emotion_has_a_word_of_hri_msgs():
    assert set(standards.EXPRESSIONS) == set(Emotion)
    hri_msgs = pytest.importorskip("hri_msgs.msg", reason="hri_msgs is not installed")
    for emotion, name in (("HAPPINESS", "HAPPY"), ("FEAR", "SCARED"), ("ANGER", "ANGRY"), ("SADNESS", "SAD")):
        assert standards.EXPRESSIONS[Emotion[emotion]] == getattr(hri_msgs.Expression, name)


def test_detections():
    vision_msgs = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    (detection,) = standards.detections(FACES_FRAME, vision_msgs).detections
    assert detection.id == "12"
    assert (detection.bbox.center.position.x, detection.bbox.center.position.y) == (96.0, 96.0)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (64.0, 96.0)
    assert (detection.results[0].hypothesis.class_id, detection.results[0].hypothesis.score) == ("face", 0.75)


def test_ids_are_names():
    assert standards.face_id(12) == "f00012"
    assert standards.tracked(FACES_FRAME, hri()).ids == ["f00012"]


def turned_face(degrees: float) -> tuple[np.ndarray, Face]:
    """A picture with a bright square left of the middle, and its face cut out turned and enlarged."""
    picture = np.full((240, 320), 40, np.uint8)
    picture[100:110, 140:150] = 200
    affine = cv2.getRotationMatrix2D((160.0, 120.0), degrees, 1.4)
    affine[:, 2] += 55.5 - np.array((160.0, 120.0))
    crop = cv2.warpAffine(picture, affine, (112, 112))
    box = np.array([130, 90, 190, 150], np.float32)
    return picture, replace(FACE, box_xyxy=box, crop_from_source=affine.astype(np.float32), crop=crop)


@pytest.mark.parametrize("degrees", [0.0, 25.0, -40.0])
def test_cropped_is_the_picture_as_the_camera_saw_it(degrees):
    picture, face = turned_face(degrees)
    result = standards.cropped(face)
    assert result.shape == (128, 128)
    expected = cv2.resize(picture[90:150, 130:190], (128, 128))  # the box itself: it is square
    assert np.abs(result.astype(int) - expected).mean() < 3
    assert np.abs(standards.aligned(face).astype(int) - expected).mean() > 3 or degrees == 0.0


def test_cropped_is_black_where_the_crop_ends():
    _, face = turned_face(0.0)
    wide = replace(face, box_xyxy=np.array([60, 20, 260, 220], np.float32))  # the crop shows 80 of these 200 px
    result = standards.cropped(wide)
    assert result[64, 64] > 0
    assert not result[:30].any()
    assert not result[:, -30:].any()


def test_what_is_not_installed_is_said(graph, monkeypatch):
    for package in ("vision_msgs.msg", "hri_msgs.msg"):
        monkeypatch.setitem(sys.modules, package, None)  # makes the import fail
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    node = graph.add(StandardsBridgeNode)
    status = diagnostics.wait_for_one(lambda m: "hri_msgs is not installed" in m.status[0].message).status[0]
    assert status.level == DiagnosticStatus.WARN
    assert "vision_msgs is not installed" in status.message
    graph.wait_until(lambda: node.is_active)


def test_the_node_speaks_ros4hri(graph):
    hri_msgs = pytest.importorskip("hri_msgs.msg", reason="hri_msgs is not installed")
    node = graph.add(StandardsBridgeNode)
    graph.wait_until(lambda: node.is_active)
    tracked = graph.hear(hri_msgs.IdsList, "/humans/faces/tracked")
    expressions = graph.hear(hri_msgs.Expression, "/humans/faces/f00012/expression")
    pictures = [graph.hear(Image, f"/humans/faces/f00012/{name}") for name in ("cropped", "aligned")]
    regions = graph.hear(hri_msgs.NormalizedRegionOfInterest2D, "/humans/faces/f00012/roi")
    points = graph.hear(hri_msgs.FacialLandmarks, "/humans/faces/f00012/landmarks")
    faces = graph.probe.create_publisher(FACES.message, "faces", FACES.qos())
    emotions = graph.probe.create_publisher(EMOTIONS.message, "emotions", EMOTIONS.qos())

    def publish() -> None:
        faces.publish(FACES.to_message(FACES_FRAME))
        emotions.publish(EMOTIONS.to_message(EMOTIONS_FRAME))

    timer = graph.probe.create_timer(0.1, publish)
    assert tracked.wait_for_one(lambda message: list(message.ids) == ["f00012"])
    assert expressions.wait_for_one(lambda message: message.expression == "happy").header.frame_id == "cabin"
    for heard in pictures:
        picture = heard.wait_for(lambda heard: heard[0] if heard else None)
        assert (picture.encoding, picture.width, picture.height, picture.header.frame_id) == (
            "mono8",
            128,
            128,
            "cabin",
        )
    assert regions.wait_for(len)
    assert points.wait_for(lambda heard: heard[0] if heard else None).landmarks[64].x == pytest.approx(0.1)
    graph.probe.destroy_timer(timer)
    faces.publish(FACES.to_message(FrameFaces(STAMP_NS + 1, "cabin", (640, 480))))
    assert tracked.wait_for_one(lambda message: not message.ids)
    graph.wait_until(lambda: not node._publishers_of_face)


def test_a_second_camera_has_a_list_of_its_own(graph):
    pytest.importorskip("hri_msgs.msg", reason="hri_msgs is not installed")
    node = graph.add(StandardsBridgeNode, "-r", "__ns:=/rear", hri_prefix="/rear/humans")
    graph.wait_until(lambda: node.is_active)
    infos = graph.wait_until(lambda: graph.probe.get_publishers_info_by_topic("/rear/humans/faces/tracked"))
    assert [info.topic_type for info in infos] == ["hri_msgs/msg/IdsList"]
    assert not graph.probe.get_publishers_info_by_topic("/humans/faces/tracked")


def test_the_node_speaks_vision_msgs(graph):
    vision_msgs = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    node = graph.add(StandardsBridgeNode)
    detections = graph.hear(vision_msgs.Detection2DArray, "faces/detections")
    faces = graph.probe.create_publisher(FACES.message, "faces", FACES.qos())
    graph.wait_until(lambda: node.is_active and faces.get_subscription_count() and node._detections is not None)
    graph.wait_until(lambda: node._detections.get_subscription_count())
    faces.publish(FACES.to_message(FACES_FRAME))
    heard = detections.wait_for(lambda heard: heard[0] if heard else None)
    assert (heard.header.frame_id, [d.id for d in heard.detections]) == ("cabin", ["12"])
