"""What the package says of itself in several places agrees, and what is installed is what was written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10.12", "3.11.2", "3.12.3", "3.13.0")
#: The modules that run nodes.
NODES = {
    module.stem
    for module in (ROOT / "emotional_dan_ros" / "nodes").glob("*.py")
    if "from emotional_dan_ros.nodes.run import" in module.read_text(encoding="utf-8")
}


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _pins(name: str) -> list[Requirement]:
    return [Requirement(line) for line in _read(name).splitlines() if line and not line.startswith("#")]


def _direct_requirements() -> Iterator[Requirement]:
    """All of pyproject.toml's; read by pattern because tomllib is younger than Python 3.10."""
    project = _read("pyproject.toml").split("\n[project.scripts]")[0]
    tables = re.findall(r"^(?:dependencies|\w+) = \[$(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    tables += re.findall(r"^\w+ = \[(.+)\]$", project.split("[project.optional-dependencies]")[1], re.MULTILINE)
    for table in tables:
        for text in re.findall(r'^\s*"([^"]+)"|(?<=\[|,)\s*"([^"]+)"', f"[{table}", re.MULTILINE):
            name = "".join(text)
            if "::" not in name:
                yield Requirement(name)


def test_versions_agree() -> None:
    package = ET.parse(ROOT / "package.xml").getroot().findtext("version")
    project = re.search(r'^version = "(.+)"$', _read("pyproject.toml"), re.MULTILINE)
    changelog = re.search(r"^(\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)\n-+$", _read("CHANGELOG.rst"), re.MULTILINE)
    assert project is not None
    assert changelog is not None
    assert package == project[1] == changelog[1]


def test_every_message_is_generated() -> None:
    listed = set(re.findall(r"^\s+(msg/\w+\.msg)$", _read("CMakeLists.txt"), re.MULTILINE))
    assert listed == {f"msg/{file.name}" for file in (ROOT / "msg").iterdir()}


def test_every_node_is_an_executable() -> None:
    listed = re.search(r"foreach\(node IN ITEMS (.+)\)", _read("CMakeLists.txt"))
    assert listed is not None
    assert {"face_detector", "emotion_recognizer", "anomaly_monitor", "overlay", "video_source", "cabin"} <= NODES
    assert set(listed[1].split()) == NODES
    for node in NODES:
        assert re.search(r"^def main\(", _read(f"emotional_dan_ros/nodes/{node}.py"), re.MULTILINE)


def test_executables_are_installed() -> None:
    from ament_index_python.packages import get_package_prefix

    folder = Path(get_package_prefix("emotional_dan_ros"), "lib", "emotional_dan_ros")
    assert {file.name for file in folder.iterdir() if os.access(file, os.X_OK)} == NODES


def test_shared_files_are_installed() -> None:
    from ament_index_python.packages import get_package_share_directory

    share = Path(get_package_share_directory("emotional_dan_ros"))
    for folder in ("config", "launch"):
        written = {f.relative_to(ROOT) for f in (ROOT / folder).rglob("*") if f.suffix in {".xml", ".yaml", ".py"}}
        installed = {f.relative_to(share) for f in (share / folder).rglob("*") if f.exists()}
        assert written <= installed


def test_the_list_of_direct_requirements_is_read() -> None:
    names = {requirement.name for requirement in _direct_requirements()}
    assert {"torch", "rosbags", "facenet-pytorch", "tensorboard", "onnxscript", "pytest", "setuptools"} <= names


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_one_fitting_pin(python: str) -> None:
    environment = {**default_environment(), "python_full_version": python, "python_version": python.rpartition(".")[0]}
    pins = [
        pin
        for pin in _pins("requirements/constraints.txt")
        if pin.marker is None or pin.marker.evaluate({k: str(v) for k, v in environment.items()})
    ]
    assert len({pin.name for pin in pins}) == len(pins)
    version_of = {pin.name.lower(): str(pin.specifier).removeprefix("==") for pin in pins}
    for requirement in _direct_requirements():
        version = version_of.get(requirement.name.lower())
        assert version is not None, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_ros_wheels_are_pinned_once() -> None:
    ros, rest = _pins("requirements/ros.txt"), _pins("requirements/constraints.txt")
    assert all(re.fullmatch(r"==[\d.]+", str(pin.specifier)) for pin in ros)
    assert {pin.name.lower() for pin in ros}.isdisjoint(pin.name.lower() for pin in rest)


@pytest.mark.parametrize(
    ("file", "segment", "message"),
    [("fastdds.xml", 32 * 1024 * 1024, 8 * 1024 * 1024), ("fastdds_small_shm.xml", 8 * 1024 * 1024, 7 * 1024 * 1024)],
)
def test_fast_dds_profiles_hold_camera_images_and_find_each_other_soon(file: str, segment: int, message: int) -> None:
    profile = ET.parse(ROOT / "config" / file).getroot()
    name = {"dds": "http://www.eprosima.com"}
    (shared_memory,) = (
        transport
        for transport in profile.findall(".//dds:transport_descriptor", name)
        if transport.findtext("dds:type", namespaces=name) == "SHM"
    )
    assert shared_memory.findtext("dds:segment_size", namespaces=name) == str(segment)
    assert shared_memory.findtext("dds:maxMessageSize", namespaces=name) == str(message)
    assert 1920 * 1080 * 3 < message < segment
    assert shared_memory.findtext("dds:healthy_check_timeout_ms", namespaces=name) == "100"
    assert profile.findtext(".//dds:leaseAnnouncement/dds:nanosec", namespaces=name) == "500000000"
    used = [e.text for e in profile.findall(".//dds:userTransports/dds:transport_id", name)]
    assert shared_memory.findtext("dds:transport_id", namespaces=name) in used


def test_profile_fits_the_shared_memory(tmp_path: Path) -> None:
    import _emotional_dan_ros_workspace as hook

    assert hook.profile_file(str(tmp_path / "absent")).name == "fastdds_small_shm.xml"
    assert shutil.disk_usage(tmp_path).total > 2**30, "this test needs a temporary folder on a real disk"
    assert hook.profile_file(str(tmp_path)).name == "fastdds.xml"


def test_one_package_from_any_folder(tmp_path: Path) -> None:
    """Sources and generated messages share one name; a folder of that name elsewhere does not hide them."""
    decoy = tmp_path / "emotional_dan_ros"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise RuntimeError('the decoy was imported')", encoding="utf-8")
    code = (
        "from emotional_dan_ros.msg import EmotionStateArray; import emotional_dan_ros.core.types as t;"
        "EmotionStateArray.__class__.__import_type_support__(); print(t.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(ROOT / "emotional_dan_ros" / "core" / "types.py")


def test_hook_works_below_a_process_of_another_environment() -> None:
    """ros-wheels-bootstrapper marks the environment it started in; children of another one inherit the mark."""
    code = (
        "from emotional_dan_ros.msg import Face; Face.__class__.__import_type_support__(); import rclpy; rclpy.init()"
    )
    inherited = {k: v for k, v in os.environ.items() if k not in {"LD_LIBRARY_PATH", "AMENT_PREFIX_PATH"}}
    inherited["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
    if os.environ.get("ROS_DISTRO"):
        pytest.skip("ROS 2 is sourced here: without its paths nothing of it can be found")
    subprocess.run([sys.executable, "-c", code], env=inherited, check=True)


def test_a_profile_of_the_user_is_left_alone() -> None:
    code = "import os; print(*(v for k, v in sorted(os.environ.items()) if k.endswith('_DEFAULT_PROFILES_FILE')))"
    others = {k: v for k, v in os.environ.items() if not k.endswith("_DEFAULT_PROFILES_FILE")}

    def profiles(environment: dict[str, str]) -> list[str]:
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    (ours,) = set(profiles(others))
    assert Path(ours).is_file()
    assert Path(ours).parent == ROOT / "config"
    assert profiles({**others, "FASTDDS_DEFAULT_PROFILES_FILE": "/mine.xml"}) == ["/mine.xml"]


def test_wheels_are_mended_once() -> None:
    spec = spec_from_file_location("mend_ros_wheels", ROOT / "scripts" / "mend_ros_wheels.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    line = (
        'INTERFACE_INCLUDE_DIRECTORIES "/opt/python/cp313-cp313/include/python3.13;'
        '/opt/python/cp313-cp313/lib/python3.13/site-packages/numpy/_core/include"'
    )
    python_folder, numpy_folder = re.findall(r"/[^;\"]+", module.mend(line))
    assert Path(python_folder, "Python.h").is_file()
    assert Path(numpy_folder, "numpy", "ndarrayobject.h").is_file()
    assert module.mend(module.mend(line)) == module.mend(line)
