"""The overlay's picture in a running graph."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from emotional_dan_ros.msg import EmotionMapArray, EmotionStateArray, Face, FaceArray
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.core.types import FrameEmotions, FrameMaps
from emotional_dan_ros.nodes.emotion_recognizer import EmotionRecognizerNode
from emotional_dan_ros.nodes.face_detector import FaceDetectorNode
from emotional_dan_ros.nodes.image_conversion import to_array, to_image, to_ns
from emotional_dan_ros.nodes.overlay import OverlayNode
from emotional_dan_ros.nodes.topics import EMOTION_MAPS, EMOTIONS

START_NS = 1_000_000_000_000
MS = 1_000_000


@pytest.fixture
def watched(graph):
    """A watched overlay that hears images, emotions and maps of the probe; nothing else runs."""
    node = graph.add(OverlayNode)
    pictures = graph.hear(Image, "overlay/image")
    publishers = {
        "image": graph.probe.create_publisher(Image, "image", qos_profile_sensor_data),
        "emotions": graph.probe.create_publisher(EmotionStateArray, "emotions", EMOTIONS.qos()),
    }
    graph.wait_until(lambda: all(p.get_subscription_count() for p in publishers.values()))
    return node, pictures, publishers


def grey(stamp_ns: int, value: int = 50) -> Image:
    return to_image(np.full((120, 160, 3), value, np.uint8), stamp_ns, "cabin")


def emotions(stamp_ns: int) -> EmotionStateArray:
    return EMOTIONS.to_message(FrameEmotions(stamp_ns, "cabin", (160, 120), "rt"))


def test_a_picture_has_stamp_and_frame_of_its_image(watched):
    _, pictures, publishers = watched
    publishers["image"].publish(grey(START_NS))
    publishers["emotions"].publish(emotions(START_NS))
    picture = pictures.wait_for(lambda heard: heard[0] if heard else None)
    assert (to_ns(picture.header.stamp), picture.header.frame_id) == (START_NS, "cabin")
    assert (to_array(picture) == 50).all()


def test_maps_that_are_published_are_waited_for_and_drawn(graph, watched):
    node, pictures, publishers = watched
    maps = graph.probe.create_publisher(EmotionMapArray, "emotion_maps", EMOTION_MAPS.qos())
    graph.wait_until(lambda: maps.get_subscription_count() and node._expects_maps)
    for index in range(2):
        publishers["image"].publish(grey(START_NS + index * MS))
        graph.wait_until(lambda index=index: len(node._drawings._images) == 1)
        publishers["emotions"].publish(emotions(START_NS + index * MS))
        graph.wait_until(lambda: not node._drawings._images)
        assert len(pictures) == index
        maps.publish(EMOTION_MAPS.to_message(FrameMaps(START_NS + index * MS, "cabin", (160, 120), "rt")))
        pictures.wait_for(lambda heard, index=index: len(heard) == index + 1)


def test_a_message_that_makes_no_sense_is_told_and_the_node_lives_on(graph):
    """As anybody can publish it: `ros2 topic pub /faces emotional_dan_ros/msg/FaceArray "{faces: [{}]}"`."""
    node = graph.add(EmotionRecognizerNode)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    answers = graph.hear(EmotionStateArray, "emotions")
    faces = graph.probe.create_publisher(FaceArray, "faces", qos_profile_sensor_data)
    graph.wait_until(lambda: node.is_active and faces.get_subscription_count())
    faces.publish(FaceArray(faces=[Face()]))
    told = diagnostics.wait_for_one(lambda m: m.status[0].level == DiagnosticStatus.ERROR).status[0]
    assert "expected mono8 crops of 112x112" in told.message
    faces.publish(FaceArray())
    assert answers.wait_for(len)


def test_the_recogniser_shows_where_it_looked(graph):
    detector = graph.add(FaceDetectorNode)
    recognizer = graph.add(EmotionRecognizerNode, emotion_maps=True)
    maps = graph.hear(EmotionMapArray, "emotion_maps")
    states = graph.hear(EmotionStateArray, "emotions")
    camera = graph.probe.create_publisher(Image, "image", qos_profile_sensor_data)
    graph.wait_until(lambda: detector.is_active and recognizer.is_active and camera.get_subscription_count())
    graph.wait_until(lambda: detector.outputs[0].num_subscribers and recognizer.outputs[1].num_subscribers)
    graph.wait_until(lambda: recognizer.outputs[0].num_subscribers)
    camera.publish(to_image(sample_frame(0), START_NS, "cabin"))
    frame = maps.wait_for(lambda heard: heard[0] if heard else None)
    (emotions_of_it,) = states.wait_for(lambda heard: heard)
    assert (frame.header, frame.model_name) == (emotions_of_it.header, "rt")
    assert [(m.track_id, m.emotion) for m in frame.maps] == [(s.track_id, s.emotion) for s in emotions_of_it.states]
    assert len(frame.maps) == 2
    for face in frame.maps:
        heat = to_array(face.map)
        assert heat.shape == (112, 112)
        assert heat.max() > 100
        assert np.median(heat) < heat.max() / 2  # some places speak for it, most do not


def test_without_the_parameter_no_maps_are_offered(graph):
    recognizer = graph.add(EmotionRecognizerNode)
    graph.wait_until(lambda: recognizer.is_active)
    assert [port.topic.name for port in recognizer.outputs] == ["emotions"]
