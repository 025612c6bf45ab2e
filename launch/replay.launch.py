"""A recorded drive: plays a bag with its own clock, works on it, records the results.

ros2 launch emotional_dan_ros replay.launch.py bag:=drive.mcap image:=/camera/image_raw output:=results
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

CABIN = str(Path(get_package_share_directory("emotional_dan_ros")) / "launch" / "cabin.launch.py")
RESULTS = ("faces", "emotions", "anomalies")
#: Between the end of the bag and the end of the recording, for the last images that are being worked on.
LINGER_S = 2.0

ARGUMENTS = (
    DeclareLaunchArgument("bag", description="Bag to play: a folder, or an .mcap or .db3 file."),
    DeclareLaunchArgument("image", default_value="image", description="Camera topic in the bag, absolute or relative."),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of all nodes and relative topics."),
    DeclareLaunchArgument("output", default_value="", description="New bag for the results; empty: none is recorded."),
    DeclareLaunchArgument(
        "topics", default_value="", description="Topics to play, separated by spaces; empty: all of the bag."
    ),
    DeclareLaunchArgument("rate", default_value="1.0", description="How fast to play, as a multiple of the drive."),
    DeclareLaunchArgument("loop", default_value="false", choices=["true", "false"], description="Play for ever."),
    DeclareLaunchArgument(
        "delay", default_value="5.0", description="Seconds the nodes get to load before the bag starts."
    ),
    DeclareLaunchArgument("clock_rate", default_value="100", description="Rate of /clock, Hz."),
)


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; all arguments of cabin.launch.py are understood as well."""
    cabin = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(CABIN),
        launch_arguments={
            "image": LaunchConfiguration("image"),
            "namespace": LaunchConfiguration("namespace"),
            "use_sim_time": "true",
        }.items(),
    )
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=_bag), cabin])


def _bag(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    values = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    if not Path(values["bag"]).expanduser().exists():
        raise FileNotFoundError(f"bag: expected a bag, got {values['bag']!r}, which does not exist; check the path")
    if values["output"] and Path(values["output"]).exists():
        raise FileExistsError(f"output: expected a new bag, but {values['output']!r} exists; name another or remove it")
    try:
        get_package_prefix("ros2bag")
    except PackageNotFoundError as error:
        raise RuntimeError(
            "ros2 bag is not installed; install ros-$ROS_DISTRO-ros2bag, or use `emotional-dan` for bags without ROS"
        ) from error
    play = ExecuteProcess(cmd=_play_command(values), output="screen", name="bag_play")
    end = RegisterEventHandler(OnProcessExit(target_action=play, on_exit=_end))
    actions: list[LaunchDescriptionEntity] = [TimerAction(period=float(values["delay"]), actions=[play]), end]
    if values["output"]:
        actions.insert(0, ExecuteProcess(cmd=_record_command(values), output="screen", name="bag_record"))
    return actions


def _end(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
    if event.returncode:
        raise RuntimeError(f"ros2 bag play ended with code {event.returncode}; what it said stands above")
    end = EmitEvent(event=Shutdown(reason="the bag is over"))
    return [LogInfo(msg="the bag is over"), TimerAction(period=LINGER_S, actions=[end])]


def _play_command(values: dict[str, str]) -> list[str]:
    loop = ["--loop"] if values["loop"] == "true" else []
    topics = ["--topics", *values["topics"].split()] if values["topics"].split() else []
    timing = ["--clock", values["clock_rate"], "--rate", values["rate"]]
    return ["ros2", "bag", "play", values["bag"], *timing, *loop, *topics]


def _record_command(values: dict[str, str]) -> list[str]:
    prefix = f"/{values['namespace'].strip('/')}/" if values["namespace"].strip("/") else "/"
    return ["ros2", "bag", "record", "-o", values["output"], "--use-sim-time", *(prefix + name for name in RESULTS)]
