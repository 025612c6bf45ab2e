"""Makes the checkout's virtual environment a sourced ROS 2 workspace.

scripts/setup.sh copies this file into the environment's site-packages, next to a one-line ``.pth``
that imports it whenever the environment's Python starts. Two things follow:

- ``emotional_dan_ros`` is the package in the checkout and, behind it, the one that the build of
  the messages installed: both share one name, and edits to the first need no rebuild;
- libraries and resources of the build are found, and Fast DDS gets a profile that does not lose
  camera images, without sourcing anything.

It must stay free of imports that cost time, and must not raise.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

ROOT = Path(sys.prefix).parent
INSTALL = ROOT / ".ros" / "install"
NAME = "emotional_dan_ros"
#: Bytes of shared memory from which on a dozen participants may have 32 MB each.
LARGE_SHARED_MEMORY = 512 * 1024 * 1024


class WorkspaceFinder:
    """Finds the top package in the checkout, whatever the current directory holds."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of ``emotional_dan_ros``; None for every other name."""
        if name != NAME:
            return None
        source = ROOT / NAME
        built = [str(found.parent) for found in sorted(INSTALL.glob(f"**/*-packages/{NAME}/msg"))]
        return importlib.util.spec_from_file_location(
            NAME, source / "__init__.py", submodule_search_locations=[str(source), *built]
        )


def prepend(variable: str, folder: Path) -> bool:
    """Put ``folder`` first in a path variable; return whether it was missing."""
    parts = [part for part in os.environ.get(variable, "").split(os.pathsep) if part]
    if str(folder) in parts:
        return False
    os.environ[variable] = os.pathsep.join([str(folder), *parts])
    return True


def profile_file(shared_memory: str = "/dev/shm") -> Path:
    """Return the Fast DDS profile whose segments, one in each participant, fit into the shared memory there is.

    Docker gives a container 64 MB unless told otherwise: one segment of the large profile, and every
    further participant would go without shared memory and lose images.
    """
    try:
        status = os.statvfs(shared_memory)
        size = status.f_blocks * status.f_frsize
    except OSError:
        size = 0
    return ROOT / "config" / ("fastdds.xml" if size >= LARGE_SHARED_MEMORY else "fastdds_small_shm.xml")


sys.meta_path.insert(0, WorkspaceFinder)  # type: ignore[arg-type]

ros_is_from_wheels = Path(sys.prefix, "share", "rclpy").is_dir()
if ros_is_from_wheels:
    prepend("AMENT_PREFIX_PATH", Path(sys.prefix))
    os.environ["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"  # the only one among the wheels
prepend("AMENT_PREFIX_PATH", INSTALL)
# The name of the variable is the first up to Fast DDS 2 (Humble, Jazzy) and the second from 3 on.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
if not any(variable in os.environ for variable in PROFILE_VARIABLES):
    os.environ.update(dict.fromkeys(PROFILE_VARIABLES, str(profile_file())))
# The loader reads its path when a process starts, so Python has to start again with ours in it: with the wheels
# ros-wheels-bootstrapper, which comes after this file, does so unless a parent process, perhaps of another
# environment, already did; where ROS 2 is sourced it is done here.
if (INSTALL / "lib").is_dir() and prepend("LD_LIBRARY_PATH", INSTALL / "lib"):
    if ros_is_from_wheels:
        os.environ.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None)
    else:
        os.execv(sys.executable, sys.orig_argv)
