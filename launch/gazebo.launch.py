"""Passengers in Gazebo, by way of ros_gz_bridge.

    ros2 launch emotional_dan_ros gazebo.launch.py camera:=/cabin_camera

The bridge publishes the camera as rgb8, reliable, and /clock. It is started here; `bridge:=false` where one runs
already.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

CABIN = str(Path(get_package_share_directory("emotional_dan_ros")) / "launch" / "cabin.launch.py")


def generate_launch_description() -> LaunchDescription:
    """Bridge camera and clock, include the rest; all arguments of cabin.launch.py are understood as well."""
    camera = LaunchConfiguration("camera")
    bridge = Node(
        package="ros_gz_bridge",
        executable="parameter_bridge",
        name="cabin_bridge",
        # "[" is from Gazebo to ROS only.
        arguments=[
            [camera, "@sensor_msgs/msg/Image[gz.msgs.Image"],
            "/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock",
        ],
        output="screen",
        condition=IfCondition(LaunchConfiguration("bridge")),
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument("camera", description="Topic of the camera in Gazebo; the same in ROS."),
            DeclareLaunchArgument(
                "bridge", default_value="true", choices=["true", "false"], description="Start ros_gz_bridge."
            ),
            bridge,
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(CABIN),
                launch_arguments={"image": camera, "use_sim_time": "true", "reliability": "reliable"}.items(),
            ),
        ]
    )
