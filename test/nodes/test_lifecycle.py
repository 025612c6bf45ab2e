"""Transitions, parameters and failures of real nodes in this process."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from emotional_dan_ros.msg import EmotionStateArray, FaceArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.nodes.anomaly_monitor import AnomalyMonitorNode
from emotional_dan_ros.nodes.emotion_recognizer import EmotionRecognizerNode
from emotional_dan_ros.nodes.face_detector import FaceDetectorNode
from emotional_dan_ros.nodes.overlay import OverlayNode
from emotional_dan_ros.nodes.parameter_tables import table
from emotional_dan_ros.nodes.standards_bridge import StandardsBridgeNode
from emotional_dan_ros.nodes.video_source import VideoSourceNode

CLASSES = {
    "video_source": VideoSourceNode,
    "face_detector": FaceDetectorNode,
    "emotion_recognizer": EmotionRecognizerNode,
    "anomaly_monitor": AnomalyMonitorNode,
    "overlay": OverlayNode,
    "standards_bridge": StandardsBridgeNode,
}


def change(graph, node, transition: int) -> bool:
    request = ChangeState.Request()
    request.transition.id = transition
    return graph.call(ChangeState, f"{node.get_fully_qualified_name()}/change_state", request).success


def state(graph, node) -> int:
    return graph.call(GetState, f"{node.get_fully_qualified_name()}/get_state", GetState.Request()).current_state.id


def set_parameter(graph, node, name: str, **value):
    kind = {"double_value": ParameterType.PARAMETER_DOUBLE, "integer_value": ParameterType.PARAMETER_INTEGER}
    kind |= {"double_array_value": ParameterType.PARAMETER_DOUBLE_ARRAY}
    kind |= {"string_value": ParameterType.PARAMETER_STRING, "bool_value": ParameterType.PARAMETER_BOOL}
    parameter = Parameter(name=name, value=ParameterValue(type=kind[next(iter(value))], **value))
    request = SetParameters.Request(parameters=[parameter])
    return graph.call(SetParameters, f"{node.get_fully_qualified_name()}/set_parameters", request).results[0]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_autostart_walks_to_active(graph, name):
    node = graph.add(CLASSES[name])
    graph.wait_until(lambda: node.is_active)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_lifecycle_manager_can_drive_it_round_twice(graph, name):
    node = graph.add(CLASSES[name], autostart=False)
    assert state(graph, node) == State.PRIMARY_STATE_UNCONFIGURED
    for _ in range(2):
        assert change(graph, node, Transition.TRANSITION_CONFIGURE)
        assert state(graph, node) == State.PRIMARY_STATE_INACTIVE
        assert change(graph, node, Transition.TRANSITION_ACTIVATE)
        assert state(graph, node) == State.PRIMARY_STATE_ACTIVE
        assert change(graph, node, Transition.TRANSITION_DEACTIVATE)
        assert change(graph, node, Transition.TRANSITION_CLEANUP)
        assert state(graph, node) == State.PRIMARY_STATE_UNCONFIGURED
    assert change(graph, node, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert state(graph, node) == State.PRIMARY_STATE_FINALIZED


@pytest.mark.parametrize(
    ("name", "parameter", "value", "words"),
    [
        ("emotion_recognizer", "weights", "nonsense", "nonsense"),
        ("emotion_recognizer", "device", "tpu", "tpu"),
        ("face_detector", "device", "cuda:99", "cuda"),
        ("video_source", "source", "/no/such/video.mp4", "/no/such/video.mp4"),
    ],
)
def test_a_transition_that_fails_says_why_on_diagnostics_and_can_be_tried_again(graph, name, parameter, value, words):
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    node = graph.add(CLASSES[name], **{parameter: value})
    failed = diagnostics.wait_for_one(lambda message: message.status[0].level == DiagnosticStatus.ERROR).status[0]
    assert failed.name == f"{name}: {name}"
    assert words in failed.message
    assert "\n" not in failed.message
    assert state(graph, node) == State.PRIMARY_STATE_UNCONFIGURED
    default = next(p.default for p in table(name) if p.name == parameter)
    assert set_parameter(graph, node, parameter, string_value=default).successful
    assert change(graph, node, Transition.TRANSITION_CONFIGURE)
    diagnostics.clear()
    diagnostics.wait_for_one(lambda message: message.status[0].level == DiagnosticStatus.OK)


def small_image(stamp: Time) -> Image:
    return Image(header=Header(stamp=stamp), encoding="mono8", width=64, height=48, step=64, data=bytes(64 * 48))


@pytest.mark.parametrize(
    ("node_class", "topic", "make", "setting"),
    [
        (FaceDetectorNode, "image", small_image, ("detector.min_face_px", "integer_value", (40, 41))),
        (
            EmotionRecognizerNode, "faces", lambda stamp: FaceArray(header=Header(stamp=stamp)),
            ("prior_ratio", "double_array_value", ([1.0] * 7, [2.0] * 7)),
        ),
        (
            AnomalyMonitorNode, "emotions", lambda stamp: EmotionStateArray(header=Header(stamp=stamp)),
            ("events.refractory_s", "double_value", (4.0, 5.0)),
        ),
    ],
    ids=["face_detector", "emotion_recognizer", "anomaly_monitor"],
)  # fmt: skip
def test_transitions_and_changes_under_load(graph, node_class, topic, make, setting):
    """Messages keep coming while the node goes up and down; none may be worked on while it is not active."""
    node = graph.add(node_class)
    publisher = graph.probe.create_publisher(type(make(Time())), topic, 10)
    count = 0

    def publish() -> None:
        nonlocal count
        count += 1
        publisher.publish(make(Time(sec=1000 + count // 500, nanosec=count % 500 * 2_000_000)))

    timer = graph.probe.create_timer(0.002, publish)
    graph.wait_until(lambda: node.is_active)
    name, kind, values = setting
    for turn in range(6):
        assert set_parameter(graph, node, name, **{kind: values[turn % 2]}).successful
        seen = node.health._received
        graph.wait_until(lambda seen=seen: node.health._received > seen)
        assert change(graph, node, Transition.TRANSITION_DEACTIVATE)
        frozen, published = node.health._received, count
        graph.wait_until(lambda published=published: count > published + 5)
        assert node.health._received == frozen
        assert change(graph, node, Transition.TRANSITION_ACTIVATE)
    graph.probe.destroy_timer(timer)
    assert node.is_active
    assert node.health._errors == 0


def test_a_transition_the_state_does_not_allow_is_refused_and_the_node_lives_on(graph):
    node = graph.add(AnomalyMonitorNode, autostart=False)
    assert not change(graph, node, Transition.TRANSITION_ACTIVATE)
    assert state(graph, node) == State.PRIMARY_STATE_UNCONFIGURED
    assert change(graph, node, Transition.TRANSITION_CONFIGURE)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_parameter_is_declared_and_described(graph, name):
    node = graph.add(CLASSES[name], autostart=False)
    names = [param.name for param in table(name)]
    request = DescribeParameters.Request(names=names)
    descriptors = graph.call(DescribeParameters, f"/{name}/describe_parameters", request).descriptors
    for param, descriptor in zip(table(name), descriptors, strict=True):
        assert descriptor.name == param.name
        assert descriptor.description.startswith(param.description)
        if isinstance(param.default, float) and param.minimum is not None:
            assert descriptor.floating_point_range[0].from_value == param.minimum
    assert set(node.parameters.values) == set(names)


def test_what_can_change_while_running_does(graph):
    node = graph.add(FaceDetectorNode)
    graph.wait_until(lambda: node.is_active)
    assert set_parameter(graph, node, "detector.min_face_px", integer_value=80).successful
    assert node._detector.config.min_face_px == 80
    assert set_parameter(graph, node, "tracker.keep_lost_s", double_value=5.0).successful
    assert node._tracker.config.keep_lost_s == 5.0
    assert set_parameter(graph, node, "mirrored", bool_value=True).successful
    assert node._orientation.mirrored


def test_the_prior_of_the_recogniser_can_change_while_it_runs(graph):
    node = graph.add(EmotionRecognizerNode, prior_ratio=[1, 1, 1, 1, 1, 1, 1])  # whole numbers will do
    graph.wait_until(lambda: node.is_active)
    crops = np.zeros((1, 112, 112), np.uint8)
    before = node._recognizer.predict_crops(crops).probabilities[0]
    ratio = [0.5, 1.0, 1.0, 1.0, 4.0, 1.0, 2.0]
    assert set_parameter(graph, node, "prior_ratio", double_array_value=ratio).successful
    expected = before * ratio / (before * ratio).sum()
    assert node._recognizer.predict_crops(crops).probabilities[0] == pytest.approx(expected, rel=1e-4)
    refused = set_parameter(graph, node, "prior_ratio", double_array_value=[1.0, 2.0])
    assert not refused.successful
    assert "7 values" in refused.reason
    assert not set_parameter(graph, node, "prior_ratio", double_array_value=[0.0] * 7).successful
    assert node._recognizer.predict_crops(crops).probabilities[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("detector.min_face_px", {"integer_value": 3}, "min_face_px"),
        ("rotation", {"integer_value": 45}, "90"),
        ("max_rate", {"double_value": float("nan")}, "max_rate"),
        ("device", {"string_value": "cpu:0"}, "deactivate and clean up"),
        ("reliability", {"string_value": "perhaps"}, "best_effort"),
        ("autostart", {"bool_value": False}, "read-only"),
    ],
)
def test_what_cannot_change_is_refused_with_the_reason(graph, name, value, words):
    node = graph.add(FaceDetectorNode)
    graph.wait_until(lambda: node.is_active)
    before = node.parameters[name]
    result = set_parameter(graph, node, name, **value)
    assert not result.successful
    assert words in result.reason
    assert node.parameters[name] == before


def test_contradicting_settings_of_the_monitor_are_refused_together(graph):
    node = graph.add(AnomalyMonitorNode)
    graph.wait_until(lambda: node.is_active)
    result = set_parameter(graph, node, "baseline.fast_s", double_value=1e6)
    assert not result.successful
    assert "baseline.slow_s" in result.reason
    assert set_parameter(graph, node, "events.refractory_s", double_value=7.0).successful
    assert node._monitor.config.events.refractory_s == 7.0


def test_start_up_nonsense_is_one_line(graph):
    with pytest.raises(UserError, match=r"stall_timeout.*at least 0\.1 s.*-1"):
        graph.add(AnomalyMonitorNode, stall_timeout=-1.0)
    with pytest.raises(UserError, match=r"rotation.*0, 90, 180, 270.*45"):
        graph.add(FaceDetectorNode, rotation=45)
    with pytest.raises(UserError, match=r"weights.*string.*5"):
        graph.add(EmotionRecognizerNode, weights=5)
    with pytest.raises(UserError, match=r"prior_ratio.*7 values.*got 2"):
        graph.add(EmotionRecognizerNode, prior_ratio=[1.0, 2.0])
    with pytest.raises(UserError, match=r"valence.*7 values.*got 1"):
        graph.add(EmotionRecognizerNode, valence=["neutral"])


def test_a_whole_number_does_for_a_double(graph):
    node = graph.add(AnomalyMonitorNode, autostart=False, stall_timeout=3)
    assert node.parameters["stall_timeout"] == 3.0
    assert isinstance(node.parameters["stall_timeout"], float)
