"""The diagnostic status, without a node and with a clock of our own."""

from __future__ import annotations

import pytest

pytest.importorskip("diagnostic_msgs.msg", reason="no ROS 2 messages here: run in the environment of `make test`")

from diagnostic_msgs.msg import DiagnosticStatus

from emotional_dan_ros.nodes.health import Health


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {value.key: value.value for value in status.values}


def test_a_node_that_did_nothing_is_well():
    status = Health().status("camera: face_detector", "inactive", now_s=5.0)
    assert (status.level, status.name, status.message) == (DiagnosticStatus.OK, "camera: face_detector", "inactive")
    assert values_of(status)["rate (Hz)"] == "0.0"


def test_rate_and_latency_come_from_the_last_seconds():
    health = Health()
    for index in range(100):  # 10 Hz, first with 500 ms, in the last five seconds with 20 ms
        now_s = index * 0.1
        health.done(now_s, 0.5 if now_s < 4.5 else 0.02)
    values = values_of(health.status("", "active", now_s=9.9))
    assert float(values["rate (Hz)"]) == pytest.approx(10.0, abs=0.2)
    assert values["latency median (ms)"] == "20.0"
    assert values["latency max (ms)"] == "20.0"


def test_the_rate_falls_when_nothing_comes_any_more():
    health = Health()
    for index in range(11):
        health.done(index * 0.1, 0.01)
    assert values_of(health.status("", "active", now_s=1.0))["rate (Hz)"] == "10.0"
    assert float(values_of(health.status("", "active", now_s=4.0))["rate (Hz)"]) == pytest.approx(2.5)
    assert values_of(health.status("", "active", now_s=20.0))["rate (Hz)"] == "0.0"


def test_the_worst_problem_gives_the_level_and_all_give_the_words():
    health = Health()
    assert health.report("loss", DiagnosticStatus.WARN, "images are lost")
    assert not health.report("loss", DiagnosticStatus.WARN, "images are lost")
    assert health.report("input", DiagnosticStatus.ERROR, "nothing comes")
    status = health.status("", "active", 0.0)
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == "images are lost; nothing comes"
    assert health.clear("input")
    assert not health.clear("input")
    assert health.status("", "active", 0.0).level == DiagnosticStatus.WARN


def test_counters_and_facts():
    health = Health()
    for now_s in (1.0, 2.0, 3.0):
        health.received(now_s)
    health.dropped()
    health.failed()
    assert health.set_fact("device", "cpu")
    assert not health.set_fact("device", "cpu")
    values = values_of(health.status("", "active", 3.5))
    assert values["received"] == "3"
    assert values["dropped"] == "1"
    assert values["errors"] == "1"
    assert values["device"] == "cpu"
    assert values["input age (s)"] == "0.50"
