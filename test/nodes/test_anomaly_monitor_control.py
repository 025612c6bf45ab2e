"""The anomaly_monitor node: open events on /diagnostics, other settings and resets while it runs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from emotional_dan_ros.msg import EmotionAnomaly, EmotionStateArray
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.nodes.anomaly_monitor import AnomalyMonitorNode
from emotional_dan_ros.nodes.message_conversion import emotions_to_msg
from test.core.anomaly.conftest import frame, mostly, state

LATCHED = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def watched(graph):
    """A monitor, what it says, and a function that shows it a face for some seconds of the camera's clock."""
    node = graph.add(AnomalyMonitorNode)
    anomalies = graph.hear(EmotionAnomaly, "anomalies", LATCHED)
    statuses = graph.hear(DiagnosticArray, "/diagnostics")
    publisher = graph.probe.create_publisher(EmotionStateArray, "emotions", QoSProfile(depth=200))
    graph.wait_until(
        lambda: node.is_active and publisher.get_subscription_count() and node.count_subscribers("anomalies")
    )
    count = itertools.count(1)

    def show(probabilities, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            shown = next(count)
            shown_frame = replace(frame(1000.0 + shown / 10.0, state(1, probabilities)), model_name="rt")
            publisher.publish(emotions_to_msg(shown_frame))
            graph.wait_until(lambda shown=shown: node.health._received >= shown)

    return node, anomalies, statuses, show


def _level(statuses, level: bytes, word: str) -> DiagnosticStatus:
    def fits(status: DiagnosticStatus) -> bool:
        return status.level == level and word in status.message and "anomaly_monitor" in status.name

    found = statuses.wait_for_one(lambda array: any(fits(status) for status in array.status))
    return next(status for status in found.status if fits(status))


def test_an_event_is_on_diagnostics_outlives_new_settings_and_ends_with_a_reset(graph, watched):
    node, anomalies, statuses, show = watched
    show(mostly(Emotion.NEUTRAL), 30.0)
    show(mostly(Emotion.FEAR), 4.0)
    start = anomalies.wait_for_one(lambda event: event.phase == EmotionAnomaly.START)
    assert start.track_id == 1
    raised = statuses.wait_for_one(
        lambda array: any("fear" in s.message and s.level in (DiagnosticStatus.WARN, DiagnosticStatus.ERROR)
                          for s in array.status)
    )  # fmt: skip
    assert raised

    value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=2.0)
    request = SetParameters.Request(parameters=[Parameter(name="false_alarms_per_hour", value=value)])
    assert graph.call(SetParameters, "/anomaly_monitor/set_parameters", request).results[0].successful
    assert node._monitor.num_passengers == 1
    assert node._monitor.config.false_alarms_per_hour == 2.0
    assert not [event for event in anomalies if event.phase == EmotionAnomaly.END and event.event_id == start.event_id]

    answer = graph.call(Trigger, "/anomaly_monitor/reset", Trigger.Request())
    assert answer.success, answer.message
    end = anomalies.wait_for_one(lambda e: e.phase == EmotionAnomaly.END and e.event_id == start.event_id)
    assert "reset" in end.description
    assert node._monitor.num_passengers == 0
    _level(statuses, DiagnosticStatus.OK, "active")


def test_states_that_are_not_valid_are_on_diagnostics_with_their_topic(watched):
    _, _, statuses, show = watched
    show(2.0 * mostly(Emotion.NEUTRAL), 0.5)
    _level(statuses, DiagnosticStatus.WARN, "/emotions")
    facts = ("invalid states", "5")
    statuses.wait_for_one(lambda array: any(facts == (v.key, v.value) for s in array.status for v in s.values))


def test_a_monitor_that_is_not_active_says_so(graph):
    node = graph.add(AnomalyMonitorNode, autostart=False)
    assert node is not None
    answer = graph.call(Trigger, "/anomaly_monitor/reset", Trigger.Request())
    assert not answer.success
    assert "not active" in answer.message
