"""The launch files, where launch and launch_ros are installed (they have no wheels)."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("launch", reason="launch is not installed (it has no wheel)")
pytest.importorskip("launch_ros", reason="launch_ros is not installed (it has no wheel)")

from launch.actions import DeclareLaunchArgument, GroupAction, SetEnvironmentVariable
from launch.utilities import perform_substitutions
from launch_ros.actions import Node, PushRosNamespace

from launch import LaunchContext

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
FILES = sorted(path.name for path in LAUNCH.glob("*.launch.py"))


def load(name: str):
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), LAUNCH / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cabin(monkeypatch, **arguments: str) -> tuple[list[Node], list, LaunchContext]:
    """What cabin.launch.py starts with these arguments: nodes, other actions, the context."""
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    module = load("cabin.launch.py")
    context = LaunchContext()
    for argument in module.ARGUMENTS:
        context.launch_configurations[argument.name] = arguments.get(
            argument.name, perform_substitutions(context, argument.default_value)
        )
    (group,) = module._nodes(context)
    assert isinstance(group, GroupAction)
    actions = group.get_sub_entities()
    return [a for a in actions if isinstance(a, Node)], [a for a in actions if not isinstance(a, Node)], context


def command(node: Node, context: LaunchContext) -> str:
    node._perform_substitutions(context)
    context.extend_locals({"ros_specific_arguments": {"name": "", "ns": ""}})  # as Node.execute does
    return " ".join(perform_substitutions(context, part) for part in node.cmd)


def executables(nodes: list[Node]) -> list[str]:
    return [node.node_executable for node in nodes]


@pytest.mark.parametrize("name", FILES)
def test_every_argument_is_described(name):
    declared = [e for e in load(name).generate_launch_description().entities if isinstance(e, DeclareLaunchArgument)]
    assert declared
    assert all(argument.description and argument.description != "no description given" for argument in declared)


def test_everything_is_started_with_its_parameter_file(monkeypatch):
    nodes, _, context = cabin(monkeypatch, image="/camera/image_raw", device="cpu")
    assert executables(nodes) == ["face_detector", "emotion_recognizer", "anomaly_monitor", "overlay"]
    for node in nodes:
        line = command(node, context)
        assert f"config/{node.node_executable}.yaml" in line
        assert "image:=/camera/image_raw" in line
        assert "--log-level info" in line


def test_parts_can_be_left_out_and_a_source_put_in(monkeypatch):
    nodes, _, _ = cabin(monkeypatch, anomaly_monitor="false", overlay="false", source="sample")
    assert executables(nodes) == ["video_source", "face_detector", "emotion_recognizer"]


def test_composed_is_one_process_with_all_parameter_files(monkeypatch):
    (node,), _, context = cabin(monkeypatch, composed="true", source="sample", overlay="false")
    line = command(node, context)
    assert "/cabin --video-source --no-overlay --ros-args" in line
    assert "__node:=" not in line
    for name in ("video_source", "face_detector", "emotion_recognizer", "anomaly_monitor"):
        assert f"config/{name}.yaml" in line
    assert "config/overlay.yaml" not in line


def test_a_namespace_and_a_parameter_file_of_the_user(monkeypatch, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**/face_detector:\n  ros__parameters:\n    max_rate: 5.0\n", encoding="utf-8")
    nodes, others, context = cabin(monkeypatch, namespace="front", params_file=str(file))
    assert any(isinstance(action, PushRosNamespace) for action in others)
    line = command(nodes[0], context)
    assert line.index("config/face_detector.yaml") < line.index(str(file))
    with pytest.raises(FileNotFoundError, match="params_file"):
        cabin(monkeypatch, params_file="/no/such.yaml")


def test_sections_of_misspelt_names_are_warned_about(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**/face_detecter:\n  ros__parameters: {}\n/lidar_driver: {}\n/**:\n  ros__parameters: {}\n")
    misspelt = load("cabin.launch.py")._misspelt_sections
    assert misspelt(str(file)) == ["section 'face_detecter' fits no node; did you mean 'face_detector'?"]
    file.write_text("/front/overlay:\n  ros__parameters: {}\n")
    assert misspelt(str(file)) == []
    for nonsense in ("", "a: [", "- 1\n"):
        file.write_text(nonsense)
        assert misspelt(str(file)) == []


def test_the_fast_dds_profile_is_set_unless_the_user_has_one(monkeypatch):
    _, others, _ = cabin(monkeypatch)
    assert sum(isinstance(action, SetEnvironmentVariable) for action in others) == 2
    module = load("cabin.launch.py")
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/mine.xml")
    assert module._fastdds_profile() == []


@pytest.mark.skipif(shutil.which("ros2") is None, reason="the ros2 command is not installed")
@pytest.mark.parametrize("composed", ["true", "false"])
def test_ros2_launch_brings_emotions(graph, composed):
    from emotional_dan_ros.msg import EmotionStateArray

    heard = graph.hear(EmotionStateArray, "/front/emotions")
    process = subprocess.Popen(
        ["ros2", "launch", "emotional_dan_ros", "cabin.launch.py", "source:=sample", "namespace:=front",
         f"composed:={composed}", "device:=cpu"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        heard.wait_for_one(lambda message: len(message.states) == 2)
    finally:
        process.send_signal(signal.SIGINT)  # SIGTERM would leave the nodes without their launch
        said = process.communicate(timeout=60)[0]
    assert "Traceback" not in said, said


@pytest.mark.skipif(shutil.which("ros2") is None, reason="the ros2 command is not installed")
@pytest.mark.parametrize(
    ("file", "arguments", "words"),
    [
        ("replay.launch.py", ["bag:=/no/such/bag"], "/no/such/bag"),
        ("cabin.launch.py", ["params_file:=/no/such.yaml"], "/no/such.yaml"),
        ("carla.launch.py", [], "camera"),
    ],
)
def test_wrong_arguments_are_told(file, arguments, words):
    result = subprocess.run(
        ["ros2", "launch", "emotional_dan_ros", file, *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert words in result.stdout + result.stderr
