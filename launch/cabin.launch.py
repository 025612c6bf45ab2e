"""The whole pipeline for one camera.

    ros2 launch emotional_dan_ros cabin.launch.py image:=/camera/image_raw

Included twice, under two namespaces, it serves two cameras.
"""

import os
from difflib import get_close_matches
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction, SetEnvironmentVariable
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

PACKAGE = "emotional_dan_ros"
CONFIG = Path(get_package_share_directory(PACKAGE)) / "config"
PIPELINE = ("face_detector", "emotion_recognizer", "anomaly_monitor", "overlay", "standards_bridge")
#: Nodes that have a parameter of this name.
WITH_DEVICE = ("face_detector", "emotion_recognizer")
WITH_IMAGE = ("face_detector", "overlay")
RESPAWN_DELAY_S = 1.0
#: Fast DDS 2 (Jazzy and before) and Fast DDS 3 read different names.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

YES_NO = {"choices": ["true", "false"]}
ARGUMENTS = (
    DeclareLaunchArgument("image", default_value="image", description="Camera topic, sensor_msgs/Image."),
    DeclareLaunchArgument(
        "image_transport",
        default_value="",
        choices=["", "raw", "compressed"],
        description="raw, or compressed for sensor_msgs/CompressedImage on <image>/compressed; empty: parameter files.",
    ),
    DeclareLaunchArgument(
        "reliability",
        default_value="",
        choices=["", "best_effort", "reliable"],
        description="Reliability of the image subscription; empty: as in the parameter files.",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of all nodes and relative topics."),
    DeclareLaunchArgument(
        "params_file",
        default_value="",
        description="YAML file with sections by node name; what it does not name stays as in config/<node>.yaml.",
    ),
    DeclareLaunchArgument(
        "device", default_value="", description="auto, cpu, cuda or cuda:<index>; empty: as in the parameter files."
    ),
    DeclareLaunchArgument("composed", default_value="false", description="All nodes in one process.", **YES_NO),
    DeclareLaunchArgument("use_sim_time", default_value="false", description="Follow /clock.", **YES_NO),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
    DeclareLaunchArgument("anomaly_monitor", default_value="true", description="With anomaly_monitor.", **YES_NO),
    DeclareLaunchArgument(
        "overlay", default_value="true", description="With overlay (works only while watched).", **YES_NO
    ),
    DeclareLaunchArgument(
        "emotion_maps",
        default_value="",
        choices=["", "true", "false"],
        description="Where the network looked, on emotion_maps and in the overlay; takes two to three times as long as "
        "recognition while watched; empty: parameter files.",
    ),
    DeclareLaunchArgument(
        "standards_bridge",
        default_value="false",
        description="With standards_bridge: results as vision_msgs and ROS4HRI as well.",
        **YES_NO,
    ),
    DeclareLaunchArgument(
        "source",
        default_value="",
        description="Play this in place of a camera: a video, picture, folder, camera index, or `sample`.",
    ),
    DeclareLaunchArgument("respawn", default_value="true", description="Start a node again that died.", **YES_NO),
)


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the nodes follow from their values."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    values = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    wanted = [name for name in PIPELINE if values.get(name, "true") == "true"]
    if values["source"]:
        wanted.insert(0, "video_source")
    if values["params_file"] and not Path(values["params_file"]).is_file():
        raise FileNotFoundError(f"params_file: expected a YAML file, got {values['params_file']!r}; check the path")
    for line in _misspelt_sections(values["params_file"]):
        get_logger("params_file").warning(line)
    make = _composed if values["composed"] == "true" else _separate
    return [
        GroupAction(
            [
                *_fastdds_profile(),
                *([PushRosNamespace(values["namespace"])] if values["namespace"] else []),
                *make(wanted, values),
            ]
        )
    ]


def _misspelt_sections(params_file: str) -> list[str]:
    """Sections whose names are almost a node's: ROS 2 passes over them without a word. Others may be anybody's."""
    try:
        content = yaml.safe_load(Path(params_file).read_text(encoding="utf-8")) if params_file else {}
    except yaml.YAMLError:
        return []  # the nodes say what is wrong with it
    names = [str(section).rpartition("/")[2] for section in content] if isinstance(content, dict) else []
    known = ("video_source", *PIPELINE)
    similar = {name: get_close_matches(name, known, n=1) for name in names if name not in known}
    return [f"section {name!r} fits no node; did you mean {close[0]!r}?" for name, close in similar.items() if close]


def _separate(wanted: list[str], values: dict[str, str]) -> list[Node]:
    return [
        Node(executable=name, name=name, parameters=_parameters([name], values), **_common(values)) for name in wanted
    ]


def _composed(wanted: list[str], values: dict[str, str]) -> list[Node]:
    switches = [f"--{name.replace('_', '-')}" for name in ("video_source", "standards_bridge") if name in wanted]
    switches += [f"--no-{name.replace('_', '-')}" for name in ("anomaly_monitor", "overlay") if name not in wanted]
    # Without a name: one would be given to every node of the process.
    return [Node(executable="cabin", arguments=switches, parameters=_parameters(wanted, values), **_common(values))]


def _common(values: dict[str, str]) -> dict[str, object]:
    return {
        "package": PACKAGE,
        "output": "screen",
        "emulate_tty": True,
        "respawn": values["respawn"] == "true",
        "respawn_delay": RESPAWN_DELAY_S,
        "remappings": [("image", values["image"])] if values["image"] != "image" else [],
        "ros_arguments": ["--log-level", values["log_level"]],
    }


def _parameters(nodes: list[str], values: dict[str, str]) -> list[object]:
    """Default files, then the user's file, then the arguments: the later wins."""
    arguments: dict[str, object] = {"use_sim_time": values["use_sim_time"] == "true"}
    if values["device"] and set(nodes) & set(WITH_DEVICE):
        arguments["device"] = values["device"]
    for name in ("image_transport", "reliability"):
        if values[name] and set(nodes) & set(WITH_IMAGE):
            arguments[name] = values[name]
    if values["emotion_maps"] and "emotion_recognizer" in nodes:
        arguments["emotion_maps"] = values["emotion_maps"] == "true"
    if "video_source" in nodes:
        arguments["source"] = values["source"]
    files = [str(CONFIG / f"{name}.yaml") for name in nodes]
    return [*files, *([values["params_file"]] if values["params_file"] else []), arguments]


def _fastdds_profile() -> list[LaunchDescriptionEntity]:
    """Buffers that hold whole images, unless the user has a profile of their own."""
    if any(os.environ.get(name) for name in PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(name, str(CONFIG / "fastdds.xml")) for name in PROFILE_VARIABLES]
