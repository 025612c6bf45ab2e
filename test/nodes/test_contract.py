"""Topics, types, QoS and parameters of the running nodes, as other people's launch files rely on them.

Written out by hand: a change here is a change of the public contract.
"""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from emotional_dan_ros.nodes.anomaly_monitor import AnomalyMonitorNode
from emotional_dan_ros.nodes.emotion_recognizer import EmotionRecognizerNode
from emotional_dan_ros.nodes.face_detector import FaceDetectorNode
from emotional_dan_ros.nodes.overlay import OverlayNode
from emotional_dan_ros.nodes.parameter_tables import table
from emotional_dan_ros.nodes.video_source import VideoSourceNode

BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
VOLATILE, TRANSIENT_LOCAL = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
FACES, EMOTIONS = "emotional_dan_ros/msg/FaceArray", "emotional_dan_ros/msg/EmotionStateArray"
ANOMALY, DIAGNOSTICS = "emotional_dan_ros/msg/EmotionAnomaly", "diagnostic_msgs/msg/DiagnosticArray"

PUBLISHED = [
    (VideoSourceNode, "/image", IMAGE, BEST_EFFORT, VOLATILE),
    (FaceDetectorNode, "/faces", FACES, BEST_EFFORT, VOLATILE),
    (EmotionRecognizerNode, "/emotions", EMOTIONS, RELIABLE, VOLATILE),
    (AnomalyMonitorNode, "/anomalies", ANOMALY, RELIABLE, TRANSIENT_LOCAL),
    (OverlayNode, "/overlay/image", IMAGE, BEST_EFFORT, VOLATILE),
    *(
        (node, "/diagnostics", DIAGNOSTICS, RELIABLE, VOLATILE)
        for node in (VideoSourceNode, FaceDetectorNode, EmotionRecognizerNode, AnomalyMonitorNode, OverlayNode)
    ),
]
SUBSCRIBED = [
    (FaceDetectorNode, {}, "/image", IMAGE, BEST_EFFORT),
    (FaceDetectorNode, {"reliability": "reliable"}, "/image", IMAGE, RELIABLE),
    (FaceDetectorNode, {"image_transport": "compressed"}, "/image/compressed", COMPRESSED, BEST_EFFORT),
    (EmotionRecognizerNode, {}, "/faces", FACES, BEST_EFFORT),
    (AnomalyMonitorNode, {}, "/emotions", EMOTIONS, RELIABLE),
]
PARAMETERS = {
    "video_source": "autostart source loop speed folder_rate stamps frame_id wait_for_subscribers exit_at_end",
    "face_detector": (
        "autostart stall_timeout image_transport reliability device num_threads max_rate rotation mirrored "
        "detector.min_face_px tracker.keep_lost_s"
    ),
    "emotion_recognizer": (
        "autostart stall_timeout weights device precision num_threads valence prior_ratio emotion_maps"
    ),
    "anomaly_monitor": "autostart stall_timeout false_alarms_per_hour baseline.slow_s sudden_change.enabled",
    "overlay": "autostart stall_timeout image_transport reliability max_rate wait_for_emotions",
}


def mine(node, infos):
    return [info for info in infos if info.node_name == node.get_name()]


@pytest.mark.parametrize(
    ("node_class", "topic", "type_name", "reliability", "durability"),
    PUBLISHED,
    ids=[f"{p[0].__name__}-{p[1]}" for p in PUBLISHED],
)
def test_published(graph, node_class, topic, type_name, reliability, durability):
    node = graph.add(node_class)
    graph.wait_until(lambda: node.is_active)
    (info,) = graph.wait_until(lambda: mine(node, graph.probe.get_publishers_info_by_topic(topic)))
    assert info.topic_type == type_name
    assert (info.qos_profile.reliability, info.qos_profile.durability) == (reliability, durability)


@pytest.mark.parametrize(
    ("node_class", "parameters", "topic", "type_name", "reliability"),
    SUBSCRIBED,
    ids=[f"{s[0].__name__}-{s[1]}" for s in SUBSCRIBED],
)
def test_subscribed(graph, node_class, parameters, topic, type_name, reliability):
    node = graph.add(node_class, **parameters)
    graph.wait_until(lambda: node.is_active)
    (info,) = graph.wait_until(lambda: mine(node, graph.probe.get_subscriptions_info_by_topic(topic)))
    assert info.topic_type == type_name
    assert info.qos_profile.reliability == reliability
    assert info.qos_profile.durability == VOLATILE


@pytest.mark.parametrize("node", sorted(PARAMETERS))
def test_parameters_keep_their_names(node):
    names = {param.name for param in table(node)}
    assert set(PARAMETERS[node].split()) <= names


def test_names_follow_namespace_and_remapping(graph):
    node = graph.add(
        FaceDetectorNode, "-r", "__ns:=/front", "-r", "image:=/camera/image_raw", image_transport="compressed"
    )
    graph.wait_until(lambda: node.is_active)
    assert node.inputs[0].name == "/camera/image_raw/compressed"
    assert node.outputs[0].name == "/front/faces"


def test_qos_overrides(graph):
    node = graph.add(
        EmotionRecognizerNode,
        "-p", "qos_overrides./emotions.publisher.reliability:=best_effort",
        "-p", "qos_overrides./faces.subscription.depth:=2",
        "-p", "qos_overrides./faces.subscription.reliability:=reliable",
    )  # fmt: skip
    graph.wait_until(lambda: node.is_active)
    (out,) = graph.wait_until(lambda: mine(node, graph.probe.get_publishers_info_by_topic("/emotions")))
    assert out.qos_profile.reliability == BEST_EFFORT
    (faces,) = graph.wait_until(lambda: mine(node, graph.probe.get_subscriptions_info_by_topic("/faces")))
    assert faces.qos_profile.reliability == RELIABLE
    assert node.inputs[0].qos.depth == 2
