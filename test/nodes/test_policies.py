"""The SROS2 policy allows what the running nodes open, and nothing else."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

from emotional_dan_ros.nodes import policy_file
from emotional_dan_ros.nodes.anomaly_monitor import AnomalyMonitorNode
from emotional_dan_ros.nodes.face_detector import FaceDetectorNode
from emotional_dan_ros.nodes.overlay import OverlayNode
from emotional_dan_ros.nodes.video_source import VideoSourceNode

POLICIES = Path(__file__).resolve().parents[2] / "config" / "policies.xml"


def allowed(node: str, kind: str, access: str) -> set[str]:
    """Full names that the shipped file allows a node in the root namespace."""
    (profile,) = ET.parse(POLICIES).getroot().findall(f".//enclave[@path='/emotional_dan_ros/{node}']//profile")
    assert (profile.get("ns"), profile.get("node")) == ("/", node)
    names = [element.text for element in profile.findall(f"{kind}[@{access}='ALLOW']/*")]
    assert len(names) == len(set(names))
    return {f"/{node}{name[1:]}" if name.startswith("~") else f"/{name.lstrip('/')}" for name in names}


def test_the_shipped_file_is_the_generated_one():
    assert POLICIES.read_text(encoding="utf-8") == policy_file.policy_xml(), (
        "run python -m emotional_dan_ros.nodes.policy_file"
    )


@pytest.mark.parametrize("node_class", [VideoSourceNode, FaceDetectorNode, AnomalyMonitorNode, OverlayNode])
def test_running_nodes_need_what_is_allowed(graph, node_class):
    # In a namespace of its own: the graph is asked by name, and must not answer for a node of another test.
    namespace = "/policies"
    node = graph.add(node_class, "-r", f"__ns:={namespace}", use_sim_time=True)
    graph.wait_until(lambda: node.is_active)
    name, probe = node.get_name(), graph.probe

    def names(query) -> set[str]:
        return {topic.removeprefix(namespace) for topic, _ in query(name, namespace)}

    published = allowed(name, "topics", "publish")
    graph.wait_until(lambda: names(probe.get_publisher_names_and_types_by_node) >= published)
    assert names(probe.get_publisher_names_and_types_by_node) == published
    subscribed = graph.wait_until(lambda: names(probe.get_subscriber_names_and_types_by_node))
    assert subscribed <= allowed(name, "topics", "subscribe")
    services = names(probe.get_service_names_and_types_by_node)
    # Humble has no type descriptions yet.
    assert services | {f"/{name}/get_type_description"} == allowed(name, "services", "reply")
    assert not names(probe.get_client_names_and_types_by_node)


def test_a_namespace_can_be_asked_for():
    profiles = ET.fromstring(policy_file.policy_xml("/front")).findall(".//profile")
    assert {profile.get("ns") for profile in profiles} == {"/front"}


def test_sros2_takes_the_shipped_file():
    """Against its schema, with its own reader."""
    sros2 = pytest.importorskip("sros2.policy", reason="sros2 is not installed (it has no wheel)")
    profiles = sros2.load_policy(POLICIES).findall(".//profile")
    assert {profile.get("node") for profile in profiles} == set(policy_file.NODES)
