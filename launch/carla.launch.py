"""Passengers in CARLA, by way of carla_ros_bridge.

    ros2 launch emotional_dan_ros carla.launch.py camera:=rgb_cabin

The bridge publishes /carla/<role_name>/<camera>/image as bgra8, reliable, and /clock; start it with the
simulator and spawn the camera first (docs/simulation.md).
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription

CABIN = str(Path(get_package_share_directory("emotional_dan_ros")) / "launch" / "cabin.launch.py")


def generate_launch_description() -> LaunchDescription:
    """Name the camera, include the rest; all arguments of cabin.launch.py are understood as well."""
    topic = ["/carla/", LaunchConfiguration("role_name"), "/", LaunchConfiguration("camera"), "/image"]
    return LaunchDescription(
        [
            DeclareLaunchArgument("camera", description="Id of the camera among the vehicle's sensors."),
            DeclareLaunchArgument("role_name", default_value="ego_vehicle", description="role_name of the vehicle."),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(CABIN),
                launch_arguments={"image": topic, "use_sim_time": "true", "reliability": "reliable"}.items(),
            ),
        ]
    )
