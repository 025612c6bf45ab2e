"""``emotional-dan doctor``: what is installed, what works, and what to do about what does not."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from emotional_dan_ros.core.errors import UserError


class Verdict(Enum):
    """How a check went."""

    OK = "ok"
    MISSING = "--"  # not needed by everybody
    BROKEN = "!!"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do where it is not well."""

    verdict: Verdict
    subject: str
    text: str
    remedy: str = ""


Check = Callable[[], Finding]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of ``emotional-dan doctor``."""
    parser.add_argument("--weights", default="rt", help="name of shipped weights or a .safetensors file (default: rt)")


def run(args: argparse.Namespace) -> int:
    """Print the findings; returns 1 where something is broken."""
    findings = examine(args.weights)
    for finding in findings:
        print(f"[{finding.verdict.value}] {finding.subject}: {finding.text}")
        if finding.remedy:
            print(f"       do: {finding.remedy}")
    broken = [finding.subject for finding in findings if finding.verdict is Verdict.BROKEN]
    print(f"broken: {', '.join(broken)}" if broken else "everything that is needed works")
    return 1 if broken else 0


def examine(weights: str = "rt") -> list[Finding]:
    """Make all checks; a check that fails in an unexpected way is a finding too."""
    checks: dict[str, Check] = {
        "Python": _python,
        "PyTorch": _torch,
        "face detector": _detector,
        "weights": lambda: _weights(weights),
        "anomaly monitor": lambda: _monitor(weights),
        "videos": _videos,
        "bags": _bags,
        "Parquet tables": lambda: _optional("pyarrow", "Parquet tables", "install pyarrow; tables are CSV without it"),
        "Ray": lambda: _optional("ray", "Ray", "install emotional_dan_ros[ray]; only `process --engine ray` needs it"),
        "ROS 2": _ros,
        "messages": _messages,
        "cv_bridge": lambda: _optional("cv_bridge", "cv_bridge", "nothing: our own conversion does the same"),
        "Fast DDS profile": _dds_profile,
        "ros2 bag": _ros2_command,
    }
    findings = []
    for subject, check in checks.items():
        try:
            findings.append(check())
        except Exception as error:  # the doctor must not fall ill himself
            reason = " ".join(str(error).split()) or type(error).__name__
            remedy = "" if isinstance(error, UserError) else "install the package again"
            findings.append(Finding(Verdict.BROKEN, subject, reason, remedy))
    return findings


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return Finding(Verdict.OK, "Python", text)


def _torch() -> Finding:
    import torch

    probe = torch.ones(8, 8) @ torch.ones(8, 8)
    if float(probe[0, 0]) != 8.0:
        return Finding(Verdict.BROKEN, "PyTorch", f"{torch.__version__} multiplies wrongly", "install torch again")
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name(0)
        float((torch.ones(8, 8, device="cuda") @ torch.ones(8, 8, device="cuda")).sum())
        return Finding(Verdict.OK, "PyTorch", f"{torch.__version__}, CUDA on {device}")
    text = f"{torch.__version__}, CPU with {torch.get_num_threads()} threads; no CUDA device is seen"
    if Path("/proc/driver/nvidia").exists():
        return Finding(Verdict.MISSING, "PyTorch", text, "see whether nvidia-smi works and fits torch's CUDA version")
    return Finding(Verdict.OK, "PyTorch", text)


def _detector() -> Finding:
    from emotional_dan_ros.core.detector import FaceDetector

    FaceDetector().detect(np.zeros((96, 128, 3), np.uint8))
    return Finding(Verdict.OK, "face detector", f"MTCNN of facenet-pytorch {_version('facenet-pytorch')}, runs")


def _weights(weights: str) -> Finding:
    from emotional_dan_ros.core.recognizer import EmotionRecognizer
    from emotional_dan_ros.core.types import CROP_SIZE_PX
    from emotional_dan_ros.model.weights import weights_path

    path = weights_path(weights)
    recognizer = EmotionRecognizer.load(weights, "cpu")  # compares the checksum
    total = float(recognizer.predict_crops(np.zeros((1, CROP_SIZE_PX, CROP_SIZE_PX), np.uint8)).probabilities.sum())
    if abs(total - 1.0) > 1e-3:
        return Finding(Verdict.BROKEN, "weights", f"{path}: probabilities sum to {total:.3f}", "install them again")
    size_mb = path.stat().st_size / 1e6
    return Finding(Verdict.OK, "weights", f"{recognizer.model_name}, {size_mb:.1f} MB, checksum fits ({path})")


def _monitor(weights: str) -> Finding:
    from emotional_dan_ros.core.anomaly import AnomalyMonitor, calibration_for, calibration_path

    calibration = calibration_for(weights)
    AnomalyMonitor(calibration=calibration)
    if calibration is None:
        missing = (
            f"no calibration for {weights} at {calibration_path(weights)}: how many false alarms come is not known"
        )
        return Finding(Verdict.MISSING, "anomaly monitor", missing, "see 'Other weights' in docs/monitor.md")
    return Finding(Verdict.OK, "anomaly monitor", f"its calibration for {calibration.model_name} is there")


def _videos() -> Finding:
    import cv2

    backends = [cv2.videoio_registry.getBackendName(i) for i in cv2.videoio_registry.getStreamBackends()]
    text = f"OpenCV {cv2.__version__}, backends {', '.join(backends) or 'none'}"
    if "FFMPEG" not in backends:
        return Finding(Verdict.BROKEN, "videos", text, "install opencv-python-headless from its wheel")
    return Finding(Verdict.OK, "videos", text)


def _bags() -> Finding:
    from emotional_dan_ros.offline.bag_messages import EMOTION_STATE_ARRAY, typestore

    digest = typestore().hash_rihs01(EMOTION_STATE_ARRAY)
    return Finding(Verdict.OK, "bags", f"rosbags {_version('rosbags')}, EmotionStateArray is {digest[:18]}...")


def _ros() -> Finding:
    try:
        importlib.import_module("rclpy")
    except ImportError as error:
        if importlib.util.find_spec("rclpy") is None:
            remedy = "`make setup` in a checkout, or source an installed ROS 2; not needed for `process`"
            return Finding(Verdict.MISSING, "ROS 2", "rclpy is not here", remedy)
        return Finding(Verdict.BROKEN, "ROS 2", f"rclpy does not import: {error}", "source ROS 2, or `make setup`")
    distribution = os.environ.get("ROS_DISTRO") or f"rclpy {_version('ros-rclpy')} from wheels"
    return Finding(Verdict.OK, "ROS 2", distribution)


def _messages() -> Finding:
    if importlib.util.find_spec("rclpy") is None:
        return Finding(Verdict.MISSING, "messages", "not looked for without ROS 2")
    try:
        module = importlib.import_module("emotional_dan_ros.msg")
        module.EmotionStateArray()
    except Exception as error:
        reason = " ".join(str(error).split())
        return Finding(
            Verdict.BROKEN, "messages", reason, "`make build`, or colcon build and source install/setup.bash"
        )
    return Finding(Verdict.OK, "messages", "emotional_dan_ros.msg is built")


def _dds_profile() -> Finding:
    if importlib.util.find_spec("rclpy") is None:
        return Finding(Verdict.MISSING, "Fast DDS profile", "not looked for without ROS 2")
    other = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if other != "rmw_fastrtps_cpp":
        return Finding(Verdict.OK, "Fast DDS profile", f"not needed with {other}")
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        path = os.environ.get(name)
        if path and not Path(path).is_file():
            return Finding(
                Verdict.BROKEN, "Fast DDS profile", f"{name} names {path}, which is not there", "mend or unset it"
            )
        if path:
            return Finding(Verdict.OK, "Fast DDS profile", path)
    return Finding(
        Verdict.MISSING,
        "Fast DDS profile",
        "none is set: best-effort images above 300 KB get lost between processes",
        "set FASTRTPS_DEFAULT_PROFILES_FILE to config/fastdds.xml of this package, also for the camera's driver",
    )


def _ros2_command() -> Finding:
    path = shutil.which("ros2")
    if path is None:
        return Finding(Verdict.MISSING, "ros2 bag", "no ros2 command here", "the bags play where ROS 2 is installed")
    return Finding(Verdict.OK, "ros2 bag", path)


def _optional(package: str, subject: str, remedy: str) -> Finding:
    if importlib.util.find_spec(package) is None:
        return Finding(Verdict.MISSING, subject, f"{package} is not here", remedy)
    importlib.import_module(package)
    return Finding(Verdict.OK, subject, f"{package} {_version(package)}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
