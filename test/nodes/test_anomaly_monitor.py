"""The monitor as a node: events over the wire, their ids, loops, and what a deactivation leaves behind."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from emotional_dan_ros.msg import EmotionAnomaly, EmotionStateArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import DurabilityPolicy, QoSProfile

from emotional_dan_ros.core.anomaly import calibration_path
from emotional_dan_ros.core.types import EmotionState, FrameEmotions
from emotional_dan_ros.nodes.anomaly_monitor import AnomalyMonitorNode
from emotional_dan_ros.nodes.topics import EMOTIONS
from test.nodes.cameras import logged

LATCHED = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
MS = 1_000_000
START_NS = 10**12
FACE = EmotionState(
    track_id=1,
    box_xyxy=np.array([200, 100, 300, 220], np.float32),  # far from the border
    probabilities=np.array([0.9, 0.1, 0, 0, 0, 0, 0], np.float32),
    valence_probabilities=np.array([0.9, 0.1, 0.0], np.float32),
    landmarks_px=np.zeros((68, 2), np.float32),
    quality=0.9,
)


class Drive:
    """Shows the monitor one frame after the other, 10 a second of the camera's time; none gets lost."""

    def __init__(self, graph, **parameters: str) -> None:
        self.graph = graph
        self.node = graph.add(
            AnomalyMonitorNode, passenger_lost__tracked_s=1.0, passenger_lost__gone_s=0.5, **parameters
        )
        self.events = graph.hear(EmotionAnomaly, "anomalies", LATCHED)
        self._emotions = graph.probe.create_publisher(EmotionStateArray, "emotions", EMOTIONS.qos())
        graph.wait_until(lambda: self.node.is_active and self._emotions.get_subscription_count())
        self.stamp_ns = START_NS

    def show(self, frames: int, *states: EmotionState, model_name: str = "rt") -> None:
        for _ in range(frames):
            received = self.node.health._received
            frame = FrameEmotions(self.stamp_ns, "cabin", (640, 480), model_name, states)
            self._emotions.publish(EMOTIONS.to_message(frame))
            self.graph.wait_until(lambda received=received: self.node.health._received > received)
            self.stamp_ns += 100 * MS

    def lose_a_passenger(self) -> EmotionAnomaly:
        """A face for two seconds, then none: the START of its loss."""
        known = {event.event_id for event in self.events}
        self.show(20, FACE)
        self.show(8)
        return self.events.wait_for_one(lambda event: event.event_id not in known)

    def phases(self) -> dict[int, list[int]]:
        """By event, its phases without ONGOING."""
        result: dict[int, list[int]] = {}
        for event in self.events:
            if event.phase != EmotionAnomaly.ONGOING:
                result.setdefault(event.event_id, []).append(event.phase)
        return result

    def change(self, transition: int) -> bool:
        request = ChangeState.Request()
        request.transition.id = transition
        return self.graph.call(ChangeState, "/anomaly_monitor/change_state", request).success


START, END = EmotionAnomaly.START, EmotionAnomaly.END


def test_an_event_has_the_stamp_and_frame_of_its_cause(graph):
    drive = Drive(graph)
    start = drive.lose_a_passenger()
    assert (start.kind, start.phase, start.track_id) == (EmotionAnomaly.PASSENGER_LOST, START, 1)
    assert start.header.frame_id == "cabin"
    # Last seen at 1.9 s, gone for 0.5 s.
    assert (start.header.stamp.sec, start.header.stamp.nanosec) == (1002, 400 * MS)
    assert (start.start.sec, start.start.nanosec) == (1001, 900 * MS)
    drive.show(1, FACE)
    end = drive.events.wait_for_one(lambda event: event.phase == END)
    assert end.event_id == start.event_id


def test_a_loop_ends_events_and_ids_go_on(graph):
    drive = Drive(graph)
    first = drive.lose_a_passenger()
    drive.stamp_ns = START_NS  # the bag begins again
    second = drive.lose_a_passenger()
    assert second.event_id > first.event_id
    assert drive.phases() == {first.event_id: [START, END], second.event_id: [START]}


def test_deactivation_ends_events_and_new_settings_reuse_no_id(graph):
    drive = Drive(graph)
    first = drive.lose_a_passenger()
    assert drive.change(Transition.TRANSITION_DEACTIVATE)
    drive.events.wait_for_one(lambda event: event.phase == END)
    assert drive.change(Transition.TRANSITION_CLEANUP)
    assert drive.change(Transition.TRANSITION_CONFIGURE)
    assert drive.change(Transition.TRANSITION_ACTIVATE)
    graph.wait_until(lambda: drive._emotions.get_subscription_count())
    drive.stamp_ns += 10**9
    second = drive.lose_a_passenger()
    assert second.event_id > first.event_id
    assert drive.phases() == {first.event_id: [START, END], second.event_id: [START]}


def test_who_comes_late_hears_of_open_events(graph, other_graph):
    start = Drive(graph).lose_a_passenger()
    late = other_graph.hear(EmotionAnomaly, "anomalies", LATCHED)
    assert late.wait_for(lambda heard: heard[0] if heard else None).event_id == start.event_id


def test_thresholds_of_other_weights_are_told_until_they_fit(graph, monkeypatch):
    drive = Drive(graph)
    lines = logged(drive.node, monkeypatch)
    statuses = graph.hear(DiagnosticArray, "/diagnostics")
    drive.show(1, FACE, model_name="mine")
    statuses.wait_for_one(lambda array: any("'mine'" in status.message for status in array.status))
    drive.show(1, FACE)
    graph.wait_until(lambda: drive.node.health.problem("calibration") is None)
    assert [line for line in lines if "baselines" in line] == [
        "emotions come from the weights 'rt' instead of 'mine'; baselines start anew"
    ]


def test_a_calibration_of_ones_own(graph, tmp_path):
    path = tmp_path / "mine.monitor.json"
    path.write_text(calibration_path("rt").read_text().replace('"model_name": "rt"', '"model_name": "mine"'))
    drive = Drive(graph, calibration=str(path))
    drive.show(1, FACE, model_name="mine")
    assert drive.node._monitor.calibration_warning == ""
    drive.show(1, FACE, model_name="rt")
    assert "'mine'" in drive.node._monitor.calibration_warning


def test_a_calibration_that_is_not_there_is_named_and_nothing_starts(graph, tmp_path):
    node = graph.add(AnomalyMonitorNode, calibration=str(tmp_path / "none.json"))
    graph.wait_until(lambda: "none.json" in (node.health.problem("state") or ""))
    assert not node.is_active
