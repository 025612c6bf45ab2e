"""The face detector and time: stamps that loop, repeat or are missing, simulation time, a limited rate."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rosgraph_msgs.msg import Clock

from emotional_dan_ros.nodes.face_detector import FaceDetectorNode
from emotional_dan_ros.nodes.image_conversion import to_ns, to_time
from test.nodes.cameras import MS, START_NS, Camera, at, ids, logged, status_of


def test_a_loop_starts_new_tracks_and_ids_go_on(graph):
    camera = Camera(graph, graph.add(FaceDetectorNode))
    first = [ids(camera.show(at(START_NS + index * 40 * MS))) for index in range(3)]
    assert first == [[1, 2]] * 3
    again = [ids(camera.show(at(START_NS + index * 40 * MS))) for index in range(2)]
    assert again == [[3, 4]] * 2


def test_a_repeated_stamp_is_worked_on_once(graph):
    node = graph.add(FaceDetectorNode)
    camera = Camera(graph, node)
    camera.show(at(START_NS))
    camera.faces.clear()
    camera.publisher.publish(at(START_NS))
    graph.wait_until(lambda: node.health._dropped == 1)
    later = camera.show(at(START_NS + 40 * MS))
    assert to_ns(later.header.stamp) == START_NS + 40 * MS
    assert len(camera.faces) == 1


def test_a_camera_that_does_not_stamp_gets_times_of_arrival(graph):
    camera = Camera(graph, graph.add(FaceDetectorNode))
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    assert to_ns(camera.show(at(0)).header.stamp) == 0
    before_ns = graph.probe.get_clock().now().nanoseconds
    second = to_ns(camera.show(at(0)).header.stamp)
    third = to_ns(camera.show(at(0)).header.stamp)
    assert before_ns <= second < third <= graph.probe.get_clock().now().nanoseconds
    assert status_of(diagnostics, lambda s: "does not stamp" in s.message).level == DiagnosticStatus.WARN


def test_simulation_time_that_nobody_publishes_is_told(graph):
    graph.add(FaceDetectorNode, use_sim_time=True)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    status = status_of(diagnostics, lambda s: "/clock" in s.message)
    assert status.level == DiagnosticStatus.WARN
    clock = graph.probe.create_publisher(Clock, "/clock", 1)
    now_ns = START_NS

    def tick() -> None:
        nonlocal now_ns
        now_ns += 100 * MS
        clock.publish(Clock(clock=to_time(now_ns)))

    timer = graph.probe.create_timer(0.02, tick)
    diagnostics.clear()
    status_of(diagnostics, lambda s: "/clock" not in s.message)
    graph.probe.destroy_timer(timer)


def test_a_clock_that_loops_stops_nothing(graph, monkeypatch):
    """`ros2 bag play --clock --loop`: /clock and the images' stamps go back together, again and again."""
    node = graph.add(FaceDetectorNode, use_sim_time=True, max_rate=10.0)
    camera = Camera(graph, node)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    lines = logged(node, monkeypatch)
    clock = graph.probe.create_publisher(Clock, "/clock", 10)
    graph.wait_until(lambda: clock.get_subscription_count())
    grey_wall = np.full((48, 64, 3), 128, np.uint8)
    for _ in range(3):
        for index in range(4):
            now_ns = START_NS + index * 200 * MS
            clock.publish(Clock(clock=to_time(now_ns)))
            graph.wait_until(lambda now_ns=now_ns: node.get_clock().now().nanoseconds == now_ns)
            assert to_ns(camera.show(at(now_ns, grey_wall)).header.stamp) == now_ns
    assert len([line for line in lines if "time jumped back" in line]) == 2
    diagnostics.clear()
    status = status_of(diagnostics, lambda s: s.message)
    assert "nothing came" not in status.message
    assert status.level != DiagnosticStatus.ERROR


def test_a_clock_that_begins_with_a_recordings_date_is_no_stall(graph):
    node = graph.add(FaceDetectorNode, use_sim_time=True)
    Camera(graph, node)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    clock = graph.probe.create_publisher(Clock, "/clock", 10)
    graph.wait_until(lambda: clock.get_subscription_count())
    clock.publish(Clock(clock=to_time(START_NS)))
    graph.wait_until(lambda: node.get_clock().now().nanoseconds == START_NS)
    diagnostics.clear()
    assert "nothing came" not in status_of(diagnostics, lambda s: s.message).message
    # Two seconds of the clock later it is one.
    clock.publish(Clock(clock=to_time(START_NS + 2000 * MS)))
    assert status_of(diagnostics, lambda s: "nothing came on /image" in s.message).level == DiagnosticStatus.ERROR


def test_the_rate_can_be_limited_while_running(graph):
    node = graph.add(FaceDetectorNode, max_rate=10.0)
    camera = Camera(graph, node)
    for index in range(8):  # 25 Hz of camera time
        received = node.health._received
        camera.publisher.publish(at(START_NS + index * 40 * MS))
        if index % 3 == 0:  # at 10 Hz every third is due: 0, 120, 240 ms
            graph.wait_until(lambda received=received: node.health._received > received)
    assert camera.show(at(START_NS + 1000 * MS))
    assert node.health._received == 4
